"""What a changed policy would do to what is tracked, before anything changes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from app.domain.clocks.counting import Calendars
from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Bounds, Event, Severity, State, instant_text
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

    def is_of_the_past(self) -> bool:
        """Whether its cycle has ended, and is only judged otherwise."""
        return self.after is not None and self.after.stopped_at is not None

    @property
    def severity(self) -> Severity | None:
        """As it is counted then, or was where there is no clock any more."""
        bounds = self.after or self.before
        return None if bounds is None else bounds.severity

    def to_json(self) -> dict[str, Any]:
        """One row of the preview."""
        return {
            "subject": self.subject,
            "promise": self.promise,
            "cycle": self.cycle,
            "before": _bound_json(self.before, self.state_before),
            "after": _bound_json(self.after, self.state_after),
        }


@dataclass(slots=True)
class Tally:
    """How many cycles of one severity a change moves."""

    moved: int = 0
    breached: int = 0
    """Of these, those that it would break."""
    past: int = 0
    """Of these, those that have ended."""

    def count(self, move: Move) -> None:
        """One more."""
        self.moved += 1
        self.breached += move.is_breached_by_it()
        self.past += move.is_of_the_past()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The whole effect of a change, with as many of the moves as were asked for."""

    subjects: int
    moved: int
    breached: int
    """Cycles that the change would break."""
    past: int
    """Moved cycles that have ended."""
    by_severity: Mapping[Severity | None, Tally]
    moves: tuple[Move, ...]
    """Broken ones first, those that have ended last, in the order of the subjects."""

    def to_json(self) -> dict[str, Any]:
        """Totals and rows."""
        return {
            "subjects": self.subjects,
            "moved": self.moved,
            "breached": self.breached,
            "past": self.past,
            "by_severity": {level or "none yet": asdict(tally) for level, tally in self.by_severity.items()},
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
    seen = 0
    tallies: defaultdict[Severity | None, Tally] = defaultdict(Tally)
    broken: list[Move] = []
    others: list[Move] = []
    past: list[Move] = []
    for subject in subjects:
        seen += 1
        was, will = before.get(subject.promise), after.get(subject.promise)
        if was == will and same_calendars:
            continue
        old_bounds = _bounds(was, subject, calendars_before or calendars)
        for move in _moves(subject, before=old_bounds, after=_bounds(will, subject, calendars), now=now):
            tallies[move.severity].count(move)
            kept = past if move.is_of_the_past() else broken if move.is_breached_by_it() else others
            if len(kept) < limit:
                kept.append(move)
    return Preview(
        subjects=seen,
        moved=sum(tally.moved for tally in tallies.values()),
        breached=sum(tally.breached for tally in tallies.values()),
        past=sum(tally.past for tally in tallies.values()),
        by_severity={level: tallies[level] for level in (*Severity, None) if level in tallies},
        moves=tuple((broken + others + past)[:limit]),
    )


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
