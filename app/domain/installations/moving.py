"""Moving from Connect to Forge, for all tenants: how far it is, the links that are still missing, and its end.

A Forge installation is linked to the tenant of a Connect one by the client key that Jira itself keeps for the app, read
with the app's system token (`app.domain.installations.forge` does so at first contact). What is linked later, here, had
a tenant of its own meanwhile: that one keeps its log and is closed, and what it tracked is read again for the other.

Rule of retirement: the shared secret of a Connect installation is destroyed once all of this holds. It is linked; the
days of `PLEDGE_CONNECT_RETIREMENT_DAYS` have passed since the link and since the last lifecycle event of Connect; its
tenant is reached through a Forge installation that has called within `GONE_AFTER` and brought a system token that is
good. Atlassian does not document when Connect's tokens of a moved site stop, so nothing is retired that may be needed.
Source: https://developer.atlassian.com/platform/adopting-forge-from-connect/migrate-connect-clientkey/
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import ClientKey, TenantId
from app.domain.installations.forge import GONE_AFTER
from app.domain.installations.forge_tokens import site_name
from app.domain.installations.model import PRODUCTION, ForgeRegistered, Install, InstallationState, Registered, Tenant
from app.domain.installations.ports import ForgeSites
from app.domain.installations.site import TokenAwaited
from app.domain.ports import Database, JiraUnavailable, SiteAccess, UnitOfWork
from app.domain.secrets import Secret


class Outcome(StrEnum):
    """What became of one Forge installation."""

    LINKED = "linked"
    ALREADY = "already"
    """Linked before."""
    APART = "apart"
    """Nothing to link: Jira keeps no client key there, or the installation is a developer's."""
    WAITING = "waiting"
    """Nobody can say yet; to be tried again."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Attempt:
    """One Forge installation in the report of a backfill."""

    forge_installation: str
    tenant: TenantId | None
    outcome: Outcome
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody has to look at it, or to come back."""
        return self.outcome in {Outcome.WAITING, Outcome.REFUSED}


@dataclass(frozen=True)
class Retirement:
    """When the shared secret of a Connect installation that has moved is destroyed."""

    after: timedelta

    def due_at(self, connect: Registered) -> datetime | None:
        """The earliest instant; None where there is no secret, no link, or no date of it yet."""
        if connect.state is not InstallationState.ACTIVE or connect.linked_at is None:
            return None
        return max(connect.linked_at, connect.applied_at) + self.after


class LinkRefused(Exception):
    """This Forge installation cannot be linked; the text says why."""


@dataclass(frozen=True)
class Moving:
    """The links that first contact could not make, and the end of what moved away from."""

    database: Database
    sites: ForgeSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    connect_app_key: str | None
    retirement: Retirement

    def contacts(self) -> tuple[Attempt, ...]:
        """Forge installations that have called and have no tenant, because nobody could say whose they are."""
        with self.database.begin() as uow:
            found = uow.registry.list_contacts()
        reasons = {
            "token": "has called without a system token; the next event or hourly call brings one",
            "jira": "has called while Jira did not answer; its next call asks again",
        }
        return tuple(Attempt(each.forge_installation, None, Outcome.WAITING, reasons[each.waits_for]) for each in found)

    def candidates(self) -> tuple[ForgeRegistered, ...]:
        """The Forge installations that a backfill looks at: what is alive, and what was interrupted."""
        with self.database.begin() as uow:
            found = uow.registry.list_forge()
        return tuple(each for each in found if each.state is InstallationState.ACTIVE or each.left_tenant is not None)

    def connect_tenants(self) -> frozenset[TenantId]:
        """Every tenant that has, or had, a Connect installation."""
        with self.database.begin() as uow:
            return frozenset(each.tenant for each in uow.registry.list_connect())

    def link(self, known: ForgeRegistered, *, connect_tenants: frozenset[TenantId], now: datetime) -> Attempt:
        """Link that installation if Jira says to which tenant; doing it again, also after being killed, is harmless."""
        attempt = partial(Attempt, known.forge_installation, known.tenant)
        if known.left_tenant is not None:
            self._close(known, now=now)
        if known.tenant in connect_tenants:
            return attempt(Outcome.ALREADY)
        if known.environment != PRODUCTION:
            # All environments share one audience: a developer's own installation must never reach customers' data.
            return attempt(Outcome.APART, "not of the production environment")
        try:
            client_key = self._client_key(known)
            if client_key is None:
                return attempt(Outcome.APART, "Jira keeps no Connect client key there")
            linked = self._link(known, client_key, now=now)
        except TokenAwaited:
            return attempt(Outcome.WAITING, "no system token is good; the next hourly call brings one")
        except JiraUnavailable:
            return attempt(Outcome.WAITING, "Jira did not answer")
        except LinkRefused as refusal:
            return attempt(Outcome.REFUSED, str(refusal))
        self._close(linked, now=now)
        return replace(attempt(Outcome.LINKED), tenant=linked.tenant)

    def retire(self, *, now: datetime) -> int:
        """Destroy the shared secrets whose time is over; returns how many."""
        with self.database.begin() as uow:
            uow.registry.date_links(now)
            uow.commit(because=Bookkeeping.LINKS_DATED)
        with self.database.begin() as uow:
            found = uow.registry.list_connect()
        return sum(self._retire(each, now=now) for each in found if self._is_due(each, now))

    def _is_due(self, connect: Registered, now: datetime) -> bool:
        due_at = self.retirement.due_at(connect)
        return due_at is not None and due_at <= now

    def _retire(self, connect: Registered, *, now: datetime) -> bool:
        with self.database.begin(connect.tenant) as uow:
            forge = _live_forge(uow, connect.tenant, now=now)
            if forge is None or not _is_reached_through_forge(uow.tenants.tenant(), now):
                return False
            if uow.registry.lock_connect(connect.client_key, connect.site_url) != connect:
                return False  # something has happened to it just now
            uow.registry.save_connect(
                replace(connect, state=InstallationState.UNINSTALLED, previous_accepted_until=None, retired_at=now)
            )
            uow.tenants.mark_uninstalled(connect.installation, now)
            uow.commit(
                because=AuditEvent(
                    Action.INSTALLATION_RETIRED,
                    "system",
                    f"installation/{connect.installation}",
                    {"moved_to_installation": forge.installation},
                )
            )
            return True

    def _client_key(self, known: ForgeRegistered) -> ClientKey | None:
        if self.connect_app_key is None:
            raise LinkRefused("PLEDGE_CONNECT_APP_KEY is not set; it is the key of the app that moves")
        site = self.site_of(known.tenant, None)
        return self.sites.connect_client_key(
            site.base_url, app_key=self.connect_app_key, authorize=partial(site.authorize, method="GET", target="")
        )

    def _link(self, known: ForgeRegistered, client_key: ClientKey, *, now: datetime) -> ForgeRegistered:
        own = self.database.view_tenant(known.tenant)
        connect = self.database.find_connect(client_key)
        if connect is None:
            raise LinkRefused("Jira names a Connect client key that is not known here")
        with self.database.begin() as uow:
            current = _locked(uow, known)
            if uow.registry.list_forge_of(connect.tenant):
                raise LinkRefused(f"tenant {connect.tenant}, which Jira names, has another live Forge installation")
            uow.enter(connect.tenant)
            linked = replace(current, tenant=connect.tenant, left_tenant=current.tenant)
            uow.registry.save_forge(linked)
            uow.registry.link_forge(client_key, known.forge_installation, now=now)
            uow.tenants.adopt(_install(linked, own), now)
            uow.commit(
                because=AuditEvent(
                    Action.INSTALLATION_MOVED,
                    "operator",
                    f"installation/{linked.installation}",
                    {"from_installation": connect.installation},
                )
            )
            return linked

    def _follow(self, linked: ForgeRegistered, *, now: datetime) -> None:
        """What the tenant that was left followed is read for the other one: the facts are Jira's, none is copied."""
        with self.database.begin(linked.left_tenant) as uow:
            issues = uow.issues.list_followed()
        with self.database.begin(linked.tenant) as uow:
            for issue in issues:
                uow.issues.ask_first_read(issue, now=now)
            uow.enqueue("read-issues", linked.tenant)
            uow.commit(because=Bookkeeping.READ_ASKED)

    def _close(self, linked: ForgeRegistered, *, now: datetime) -> None:
        """End the installation of the tenant that was left, in a transaction of its own; its data is not merged.

        Until that is done the registry says what was left: whoever is killed before is finished by the next backfill.
        """
        self._follow(linked, now=now)
        with self.database.begin(linked.left_tenant) as uow:
            current = uow.registry.lock_forge(linked.forge_installation, site_name(linked.cloud_id, linked.environment))
            if current is None or current.left_tenant is None:
                return
            uow.registry.save_forge(replace(current, left_tenant=None))
            uow.tenants.mark_uninstalled(current.installation, now)
            uow.commit(
                because=AuditEvent(
                    Action.INSTALLATION_MOVED,
                    "operator",
                    f"installation/{current.installation}",
                    {"to_tenant": current.tenant},
                )
            )


def _locked(uow: UnitOfWork, known: ForgeRegistered) -> ForgeRegistered:
    current = uow.registry.lock_forge(known.forge_installation, site_name(known.cloud_id, known.environment))
    if current is None or current.tenant != known.tenant or current.state is not InstallationState.ACTIVE:
        raise LinkRefused("it was removed or linked meanwhile")
    return current


def _install(linked: ForgeRegistered, own: Tenant) -> Install:
    return Install(
        tenant=linked.tenant,
        installation=linked.installation,
        client_key=None,
        base_url=own.base_url,
        display_url=own.display_url,
        cloud_id=linked.cloud_id,
        product_type="jira",
    )


def _live_forge(uow: UnitOfWork, tenant: TenantId, *, now: datetime) -> ForgeRegistered | None:
    """The production Forge installation of that tenant which has called lately; it stays so until `uow` ends."""
    for found in uow.registry.list_forge_of(tenant):
        current = uow.registry.lock_forge(found.forge_installation, site_name(found.cloud_id, found.environment))
        if current == found and found.environment == PRODUCTION and now - found.seen_at <= GONE_AFTER:
            return found
    return None


def _is_reached_through_forge(tenant: Tenant, now: datetime) -> bool:
    has_token = tenant.token_expires_at is not None and now < tenant.token_expires_at
    return tenant.client_key is None and has_token
