"""Forge: from an invocation token to a `Caller`, and what lifecycle calls and the hourly trigger change.

A Forge installation becomes known by its first valid call, whatever that is: `installed` may come after the first
event. To which tenant it belongs is decided once, in this order: that of the Connect client key which Jira keeps for
the app (asked with the system token; an `installationId` in a Connect body is covered by no signature); that of the
site's last Forge installation of the same environment, within retention; else a new tenant. Nothing of another
environment is joined.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import AccountId, ClientKey, CloudId, TenantId
from app.domain.installations.forge_tokens import InstallationUnknown, SystemTokens, site_name
from app.domain.installations.model import (
    PRODUCTION,
    Caller,
    CallerKind,
    ForgeContact,
    ForgeRegistered,
    Install,
    InstallationState,
    Registered,
)
from app.domain.installations.ports import ForgeKeyDirectory, ForgeSites
from app.domain.installations.site import TokenAwaited
from app.domain.ports import Database, JiraUnavailable, Vault
from app.domain.secrets import Secret
from app.protocol.forge_fit import (
    ForgeInvocation,
    require_system_call,
    require_ui_call,
    unverified_fit_kid,
    verify_invocation,
)
from app.protocol.refusals import NotForThis

GONE_AFTER = timedelta(days=3)
"""Without the hourly call for that long, an installation is taken for removed."""


class ObjectMismatch(NotForThis):
    """The request names another object than the token's context."""

    code = "object_mismatch"


@dataclass(frozen=True)
class ForgeRules:
    """Which invocations are for us."""

    app_id: str
    environments: frozenset[str]
    api_url: str
    connect_app_key: str | None
    region: str
    policy: str
    retention: timedelta
    """For how long a reinstall finds the data of the installation before it."""


@dataclass(frozen=True)
class ForgeAdmission:
    """The two Forge gates."""

    database: Database
    keys: ForgeKeyDirectory
    sites: ForgeSites
    vault: Vault
    rules: ForgeRules

    def admit_page(
        self,
        token: str,
        *,
        module_keys: frozenset[str],
        issue: str | None,
        person_token: Secret | None,
        now: datetime,
    ) -> Caller:
        """The person behind a call of our own page; `issue` is the one that the request names, if it names one.

        `person_token` may be forged by whoever calls us directly: it is only ever used to ask Jira about the account
        that the invocation token names, which Jira answers to that person (and to administrators) alone.
        Raises a protocol `Refusal`, `ObjectMismatch`, `InstallationUnknown`, `KeysUnavailable`, `JiraUnavailable`.
        """
        invocation = self._verify(token, now)
        account = require_ui_call(invocation, module_keys=module_keys)
        stated = _issue_of(invocation.context)
        if issue is not None and stated is not None and stated != issue:
            raise ObjectMismatch
        registered = self._registered(invocation, None, now=now)
        return replace(self._caller(registered, invocation, account=AccountId(account)), person_token=person_token)

    def admit_system(
        self,
        token: str,
        *,
        module_keys: frozenset[str],
        removal: frozenset[str] = frozenset(),
        system_token: Secret | None,
        now: datetime,
    ) -> tuple[Caller, ForgeInvocation]:
        """Forge itself: an event, a lifecycle call or the hourly trigger. Keeps the system token that came along.

        `removal`: those of the keys that say that the app is about to be removed. Raises as `admit_page`.
        """
        invocation = self._verify(token, now)
        require_system_call(invocation, module_keys=module_keys)
        if invocation.module_key in removal and self.database.find_forge(invocation.installation_id) is None:
            # There is nothing to remove, and a word that comes days late must not take the place of one that is alive.
            raise InstallationUnknown
        registered = self._registered(invocation, system_token, now=now)
        SystemTokens(self.database, self.vault).keep(registered, invocation, system_token=system_token, now=now)
        return self._caller(registered, invocation, account=None), invocation

    def removed(self, caller: Caller, invocation: ForgeInvocation, *, now: datetime) -> None:
        """The app is about to be removed: access ends and the system token is destroyed."""
        with self.database.begin() as uow:
            known = uow.registry.lock_forge(
                invocation.installation_id, site_name(invocation.cloud_id, invocation.environment_type)
            )
            if known is None or known.state is InstallationState.UNINSTALLED:
                return
            uow.enter(caller.tenant)
            uow.registry.save_forge(replace(known, state=InstallationState.UNINSTALLED, seen_at=now))
            uow.tenants.mark_uninstalled(known.installation, now)
            uow.commit(
                because=AuditEvent(Action.INSTALLATION_REMOVED, "atlassian", f"installation/{known.installation}")
            )

    def _verify(self, token: str, now: datetime) -> ForgeInvocation:
        return verify_invocation(
            token,
            keys=self.keys.keys(unverified_fit_kid(token)),
            app_id=self.rules.app_id,
            environments=self.rules.environments,
            now=now,
            api_url=self.rules.api_url,
        )

    def _registered(
        self, invocation: ForgeInvocation, system_token: Secret | None, *, now: datetime
    ) -> ForgeRegistered:
        known = self.database.find_forge(invocation.installation_id)
        if known is None:
            known = self._first_contact(invocation, system_token, now=now)
        if (known.cloud_id, known.environment) != (invocation.cloud_id, invocation.environment_type):
            # One installation is of one site and environment for good: a token that names another mixes two tenants.
            raise InstallationUnknown
        if known.state is InstallationState.SUSPENDED:
            known = self._back(known, invocation, now=now)
        if known.state is not InstallationState.ACTIVE:
            raise InstallationUnknown
        return known

    def _back(self, known: ForgeRegistered, invocation: ForgeInvocation, *, now: datetime) -> ForgeRegistered:
        """An installation that was taken for removed calls: it was we who could not be reached for days.

        One whose place another has taken since, alive or removed, stays out.
        """
        with self.database.begin(known.tenant) as uow:
            current = uow.registry.lock_forge(known.forge_installation, site_name(known.cloud_id, known.environment))
            last = uow.registry.find_forge_on_site(known.cloud_id, known.environment)
            if current is None or current != last or current.state is not InstallationState.SUSPENDED:
                return current or known
            back = replace(current, state=InstallationState.ACTIVE, seen_at=now)
            uow.registry.save_forge(back)
            uow.tenants.save_install(
                _install(back, invocation), region=self.rules.region, policy=self.rules.policy, now=now
            )
            uow.following.ask_import(returned=True, now=now)
            uow.enqueue("sync-issues", known.tenant)
            uow.commit(
                because=AuditEvent(Action.INSTALLATION_RETURNED, "atlassian", f"installation/{back.installation}")
            )
            return back

    def _first_contact(
        self, invocation: ForgeInvocation, system_token: Secret | None, *, now: datetime
    ) -> ForgeRegistered:
        try:
            client_key = self._connect_client_key(invocation, system_token)
        except JiraUnavailable as trouble:
            self._keep_contact(invocation, trouble, now=now)
            raise
        with self.database.begin() as uow:
            known = uow.registry.lock_forge(
                invocation.installation_id, site_name(invocation.cloud_id, invocation.environment_type)
            )
            if known is not None:
                return known
            connect = None if client_key is None else uow.registry.find_connect(client_key)
            former = uow.registry.find_forge_on_site(CloudId(invocation.cloud_id), invocation.environment_type)
            tenant, installation = uow.registry.next_ids(_tenant_of(connect, self._kept(former, now=now)), now)
            uow.enter(tenant)
            registered = ForgeRegistered(
                forge_installation=invocation.installation_id,
                tenant=tenant,
                installation=installation,
                cloud_id=CloudId(invocation.cloud_id),
                environment=invocation.environment_type,
                state=InstallationState.ACTIVE,
                seen_at=now,
                app_version=invocation.app_version,
            )
            uow.registry.forget_contact(invocation.installation_id)
            if former is not None and former.state is InstallationState.ACTIVE:
                uow.registry.save_forge(replace(former, state=InstallationState.SUSPENDED))
            uow.registry.save_forge(registered)
            if connect is not None:
                # Before the tenant's row, as a Connect `installed` writes them: else the two could wait for each other.
                uow.registry.link_forge(connect.client_key, invocation.installation_id, now=now)
            if former is not None and former.state is InstallationState.ACTIVE and former.tenant == tenant:
                uow.tenants.mark_uninstalled(former.installation, now)
            uow.tenants.save_install(
                _install(registered, invocation), region=self.rules.region, policy=self.rules.policy, now=now
            )
            event = _contact_event(registered, connect, former)
            uow.following.ask_import(returned=event.action is not Action.INSTALLATION_ADDED, now=now)
            uow.enqueue("sync-issues", tenant)
            uow.commit(because=event)
            return registered

    def _kept(self, former: ForgeRegistered | None, *, now: datetime) -> ForgeRegistered | None:
        """The site's installation before this one, unless the time for which its data is kept is over."""
        if former is None or former.state is InstallationState.ACTIVE or now - former.seen_at <= self.rules.retention:
            return former
        return None

    def _keep_contact(self, invocation: ForgeInvocation, trouble: JiraUnavailable, *, now: datetime) -> None:
        contact = ForgeContact(
            forge_installation=invocation.installation_id,
            cloud_id=CloudId(invocation.cloud_id),
            waits_for="token" if isinstance(trouble, TokenAwaited) else "jira",
            first_at=now,
            last_at=now,
        )
        with self.database.begin() as uow:
            uow.registry.save_contact(contact)
            uow.commit(because=Bookkeeping.CONTACT_KEPT)

    def _connect_client_key(self, invocation: ForgeInvocation, system_token: Secret | None) -> ClientKey | None:
        """What Jira keeps for an app that was a Connect app; asked before anything is decided, or not at all.

        Without a token it cannot be asked: the call is refused with 503, and the next event or hourly call brings one.
        """
        if self.rules.connect_app_key is None or invocation.environment_type != PRODUCTION:
            # All environments share one audience: a developer's own installation must never reach customers' data.
            return None
        if system_token is None:
            raise TokenAwaited
        return self.sites.connect_client_key(
            invocation.api_base_url,
            app_key=self.rules.connect_app_key,
            authorize=partial(self.vault.stamp_fresh, token=system_token),
        )

    def _caller(self, registered: ForgeRegistered, invocation: ForgeInvocation, *, account: AccountId | None) -> Caller:
        return Caller(
            tenant=registered.tenant,
            account=account,
            kind=CallerKind.HOST if account is None else CallerKind.PERSON,
            environment=registered.environment.lower(),
            region=self.rules.region,
            licence_active=invocation.license_active,
            site_url=invocation.site_url,
        )


@dataclass(frozen=True)
class ForgeUpkeep:
    """What happens to Forge installations by itself."""

    database: Database

    def mark_vanished(self, *, now: datetime) -> int:
        """End the access of installations whose hourly call has stopped, until they call again; returns how many."""
        with self.database.begin() as uow:
            vanished = uow.registry.list_forge_unseen(now - GONE_AFTER)
            uow.registry.forget_contacts(now - GONE_AFTER)
            uow.commit(because=Bookkeeping.CONTACTS_PURGED)
        marked = 0
        for known in vanished:
            with self.database.begin(known.tenant) as uow:
                if (
                    uow.registry.lock_forge(known.forge_installation, site_name(known.cloud_id, known.environment))
                    != known
                ):
                    continue  # it has called, or was removed, just now
                uow.registry.save_forge(replace(known, state=InstallationState.SUSPENDED))
                uow.tenants.mark_uninstalled(known.installation, now)
                uow.commit(
                    because=AuditEvent(Action.INSTALLATION_VANISHED, "system", f"installation/{known.installation}")
                )
                marked += 1
        return marked


def _tenant_of(connect: Registered | None, former: ForgeRegistered | None) -> TenantId | None:
    known = connect or former
    return None if known is None else known.tenant


def _install(registered: ForgeRegistered, invocation: ForgeInvocation) -> Install:
    return Install(
        tenant=registered.tenant,
        installation=registered.installation,
        client_key=None,
        base_url=invocation.api_base_url,
        display_url=invocation.site_url or invocation.api_base_url,
        cloud_id=invocation.cloud_id,
        product_type="jira",
    )


def _contact_event(
    registered: ForgeRegistered, connect: Registered | None, former: ForgeRegistered | None
) -> AuditEvent:
    target = f"installation/{registered.installation}"
    if connect is not None:
        return AuditEvent(Action.INSTALLATION_MOVED, "atlassian", target, {"from_installation": connect.installation})
    if former is not None and former.tenant == registered.tenant:
        return AuditEvent(Action.INSTALLATION_RETURNED, "atlassian", target, {"from_installation": former.installation})
    return AuditEvent(Action.INSTALLATION_ADDED, "atlassian", target, {"host": "forge"})


def _issue_of(context: Mapping[str, object]) -> str | None:
    """The issue of a page's context, as text."""
    extension = context.get("extension")
    issue = extension.get("issue") if isinstance(extension, Mapping) else None
    found = issue.get("id") if isinstance(issue, Mapping) else None
    return found if isinstance(found, str) else None
