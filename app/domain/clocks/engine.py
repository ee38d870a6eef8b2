"""The clock engine: a rule and the facts in, bounds and reasons out. No clock is read, nothing is stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.domain.clocks import wording
from app.domain.clocks.counting import Calendars
from app.domain.clocks.model import Bounds, Event, EventKind, Severity, Step, check_instant
from app.domain.clocks.rule import Rule
from app.domain.clocks.walk import Walk


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a clock stands after the facts so far."""

    bounds: Bounds | None
    """Of the newest cycle; None without facts."""
    is_open: bool
    severity: Severity | None
    pauses: frozenset[str]
    """The reasons for which it is paused."""


def facts_of(events: Iterable[Event]) -> list[Event]:
    """The facts in their total order. Same kind and source = the same fact, of which the first counts."""
    ordered = sorted(events, key=Event.order)
    once: dict[tuple[EventKind, str], Event] = {}
    for event in ordered:
        once.setdefault((event.kind, event.source), event)
    return ordered if len(once) == len(ordered) else list(once.values())


def bounds_of(rule: Rule, events: Iterable[Event], *, calendars: Calendars) -> tuple[Bounds, ...]:
    """One `Bounds` per cycle, oldest first; empty without events. Independent of now: this is what is stored.

    The order of `events` does not matter, repeated ones change nothing. A subject without the starting event
    has one cycle that waits. Raises `UnknownCalendar` and `CalendarTooShort` (`app.domain.clocks.counting`).
    """
    return tuple(_walked(rule, events, calendars=calendars, with_why=False).kept)


def explain(
    rule: Rule, events: Iterable[Event], *, calendars: Calendars, now: datetime
) -> tuple[tuple[Step, ...], ...]:
    """Why: how each cycle of `bounds_of` was derived, in the same order, ending with what holds at `now`."""
    return tuple(why for _, why in explained(rule, events, calendars=calendars, now=now))


def explained(
    rule: Rule, events: Iterable[Event], *, calendars: Calendars, now: datetime
) -> tuple[tuple[Bounds, tuple[Step, ...]], ...]:
    """What `bounds_of` and `explain` say, cycle by cycle, for the work of one."""
    check_instant(now)
    walk = _walked(rule, events, calendars=calendars, with_why=True)
    return tuple(
        (bounds, (*steps, wording.says(rule, bounds, now=now)))
        for bounds, steps in zip(walk.kept, walk.whys, strict=True)
    )


def departure_of(facts: Iterable[Event]) -> Event | None:
    """The decision by which the subject has left, of facts in their order; None while it has clocks.

    `tracked` takes `untracked` back as if it had never been: whoever comes back has won no time. What happens after
    the departure moves nothing, whatever it is.
    """
    found: Event | None = None
    for event in facts:
        if event.kind is EventKind.TRACKED:
            found = None
        elif event.kind is EventKind.UNTRACKED and found is None:
            found = event
    return found


def standing(rule: Rule, events: Iterable[Event], *, calendars: Calendars) -> Standing:
    """What a new fact would meet; raises as `bounds_of` does."""
    walk = _walked(rule, events, calendars=calendars, with_why=False)
    last = walk.kept[-1] if walk.kept else None
    return Standing(last, walk.open, walk.severity, frozenset(walk.reasons))


def _walked(rule: Rule, events: Iterable[Event], *, calendars: Calendars, with_why: bool) -> Walk:
    facts = facts_of(events)
    triaged_at = next((event.at for event in facts if event.kind is EventKind.TRIAGED), None)
    departure = departure_of(facts)
    if departure is not None:
        facts = facts[: facts.index(departure) + 1]
    walk = Walk(rule, calendars, triaged_at=triaged_at, departure=departure, with_why=with_why)
    for event in facts:
        walk.read(event)
    if facts:
        walk.finish()
    return walk
