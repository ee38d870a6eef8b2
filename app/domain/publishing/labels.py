"""The label of an issue: one state and one text for all its clocks, and when that changes by itself.

Which clock speaks for an issue, of the newest cycle of each promise; the first rule that tells two apart decides:

1. a clock that runs (breached ones included), then one that is paused, then one that awaits triage, then one without
   a deadline, then one that has ended;
2. of those that run or are paused the one whose bound is the earliest, of those that have ended the one that ended
   last;
3. the promise whose name comes first.

Without any clock there is no deadline. The text counts whole days, from four weeks on whole weeks, rounded towards
zero, so that nobody is told of time that is not there. It changes only where `next_change_at` says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from app.domain.clocks.model import Bounds, State, instant_text
from app.domain.clocks.state import state_of

Clocks = Iterable[tuple[str, Bounds]]
"""Cycles by promise, in any order."""
Appearance = Literal["default", "inprogress", "moved", "new", "removed", "success"]
"""Jira's names of the colours of a lozenge."""

_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)
"""The least by which two instants differ."""
_WEEKS_FROM_DAYS: Final = 28

_RANKS: Final = MappingProxyType(
    {
        State.BREACHED: 0,
        State.AT_RISK: 0,
        State.RUNNING: 0,
        State.PAUSED: 1,
        State.AWAITING_TRIAGE: 2,
        State.NO_DEADLINE: 3,
        State.MET: 4,
        State.MET_LATE: 4,
        State.CANCELLED: 4,
    }
)
_TEXTS: Final = MappingProxyType(
    {
        State.PAUSED: "Paused",
        State.AWAITING_TRIAGE: "Needs triage",
        State.NO_DEADLINE: "No deadline",
        State.MET: "Fixed in time",
        State.MET_LATE: "Fixed late",
        State.CANCELLED: "Cancelled",
    }
)
_APPEARANCES: Final[Mapping[State, Appearance]] = MappingProxyType(
    {
        State.BREACHED: "removed",
        State.AT_RISK: "moved",
        State.RUNNING: "inprogress",
        State.PAUSED: "default",
        State.AWAITING_TRIAGE: "new",
        State.NO_DEADLINE: "default",
        State.MET: "success",
        State.MET_LATE: "moved",
        State.CANCELLED: "default",
    }
)


@dataclass(frozen=True)
class Label:
    """What an issue is marked with at one instant."""

    state: State
    promise: str | None
    """Of the clock that speaks for the issue; None without any."""
    due: datetime | None
    """The last instant in time, to the second."""
    due_date: date | None
    """Where the promise is about a day, that day in the zone of the promise."""
    text: str

    def property(self) -> dict[str, Any]:
        """The entity property, which searches find: changes with state and bound, never from day to day.

        Read by whoever may see the issue, and writable by whoever may edit it: no personal data, and never read back.
        """
        values = {
            "state": self.state.value,
            "due": None if self.due is None else instant_text(self.due),
            "dueDate": None if self.due_date is None else self.due_date.isoformat(),
            "promise": self.promise,
        }
        return {name: value for name, value in values.items() if value is not None}

    def lozenge(self) -> dict[str, Any]:
        """The status of the panel's row on the issue.

        Source: https://developer.atlassian.com/cloud/jira/platform/modules/issue-glance/
        """
        return {"type": "lozenge", "value": {"label": self.text, "type": _APPEARANCES[self.state]}}


def label_of(clocks: Clocks, *, now: datetime) -> Label:
    """The label of an issue with these clocks at `now` (aware UTC)."""
    chosen = speaker(clocks, now=now)
    if chosen is None:
        return Label(State.NO_DEADLINE, None, None, None, _TEXTS[State.NO_DEADLINE])
    promise, bounds = chosen
    state, too_late = state_of(bounds, now=now), too_late_from(bounds)
    due = None if too_late is None else (too_late - _INSTANT).replace(microsecond=0)
    if state in _TEXTS or too_late is None:
        return Label(state, promise, due, bounds.due_date, _TEXTS[state])
    return Label(state, promise, due, bounds.due_date, _running_text(bounds, now - too_late))


def next_change_at(clocks: Clocks, *, now: datetime) -> datetime | None:
    """The first instant after `now` at which the label is another; None if time alone changes it no more."""
    cycles = newest(clocks)
    changes: list[datetime | None] = []
    for _, bounds in cycles:
        too_late = too_late_from(bounds)
        changes += [bounds.started_at, bounds.at_risk_at, bounds.overrun_at, too_late]
        changes += [] if too_late is None else [_next_day(too_late, now=now)]
    label = label_of(cycles, now=now)
    for at in sorted(at for at in changes if at is not None and at > now):
        # What is near but says nothing, or is of a clock that does not speak, changes nothing.
        if label_of(cycles, now=at) != label:
            return at
    return None


def speaker(clocks: Clocks, *, now: datetime) -> tuple[str, Bounds] | None:
    """The promise and cycle that speak for the issue, by the order above."""
    cycles = newest(clocks)
    return min(cycles, key=lambda cycle: _order(*cycle, now=now)) if cycles else None


def newest(clocks: Clocks) -> tuple[tuple[str, Bounds], ...]:
    """The last cycle of each promise."""
    last: dict[str, Bounds] = {}
    for promise, bounds in clocks:
        if promise not in last or last[promise].cycle < bounds.cycle:
            last[promise] = bounds
    return tuple(sorted(last.items()))


def too_late_from(bounds: Bounds) -> datetime | None:
    """The first instant that is too late, whichever kind of bound it is."""
    return bounds.due_before if bounds.due_at is None else bounds.due_at + _INSTANT


def _order(promise: str, bounds: Bounds, *, now: datetime) -> tuple[int, float, str]:
    rank = _RANKS[state_of(bounds, now=now)]
    at = too_late_from(bounds) if rank <= 1 else bounds.stopped_at
    if at is None:
        return rank, 0.0, promise
    return rank, at.timestamp() if rank <= 1 else -at.timestamp(), promise


def _running_text(bounds: Bounds, past: timedelta) -> str:
    """`past`: how long it has been too late; negative before."""
    if past < timedelta():
        # Of an inclusive bound the last instant is in time: nine days before it there are nine days.
        days = (-past - _INSTANT) // _DAY
        if days == 0:
            return "Due within 24h" if bounds.due_date is None else "Due today"
        return f"Due in {_days_text(days)}"
    days = past // _DAY
    return f"{_days_text(days)} overdue" if days else "Overdue"


def _days_text(days: int) -> str:
    return f"{days}d" if days < _WEEKS_FROM_DAYS else f"{days // 7}w"


def _next_day(too_late: datetime, *, now: datetime) -> datetime:
    """The next instant at which the number of days, or from four weeks on of weeks, is another."""
    past = now - too_late
    if past < timedelta():
        days = (-past - _INSTANT) // _DAY
        return too_late - _DAY * (days if days < _WEEKS_FROM_DAYS else days // 7 * 7)
    days = past // _DAY + 1
    return too_late + _DAY * (days if days <= _WEEKS_FROM_DAYS else -(-days // 7) * 7)
