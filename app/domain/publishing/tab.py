"""Jira's Security tab: what is shown of our issues there, and the questions that Jira asks about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import IssueId, TenantId
from app.domain.installations.model import Tenant
from app.domain.ports import Database, IssueHidden, JiraWriting, SiteAccess, UnitOfWork
from app.domain.publishing.ports import Publication, Push
from app.domain.publishing.report import Report, lease_of
from app.domain.publishing.vulnerabilities import WORKSPACE, Subject, bulk, entry_id, numbered, vulnerability

AT_ONCE = 200
"""Entries in one request of ours; Jira would take a thousand."""
_ASKED_AGAIN_AFTER = timedelta(days=1)
"""A host that does not offer the tab to us may do so later."""


@dataclass(frozen=True)
class SecurityTab:
    """Keeps the entries of a site in step with its issues."""

    database: Database
    jira: JiraWriting

    def push(self, view: Tenant, site: SiteAccess, *, promises: frozenset[str], now: datetime) -> Report:
        """Send up to `AT_ONCE` entries that differ from what Jira has; what did not change is not sent.

        Their numbers are stored before they are sent, so that what is sent again after a crash has a higher one.
        Where the host does not offer the tab, nothing is sent for a day. Raises `JiraUnavailable`.
        """
        if not self._is_linked(view.tenant, site, now=now):
            return Report()
        changed: list[Push] = []
        same: list[Push] = []
        for each in self._lease(view.tenant, now=now):
            entry = vulnerability(_subject(each, view, promises), now=now)
            (same if entry == each.pushed else changed).append(replace(each, pushed=entry))
        self._settle(view.tenant, same, refused=frozenset(), now=now)
        report = Report()
        for is_backfill in (False, True):
            report += self._send(view.tenant, site, [p for p in changed if p.is_backfill is is_backfill], now=now)
        return report

    def due_at(self, uow: UnitOfWork, began: Publication, *, now: datetime) -> datetime | None:
        """When there is something to send, or the host may be asked whether it offers the tab."""
        if began.tab_linked_at is not None:
            return uow.pushes.next_push()
        return now if began.tab_refused_at is None else began.tab_refused_at + _ASKED_AGAIN_AFTER

    def _is_linked(self, tenant: TenantId, site: SiteAccess, *, now: datetime) -> bool:
        """Whether the tab shows our workspace; from the day on which it does, everything is sent."""
        with self.database.begin(tenant) as uow:
            began = uow.labels.publication()
            if began is None or began.tab_linked_at is not None:
                return began is not None
            if began.tab_refused_at is not None and now < began.tab_refused_at + _ASKED_AGAIN_AFTER:
                return False
        try:
            self.jira.link_workspaces(site, (WORKSPACE,))
        except IssueHidden:
            self._save(tenant, replace(began, tab_refused_at=now))
            return False
        with self.database.begin(tenant) as uow:
            uow.pushes.backfill()
            uow.labels.save_publication(replace(began, tab_linked_at=now, tab_refused_at=None))
            uow.commit(because=Bookkeeping.LABELS_ASKED)
        return True

    def _send(self, tenant: TenantId, site: SiteAccess, pushes: Sequence[Push], *, now: datetime) -> Report:
        """`pushed` of these is what is to be sent."""
        if not pushes:
            return Report()
        entries = [numbered(push.pushed or {}, sequence=push.sequence, now=now) for push in pushes]
        operation = "BACKFILL" if pushes[0].is_backfill else "NORMAL"
        try:
            answer = self.jira.push(site, bulk(entries, operation=operation))
        except IssueHidden:
            # The module or the scope was taken away: what was leased waits, and is all sent when it is back.
            with self.database.begin(tenant) as uow:
                began = uow.labels.publication()
            if began is not None:
                self._save(tenant, replace(began, tab_linked_at=None, tab_refused_at=now))
            return Report()
        refused = frozenset(push.issue for push in pushes if entry_id(push.issue) not in answer.accepted)
        self._settle(tenant, pushes, refused=refused, now=now)
        return Report(
            pushed=len(pushes) - len(refused),
            failed=len(refused),
            unknown_associations=answer.unknown_associations,
        )

    def _lease(self, tenant: TenantId, *, now: datetime) -> tuple[Push, ...]:
        with self.database.begin(tenant) as uow:
            leased = uow.pushes.lease(now=now, until=lambda tries: now + lease_of(tries), limit=AT_ONCE)
            if leased:
                uow.commit(because=Bookkeeping.LABELS_ASKED)
        return leased

    def _settle(self, tenant: TenantId, pushes: Sequence[Push], *, refused: frozenset[IssueId], now: datetime) -> None:
        if not pushes:
            return
        with self.database.begin(tenant) as uow:
            for push in pushes:
                uow.pushes.settle(push, refused_at=now if push.issue in refused else None)
            uow.commit(because=Bookkeeping.LABEL_SETTLED)

    def _save(self, tenant: TenantId, publication: Publication) -> None:
        with self.database.begin(tenant) as uow:
            uow.labels.save_publication(publication)
            uow.commit(because=Bookkeeping.LABELS_ASKED)


def _subject(push: Push, view: Tenant, promises: frozenset[str]) -> Subject:
    clocks = tuple(clock for clock in push.clocks if clock[0] in promises)
    return Subject(push.issue, push.key, push.project, view.display_url, push.introduced_at, clocks)
