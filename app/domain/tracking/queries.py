"""What can be asked about the clocks of an issue. Nothing here changes anything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.domain.clocks.engine import departure_of, explained, facts_of
from app.domain.clocks.model import Bounds, Event, State, Step
from app.domain.clocks.rule import Rule
from app.domain.clocks.state import remaining_seconds, state_of
from app.domain.identifiers import IssueId, TenantId
from app.domain.installations.model import Tenant
from app.domain.notices.model import IssueNotices
from app.domain.ports import Database, UnitOfWork
from app.domain.promises.model import Policy, PolicyRef
from app.domain.promises.preview import Subject
from app.domain.promises.shelf import InForce
from app.domain.tracking.model import IssueRecord, Tracking


@dataclass(frozen=True)
class ClockReading:
    """One cycle of one clock at one instant, with its reasons."""

    rule: Rule
    bounds: Bounds
    state: State
    remaining_seconds: int | None
    why: tuple[Step, ...]


@dataclass(frozen=True)
class IssueClocks:
    """Everything that is shown of an issue."""

    tenant: Tenant
    policy: Policy
    record: IssueRecord | None
    """None = never read."""
    clocks: tuple[ClockReading, ...]
    """By promise, the newest cycle of each first."""

    @property
    def tracking(self) -> Tracking:
        """Whether the issue has clocks; one that left by a decision has none that runs."""
        if self.record is None:
            return Tracking.UNKNOWN
        return Tracking.NOT_TRACKED if self.departure is not None else self.record.tracking

    @property
    def departure(self) -> Event | None:
        """The decision by which it left."""
        return None if self.record is None else departure_of(facts_of(self.record.events))


@dataclass(frozen=True)
class IssueViews:
    """Reads one issue; what is derived is derived now, from the facts, so that it is never behind them."""

    database: Database
    in_force: Callable[[PolicyRef], InForce]
    notices_of: Callable[[TenantId, IssueId], IssueNotices]
    """Who was told of its clocks, in numbers. Who may see them was decided before."""

    def view(self, tenant: TenantId, id_or_key: IssueId | str, *, now: datetime) -> IssueClocks:
        """The clocks of an issue at `now`. Who may see them was decided before."""
        found, record = self.database.view_issue(tenant, id_or_key)
        force = self.in_force(found.policy)
        clocks = () if record is None else _read_clocks(record, force, now=now)
        return IssueClocks(tenant=found, policy=force.policy, record=record, clocks=clocks)

    def subjects(self, policy: PolicyRef) -> Iterator[Subject]:
        """Every tracked issue of every active tenant under that policy, once for each of its clocks.

        A site that has numbers of its own is not under the policy that it took the others from.
        """
        rules = self.in_force(policy).issue_clocks
        with self.database.begin() as uow:
            tenants = uow.registry.list_active()
        for tenant in tenants:
            with self.database.begin(tenant) as uow:
                if uow.tenants.tenant().policy != policy:
                    continue
                yield from _subjects(uow, tenant, {rule.promise for rule in rules})

    def subjects_of(self, tenant: TenantId, new: InForce) -> Iterator[Subject]:
        """The same of one tenant, for the clocks of its policy and of that one."""
        with self.database.begin(tenant) as uow:
            old = self.in_force(uow.tenants.tenant().policy)
            yield from _subjects(uow, tenant, {rule.promise for force in (old, new) for rule in force.issue_clocks})


def _subjects(uow: UnitOfWork, tenant: TenantId, promises: set[str]) -> Iterator[Subject]:
    for record in uow.issues.each_tracked():
        for promise in sorted(promises):
            yield Subject(name=f"{tenant}/{record.key}", promise=promise, events=record.events)


def _read_clocks(record: IssueRecord, force: InForce, *, now: datetime) -> tuple[ClockReading, ...]:
    if record.tracking is not Tracking.TRACKED:
        return ()
    readings = []
    for rule in force.issue_clocks:
        cycles = explained(rule, record.events, calendars=force.calendars, now=now)
        readings += [
            ClockReading(rule, bounds, state_of(bounds, now=now), remaining_seconds(bounds, now=now), why)
            for bounds, why in reversed(cycles)
        ]
    return tuple(readings)
