"""Many issues at once: the facts about them, what follows, where what is stored says otherwise, and lists of it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Bounds, Event, Severity, State
from app.domain.identifiers import IssueId, ProjectId
from app.domain.promises.shelf import InForce
from app.domain.tracking.model import FixVersion


class IssueFacts(NamedTuple):
    """One tracked issue and all facts about it."""

    issue: IssueId
    project: int
    events: tuple[Event, ...]


class IssueBounds(NamedTuple):
    """What follows from the facts about one issue."""

    issue: IssueId
    project: int
    cycles: tuple[tuple[str, Bounds], ...]
    """Promise and bounds, of every cycle of every clock."""


class Difference(NamedTuple):
    """One cycle that is stored otherwise, or not at all."""

    issue: IssueId
    project: int
    promise: str
    bounds: Bounds
    is_moved: bool
    """Whether the bounds differ, and not only the policy or project that stands beside them."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Where what is stored is not what follows from the facts."""

    changed: list[Difference] = field(default_factory=list)
    gone: list[tuple[IssueId, str, int]] = field(default_factory=list)
    """Issue, promise and cycle of what is stored and no longer follows."""

    def moved(self) -> list[IssueId]:
        """Those of which a bound is another, or gone."""
        return sorted({each.issue for each in self.changed if each.is_moved} | {issue for issue, _, _ in self.gone})

    def issues(self) -> frozenset[IssueId]:
        """Those that something is to be written of."""
        return frozenset({each.issue for each in self.changed} | {issue for issue, _, _ in self.gone})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFilter:
    """Which clocks are meant; None = that does not matter."""

    state: State | None = None
    project: ProjectId | None = None
    due_before: datetime | None = None
    """An instant that lies after the bound; clocks without a bound are not meant."""
    open_only: bool = False
    """Only what has not ended."""
    projects: frozenset[ProjectId] | None = None
    severity: Severity | Literal["unset"] | None = None
    due_after: datetime | None = None
    due_until: datetime | None = None
    """An instant that is not before the bound."""
    ended_since: datetime | None = None
    """When it ended, at the earliest; what has not ended is not meant."""
    key: str | None = None
    """Of its issue."""


class Place(NamedTuple):
    """Where a cycle stands in the order of lists."""

    ended: bool
    bound: datetime | None
    issue: IssueId
    promise: str
    cycle: int


class Position(NamedTuple):
    """Where a list goes on: after a cycle that its reader has seen, and so many more that are not for him.

    So that a cursor, which anybody can read, names nothing that is hidden.
    """

    after: Place | None = None
    """None = from the beginning."""
    skip: int = 0


@dataclass(frozen=True, slots=True)
class StoredClock:
    """One cycle of one clock, as it is stored."""

    issue: IssueId
    key: str
    project: int | None
    """None = not noted yet."""
    promise: str
    bounds: Bounds
    score: Decimal | None = None
    """CVSS base score, as it was read in Jira."""
    ticket: str | None = None
    """Of Atlassian's Marketplace Security project, where its date was reported."""
    fix_versions: tuple[FixVersion, ...] = ()

    @property
    def place(self) -> Place:
        """Where it stands in the order of lists."""
        bounds = self.bounds
        bound = bounds.due_at or bounds.due_before
        return Place(bounds.stopped_at is not None, bound, self.issue, self.promise, bounds.cycle)


def bounds_from(facts: IssueFacts, force: InForce) -> IssueBounds:
    """What follows from the facts about one issue under the policy in force."""
    return IssueBounds(
        facts.issue,
        facts.project,
        tuple(
            (rule.promise, bounds)
            for rule in force.issue_clocks
            for bounds in bounds_of(rule, facts.events, calendars=force.calendars)
        ),
    )
