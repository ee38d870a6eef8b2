from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.clocks.calendars import calendars_from
from app.domain.clocks.model import Calendar, Event, EventKind, Severity, State
from app.domain.clocks.rule import Table, TableChange
from app.domain.promises.preview import Subject, preview

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = START + timedelta(days=8)
FASTER = Table(
    date(2026, 6, 1),
    {Severity.CRITICAL: 7, Severity.HIGH: 14, Severity.MEDIUM: 84, Severity.LOW: 175},
    "https://example.com/faster",
)


@pytest.fixture
def old(shipped):
    return shipped["kencha"]


def changed(policy, **choices):
    """The policy with a faster table for critical and high."""
    fix = policy.promise("security-bug-fix")
    (term,) = fix.rule.terms
    rule = replace(
        fix.rule,
        terms=(replace(term, tables=(*term.tables, FASTER)),),
        choices=replace(fix.rule.choices, **choices),
    )
    others = tuple(each for each in policy.promises if each.id != fix.id)
    return replace(policy, promises=(replace(fix, rule=rule), *others))


def subject(name, level, *more):
    report = Event(kind=EventKind.REPORTED, at=START, source="r")
    level_set = Event(kind=EventKind.SEVERITY_SET, at=START, source="s", severity=level)
    return Subject(name=name, promise="security-bug-fix", events=(report, level_set, *more))


def test_only_what_moves_is_shown_and_what_would_break_comes_first(old):
    subjects = [subject("A-1", Severity.HIGH), subject("A-2", Severity.LOW), subject("A-3", Severity.CRITICAL)]
    found = preview(old, changed(old), subjects=subjects, calendars={}, now=NOW)
    assert (found.subjects, found.moved, found.breached) == (3, 2, 1)
    first, second = found.moves
    assert (first.subject, first.state_before, first.state_after) == ("A-3", State.AT_RISK, State.BREACHED)
    assert (first.before.due_at, first.after.due_at) == (START + timedelta(days=10), START + timedelta(days=7))
    assert (second.subject, second.is_breached_by_it()) == ("A-1", False)


def test_a_policy_that_did_not_change_moves_nothing(old):
    found = preview(old, old, subjects=[subject("A-1", Severity.HIGH)], calendars={}, now=NOW)
    assert (found.subjects, found.moved, found.moves) == (1, 0, ())


def test_what_was_broken_before_is_not_blamed_on_the_change(old):
    late = START + timedelta(days=99)
    found = preview(old, changed(old), subjects=[subject("A-1", Severity.CRITICAL)], calendars={}, now=late)
    assert (found.moved, found.breached) == (1, 0)


def test_a_promise_met_that_would_have_been_late_is_counted_as_broken(old):
    fixed = Event(kind=EventKind.FIXED, at=START + timedelta(days=9), source="f")
    found = preview(old, changed(old), subjects=[subject("A-1", Severity.CRITICAL, fixed)], calendars={}, now=NOW)
    assert found.breached == 1


def test_a_promise_that_the_new_policy_drops_loses_its_clocks(old):
    without = replace(old, promises=tuple(each for each in old.promises if each.id != "security-bug-fix"))
    (move,) = preview(old, without, subjects=[subject("A-1", Severity.LOW)], calendars={}, now=NOW).moves
    assert (move.after, move.state_after) == (None, None)
    assert move.to_json()["after"] is None


def test_a_table_for_new_clocks_only_leaves_those_that_run(old):
    future = replace(FASTER, since=date(2027, 1, 1))
    new = changed(old)
    fix = new.promise("security-bug-fix")
    (term,) = fix.rule.terms
    for choice, moved in ((TableChange.NEW_ONLY, 0), (TableChange.ALL, 1)):
        rule = replace(
            fix.rule,
            terms=(replace(term, tables=(*term.tables[:-1], future)),),
            choices=replace(fix.rule.choices, on_table_change=choice),
        )
        newer = replace(new, promises=(replace(fix, rule=rule),))
        assert preview(old, newer, subjects=[subject("A-1", Severity.HIGH)], calendars={}, now=NOW).moved == moved


def test_another_holiday_list_under_the_same_name_moves_dates(shipped):
    policy = shipped["genible"]
    report = Event(kind=EventKind.REPORTED, at=datetime(2026, 11, 23, 18, tzinfo=UTC), source="r")
    acknowledged = [Subject(name="R-1", promise="N-22", events=(report,))]
    with_holidays = calendars_from(policy.calendars, years=range(2026, 2028))
    without = {"us_federal": Calendar("us_federal", frozenset(), "0" * 64)}
    found = preview(policy, policy, subjects=acknowledged, calendars=with_holidays, calendars_before=without, now=NOW)
    (move,) = found.moves
    assert (move.before.due_date, move.after.due_date) == (date(2026, 11, 26), date(2026, 11, 27))
    same = preview(policy, policy, subjects=acknowledged, calendars=without, calendars_before=without, now=NOW)
    assert same.moved == 0


def test_many_moves_are_counted_but_not_all_kept(old):
    subjects = (subject(f"A-{number}", Severity.CRITICAL) for number in range(50))
    found = preview(old, changed(old), subjects=subjects, calendars={}, now=NOW, limit=5)
    assert (found.subjects, found.breached, len(found.moves)) == (50, 50, 5)
