"""Many issues at once: the facts about them, what follows from the facts, and where what is stored says otherwise."""

from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain.clocks.model import Bounds, Event
from app.domain.identifiers import IssueId


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

    def issues(self) -> frozenset[IssueId]:
        """Those that something is to be written of."""
        return frozenset({each.issue for each in self.changed} | {issue for issue, _, _ in self.gone})
