"""The Connect lifecycle: what `installed`, `uninstalled`, `enabled` and `disabled` change.

Registry row, tenant, installation, sealed secret and audit entry are one transaction: a failure leaves nothing.
Source: facts on signed installs, https://developer.atlassian.com/cloud/jira/platform/security-for-connect-apps/
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from app.domain.alerts.rules import IDENTITY_CHANGED
from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import ClientKey, InstallationId, TenantId
from app.domain.installations.admission import connect_place
from app.domain.installations.model import (
    Caller,
    ConnectInstallBody,
    Install,
    InstallationState,
    Registered,
)
from app.domain.keys.operations import own_data_key
from app.domain.ports import Database, JiraSites, SiteAccess, UnitOfWork, Vault
from app.domain.secrets import Purpose, Secret
from app.protocol.connect_jwt import InstallClaims
from app.protocol.refusals import NotForThis


class BodyOfAnother(NotForThis):
    """The body names another installation than the token."""

    code = "body_of_another"


class AppOfAnother(NotForThis):
    """The body names another app."""

    code = "app_of_another"


class HostNotAllowed(NotForThis):
    """Sites of this host may not install."""

    code = "host_not_allowed"


class SiteTaken(NotForThis):
    """This site has another installation, and still trusts it."""

    code = "site_taken"


class SecretTooShort(ValueError):
    """`sharedSecret` is missing or shorter than 32 bytes."""


@dataclass(frozen=True)
class LifecycleRules:
    """What an installation must satisfy."""

    app_key: str
    allowed_hosts: tuple[str, ...]
    allow_http_loopback: bool
    secret_grace_seconds: int
    region: str
    policy: str


@dataclass(frozen=True)
class Lifecycle:
    """Changes of trust. Every method takes verified claims; none is reached without a gate."""

    database: Database
    vault: Vault
    jira: JiraSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    rules: LifecycleRules

    def installed(self, body: ConnectInstallBody, claims: InstallClaims, *, now: datetime) -> None:
        """A site installs, upgrades, renames itself, rotates its secret or comes back after an import.

        Applying it twice is applying it once; one that is older (`iat`) than the last applied is ignored, and so is
        the one applied last: whoever saw its token could play it again with a secret and a URL of his own.
        Raises `BodyOfAnother`, `AppOfAnother`, `HostNotAllowed`, `SecretTooShort`.
        """
        self._check_body(body, claims)
        secret = _long_enough(body.shared_secret)
        self._check_site(body)
        with self.database.begin() as uow:
            known = uow.registry.lock_connect(body.client_key, body.base_url)
            if known is not None and _is_past(claims, known):
                return
            if known is not None and known.retired_at is not None and uow.registry.is_active(known.tenant):
                # Its tenant is reached through Forge: no secret is taken for it any more. Not refused, because a
                # failing hook could stop the upgrade of a site whose manifest still names it.
                return
            suspended = None if _is_at_home(known, body) else self._suspend_other(uow, body)
            registered = self._registered(uow, known, body, claims, now=now)
            uow.enter(registered.tenant)
            uow.registry.save_connect(registered)
            uow.tenants.save_install(
                _install(registered, body), region=self.rules.region, policy=self.rules.policy, now=now
            )
            self._seal(uow, registered, secret, now=now)
            if known is None or known.state is not InstallationState.ACTIVE:
                uow.following.ask_import(returned=known is not None, now=now)
                uow.enqueue("sync-issues", registered.tenant)
            uow.commit(because=_installed_event(known, registered, suspended))

    def uninstalled(self, body: ConnectInstallBody, claims: InstallClaims, *, now: datetime) -> None:
        """Access ends at once and the shared secret is deleted; data stays for the policy's retention.

        Raises `BodyOfAnother`, `AppOfAnother`.
        """
        self._check_body(body, claims, needs_host=False)
        with self.database.begin() as uow:
            known = uow.registry.lock_connect(body.client_key, body.base_url)
            if known is None or claims.issued_at < known.applied_at:
                return
            if known.state is InstallationState.UNINSTALLED:
                return
            uow.enter(known.tenant)
            uow.registry.save_connect(
                replace(
                    known,
                    state=InstallationState.UNINSTALLED,
                    previous_accepted_until=None,
                    applied_at=claims.issued_at,
                )
            )
            uow.tenants.mark_uninstalled(known.installation, now)
            uow.commit(
                because=AuditEvent(Action.INSTALLATION_REMOVED, "atlassian", f"installation/{known.installation}")
            )

    def choose_policy(self, tenant: TenantId, policy: str) -> None:
        """The tenant's clocks run under another policy from here on. Raises `LookupError` for none of ours."""
        before = self.database.view_tenant(tenant).policy
        with self.database.begin(tenant) as uow:
            uow.tenants.save_policy(policy)
            uow.enqueue("recompute-clocks", tenant)
            uow.commit(
                because=AuditEvent(
                    Action.POLICY_CHOSEN, "operator", f"tenant/{tenant}", {"policy": policy, "before": str(before)}
                )
            )

    def hinted(self, caller: Caller, *, enabled: bool) -> None:
        """Jira says that the app was enabled or disabled: remembered, never an authority (AC-2561)."""
        with self.database.begin(caller.tenant) as uow:
            uow.tenants.hint_enabled(enabled=enabled)
            uow.commit(because=Bookkeeping.HINT_STORED)

    def _check_body(self, body: ConnectInstallBody, claims: InstallClaims, *, needs_host: bool = True) -> None:
        # The hash in the token does not cover the body: without this line, whoever installs our app on a site of
        # their own could send its genuine token with the client key of a victim and a secret of their choice.
        if body.client_key != claims.client_key:
            raise BodyOfAnother
        if body.key != self.rules.app_key:
            raise AppOfAnother
        if needs_host and not self._is_allowed(body.base_url):
            raise HostNotAllowed

    def _is_allowed(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host in {"127.0.0.1", "localhost"}:
            return self.rules.allow_http_loopback
        if parts.scheme != "https" or parts.netloc != host:
            return False
        return any(host == suffix or host.endswith("." + suffix) for suffix in self.rules.allowed_hosts)

    def _check_site(self, body: ConnectInstallBody) -> None:
        """A site is somebody's already: only if it has let go of them may another client key have it.

        The base URL stands in the body, which the token does not cover. So the site itself is asked, with the secret
        that only it and its present tenant have: after an import it no longer takes it. Raises `SiteTaken` or
        `JiraUnavailable`.
        """
        if _is_at_home(self.database.find_connect(body.client_key), body):
            return
        with self.database.begin() as uow:
            other = uow.registry.find_active_on_site(body.base_url)
        if other is None or other.client_key == body.client_key:
            return
        if self.jira.accepts(self.site_of(other.tenant, None)):
            raise SiteTaken

    def _suspend_other(self, uow: UnitOfWork, body: ConnectInstallBody) -> InstallationId | None:
        """A new client key on a known site (a site import) ends the old trust and merges nothing.

        The entry stands in the new tenant's log: one transaction has one tenant, and this must be one transaction.
        """
        other = uow.registry.find_active_on_site(body.base_url)
        if other is None or other.client_key == body.client_key:
            return None
        uow.registry.save_connect(replace(other, state=InstallationState.SUSPENDED, previous_accepted_until=None))
        return other.installation

    def _registered(
        self,
        uow: UnitOfWork,
        known: Registered | None,
        body: ConnectInstallBody,
        claims: InstallClaims,
        *,
        now: datetime,
    ) -> Registered:
        if known is None:
            tenant, installation = uow.registry.next_ids(None, now)
            return Registered(
                client_key=ClientKey(body.client_key),
                tenant=tenant,
                installation=installation,
                site_url=body.base_url,
                state=InstallationState.ACTIVE,
                secret_version=1,
                previous_accepted_until=None,
                applied_at=claims.issued_at,
                applied_token_sha256=claims.token_sha256,
            )
        grace = None
        if known.state is InstallationState.ACTIVE and self.rules.secret_grace_seconds:
            grace = now + timedelta(seconds=self.rules.secret_grace_seconds)
        return replace(
            known,
            site_url=body.base_url,
            state=InstallationState.ACTIVE,
            secret_version=known.secret_version + 1,
            previous_accepted_until=grace,
            applied_at=claims.issued_at,
            applied_token_sha256=claims.token_sha256,
            retired_at=None,
        )

    def _seal(self, uow: UnitOfWork, registered: Registered, secret: Secret, *, now: datetime) -> None:
        data_key = own_data_key(uow, self.vault, registered.tenant, purpose=Purpose.CONNECT_SECRET, now=now)
        place = connect_place(registered, registered.secret_version)
        sealed = self.vault.seal(secret, place=place, data_key=data_key)
        uow.tenants.replace_sealed(sealed, kept_since=registered.live_versions(now)[-1])


def _is_past(claims: InstallClaims, known: Registered) -> bool:
    return claims.issued_at < known.applied_at or claims.token_sha256 == known.applied_token_sha256


def _is_at_home(known: Registered | None, body: ConnectInstallBody) -> bool:
    """Whether the site is that of this active installation already: then it is nobody else's."""
    return known is not None and known.state is InstallationState.ACTIVE and known.site_url == body.base_url


def _long_enough(secret: Secret | None) -> Secret:
    if secret is None or len(secret) < 32:
        raise SecretTooShort
    return secret


def _install(registered: Registered, body: ConnectInstallBody) -> Install:
    return Install(
        tenant=registered.tenant,
        installation=registered.installation,
        client_key=registered.client_key,
        base_url=body.base_url,
        display_url=body.display_url,
        cloud_id=body.cloud_id,
        product_type=body.product_type,
    )


def _installed_event(known: Registered | None, registered: Registered, suspended: InstallationId | None) -> AuditEvent:
    target = f"installation/{registered.installation}"
    detail = {"secret_version": registered.secret_version, "suspended_installation": suspended}
    if known is None:
        return AuditEvent(Action.INSTALLATION_ADDED, "atlassian", target, detail)
    if known.state is not InstallationState.ACTIVE:
        return AuditEvent(Action.INSTALLATION_RETURNED, "atlassian", target, detail)
    # Renames happen; but so does a thief of a token who points the installation at a site of his own.
    signals = () if known.site_url == registered.site_url else (IDENTITY_CHANGED,)
    return AuditEvent(Action.INSTALLATION_RENEWED, "atlassian", target, detail, signals=signals)
