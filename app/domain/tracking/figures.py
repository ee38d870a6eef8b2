"""Numbers of pages: how many clocks are in which state, on which days they fall due, how many were open week by week.

Counted are the clocks of issues without a security level in projects that the reader may browse, and of issues with a
level of which Jira has said that this very person may see them. No more than `MOST` clocks are looked at for a page,
those that are due first: then the numbers are of these, and say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from app.domain.clocks.model import Severity, State
from app.domain.identifiers import IssueId, ProjectId

MOST = 10_000
"""Clocks that have not ended, and as many that have."""
WEEKS = 12
ENDED_WITHIN = timedelta(days=90)
"""Clocks that have ended are counted for that long."""


@dataclass(frozen=True)
class Sight:
    """Projects that somebody may browse, and the issues with a security level there that he may see."""

    projects: frozenset[ProjectId]
    confirmed: frozenset[IssueId] = frozenset()
    has_unasked: bool = False
    """There are more issues with a security level, or projects, than Jira was asked about; none of these is counted."""


class InState(NamedTuple):
    """So many clocks of a promise are in that state."""

    promise: str
    state: State
    severity: Severity | None
    number: int
    is_open: bool


class DueOn(NamedTuple):
    """So many clocks that have not ended fall due on that day (UTC); a midnight is the end of the day before it."""

    day: date
    number: int


class Spell(NamedTuple):
    """So many clocks began so many whole weeks ago, and ended so many whole weeks ago or not at all."""

    severity: Severity | None
    begun: int
    ended: int | None
    number: int


@dataclass(frozen=True)
class Figures:
    """What one person may know of a part of the clocks, in numbers."""

    states: tuple[InState, ...]
    days: tuple[DueOn, ...]
    spells: tuple[Spell, ...]
    oldest: tuple[str, datetime] | None
    """Key of the issue whose clock has run longest without an end, and when it started."""
    is_partial: bool
    """There are more clocks than were looked at."""

    def count(self, *states: State) -> int:
        """How many are in one of these states."""
        return sum(row.number for row in self.states if row.state in states)

    @property
    def open(self) -> int:
        """How many have not ended."""
        return sum(row.number for row in self.states if row.is_open)

    def by_promise(self) -> Mapping[str, Mapping[State, int]]:
        """How many of each promise are in each state."""
        rows = sorted(self.states, key=lambda row: (row.promise, row.state))
        return {
            promise: {state: sum(row.number for row in same) for state, same in groupby(of, lambda row: row.state)}
            for promise, of in groupby(rows, lambda row: row.promise)
        }

    def open_by_week(self) -> tuple[Mapping[Severity | None, int], ...]:
        """How many were open, by severity: so many weeks ago as there are others after it, the last is now."""
        return tuple(
            {
                severity: sum(row.number for row in self.spells if row.severity is severity and _was_open(row, week))
                for severity in {row.severity for row in self.spells}
            }
            for week in range(WEEKS, -1, -1)
        )


def _was_open(row: Spell, week: int) -> bool:
    return row.begun >= week and (row.ended is None or row.ended < week)


def ended_since(now: datetime) -> datetime:
    """From when on clocks that have ended are counted: a midnight (UTC), so that a link can say it."""
    return (now - ENDED_WITHIN).replace(hour=0, minute=0, second=0, microsecond=0)
