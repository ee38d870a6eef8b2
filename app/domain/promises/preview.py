"""What a changed policy would do to what is tracked, before anything changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.clocks.counting import Calendars
from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Bounds, Event, State, instant_text
from app.domain.clocks.rule import Rule
from app.domain.clocks.state import state_of
from app.domain.promises.model import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One tracked subject and all facts about it."""

    name: str
    """How it is shown, for example an issue key."""
    promise: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One cycle whose bound or state changes. `before` or `after` is None where only one policy has the cycle."""

    subject: str
    promise: str
    cycle: int
    before: Bounds | None
    after: Bounds | None
    state_before: State | None
    state_after: State | None

    def is_breached_by_it(self) -> bool:
        """Whether the change, and nothing else, breaks the promise."""
        late = (State.BREACHED, State.MET_LATE)
        return self.state_after in late and self.state_before not in late

    def to_json(self) -> dict[str, Any]:
        """One row of the preview."""
        return {
            "subject": self.subject,
            "promise": self.promise,
            "cycle": self.cycle,
            "before": _bound_json(self.before, self.state_before),
            "after": _bound_json(self.after, self.state_after),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The whole effect of a change, with as many of the moves as were asked for."""

    subjects: int
    moved: int
    breached: int
    """Cycles that the change would break."""
    moves: tuple[Move, ...]
    """Broken ones first, in the order of the subjects."""

    def to_json(self) -> dict[str, Any]:
        """Totals and rows."""
        return {
            "subjects": self.subjects,
            "moved": self.moved,
            "breached": self.breached,
            "moves": [move.to_json() for move in self.moves],
        }


def preview(
    old: Policy,
    new: Policy,
    *,
    subjects: Iterable[Subject],
    calendars: Calendars,
    calendars_before: Calendars | None = None,
    now: datetime,
    limit: int = 1000,
) -> Preview:
    """Which bounds move and which promises would be broken at `now` if `new` replaced `old`; nothing is changed.

    `calendars` are those of `new`; those of `old` are the same unless `calendars_before` says otherwise. Subjects may
    be a stream: at most `limit` moves of each sort are kept, the totals count all.
    """
    before, after = _rules(old), _rules(new)
    same_calendars = calendars_before is None or calendars_before == calendars
    seen = moved = breached = 0
    broken: list[Move] = []
    others: list[Move] = []
    for subject in subjects:
        seen += 1
        was, will = before.get(subject.promise), after.get(subject.promise)
        if was == will and same_calendars:
            continue
        old_bounds = _bounds(was, subject, calendars_before or calendars)
        for move in _moves(subject, before=old_bounds, after=_bounds(will, subject, calendars), now=now):
            moved += 1
            is_broken = move.is_breached_by_it()
            breached += is_broken
            kept = broken if is_broken else others
            if len(kept) < limit:
                kept.append(move)
    moves = tuple((broken + others)[:limit])
    return Preview(subjects=seen, moved=moved, breached=breached, moves=moves)


def _bounds(rule: Rule | None, subject: Subject, calendars: Calendars) -> tuple[Bounds, ...]:
    return () if rule is None else bounds_of(rule, subject.events, calendars=calendars)


def _rules(policy: Policy) -> dict[str, Rule]:
    return {promise.id: promise.rule for promise in policy.clocks() if promise.rule is not None}


def _moves(subject: Subject, *, before: tuple[Bounds, ...], after: tuple[Bounds, ...], now: datetime) -> Iterable[Move]:
    for number in range(max(len(before), len(after))):
        was = before[number] if number < len(before) else None
        will = after[number] if number < len(after) else None
        if was != will:
            yield Move(
                subject=subject.name,
                promise=subject.promise,
                cycle=number + 1,
                before=was,
                after=will,
                state_before=None if was is None else state_of(was, now=now),
                state_after=None if will is None else state_of(will, now=now),
            )


def _bound_json(bounds: Bounds | None, state: State | None) -> dict[str, str | None] | None:
    if bounds is None:
        return None
    return {
        "state": state,
        "due_at": None if bounds.due_at is None else instant_text(bounds.due_at),
        "due_date": None if bounds.due_date is None else str(bounds.due_date),
        "due_before": None if bounds.due_before is None else instant_text(bounds.due_before),
        "at_risk_at": None if bounds.at_risk_at is None else instant_text(bounds.at_risk_at),
    }
