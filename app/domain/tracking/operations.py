"""What changes the clocks of issues: webhooks and views ask for a read, jobs read Jira and store the facts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import IssueId, TenantId
from app.domain.installations.model import Caller
from app.domain.instants import is_ahead
from app.domain.ports import (
    Database,
    DatabaseUnavailable,
    IssueHidden,
    JiraRefused,
    JiraSites,
    SiteAccess,
    UnitOfWork,
)
from app.domain.promises.model import PolicyRef
from app.domain.promises.shelf import InForce
from app.domain.secrets import Secret
from app.domain.tracking.configuration import FollowingConfiguration
from app.domain.tracking.derived import IssueFacts, bounds_from
from app.domain.tracking.deriving import derive
from app.domain.tracking.jql import JqlRefused
from app.domain.tracking.model import IssueRecord, IssueSnapshot, PendingRead, Tracking
from app.domain.tracking.rule import TrackingRule

SLICE = 20
"""Issues that one job reads before it queues itself again, so that no tenant's flood delays another."""

_FIRST_LEASE_SECONDS = 10
_LONGEST_LEASE_SECONDS = 3600
DELIVERIES_KEPT_DAYS = 3
"""Jira retries for well under an hour; a manual redelivery of an older webhook only causes one more read."""


@dataclass(frozen=True)
class IssueHint:
    """What a webhook body says of the issue. A hint: it can make us read Jira, never believe it."""

    issue_type: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class _Seen:
    """An issue as it was read."""

    snapshot: IssueSnapshot
    configuration: FollowingConfiguration
    belongs: bool


@dataclass(frozen=True)
class Following:
    """Keeps what we know of issues in step with Jira."""

    database: Database
    jira: JiraSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    rule: TrackingRule
    in_force: Callable[[PolicyRef], InForce]

    def accept_webhook(
        self,
        caller: Caller,
        *,
        deliveries: tuple[str, ...],
        issue: IssueId,
        hint: IssueHint | None,
        now: datetime,
    ) -> None:
        """Store a webhook or event once and ask for a read, in one transaction; drop what has no clock.

        `deliveries` are its names: one that is known already makes it a repetition.

        Without a readable hint the issue is read, because a lost event is worse than one read too many.
        """
        with self.database.begin(caller.tenant) as uow:
            matters = hint is None or self.rule.matches(issue_type=hint.issue_type, labels=hint.labels)
            if not matters and not uow.issues.is_tracked(issue) and uow.following.configuration().jql is None:
                # A query of the tenant's own can be answered by Jira alone: then every issue is asked about.
                return
            if not all(uow.issues.accept_delivery(name, issue=issue, now=now) for name in deliveries):
                return
            uow.issues.ask_read(issue, now=now)
            uow.enqueue("read-issues", caller.tenant)
            uow.commit(because=Bookkeeping.WEBHOOK_STORED)

    def ask_first_read(self, tenant: TenantId, issue: IssueId, *, now: datetime) -> None:
        """Somebody looks at an issue that we have not read yet."""
        with self.database.begin(tenant) as uow:
            uow.issues.ask_first_read(issue, now=now)
            uow.enqueue("read-issues", tenant)
            uow.commit(because=Bookkeeping.READ_ASKED)

    def read_pending(self, tenant: TenantId, *, now: datetime) -> int:
        """Read up to `SLICE` issues that are due, one after the other; returns how many were read.

        Each is leased just before it is read: whatever happens then, to it or to this process, it is due again
        later, and the others are due still. Those that were tried least come first, so that an issue whose read
        fails each time stands in nobody's way. Raises `JiraUnavailable`; the caller asks for another call.
        """
        with self.database.begin(tenant) as uow:
            uow.await_enqueued("read-issues", tenant)
            is_active = uow.registry.is_active(tenant)
            configuration = uow.following.configuration()
        if not is_active:
            # Nothing may be asked of this site any more. What is due stays due, for the day it comes back.
            return 0
        site = self.site_of(tenant, None)
        done = 0
        while done < SLICE and (read := self._lease(tenant, now=now)):
            self._read(tenant, site, read, configuration, now=now)
            done += 1
        with self.database.begin(tenant) as uow:
            waiting = uow.issues.next_pending()
            if waiting is not None:
                at = waiting.due_at if is_ahead(waiting.due_at, of=now) else None
                uow.enqueue("read-issues", tenant, at=at, attempt=waiting.attempts)
                uow.commit(because=Bookkeeping.READ_ASKED)
        return done

    def wake(self, *, now: datetime) -> int:
        """Queue a job for every tenant that still has reads due: the net under everything else."""
        return self._for_each(partial(self._wake, now=now))

    def look_again(self, *, now: datetime) -> int:
        """Ask for a read of every tracked issue that Jira hid: a lost permission may have come back unannounced."""
        return self._for_each(partial(self._look_again, now=now))

    def purge_deliveries(self, *, now: datetime) -> int:
        """Forget delivery ids that no retry can repeat any more."""
        return self._for_each(partial(self._purge, before=now - timedelta(days=DELIVERIES_KEPT_DAYS)))

    def tenants(self) -> Sequence[TenantId]:
        """Every active tenant."""
        with self.database.begin() as uow:
            return uow.registry.list_active()

    def _for_each(self, work: Callable[[UnitOfWork, TenantId], int]) -> int:
        """Do it for every active tenant; the trouble of one is raised when all the others have had their turn."""
        done, trouble = 0, None
        for tenant in self.tenants():
            try:
                with self.database.begin(tenant) as uow:
                    done += work(uow, tenant)
            except DatabaseUnavailable as failure:
                trouble = failure
        if trouble is not None:
            raise trouble
        return done

    def _wake(self, uow: UnitOfWork, tenant: TenantId, *, now: datetime) -> int:
        waiting = uow.issues.next_pending()
        if waiting is None or is_ahead(waiting.due_at, of=now):
            return 0
        uow.enqueue("read-issues", tenant)
        uow.commit(because=Bookkeeping.READ_ASKED)
        return 1

    def _look_again(self, uow: UnitOfWork, tenant: TenantId, *, now: datetime) -> int:
        hidden = uow.issues.list_hidden()
        for issue in hidden:
            uow.issues.ask_first_read(issue, now=now)
        if hidden:
            uow.enqueue("read-issues", tenant)
            uow.commit(because=Bookkeeping.READ_ASKED)
        return len(hidden)

    def _purge(self, uow: UnitOfWork, tenant: TenantId, *, before: datetime) -> int:
        purged = uow.issues.purge_deliveries(before)
        uow.commit(because=Bookkeeping.DELIVERIES_PURGED)
        return purged

    def _lease(self, tenant: TenantId, *, now: datetime) -> PendingRead | None:
        with self.database.begin(tenant) as uow:
            read = uow.issues.lease_pending(now=now, until=lambda tries: now + _lease(tries))
            if read is not None:
                uow.commit(because=Bookkeeping.READ_ASKED)
            return read

    def _read(
        self,
        tenant: TenantId,
        site: SiteAccess,
        read: PendingRead,
        configuration: FollowingConfiguration,
        *,
        now: datetime,
    ) -> None:
        try:
            snapshot = self.jira.read_issue(site, read.issue, configuration.fields())
            belongs = self._belongs(site, snapshot, configuration)
        except IssueHidden:
            self._store_hidden(tenant, read, now=now)
        except JqlRefused as refusal:
            # The next run says so to the administrators; until then the read waits, ever longer.
            raise JiraRefused(_FIRST_LEASE_SECONDS) from refusal
        else:
            self._store(tenant, read, _Seen(snapshot, configuration, belongs), now=now)

    def _belongs(self, site: SiteAccess, snapshot: IssueSnapshot, configuration: FollowingConfiguration) -> bool:
        if configuration.jql is None:
            return self.rule.matches(issue_type=snapshot.issue_type, labels=snapshot.labels)
        return self.jira.is_within(site, configuration.jql, snapshot.issue)

    def _store_hidden(self, tenant: TenantId, read: PendingRead, *, now: datetime) -> None:
        with self.database.begin(tenant) as uow:
            known = uow.issues.find(read.issue)
            if known is None:
                # Nobody can be told more than that it is unread; the lease lets it be tried again, ever less often.
                return
            uow.issues.settle_read(read)
            if known.hidden_since is not None:
                uow.commit(because=Bookkeeping.READ_SETTLED)
                return
            uow.issues.save(replace(known, hidden_since=now), now)
            uow.commit(because=AuditEvent(Action.ISSUE_HIDDEN, "system", f"issue/{read.issue}"))

    def _store(self, tenant: TenantId, read: PendingRead, seen: _Seen, *, now: datetime) -> None:
        with self.database.begin(tenant) as uow:
            known = uow.batches.hold_many([read.issue]).get(read.issue)
            if uow.following.configuration().version != seen.configuration.version:
                # It was read as nobody wants it any more; the lease lets it be read again.
                return
            if known is not None and is_ahead(known.read_at, of=now):
                # Somebody has read it since this job began, and so since this read was asked for.
                uow.issues.settle_read(read)
                uow.commit(because=Bookkeeping.READ_SETTLED)
                return
            reading = seen.configuration.reading(self.rule)
            derived = derive(known, seen.snapshot, reading=reading, belongs=seen.belongs, now=now)
            uow.batches.save_many([derived], now)
            uow.following.note_unmapped(derived.unmapped, now)
            if derived.record.tracking is Tracking.TRACKED:
                self._save_bounds(uow, derived.record)
            uow.issues.settle_read(read)
            uow.commit(
                because=AuditEvent(Action.ISSUE_TRACKED, "system", f"issue/{read.issue}")
                if derived.is_newly_tracked
                else Bookkeeping.CLOCK_DERIVED
            )

    def _save_bounds(self, uow: UnitOfWork, record: IssueRecord) -> None:
        force = self.in_force(uow.tenants.tenant().policy)
        facts = IssueFacts(record.issue, record.project, uow.issues.events(record.issue))
        uow.bounds.save([bounds_from(facts, force)], policy=force.policy.sha256)


def _lease(tries: int) -> timedelta:
    return timedelta(seconds=min(_FIRST_LEASE_SECONDS * 2 ** min(tries, 10), _LONGEST_LEASE_SECONDS))
