"""The Forge Invocation Token (FIT): who calls a Forge Remote, for which installation, from which module.

Source: https://developer.atlassian.com/platform/forge/remote/essentials/ . A FIT is not bound to a request: a
logged-in user's browser chooses path, method, headers and body, and Forge adds a genuine token. Hence
`require_system_call` on every route that only Forge itself may call.

Ledger of claims. Verified: iss, aud, exp, nbf, iat, app.id, installationId, installation.id, environment.type
and .id, apiBaseUrl, cloud ids. Required but not verifiable: jti, module.type, module.key. Optional:
principal, appVersion, license.active, context.siteUrl. Knowingly unchecked: the rest of context. Knowingly
ignored: `app.version` and `app.license.isActive`, which are going away, and every other claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from app.protocol import refusals, signatures, tokens

ISSUER = "forge/invocation-token"
ATLASSIAN_API_URL = "https://api.atlassian.com"
ANONYMOUS = "unidentified"
"""What Forge calls a visitor who is not logged in."""

_INSTALLATION = re.compile(r"ari:cloud:ecosystem::installation/[0-9a-fA-F-]{36}")
_ENVIRONMENT = re.compile(r"ari:cloud:ecosystem::environment/(?:[0-9a-fA-F-]{36}/)?[0-9a-fA-F-]{36}")
_CLOUD_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class ForgeInvocation:
    """What a Forge call has proven."""

    installation_id: str
    """ARI; stays on upgrade, new on reinstall."""
    app_version: str | None
    environment_type: str
    environment_id: str | None
    module_type: str
    module_key: str
    account_id: str | None
    """The logged-in user; None for Forge itself and for anonymous visitors."""
    has_principal: bool
    """True also for an anonymous visitor: a browser is behind this call."""
    cloud_id: str
    site_url: str | None
    api_base_url: str
    license_active: bool | None
    """None where the token does not say (not paid, not production): never the same as inactive."""
    context: Mapping[str, object] = field(repr=False)
    """Signed; of another shape for each module type; unchecked here. `extension` names issue and project."""
    token_id: str
    issued_at: datetime
    expires_at: datetime


def unverified_fit_kid(token: str) -> str:
    """The key id that the token names, opaque and printable; raises `TokenRefused`."""
    return _kid(tokens.read_plausible(token, algorithm="RS256").header)


def verify_invocation(
    token: str,
    *,
    keys: Mapping[str, bytes],
    app_id: str,
    environments: frozenset[str],
    now: datetime,
    api_url: str = ATLASSIAN_API_URL,
) -> ForgeInvocation:
    """Proves a Forge call.

    `keys`: kid to PEM public key (`signatures.read_key_set`). `app_id`: the app's full ARI. `environments`:
    accepted values of `app.environment.type`. `api_url`: where Jira is reached by cloud id.

    1. Form, issuer and stated life (`tokens.read_plausible`). 2. Header: RS256, `kid`, nothing critical. 3. No
    Isolated Cloud label: its keys live elsewhere. 4. The key of that kid. 5. Signature. 6. `iss` exact. 7.
    `aud` one text, exactly the app's ARI; a list is refused. 8. `exp`, `nbf`, `iat` present, times right. 9.
    Claims that name the same thing agree (`_read_invocation`). 10. Environment accepted: DEVELOPMENT, STAGING
    and PRODUCTION share one `aud`. 11. `apiBaseUrl` below `api_url`: tokens are sent there.

    Not here: the Authorization header (edge); fetching keys (outbound); 12 route binding
    (`require_system_call`, `require_ui_call`); 13 object, 14 installation, 15 licence, 16 replay (domain).

    Raises `TokenRefused` (1 to 9) or `NotForThis` (10, 11).
    """
    unverified = tokens.read_plausible(token, algorithm="RS256")  # 1, 2
    kid = _kid(unverified.header)
    claims = unverified.claims
    if claims.get("icLabel") is not None:  # 3
        raise refusals.IsolatedCloudRefused
    if kid not in keys:  # 4
        raise refusals.KeyUnknown
    signatures.check_rs256(unverified.envelope, public_key_pem=keys[kid])  # 5
    if tokens.issuer(claims) != ISSUER:  # 6
        raise refusals.IssuerWrong
    if claims.get("aud") != app_id:  # 7
        raise refusals.AudienceWrong
    if "nbf" not in claims:  # 8
        raise refusals.ClaimMissing("nbf")
    life = tokens.life(claims, now=now)
    invocation = _read_invocation(claims, app_id=app_id, life=life)  # 9
    if invocation.environment_type not in environments:  # 10
        raise refusals.EnvironmentRefused
    if invocation.api_base_url != f"{api_url}/ex/jira/{invocation.cloud_id}":  # 11
        raise refusals.ApiBaseUrlRefused
    return invocation


def require_system_call(invocation: ForgeInvocation, *, module_keys: frozenset[str]) -> None:
    """Step 12 for events, lifecycle and cron: Forge itself calls, and for a module of this route.

    A user may send a genuine token of his to these paths through `invokeRemote`; only what the token says of
    its origin tells the two apart. Raises `PrincipalRefused` or `ModuleRefused`.

    `module_keys` should hold both endpoint keys and trigger keys: the documentation can be read either way.
    Backend modules are taken to be of a `core:` type or of one without a prefix, as the documentation's
    examples are.
    """
    if invocation.has_principal:
        raise refusals.PrincipalRefused
    prefix, colon, _ = invocation.module_type.partition(":")
    if (colon and prefix != "core") or invocation.module_key not in module_keys:
        raise refusals.ModuleRefused


def require_ui_call(invocation: ForgeInvocation, *, module_keys: frozenset[str]) -> str:
    """Step 12 for our own pages: the account id of the user who asks, from a module of this route.

    Raises `PrincipalRequired` or `ModuleRefused`.
    """
    if invocation.account_id is None:
        raise refusals.PrincipalRequired
    if invocation.module_key not in module_keys:
        raise refusals.ModuleRefused
    return invocation.account_id


def _kid(header: tokens.Unverified) -> str:
    kid = header.get("kid")
    if not isinstance(kid, str) or not tokens.PRINTABLE.fullmatch(kid):
        raise refusals.KidMalformed
    return kid


def _read_invocation(claims: tokens.Unverified, *, app_id: str, life: tuple[datetime, datetime]) -> ForgeInvocation:
    """Step 9. What is said twice must be said alike: a token that speaks of two sites would mix two tenants.

    9.1 `app.id` is `aud`. 9.2 `installationId` is the id of `installation`. 9.3 The environment is one of
    this app. 9.4 The cloud id, which ends `apiBaseUrl`, is that of the installation's Jira and of
    `context`.
    """
    app, context = tokens.object_claim(claims, "app"), tokens.object_claim(claims, "context")
    installation = tokens.object_claim(app, "installation")
    environment, module = tokens.object_claim(app, "environment"), tokens.object_claim(app, "module")
    _require_same(tokens.text_claim(app, "id"), app_id)  # 9.1
    installation_id = tokens.text_claim(app, "installationId", form=_INSTALLATION)  # 9.2
    _require_same(installation_id, tokens.optional_text_claim(installation, "id"))
    environment_id = tokens.optional_text_claim(environment, "id", form=_ENVIRONMENT)  # 9.3
    _require_same(app_id.rpartition("/")[2], _app_of_environment(environment_id))
    api_base_url = tokens.text_claim(app, "apiBaseUrl")  # 9.4
    cloud_id = api_base_url.rpartition("/")[2]
    if not _CLOUD_ID.fullmatch(cloud_id):
        raise refusals.ClaimMalformed("apiBaseUrl")
    for stated in (*_jira_cloud_ids(installation), tokens.optional_text_claim(context, "cloudId")):
        _require_same(cloud_id, stated)
    principal = tokens.optional_text_claim(claims, "principal", form=tokens.ACCOUNT_ID)
    return ForgeInvocation(
        installation_id=installation_id,
        app_version=tokens.optional_text_claim(app, "appVersion"),
        environment_type=tokens.text_claim(environment, "type"),
        environment_id=environment_id,
        module_type=tokens.text_claim(module, "type"),
        module_key=tokens.text_claim(module, "key"),
        account_id=None if principal == ANONYMOUS else principal,
        has_principal="principal" in claims,
        cloud_id=cloud_id,
        site_url=tokens.optional_text_claim(context, "siteUrl"),
        api_base_url=api_base_url,
        license_active=_license_active(app),
        context=MappingProxyType(context),
        token_id=tokens.text_claim(claims, "jti"),
        issued_at=life[0],
        expires_at=life[1],
    )


def _require_same(proven: str, repeated: str | None) -> None:
    if repeated not in (None, proven):
        raise refusals.ClaimsInconsistent


def _app_of_environment(environment_id: str | None) -> str | None:
    """The app part of an environment's ARI, which the documentation shows with and without one."""
    parts = (environment_id or "").split("/")
    return parts[1] if len(parts) == 3 else None


def _jira_cloud_ids(installation: Mapping[str, object]) -> Iterator[str]:
    """One app may be installed in several products of a site; only Jira is ours."""
    listed = installation.get("contexts") or []
    if not isinstance(listed, list) or not all(isinstance(place, dict) for place in listed):
        raise refusals.ClaimMalformed("contexts")
    for place in listed:
        if place.get("name") == "jira":
            yield tokens.text_claim(place, "cloudId")


def _license_active(app: Mapping[str, object]) -> bool | None:
    active = tokens.object_claim(app, "license").get("active")
    return active if isinstance(active, bool) else None
