"""How a tenant's Jira is called as the app, whichever way it is installed."""

from collections.abc import Callable, MutableMapping
from datetime import datetime

from app.domain.identifiers import TenantId
from app.domain.installations.model import Tenant
from app.domain.ports import Authorize, Database, JiraUnavailable, SiteAccess, Vault
from app.domain.secrets import Purpose, Sealed, Secret, SecretMissing, SecretPlace

_NEXT_TOKEN_SECONDS = 1800
"""Forge brings a system token every hour."""
_MOMENT_SECONDS = 5


class TokenAwaited(JiraUnavailable):
    """No system token of this Forge installation is good at the moment; the next hourly call brings one."""

    def __init__(self) -> None:
        super().__init__(_NEXT_TOKEN_SECONDS)


class WayMissing(JiraUnavailable):
    """This tenant is not installed in the way by which it would have to be asked."""

    def __init__(self) -> None:
        super().__init__(_NEXT_TOKEN_SECONDS)


def site_access(
    database: Database,
    vault: Vault,
    tenant: TenantId,
    person_token: Secret | None,
    *,
    app_key: str,
    clock: Callable[[], datetime],
) -> SiteAccess:
    """Where that tenant's Jira is, and who authorizes each call to it: the vault, one request at a time.

    With a person's token the calls are that person's, else the app's. Raises `TokenAwaited`.
    """
    site = database.view_tenant(tenant)
    if person_token is not None and site.client_key is None:
        return SiteAccess(site.base_url, authorize=_as_person(vault, person_token), tenant=tenant)
    purpose = Purpose.FORGE_TOKEN if site.client_key is None else Purpose.CONNECT_SECRET
    if site.secret_version is None or _is_over(site, clock()):
        raise TokenAwaited
    place = SecretPlace(tenant, purpose, str(site.installation), site.secret_version)

    def fetch(wanted: SecretPlace) -> Sealed:
        try:
            with database.begin(tenant) as uow:
                return uow.tenants.sealed(wanted)
        except SecretMissing as gone:
            # Removed or rotated since the tenant was read: a moment later it is either refused or there.
            raise JiraUnavailable(_MOMENT_SECONDS) from gone

    def authorize(headers: MutableMapping[str, str], *, method: str, target: str) -> None:
        if site.client_key is None:
            vault.stamp(headers, place=place, fetch=fetch)
            return
        token = vault.sign_connect_token(
            method=method,
            target=target,
            base_path="",
            app_key=app_key,
            client_key=site.client_key,
            place=place,
            fetch=fetch,
            now=clock(),
        )
        headers["Authorization"] = f"JWT {token}"

    return SiteAccess(base_url=site.base_url, authorize=authorize, tenant=tenant)


def site_in_turn(
    site_of: Callable[[TenantId, Secret | None], SiteAccess],
    await_turn: Callable[[TenantId], None],
    tenant: TenantId,
    person_token: Secret | None,
) -> SiteAccess:
    """The same for work that nobody waits for, which begins only when it is its turn; raises `TurnAwaited`."""
    await_turn(tenant)
    return site_of(tenant, person_token)


def _is_over(site: Tenant, now: datetime) -> bool:
    return site.token_expires_at is not None and site.token_expires_at <= now


def _as_person(vault: Vault, token: Secret) -> Authorize:
    def authorize(headers: MutableMapping[str, str], *, method: str, target: str) -> None:
        vault.stamp_fresh(headers, token=token)

    return authorize
