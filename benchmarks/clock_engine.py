"""What the clock engine alone costs, per mode, without and with the reasons: 100,000 made-up subjects each.

Run with `python -m benchmarks.clock_engine`. Each subject has its own start; what else happens to it is what the row
says. Events are made before the clock of the benchmark starts, as the store hands them to the engine ready-made.
"""

import gc
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from app.domain.clocks.calendars import HolidayList, calendars_from
from app.domain.clocks.engine import bounds_of, explain
from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.clocks.rule import Choices, Mode, Rule, Table, Term, Unit
from app.domain.clocks.state import remaining_seconds, state_of

SUBJECTS = 100_000
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEVELS = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
CALENDARS = calendars_from((HolidayList("us_federal", "US"),), years=range(2025, 2030))

Subject = tuple[Event, ...]
Story = Callable[[int], Subject]


def _term(mode: Mode, unit: Unit = Unit.DAYS, *, amount: int | None = None, calendar: str | None = None) -> Term:
    table = Table(date(2026, 1, 1), dict(zip(LEVELS, (10, 28, 84, 175), strict=True)), "https://example.com/table")
    return Term(
        mode=mode,
        clause="§1",
        source="https://example.com/policy",
        unit=unit,
        amount=amount,
        tables=() if amount is not None else (table,),
        zone="UTC" if mode is Mode.ELAPSED else "America/Los_Angeles",
        calendar=calendar,
    )


def _rule(*terms: Term) -> Rule:
    choices = Choices(pauses=("*",))
    return Rule(promise="p", clause="§1", source="https://example.com/policy", terms=terms, choices=choices)


def _at(number: int, hours: int = 0) -> datetime:
    # a prime stride spreads the starts over hours, days, months and both changes of the clocks
    return START + timedelta(minutes=number * 7919 % 525_600) + hours * HOUR


def _event(number: int, hours: int, *, kind: EventKind, **data: object) -> Event:
    return Event(kind=kind, at=_at(number, hours), source=f"jira:changelog:{number}:{hours}", **data)  # type: ignore[arg-type] # each kind takes its own


def fixed(number: int) -> Subject:
    """Reported, scored, fixed: the three events of an ordinary finding."""
    return (*scored(number), _event(number, 24 * (number % 40) + 1, kind=EventKind.FIXED))


def scored(number: int) -> Subject:
    """Reported and scored."""
    level = LEVELS[number % 4]
    return (_event(number, 0, kind=EventKind.REPORTED), _event(number, 0, kind=EventKind.SEVERITY_SET, severity=level))


def paused(number: int) -> Subject:
    """Two pauses that overlap."""
    moves = ((10, EventKind.PAUSED, "a"), (20, EventKind.PAUSED, "b"), (30, EventKind.RESUMED, "a"))
    told = (*moves, (50, EventKind.RESUMED, "b"))
    return (*scored(number), *(_event(number, hours, kind=kind, reason=reason) for hours, kind, reason in told))


def rescored(number: int) -> Subject:
    """Its severity raised to critical after two days."""
    return (*scored(number), _event(number, 48, kind=EventKind.SEVERITY_SET, severity=Severity.CRITICAL))


def reopened(number: int) -> Subject:
    """Fixed and opened again."""
    return (*fixed(number), _event(number, 24 * 50, kind=EventKind.REOPENED))


ROWS: tuple[tuple[str, Rule, Story], ...] = (
    ("elapsed, by severity", _rule(_term(Mode.ELAPSED)), fixed),
    ("wall", _rule(_term(Mode.WALL, Unit.DAYS, amount=28)), fixed),
    ("date_eod", _rule(_term(Mode.DATE_EOD, Unit.DAYS, amount=45)), fixed),
    ("business_days (5)", _rule(_term(Mode.BUSINESS_DAYS, Unit.BUSINESS_DAYS, amount=5, calendar="us_federal")), fixed),
    ("months", _rule(_term(Mode.MONTHS, Unit.MONTHS, amount=1, calendar="us_federal")), fixed),
    ("reg1182_hours", _rule(_term(Mode.REG1182_HOURS, Unit.HOURS, amount=72)), fixed),
    (
        "min_of (30 days, 1 month)",
        _rule(
            _term(Mode.DATE_EOD, Unit.DAYS, amount=30), _term(Mode.MONTHS, Unit.MONTHS, amount=1, calendar="us_federal")
        ),
        fixed,
    ),
    ("elapsed, two pauses", _rule(_term(Mode.ELAPSED)), paused),
    ("elapsed, severity raised", _rule(_term(Mode.ELAPSED)), rescored),
    ("elapsed, reopened", _rule(_term(Mode.ELAPSED)), reopened),
)


def _bounds(rule: Rule, subject: Subject) -> None:
    for bounds in bounds_of(rule, subject, calendars=CALENDARS):
        state_of(bounds, now=NOW)
        remaining_seconds(bounds, now=NOW)


def _why(rule: Rule, subject: Subject) -> None:
    _bounds(rule, subject)
    explain(rule, subject, calendars=CALENDARS, now=NOW)


def _microseconds(work: Callable[[Rule, Subject], None], rule: Rule, *, subjects: list[Subject]) -> float:
    began = time.process_time()  # the engine only computes: what else the machine does is not its cost
    for subject in subjects:
        work(rule, subject)
    return (time.process_time() - began) / len(subjects) * 1e6


def measure(subjects: int = SUBJECTS) -> list[tuple[str, float, float]]:
    """For each row its name and µs per subject, without and with the reasons."""
    rows = []
    for name, rule, story in ROWS:
        told = [story(number) for number in range(subjects)]
        gc.freeze()  # the engine is measured, not the collector's walks over a hundred thousand made-up subjects
        rows.append((name, _microseconds(_bounds, rule, subjects=told), _microseconds(_why, rule, subjects=told)))
        gc.unfreeze()
    return rows


def main() -> None:
    """Print the table."""
    print(f"{SUBJECTS:,} subjects; bounds, state and time left of each; processor time of one process")
    print(f"{'mode':<28}{'µs':>10}{'with why':>12}{'subjects/s':>14}")
    for name, plain, why in measure():
        print(f"{name:<28}{plain:>10.1f}{why:>12.1f}{1e6 / plain:>14,.0f}")


if __name__ == "__main__":
    main()
