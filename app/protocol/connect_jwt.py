"""The tokens of Atlassian Connect: install (RS256), signed request and context (HS256), and our own to Jira.

Sources: https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/ and
https://developer.atlassian.com/cloud/jira/platform/security-for-connect-apps/ .
Each function accepts one kind of token. Several live secrets are tried by the caller, one call each.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import NewType

import jwt

from app.protocol import refusals, signatures, tokens
from app.protocol.connect_qsh import CONTEXT_QSH, query_hash, values_of

UnverifiedIssuer = NewType("UnverifiedIssuer", str)
"""A client key that anybody may have written: good for finding the secret to check with, nothing else."""

APP_REQUEST_LIFE_SECONDS = 180
"""What Atlassian's own libraries give a request of the app to Jira."""

# The key's address is made of it. ASAP key ids may hold slashes; a dot segment or a colon would lead
# elsewhere.
_KID = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,2}")


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came over the wire, and the token that came with it, which is taken apart once."""

    method: str
    raw_target: str = field(repr=False)
    """Path and query, not decoded. May hold the token, hence not shown."""
    base_path: str
    """The path of our public base URL, "" for none."""
    token: str = field(repr=False)

    @cached_property
    def hs256(self) -> tokens.UnverifiedToken:
        """The token as one of a shared secret: anybody's word. Raises `TokenRefused`."""
        return tokens.read_plausible(self.token, algorithm="HS256")

    @cached_property
    def rs256(self) -> tokens.UnverifiedToken:
        """The token as one of a published key: anybody's word. Raises `TokenRefused`."""
        return tokens.read_plausible(self.token, algorithm="RS256")


@dataclass(frozen=True, slots=True)
class ConnectClaims:
    """What a page, a webhook or a script of ours has proven."""

    client_key: str
    account_id: str | None
    """None for Jira itself and for anonymous visitors."""
    issued_at: datetime
    expires_at: datetime
    license_active: bool | None
    """None where neither token nor signed address says: never the same as inactive."""
    context: Mapping[str, object] = field(repr=False)
    """Signed, but its shape is documented nowhere and unchecked here."""


@dataclass(frozen=True, slots=True)
class InstallClaims:
    """What an installed or uninstalled call has proven: not the body, whose client key must be this one."""

    client_key: str
    account_id: str | None
    issued_at: datetime
    """Orders lifecycle calls, so that an old genuine one is not played again."""
    expires_at: datetime
    token_sha256: bytes = field(repr=False)
    """Tells a call from the same one played again: the token signs neither the secret nor the URL in the body."""


def unverified_issuer(request: SignedRequest) -> UnverifiedIssuer:
    """The client key that an HS256 token claims; raises `TokenRefused`."""
    return UnverifiedIssuer(tokens.issuer(request.hs256.claims))


def unverified_kid(request: SignedRequest) -> str:
    """The key id that an RS256 token names, safe as one to three path segments; raises `TokenRefused`."""
    return _kid(request.rs256.header)


def verify_signed_request(
    request: SignedRequest, *, key: bytes, audiences: frozenset[str], now: datetime
) -> ConnectClaims:
    """Proves that Jira signed this very request. Steps 1 to 6 of `_verify_hs256`, then

    7. `qsh` is the hash of method, raw target and base path; the fixed value of context tokens is refused by
    name, because every script in our pages holds one. What the address says of the licence (`lic`) is covered by
    that hash, and counts where the token is silent.

    Raises `TokenRefused`.
    """
    claims, qsh = _verify_hs256(request, key=key, audiences=audiences, now=now)
    _check_computed_qsh(qsh, request)  # 7
    if claims.license_active is None:
        return replace(claims, license_active=_license_in(request.raw_target))
    return claims


def verify_context_token(
    request: SignedRequest, *, key: bytes, audiences: frozenset[str], now: datetime
) -> ConnectClaims:
    """Proves which user of which site a page of ours runs for. Steps 1 to 6 of `_verify_hs256`, then

    7. `qsh` is exactly `CONTEXT_QSH`: a token for one request of Jira, which travels in a URL, is not
    accepted here.

    The token names no request and no permission: whatever the URL asks for must be checked against the
    account. Raises `TokenRefused`.
    """
    claims, qsh = _verify_hs256(request, key=key, audiences=audiences, now=now)
    if not hmac.compare_digest(qsh.encode(), CONTEXT_QSH.encode()):  # 7
        raise refusals.ContextTokenRequired
    return claims


def _verify_hs256(
    request: SignedRequest, *, key: bytes, audiences: frozenset[str], now: datetime
) -> tuple[ConnectClaims, str]:
    """The proven claims and `qsh`, which the caller compares.

    1. Form, header, issuer and stated life (`tokens.read_plausible`), algorithm HS256. 2. Signature under a secret
    of 32 bytes or more. 3. It is alive (`tokens.life`). 4. `aud`, where present, is ours. 5. `sub`, where
    present, has the form of an account id. 6. `qsh` is present.

    Ledger. Verified: iss (by the choice of key), iat, exp, nbf, aud, qsh. Required but not verifiable: none.
    Optional: sub, context.license.active, aud (Jira leaves it out), nbf. Knowingly unchecked: the rest of
    context. Knowingly ignored: every other claim.
    """
    unverified = request.hs256  # 1
    signatures.check_hs256(unverified.envelope, key=key)  # 2
    claims = unverified.claims
    client_key = tokens.issuer(claims)
    issued_at, expires_at = tokens.life(claims, now=now)  # 3
    if "aud" in claims:  # 4
        _check_audience(claims["aud"], audiences)
    account_id = tokens.optional_text_claim(claims, "sub", form=tokens.ACCOUNT_ID)  # 5
    qsh = tokens.text_claim(claims, "qsh")  # 6
    context = tokens.object_claim(claims, "context")
    proven = ConnectClaims(
        client_key=client_key,
        account_id=account_id,
        issued_at=issued_at,
        expires_at=expires_at,
        license_active=_license_active(context),
        context=MappingProxyType(context),
    )
    return proven, qsh


def verify_signed_install(
    request: SignedRequest, *, public_key_pem: bytes, audiences: frozenset[str], now: datetime
) -> InstallClaims:
    """Proves that Atlassian tells us of an installation. Raises `TokenRefused`.

    1. Form, header, issuer and stated life (`tokens.read_plausible`), algorithm RS256. 2. `kid` is present and of
    a safe form. 3. Signature under a plain RSA public key of 2048 bits or more. 4. It is alive (`tokens.life`).
    5. `aud` is present and ours. 6. `sub`, where present, has the form of an account id. 7. `qsh` is the hash
    of the request.

    Not here: fetching the key; `iss == body.clientKey` and `body.key == our app key`, without which a genuine
    token of an attacker's own site installs a secret of his for another (the caller has the body); the order
    of calls.

    Ledger. Verified: iss (by Atlassian's signature), iat, exp, nbf, aud, qsh. Optional: sub, nbf. Knowingly
    ignored: context and every other claim.
    """
    unverified = request.rs256  # 1
    _kid(unverified.header)  # 2
    signatures.check_rs256(unverified.envelope, public_key_pem=public_key_pem)  # 3
    claims = unverified.claims
    client_key = tokens.issuer(claims)
    issued_at, expires_at = tokens.life(claims, now=now)  # 4
    if "aud" not in claims:  # 5
        raise refusals.ClaimMissing("aud")
    _check_audience(claims["aud"], audiences)
    account_id = tokens.optional_text_claim(claims, "sub", form=tokens.ACCOUNT_ID)  # 6
    _check_computed_qsh(tokens.text_claim(claims, "qsh"), request)  # 7
    return InstallClaims(client_key, account_id, issued_at, expires_at, sha256(request.token.encode()).digest())


def sign_app_request(
    *, method: str, target: str, base_path: str, app_key: str, client_key: str, key: bytes, now: datetime
) -> str:
    """A token for one request of the app to Jira, good for 180 s.

    `target` is path and query as they will be sent; `base_path` is the path of the site's base URL. The same
    secret signs both ways: `iss` and `aud` change places, so that a token of ours sent back to us is for
    nobody here. Raises `TargetMalformed`, `KeyTooShort` or `SecretUnfit`.
    """
    issued = int(tokens.unix_seconds(now))
    claims = {
        "iss": app_key,
        "aud": [client_key],
        "iat": issued,
        "exp": issued + APP_REQUEST_LIFE_SECONDS,
        "qsh": query_hash(method, target, base_path=base_path),
    }
    return jwt.encode(claims, signatures.usable_secret(key), algorithm="HS256")


def _kid(header: tokens.Unverified) -> str:
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise refusals.KidMalformed
    return kid


def _check_audience(stated: object, audiences: frozenset[str]) -> None:
    """Every addressee is one of ours, letter for letter: another addressee could play the token to us."""
    listed = [stated] if isinstance(stated, str) else stated
    if not isinstance(listed, list) or not listed:
        raise refusals.AudienceWrong
    if not all(isinstance(addressee, str) and addressee in audiences for addressee in listed):
        raise refusals.AudienceWrong


def _check_computed_qsh(stated: str, request: SignedRequest) -> None:
    if stated == CONTEXT_QSH:  # a public constant: nothing to time
        raise refusals.ContextTokenRefused
    computed = query_hash(request.method, request.raw_target, base_path=request.base_path)
    if not hmac.compare_digest(stated.encode(), computed.encode()):
        raise refusals.QshWrong


def _license_in(signed_target: str) -> bool | None:
    """Source: https://developer.atlassian.com/platform/marketplace/cloud-app-licensing/; said twice is not said."""
    match values_of("lic", signed_target):
        case ("active",):
            return True
        case ("none",):
            return False
        case _:
            return None


def _license_active(context: Mapping[str, object]) -> bool | None:
    held = context.get("license")
    active = held.get("active") if isinstance(held, dict) else None
    return active if isinstance(active, bool) else None
