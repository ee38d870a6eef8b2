"""Writing into Jira what our clocks say: a property and a lozenge on each issue, an entry on the Security tab.

Written is only what differs from what was written last. Whoever changes bounds marks the issue in the same
transaction; time changes a label at instants that are known beforehand. So nothing is polled, a crash loses nothing,
and what it repeats is the same write once more.

A lapsed licence changes nothing here: it is people who may change nothing then, and a label that is kept up no longer
would say something wrong to everybody who reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import TenantId
from app.domain.installations.model import Tenant
from app.domain.ports import (
    Database,
    DatabaseUnavailable,
    IssueHidden,
    JiraUnavailable,
    JiraWriting,
    SiteAccess,
    UnitOfWork,
)
from app.domain.promises.model import PolicyRef
from app.domain.promises.shelf import InForce
from app.domain.publishing.labels import label_of, next_change_at
from app.domain.publishing.ports import Look, Project, Publication
from app.domain.publishing.report import Report, lease_of
from app.domain.publishing.tab import SecurityTab
from app.domain.secrets import Secret

SLICE = 25
"""Issues that one job looks at before it queues itself again, so that no tenant's flood delays another."""


@dataclass(frozen=True)
class Places:
    """Under which keys issues hold what we write.

    `connect_app`, `forge_app`: how the host names us in the key of a panel's status; the app's key for Connect, the
    id of the app for Forge (read in apps that do so; Atlassian documents the form for Connect only).
    """

    property_key: str
    panel_key: str
    connect_app: str
    forge_app: str

    def status_key(self, tenant: Tenant) -> str:
        """Where the panel's status is on an issue of that tenant."""
        app = self.forge_app if tenant.client_key is None else self.connect_app
        return f"com.atlassian.jira.issue:{app}:{self.panel_key}:status"


@dataclass(frozen=True)
class Publishing:
    """Keeps what Jira shows in step with our clocks. Without `places` nothing is written to Jira at all."""

    database: Database
    jira: JiraWriting
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    in_force: Callable[[PolicyRef], InForce]
    places: Places | None
    tab: SecurityTab | None

    def wake(self, *, now: datetime) -> int:
        """Queue a job for every active tenant with a label that may be another by now; returns how many.

        The trouble of one tenant is raised when all the others have had their turn.
        """
        if self.places is None:
            return 0
        with self.database.begin() as uow:
            tenants = uow.registry.list_active()
        queued, trouble = 0, None
        for tenant in tenants:
            try:
                with self.database.begin(tenant) as uow:
                    queued += self._queue_if_due(uow, tenant, now=now)
            except DatabaseUnavailable as failure:
                trouble = failure
        if trouble is not None:
            raise trouble
        return queued

    def publish(self, tenant: TenantId, *, now: datetime) -> Report:
        """Look at up to `SLICE` issues that are due, and at the Security tab; ask for the rest of what is due.

        Each issue is leased just before it is looked at: whatever happens then, to it or to this process, it is due
        again later. Raises `JiraUnavailable`; the caller asks for another call, and none before has any effect.
        Nothing is done for a tenant that is not active: what is due stays due, for the day it comes back.
        """
        view = self._begin(tenant, now=now)
        if view is None or self.places is None:
            return Report()
        try:
            report = self._slice(view, self.site_of(tenant, None), self.places, now=now)
        except JiraUnavailable as failure:
            self._rest(tenant, until=now + timedelta(seconds=failure.retry_after_seconds))
            raise
        with self.database.begin(tenant) as uow:
            self._queue_if_due(uow, tenant, now=now)
        return report

    def ask_again(self, tenant: TenantId) -> None:
        """As if nothing had been written to Jira yet: everything is, once more. Raises `LookupError`."""
        self.database.view_tenant(tenant)
        with self.database.begin(tenant) as uow:
            _ask_everything(uow)
            uow.commit(because=Bookkeeping.LABELS_ASKED)

    def projects(self, tenant: TenantId) -> tuple[Project, ...]:
        """Every project of that site with tracked issues, each a container on the Security tab."""
        with self.database.begin(tenant) as uow:
            return uow.pushes.projects()

    def counts(self, tenant: TenantId) -> Mapping[str, int]:
        """How many issues have a label and an entry, how many wait for one, and how many Jira refuses."""
        with self.database.begin(tenant) as uow:
            return uow.labels.counts()

    def _begin(self, tenant: TenantId, *, now: datetime) -> Tenant | None:
        """The tenant, if it is active and Jira did not ask for rest.

        Where it is reached otherwise than before, or was removed in between, nothing counts as written: Jira deletes
        what it had on the Security tab, and the status of a panel is under another key for another host.
        """
        with self.database.begin(tenant) as uow:
            if not uow.registry.is_active(tenant):
                return None
            view, began = uow.tenants.tenant(), uow.labels.publication()
            if began is None or began.installation != view.installation:
                _ask_everything(uow)
                uow.commit(because=Bookkeeping.LABELS_ASKED)
            elif began.rests_until is not None:
                if began.rests_until > now:
                    return None
                uow.labels.save_publication(replace(began, rests_until=None))
                uow.commit(because=Bookkeeping.LABELS_ASKED)
        return view

    def _slice(self, view: Tenant, site: SiteAccess, places: Places, *, now: datetime) -> Report:
        report, promises = Report(), self._promises(view)
        while report.looked_at < SLICE and (look := self._lease(view.tenant, now=now)):
            clocks = tuple(clock for clock in look.clocks if clock[0] in promises)
            report += self._look(view, site, replace(look, clocks=clocks), places=places, now=now)
        return report if self.tab is None else report + self.tab.push(view, site, promises=promises, now=now)

    def _promises(self, view: Tenant) -> frozenset[str]:
        """Those in force: stored bounds of another policy stay until they are recomputed."""
        return frozenset(rule.promise for rule in self.in_force(view.policy).issue_clocks)

    def _lease(self, tenant: TenantId, *, now: datetime) -> Look | None:
        with self.database.begin(tenant) as uow:
            look = uow.labels.lease(now=now, until=lambda tries: now + lease_of(tries))
            if look is not None:
                uow.commit(because=Bookkeeping.LABELS_ASKED)
            return look

    def _look(self, view: Tenant, site: SiteAccess, look: Look, *, places: Places, now: datetime) -> Report:
        """Write what differs. What Jira refuses is tried again when the label is another or the issue is read."""
        label = label_of(look.clocks, now=now)
        keys, wanted = (places.property_key, places.status_key(view)), (label.property(), label.lozenge())
        has, written, is_refused = [look.property, look.lozenge], 0, False
        for number, key in enumerate(keys):
            if has[number] == wanted[number]:
                continue
            if look.is_hidden or not self._write(site, look, key=key, value=wanted[number]):
                is_refused = True
                break
            has[number], written = wanted[number], written + 1
        with self.database.begin(view.tenant) as uow:
            uow.labels.settle(
                look,
                written=(has[0], has[1]),
                next_at=next_change_at(look.clocks, now=now),
                refused_at=now if is_refused else None,
            )
            if self.tab is not None:
                uow.pushes.ask(look.issue)
            uow.commit(because=Bookkeeping.LABEL_SETTLED)
        return Report(looked_at=1, written=written, refused=int(is_refused))

    def _write(self, site: SiteAccess, look: Look, *, key: str, value: Mapping[str, Any]) -> bool:
        try:
            self.jira.write_property(site, look.issue, key=key, value=value)
        except IssueHidden:
            return False
        return True

    def _rest(self, tenant: TenantId, *, until: datetime) -> None:
        with self.database.begin(tenant) as uow:
            began = uow.labels.publication()
            if began is not None:
                uow.labels.save_publication(replace(began, rests_until=until))
                uow.commit(because=Bookkeeping.LABELS_ASKED)

    def _queue_if_due(self, uow: UnitOfWork, tenant: TenantId, *, now: datetime) -> int:
        began = uow.labels.publication()
        if began is not None and began.installation == uow.tenants.tenant().installation:
            both = (uow.labels.next_look(), None if self.tab is None else self.tab.due_at(uow, began, now=now))
            first = min((at for at in both if at is not None), default=None)
            if first is None or max(first, began.rests_until or first) > now:
                return 0
        uow.enqueue("publish-labels", tenant)
        uow.commit(because=Bookkeeping.LABELS_ASKED)
        return 1


def _ask_everything(uow: UnitOfWork) -> None:
    """From here on nothing counts as written, nor the Security tab as ours."""
    uow.labels.mark_all()
    uow.labels.save_publication(Publication(uow.tenants.tenant().installation))
