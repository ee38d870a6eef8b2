"""From the input of a date case to the rule and the events that the engine runs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TypeVar

from app.domain.clocks.case_input import AMOUNTS, CaseInput, CaseRefused, moment_in
from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.clocks.rule import Choices, Mode, Reopen, Rule, SeverityChange, Table, Term, Unit

_CLAUSE = "date case"
_OF_MIN_OF = {Unit.MONTHS: Mode.MONTHS, Unit.DAYS: Mode.DATE_EOD, Unit.WEEKS: Mode.DATE_EOD}
_ELAPSED = frozenset({"elapsed", "paused", "severity_change", "reopen", "none"})
_OLD_AND_NEW = {True: (Severity.LOW, Severity.CRITICAL), False: (Severity.CRITICAL, Severity.LOW)}

_Setting = TypeVar("_Setting", bound=StrEnum)


def rule_of(mode: str, given: CaseInput) -> Rule:
    """The rule that the case describes; raises `CaseRefused` and `RuleRefused`."""
    return Rule(
        promise="case", clause=_CLAUSE, source=_CLAUSE, terms=_terms(mode, given), choices=_choices(mode, given)
    )


def _terms(mode: str, given: CaseInput) -> tuple[Term, ...]:
    if mode == "fixed_date":
        return (_term(given, mode=Mode.FIXED_DATE, fixed_on=given.day("granted_date")),)
    if mode == "severity_change":
        return (_term(given, mode=Mode.ELAPSED, tables=(_two_levels(given),)),)
    amounts = given.amounts()
    if mode == "min_of":
        return tuple(
            _counted(given, _OF_MIN_OF.get(Unit(unit), Mode.ELAPSED), unit=unit, amount=n)
            for unit, n in amounts.items()
        )
    if not amounts:
        return (_term(given, mode=_mode(mode), tables=(_table(given),)),)
    if len(amounts) > 1:
        raise CaseRefused("input", f"gives {' and '.join(amounts)}: only min_of takes more than one")
    ((unit, amount),) = amounts.items()
    return (_counted(given, _mode(mode), unit=unit, amount=amount),)


def _mode(mode: str) -> Mode:
    if mode in _ELAPSED:
        return Mode.ELAPSED
    try:
        return Mode(mode)
    except ValueError as error:
        raise CaseRefused("mode", f"{mode!r} is unknown") from error


def _counted(given: CaseInput, mode: Mode, *, unit: str, amount: int) -> Term:
    counts_business_days = mode is Mode.BUSINESS_DAYS and unit == Unit.DAYS
    return _term(given, mode=mode, unit=Unit.BUSINESS_DAYS if counts_business_days else Unit(unit), amount=amount)


def _term(
    given: CaseInput,
    *,
    mode: Mode,
    unit: Unit = Unit.DAYS,
    amount: int | None = None,
    tables: tuple[Table, ...] = (),
    fixed_on: date | None = None,
) -> Term:
    return Term(
        mode=mode,
        clause=_CLAUSE,
        source=_CLAUSE,
        unit=unit,
        amount=amount,
        tables=tables,
        zone=given.text("zone") or "UTC",
        calendar=given.text("calendar"),
        fixed_on=fixed_on,
    )


def _table(given: CaseInput) -> Table:
    table = given.table()
    if table is None:
        raise CaseRefused("input", f"needs one of {', '.join(AMOUNTS)} or a policy")
    return Table(date.min, table, _CLAUSE)


def _two_levels(given: CaseInput) -> Table:
    """A table in which the old and the new days stand under a low and a critical level, whichever is shorter."""
    old, new = given.number("old_days"), given.number("new_days")
    if old is None or new is None:
        raise CaseRefused("old_days" if old is None else "new_days", "is missing")
    before, after = _OLD_AND_NEW[new < old]
    others = {Severity.HIGH: old, Severity.MEDIUM: old}
    return Table(date.min, {before: old, after: new, **others}, _CLAUSE)


def _choices(mode: str, given: CaseInput) -> Choices:
    if mode == "severity_change":
        change = _setting(given, SeverityChange)
        return Choices(pauses=("*",)) if change is None else Choices(pauses=("*",), on_rise=change, on_fall=change)
    if mode == "reopen":
        return Choices(pauses=("*",), on_reopen=_setting(given, Reopen) or Choices().on_reopen)
    return Choices(pauses=("*",))


def _setting(given: CaseInput, kind: type[_Setting]) -> _Setting | None:
    text = given.text("rule")
    try:
        return None if text is None else kind(text)
    except ValueError as error:
        raise CaseRefused("rule", f"{text!r} is not one of {', '.join(kind)}") from error


def events_of(mode: str, given: CaseInput) -> list[Event]:
    """The facts that the case tells; raises `CaseRefused`."""
    events = _start(given)
    if mode == "severity_change":
        old, new = _OLD_AND_NEW[(given.number("new_days") or 0) < (given.number("old_days") or 0)]
        events += _at(given, "start", kind=EventKind.SEVERITY_SET, severity=old)
        events += _at(given, "change_at", kind=EventKind.SEVERITY_SET, severity=new)
    else:
        level = given.severity()
        events += _at(
            given, "start" if given.text("start") else "reported", kind=EventKind.SEVERITY_SET, severity=level
        )
    events += _pauses(given) + list(_outside(given))
    for field in ("resolved_at", "fixed_at"):
        events += _at(given, field, kind=EventKind.FIXED)
    events += _at(given, "reopened_at", kind=EventKind.REOPENED)
    if given.text("status") == "Extension Requested":
        events += _at(given, "start", kind=EventKind.EXTENSION_REQUESTED)
    return events


def _start(given: CaseInput) -> list[Event]:
    if given.text("start") is not None:
        return _at(given, "start", kind=EventKind.REPORTED)
    events = _at(given, "reported", kind=EventKind.REPORTED, channel=given.text("channel"))
    if not events:
        raise CaseRefused("start", "is missing")
    return events + _at(given, "triaged", kind=EventKind.TRIAGED)


def _at(
    given: CaseInput,
    field: str,
    *,
    kind: EventKind,
    severity: Severity | None = None,
    channel: str | None = None,
) -> list[Event]:
    at = given.instant(field)
    if at is None or (kind is EventKind.SEVERITY_SET and severity is None):
        return []
    return [Event(kind=kind, at=at, source=field, severity=severity, channel=channel)]


def _pauses(given: CaseInput) -> list[Event]:
    pauses = given.given.get("pauses") or []
    if not isinstance(pauses, list):
        raise CaseRefused("pauses", "is not a list")
    return [event for number, pause in enumerate(pauses) for event in _pause(number, pause)]


def _pause(number: int, pause: object) -> list[Event]:
    name = f"pauses.{number}"
    if not isinstance(pause, list) or len(pause) != 2 or not isinstance(pause[0], str):
        raise CaseRefused(name, "is not a pair of instants")
    since = moment_in(pause[0], name).astimezone(UTC)
    events = [Event(kind=EventKind.PAUSED, at=since, source=name, reason=name)]
    until = _end_of_pause(pause[1], name)
    if until is not None:
        if until < since:
            raise CaseRefused(name, "ends before it begins")
        events.append(Event(kind=EventKind.RESUMED, at=until, source=name, reason=name))
    return events


def _end_of_pause(text: object, name: str) -> datetime | None:
    if text is not None and not isinstance(text, str):
        raise CaseRefused(name, "is not a pair of instants")
    return None if text is None else moment_in(text, name).astimezone(UTC)


def _outside(given: CaseInput) -> Iterator[Event]:
    """`outside`: `[told at, ticket, date or instant or null]`; `extended`: `[at, date]`, as Atlassian grants it."""
    for number, (at, ticket, named) in enumerate(_rows(given, "outside", length=3)):
        name = f"outside.{number}"
        is_instant = named is not None and "T" in named
        yield Event(
            kind=EventKind.EXTERNAL_BOUND,
            at=moment_in(at or "", name).astimezone(UTC),
            source=name,
            ticket=ticket,
            role="atlassian",
            until=None if is_instant else CaseInput({name: named}, {}).day(name),
            until_at=CaseInput({name: named}, {}).instant(name) if is_instant else None,
        )
    for number, (at, until) in enumerate(_rows(given, "extended", length=2)):
        name = f"extended.{number}"
        yield Event(
            kind=EventKind.EXTENDED,
            at=moment_in(at or "", name).astimezone(UTC),
            source=name,
            until=CaseInput({name: until}, {}).day(name),
            role="atlassian",
            actor=_CLAUSE,
            reason=_CLAUSE,
            evidence=_CLAUSE,
        )


def _rows(given: CaseInput, field: str, *, length: int) -> Iterator[list[str | None]]:
    rows = given.given.get(field) or []
    if not isinstance(rows, list):
        raise CaseRefused(field, "is not a list")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != length or not all(isinstance(x, str | None) for x in row):
            raise CaseRefused(f"{field}.{number}", f"is not a list of {length} texts")
        yield row
