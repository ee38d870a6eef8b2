"""The stored bounds of all tracked issues made anew from the facts: after a change of policy, holidays or columns.

What is shown of one issue is derived when it is asked for; stored bounds are for lists and for telling people.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import TenantId
from app.domain.ports import Database, UnitOfWork
from app.domain.promises.model import PolicyRef
from app.domain.promises.shelf import InForce
from app.domain.tracking.derived import Differences, IssueFacts, bounds_from

SLICE = 2_000
"""Issues of one transaction: a fraction of a second, so that who writes one of them hardly waits."""
SLICES_PER_JOB = 20
"""After which a job queues itself again: some seconds, so that no tenant delays another."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one transaction did."""

    issues: int
    written: int
    """Cycles whose row was inserted or changed."""
    deleted: int
    is_last: bool


@dataclass(frozen=True)
class Recomputing:
    """Makes stored bounds equal to what follows from the facts, and writes nothing that is equal already."""

    database: Database
    in_force: Callable[[PolicyRef], InForce]

    def remaining(self, tenant: TenantId) -> int:
        """How many issues `advance` has before it; raises `LookupError` where there is no such tenant."""
        policy = self.in_force(self.database.view_tenant(tenant).policy).policy
        with self.database.begin(tenant) as uow:
            return uow.bounds.remaining(policy=policy.sha256)

    def advance(self, tenant: TenantId, *, now: datetime) -> Slice:
        """One slice, which goes on where the last one ended, also that of another process or one that was killed.

        Readers wait for nothing. Only the issues of which something is written are locked, and what was read of
        them before is read again if it has changed: nothing here is put back that a webhook has just replaced.
        """
        with self.database.begin(tenant) as uow:
            force = self.in_force(uow.tenants.tenant().policy)
            policy = force.policy.sha256
            facts = uow.bounds.facts(after=uow.bounds.take_up(policy=policy, now=now), limit=SLICE)
            differences = _differences(uow, facts, force=force)
            uow.bounds.write(differences, policy=policy, silent_before=now)
            is_last = len(facts) < SLICE
            uow.bounds.leave(None if is_last else facts[-1].issue)
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)
        return Slice(len(facts), len(differences.changed), len(differences.gone), is_last)

    def go_on(self, tenant: TenantId, *, now: datetime) -> int:
        """Some slices of one tenant, then another job for the rest of it; returns how many issues were done."""
        with self.database.begin(tenant) as uow:
            uow.await_enqueued("recompute-clocks", tenant)
        done = 0
        for _ in range(SLICES_PER_JOB):
            each = self.advance(tenant, now=now)
            done += each.issues
            if each.is_last:
                return done
        with self.database.begin(tenant) as uow:
            uow.enqueue("recompute-clocks", tenant)
            uow.commit(because=Bookkeeping.RECOMPUTATION_ASKED)
        return done

    def ask_where_stale(self) -> int:
        """Ask for it wherever stored bounds follow from another policy or holiday list than is in force now.

        So after an upgrade that brought another text of a policy, and where a job was lost.
        """
        with self.database.begin() as uow:
            tenants = uow.registry.list_active()
        return sum(map(self._ask_if_stale, tenants))

    def _ask_if_stale(self, tenant: TenantId) -> bool:
        with self.database.begin(tenant) as uow:
            force = self.in_force(uow.tenants.tenant().policy)
            calendars = {calendar.sha256 for calendar in force.calendars.values()}
            is_stale = uow.bounds.is_stale(policy=force.policy.sha256, calendars=calendars)
            if is_stale:
                uow.enqueue("recompute-clocks", tenant)
                uow.commit(because=Bookkeeping.RECOMPUTATION_ASKED)
        return is_stale


def _differences(uow: UnitOfWork, facts: tuple[IssueFacts, ...], *, force: InForce) -> Differences:
    """Where what is stored of these issues does not follow from the facts; nobody else changes those any more."""
    policy = force.policy.sha256
    read = {each.issue: each for each in facts}
    derived = {issue: bounds_from(each, force) for issue, each in read.items()}
    differences = uow.bounds.compare(derived.values(), policy=policy)
    issues = differences.issues()
    newer = [each for each in uow.bounds.hold(issues) if each != read[each.issue]] if issues else []
    if not newer:
        return differences
    derived |= {each.issue: bounds_from(each, force) for each in newer}
    return uow.bounds.compare([derived[issue] for issue in issues], policy=policy)
