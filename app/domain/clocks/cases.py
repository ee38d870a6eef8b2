"""Date cases as data: an instant, a mode and an amount in, the bound out. What `pledge clock-case` runs.

The form is that of `tests/vectors/clock_cases.json`, where each mode is described. Cases go through the engine as a
rule and events, so that a case that passes says something about the clocks that run.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.clocks.calendars import list_sha256
from app.domain.clocks.case_input import CaseInput, CaseRefused
from app.domain.clocks.case_rules import events_of, rule_of
from app.domain.clocks.counting import CalendarTooShort, UnknownCalendar, count, next_full_hour
from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Bounds, Calendar, Event, IncompleteEvent, NotAnInstant, Severity, instant_text
from app.domain.clocks.rule import Rule, RuleRefused
from app.domain.clocks.state import is_late, projected_due_at

Json = dict[str, Any]

_ASSUMED_ZONES = tuple(map(ZoneInfo, ("Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe")))
"""For `due_local` of a case that names no zone: the first of these with the offset of its start at that instant."""


def run_cases(document: object) -> list[Json]:
    """`[{"id": …, "result": {…}}]` for a whole case file; a case that cannot be run has `error` instead of `result`.

    A list of cases or a single case will do as well. Raises `CaseRefused` if the file is not of the form.
    """
    if not isinstance(document, dict):
        document = {"cases": document}
    elif "cases" not in document:
        document = {"cases": [document]}
    policies = {name: _policy(name, policy) for name, policy in _objects(document, "policies").items()}
    calendars = {name: _calendar(name, days) for name, days in _objects(document, "calendars").items()}
    cases = document.get("cases")
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise CaseRefused("cases", "is not a list of cases")
    return [_entry(case, policies=policies, calendars=calendars) for case in cases]


def run_case(
    case: Mapping[str, Any],
    *,
    policies: Mapping[str, Mapping[Severity, int]] | None = None,
    calendars: Mapping[str, Calendar] | None = None,
) -> Json:
    """The result of one case, with the keys of its `expected` if it has one, otherwise with all that is known.

    Raises `CaseRefused`, `RuleRefused`, `UnknownCalendar`, `CalendarTooShort` and `NotAnInstant`.
    """
    mode, inner = case.get("mode"), case.get("input")
    if not isinstance(mode, str) or not isinstance(inner, dict):
        raise CaseRefused("mode" if not isinstance(mode, str) else "input", "is missing")
    given = CaseInput(inner, policies or {})
    result = _verdict(given) if mode == "verdict" else _counted(mode, given, calendars=calendars or {})
    expected = case.get("expected")
    return {key: result.get(key) for key in expected} if isinstance(expected, dict) else result


def _entry(
    case: Mapping[str, Any], *, policies: Mapping[str, Mapping[Severity, int]], calendars: Mapping[str, Calendar]
) -> Json:
    try:
        return {"id": case.get("id"), "result": run_case(case, policies=policies, calendars=calendars)}
    except (CaseRefused, RuleRefused, UnknownCalendar, CalendarTooShort, NotAnInstant, IncompleteEvent) as error:
        return {"id": case.get("id"), "error": f"{type(error).__name__}: {error}"}
    except OverflowError:
        return {"id": case.get("id"), "error": "OverflowError: the bound lies outside the calendar"}


def _verdict(given: CaseInput) -> Json:
    done = given.instant("fixed_at") or given.instant("now")
    bounds = Bounds(cycle=1, due_at=given.instant("due_at"), due_before=given.instant("due_before"))
    if done is None or (bounds.due_at is None and bounds.due_before is None):
        raise CaseRefused("fixed_at" if done is None else "due_at", "is missing")
    return {"breached": is_late(bounds, done)}


def _counted(mode: str, given: CaseInput, *, calendars: Mapping[str, Calendar]) -> Json:
    rule, events = rule_of(mode, given), events_of(mode, given)
    bounds = bounds_of(rule, events, calendars=calendars)[-1]
    now = given.instant("now")
    due_at = bounds.due_at if now is None else projected_due_at(bounds, now=now)
    result: Json = {}
    if given.severity() is not None:
        result["severity"] = given.severity()
    if bounds.due_before is None:
        result["due_at"] = None if due_at is None else instant_text(due_at)
    else:
        result |= {"due_date": str(bounds.due_date), "due_before": instant_text(bounds.due_before)}
    if _is_breached(bounds, events, now=now):
        result["breached_at"] = instant_text(bounds.due_at or bounds.due_before or events[0].at)
    result |= _alternatives(mode, given, rule=rule, calendars=calendars)
    zone = _zone(given)
    if result.get("due_at") is not None and zone != UTC:
        result["due_local"] = datetime.fromisoformat(result["due_at"]).astimezone(zone).isoformat()
    return result


def _is_breached(bounds: Bounds, events: list[Event], *, now: datetime | None) -> bool:
    """Whether what the case tells reaches past the bound; while a pause is open nothing does."""
    told = max(filter(None, (now, *(event.at for event in events))))
    return bounds.paused_since is None and is_late(bounds, bounds.stopped_at or told)


def _alternatives(mode: str, given: CaseInput, *, rule: Rule, calendars: Mapping[str, Calendar]) -> Json:
    """What else some modes report: the bound that does not bind, the strict reading."""
    start, amounts = given.instant("start"), given.amounts()
    if start is not None and mode == "reg1182_hours":
        # full hours are local ones, and a case may be written in an offset of no zone that it names
        legal = next_full_hour(start, _zone(given)) + timedelta(hours=amounts["hours"])
        strict = start + timedelta(hours=amounts["hours"])
        return {"due_at": instant_text(legal), "strict_due_at": instant_text(strict)}
    if start is not None and mode == "min_of" and len(rule.terms) > 1:
        dues = sorted(
            (count(term, term.amount or 0, start=start, calendars=calendars) for term in rule.terms),
            key=lambda due: due.at,
        )
        return {"other_due_date": str(dues[1].day)} if dues[1].day is not None else {}
    return {}


def _objects(document: Mapping[str, Any], field: str) -> dict[str, Any]:
    value = document.get(field, {})
    if not isinstance(value, dict):
        raise CaseRefused(field, "is not an object")
    return value


def _policy(name: str, policy: object) -> dict[Severity, int]:
    days = policy.get("days") if isinstance(policy, dict) else None
    if not isinstance(days, dict) or not all(isinstance(amount, int) for amount in days.values()):
        raise CaseRefused(f"policies.{name}.days", "is not a table of days by severity")
    try:
        return {Severity(level): amount for level, amount in days.items()}
    except ValueError as error:
        raise CaseRefused(f"policies.{name}.days", str(error)) from error


def _calendar(name: str, days: object) -> Calendar:
    if not isinstance(days, list):
        raise CaseRefused(f"calendars.{name}", "is not a list of dates")
    try:
        listed = frozenset(map(date.fromisoformat, days))
    except (TypeError, ValueError) as error:
        raise CaseRefused(f"calendars.{name}", str(error)) from error
    return Calendar(name, listed, list_sha256(listed))


def _zone(given: CaseInput) -> ZoneInfo | timezone:
    name, start = given.text("zone"), given.moment("start") or given.moment("reported")
    if name is not None:
        return ZoneInfo(name)
    offset = start.utcoffset() if start is not None else None
    if start is None or not offset:
        return UTC
    fitting = (zone for zone in _ASSUMED_ZONES if start.astimezone(zone).utcoffset() == offset)
    return next(fitting, timezone(offset))
