from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app.domain.clocks.engine import bounds_of, explain
from app.domain.clocks.model import Bounds, Event, EventKind, IncompleteEvent, NotAnInstant, Outcome, Severity, State
from app.domain.clocks.rule import Choices, ExtensionForm, Mode, Reopen, Rule, SeverityChange, Table, TableChange, Term
from app.domain.clocks.state import is_late, projected_due_at, remaining_seconds, state_of

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
OLD_TABLE = Table(
    date(2022, 12, 6),
    {Severity.CRITICAL: 28, Severity.HIGH: 42, Severity.MEDIUM: 56, Severity.LOW: 175},
    "https://example.com/2022",
)
TABLE = Table(
    date(2026, 1, 1),
    {Severity.CRITICAL: 10, Severity.HIGH: 28, Severity.MEDIUM: 84, Severity.LOW: 175},
    "https://example.com/2026",
)


def fix_rule(**choices):
    term = Term(mode=Mode.ELAPSED, clause="§1", source="https://example.com", tables=(OLD_TABLE, TABLE))
    return Rule(
        promise="security-bug-fix",
        clause="§1",
        source="https://example.com",
        terms=(term,),
        choices=Choices(**choices),
    )


def reported(day=0, **data):
    return Event(kind=EventKind.REPORTED, at=START + day * DAY, source="r", **data)


def severity(level, day=0, source=None):
    at = START + day * DAY
    return Event(kind=EventKind.SEVERITY_SET, at=at, source=source or f"s{day}", severity=level)


def fact(kind, day, **data):
    return Event(kind=kind, at=START + day * DAY, source=f"{kind}{day}", **data)


def granted(day, **data):
    given = {"actor": "a-1", "reason": "vendor fix pending", "role": "atlassian", "evidence": "AMS-1"} | data
    return fact(EventKind.EXTENDED, day, **given)


def only(rule, *events):
    (bounds,) = bounds_of(rule, events, calendars={})
    return bounds


def days_given(bounds):
    return (bounds.due_at - START) / DAY


def test_a_critical_finding_is_due_ten_times_24_hours_after_the_report():
    bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL))
    assert bounds == Bounds(
        cycle=1,
        severity=Severity.CRITICAL,
        started_at=START,
        due_at=START + 10 * DAY,
        at_risk_at=START + 8 * DAY,
    )


def test_the_due_instant_itself_is_in_time_and_the_next_second_is_not():
    bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL))
    assert state_of(bounds, now=bounds.due_at) is State.AT_RISK
    assert state_of(bounds, now=bounds.due_at + SECOND) is State.BREACHED
    assert remaining_seconds(bounds, now=bounds.due_at) == 0
    assert remaining_seconds(bounds, now=bounds.due_at + SECOND) == -1
    assert remaining_seconds(bounds, now=bounds.due_at + timedelta(microseconds=1)) == -1


def test_a_rule_may_exclude_its_due_instant():
    bounds = only(fix_rule(due_inclusive=False), reported(), severity(Severity.CRITICAL))
    assert (bounds.due_at, bounds.due_before) == (None, START + 10 * DAY)
    assert is_late(bounds, bounds.due_before)


@pytest.mark.parametrize(
    ("day", "state"),
    [(1, State.RUNNING), (8, State.AT_RISK), (10, State.AT_RISK), (11, State.BREACHED)],
)
def test_time_changes_the_state_without_a_write(day, state):
    bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL))
    assert state_of(bounds, now=START + day * DAY) is state


def test_at_risk_comes_at_the_earlier_of_share_and_hours():
    rule = fix_rule(at_risk_percent=90, at_risk_hours=48)
    assert only(rule, reported(), severity(Severity.CRITICAL)).at_risk_at == START + 8 * DAY
    assert only(rule, reported(), severity(Severity.HIGH)).at_risk_at == START + 28 * DAY * 9 // 10


def test_a_fix_in_time_is_met_and_a_fix_one_second_late_is_not():
    due = START + 10 * DAY
    for at, state in ((due, State.MET), (due + SECOND, State.MET_LATE)):
        fixed = Event(kind=EventKind.FIXED, at=at, source="f")
        bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL), fixed)
        assert bounds.outcome is Outcome.MET
        assert state_of(bounds, now=due + 50 * DAY) is state
        assert remaining_seconds(bounds, now=due + 50 * DAY) == (due - at) // SECOND


def test_a_finding_without_a_severity_awaits_triage_and_then_counts_from_the_report():
    waiting = only(fix_rule(), reported())
    assert state_of(waiting, now=START + 400 * DAY) is State.AWAITING_TRIAGE
    assert remaining_seconds(waiting, now=START) is None
    assert days_given(only(fix_rule(), reported(), severity(Severity.HIGH, 9))) == 28


def test_severity_none_has_no_deadline_not_even_a_met_one():
    bounds = only(fix_rule(), reported(), severity(Severity.NONE), fact(EventKind.FIXED, 3))
    assert state_of(bounds, now=START) is State.NO_DEADLINE


def test_a_clock_keeps_the_table_under_which_it_started_unless_the_rule_says_all():
    report = Event(kind=EventKind.REPORTED, at=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), source="r")
    for choice, days in ((TableChange.NEW_ONLY, 28), (TableChange.ALL, 10)):
        bounds = only(fix_rule(on_table_change=choice), report, severity(Severity.CRITICAL))
        assert bounds.due_at == report.at + days * DAY


@pytest.mark.parametrize(("triaged_on", "starts_on"), [(9, 9), (14, 14), (20, 14), (None, 14)])
def test_a_bounty_finding_starts_at_triage_but_at_most_two_weeks_after_the_report(triaged_on, starts_on):
    events = [reported(channel="bug_bounty"), severity(Severity.HIGH)]
    if triaged_on is not None:
        events.append(fact(EventKind.TRIAGED, triaged_on))
    bounds = only(fix_rule(), *events)
    assert days_given(bounds) == starts_on + 28
    assert state_of(bounds, now=START + starts_on * DAY - SECOND) is State.AWAITING_TRIAGE
    assert state_of(bounds, now=START + starts_on * DAY) is State.RUNNING


def test_another_channel_starts_at_the_report_however_late_the_triage():
    bounds = only(fix_rule(), reported(channel="ecoscanner"), severity(Severity.HIGH), fact(EventKind.TRIAGED, 9))
    assert days_given(bounds) == 28


# -- pauses


def test_a_pause_moves_the_due_instant_by_its_length():
    events = (reported(), severity(Severity.HIGH), fact(EventKind.PAUSED, 9), fact(EventKind.RESUMED, 12))
    bounds = only(fix_rule(pauses=("*",)), *events)
    assert (days_given(bounds), bounds.paused_seconds, bounds.paused_since) == (31, 3 * 86400, None)


def test_a_pause_for_a_reason_that_the_rule_does_not_allow_changes_nothing():
    paused = fact(EventKind.PAUSED, 9, reason="on holiday")
    bounds = only(fix_rule(pauses=("Waiting for customer",)), reported(), severity(Severity.HIGH), paused)
    assert bounds == only(fix_rule(pauses=()), reported(), severity(Severity.HIGH))


def test_an_open_pause_freezes_the_time_left_and_projects_the_due_instant():
    bounds = only(fix_rule(pauses=("*",)), reported(), severity(Severity.HIGH), fact(EventKind.PAUSED, 20))
    for day in (21, 50):
        now = START + day * DAY
        assert state_of(bounds, now=now) is State.PAUSED
        assert remaining_seconds(bounds, now=now) == 8 * 86400
        assert projected_due_at(bounds, now=now) == START + (28 + day - 20) * DAY


@pytest.mark.parametrize("day", [10, 11])
def test_a_breach_cannot_be_paused_away(day):
    events = (reported(), severity(Severity.CRITICAL), fact(EventKind.PAUSED, day), fact(EventKind.RESUMED, 30))
    bounds = only(fix_rule(pauses=("*",)), *events)
    assert (days_given(bounds), bounds.paused_seconds) == (10, 0)
    still_paused = only(fix_rule(pauses=("*",)), *events[:3])
    assert state_of(still_paused, now=START + 12 * DAY) is State.BREACHED


def test_overlapping_pauses_for_different_reasons_count_once():
    events = [reported(), severity(Severity.HIGH)]
    for reason, since, until in (("a", 2, 6), ("b", 4, 9), ("c", 5, 6)):
        for kind, day in ((EventKind.PAUSED, since), (EventKind.RESUMED, until)):
            events.append(Event(kind=kind, at=START + day * DAY, source=reason, reason=reason))
    assert days_given(only(fix_rule(pauses=("*",)), *events)) == 28 + 7


def test_a_pause_that_began_before_the_start_counts_from_the_start():
    events = (fact(EventKind.PAUSED, -3), reported(), severity(Severity.HIGH), fact(EventKind.RESUMED, 2))
    assert days_given(only(fix_rule(pauses=("*",)), *events)) == 30


def test_a_fix_during_a_pause_ends_the_pause():
    events = (reported(), severity(Severity.CRITICAL), fact(EventKind.PAUSED, 5), fact(EventKind.FIXED, 40))
    bounds = only(fix_rule(pauses=("*",)), *events)
    assert state_of(bounds, now=START + 41 * DAY) is State.MET
    assert (bounds.paused_since, bounds.paused_seconds) == (None, 35 * 86400)


# -- changes of severity


@pytest.mark.parametrize(
    ("choice", "days"),
    [
        (SeverityChange.MIN_OLD_OR_CHANGE_PLUS_NEW, 30),
        (SeverityChange.FROM_ORIGINAL_START, 10),
        (SeverityChange.CHANGE_PLUS_NEW, 30),
        (SeverityChange.KEEP_OLD, 84),
    ],
)
def test_a_rise_moves_the_bound_as_the_rule_says(choice, days):
    events = (reported(), severity(Severity.MEDIUM), severity(Severity.CRITICAL, 20))
    assert days_given(only(fix_rule(on_rise=choice), *events)) == days


@pytest.mark.parametrize(
    ("choice", "days"),
    [
        (SeverityChange.MIN_OLD_OR_CHANGE_PLUS_NEW, 10),
        (SeverityChange.FROM_ORIGINAL_START, 84),
        (SeverityChange.CHANGE_PLUS_NEW, 89),
        (SeverityChange.KEEP_OLD, 10),
    ],
)
def test_a_fall_moves_the_bound_as_the_rule_says(choice, days):
    events = (reported(), severity(Severity.CRITICAL), severity(Severity.MEDIUM, 5))
    assert days_given(only(fix_rule(on_fall=choice), *events)) == days


def test_a_rise_late_in_the_time_given_never_gives_more_time():
    events = (reported(), severity(Severity.HIGH), severity(Severity.CRITICAL, 27))
    assert days_given(only(fix_rule(), *events)) == 28


def test_a_rise_during_a_pause_counts_from_where_the_clock_stands():
    events = (reported(), severity(Severity.MEDIUM), fact(EventKind.PAUSED, 20), severity(Severity.CRITICAL, 25))
    resumed = fact(EventKind.RESUMED, 30)
    assert days_given(only(fix_rule(pauses=("*",)), *events, resumed)) == 40


def test_a_fall_counts_from_the_start_again_with_the_pauses_so_far():
    pause = (fact(EventKind.PAUSED, 1), fact(EventKind.RESUMED, 3))
    events = (reported(), severity(Severity.CRITICAL), *pause, severity(Severity.MEDIUM, 5))
    bounds = only(fix_rule(pauses=("*",)), *events)
    assert (days_given(bounds), bounds.paused_seconds) == (86, 2 * 86400)


def test_the_same_level_told_again_changes_nothing():
    events = (reported(), severity(Severity.CRITICAL), severity(Severity.CRITICAL, 5))
    assert days_given(only(fix_rule(), *events)) == 10


def test_a_finding_lowered_to_none_has_no_deadline_any_more():
    bounds = only(fix_rule(), reported(), severity(Severity.LOW), severity(Severity.NONE, 5))
    assert state_of(bounds, now=START) is State.NO_DEADLINE


# -- extensions


def test_a_request_for_an_extension_alone_moves_nothing():
    asked = fact(EventKind.EXTENSION_REQUESTED, 8)
    assert days_given(only(fix_rule(), reported(), severity(Severity.CRITICAL), asked)) == 10


def test_a_granted_date_holds_to_the_end_of_that_day():
    bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL), granted(9, until=date(2026, 12, 15)))
    assert (bounds.due_at, bounds.due_date) == (None, date(2026, 12, 15))
    assert bounds.due_before == datetime(2026, 12, 16, tzinfo=UTC)


def test_granted_time_is_added_to_the_bound():
    bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL), granted(9, added=5 * DAY))
    assert days_given(bounds) == 15


def test_an_extension_never_shortens():
    bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL), granted(2, until=date(2026, 11, 5)))
    assert days_given(bounds) == 10


def test_an_extension_survives_a_change_of_severity_that_counts_from_the_start():
    events = (reported(), severity(Severity.CRITICAL), granted(2, added=5 * DAY), severity(Severity.HIGH, 3))
    assert days_given(only(fix_rule(), *events)) == 33


def test_a_pause_before_the_grant_does_not_move_the_granted_date():
    events = (reported(), severity(Severity.CRITICAL), fact(EventKind.PAUSED, 5))
    grant = granted(8, until=date(2026, 11, 20))
    bounds = only(fix_rule(pauses=("*",)), *events, grant, fact(EventKind.RESUMED, 9))
    assert bounds.due_date == date(2026, 11, 21)


@pytest.mark.parametrize("lack", ["actor", "reason", "evidence", "role"])
def test_an_extension_that_does_not_say_who_why_and_on_what_evidence_moves_nothing(lack):
    event = granted(5, added=5 * DAY, **{lack: None})
    assert days_given(only(fix_rule(), reported(), severity(Severity.CRITICAL), event)) == 10


def test_a_vendor_cannot_grant_itself_an_extension():
    event = granted(5, added=5 * DAY, role="admin")
    assert days_given(only(fix_rule(), reported(), severity(Severity.CRITICAL), event)) == 10


def test_a_form_of_extension_that_the_rule_does_not_know_moves_nothing():
    rule = fix_rule(extension_forms=(ExtensionForm.DATE,))
    assert days_given(only(rule, reported(), severity(Severity.CRITICAL), granted(5, added=DAY))) == 10


# -- cycles


@pytest.mark.parametrize(
    ("choice", "started_on", "due_on"),
    [(Reopen.RESUME, 30, 37), (Reopen.RESTART, 30, 40), (Reopen.NEVER_STOPPED, 0, 10)],
)
def test_reopening_is_a_new_cycle_with_the_time_that_the_rule_gives(choice, started_on, due_on):
    events = (reported(), severity(Severity.CRITICAL), fact(EventKind.FIXED, 3), fact(EventKind.REOPENED, 30))
    first, second = bounds_of(fix_rule(on_reopen=choice), events, calendars={})
    assert state_of(first, now=START + 90 * DAY) is State.MET
    assert (second.cycle, second.outcome) == (2, None)
    assert (second.started_at, second.due_at) == (START + started_on * DAY, START + due_on * DAY)


def test_a_promise_broken_before_it_was_reopened_stays_broken():
    events = (reported(), severity(Severity.CRITICAL), fact(EventKind.FIXED, 12), fact(EventKind.REOPENED, 30))
    first, second = bounds_of(fix_rule(), events, calendars={})
    assert state_of(first, now=START + 30 * DAY) is State.MET_LATE
    assert state_of(second, now=START + 30 * DAY) is State.BREACHED


def test_a_level_changed_while_closed_counts_when_it_is_reopened():
    closed = (fact(EventKind.FIXED, 3), severity(Severity.CRITICAL, 10), fact(EventKind.REOPENED, 30))
    first, second = bounds_of(fix_rule(), (reported(), severity(Severity.MEDIUM), *closed), calendars={})
    assert (first.severity, second.severity) == (Severity.MEDIUM, Severity.CRITICAL)
    assert second.due_at == START + 40 * DAY


def test_only_a_recorded_decision_takes_a_subject_out_and_it_is_not_a_promise_kept():
    decision = fact(EventKind.CANCELLED, 4, actor="a-1", reason="not our app")
    bounds = only(fix_rule(), reported(), severity(Severity.CRITICAL), decision, fact(EventKind.FIXED, 5))
    assert (bounds.outcome, bounds.cancelled_by, bounds.cancelled_reason) == (
        Outcome.CANCELLED,
        "a-1",
        "not our app",
    )
    assert state_of(bounds, now=START + 99 * DAY) is State.CANCELLED
    assert remaining_seconds(bounds, now=START) is None
    with pytest.raises(IncompleteEvent):
        fact(EventKind.CANCELLED, 4)


def test_a_repeating_promise_starts_again_at_each_stop_until_it_ends():
    term = Term(mode=Mode.ELAPSED, clause="§7", source="https://example.com", amount=7)
    rule = Rule(
        promise="report-update",
        clause="§7",
        source="https://example.com",
        terms=(term,),
        starts=EventKind.ACKNOWLEDGED,
        stops=EventKind.UPDATED,
        repeats=True,
        ends=EventKind.RESOLVED,
    )
    days = ((EventKind.ACKNOWLEDGED, 0), (EventKind.UPDATED, 6), (EventKind.UPDATED, 14), (EventKind.RESOLVED, 15))
    found = bounds_of(rule, [fact(kind, day) for kind, day in days], calendars={})
    assert [state_of(bounds, now=START + 40 * DAY) for bounds in found] == [State.MET, State.MET_LATE, State.MET]
    assert [bounds.started_at for bounds in found] == [START, START + 6 * DAY, START + 14 * DAY]


def test_no_events_have_no_cycles_and_a_subject_without_its_start_waits():
    assert bounds_of(fix_rule(), (), calendars={}) == ()
    waiting = only(fix_rule(), severity(Severity.HIGH))
    assert (waiting.cycle, state_of(waiting, now=START)) == (1, State.AWAITING_TRIAGE)


# -- what is refused


NAIVE = datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    "at",
    [NAIVE, datetime(2026, 11, 1, tzinfo=timezone(timedelta(hours=1))), datetime(3000, 1, 1, tzinfo=UTC)],
    ids=["naive", "not UTC", "at the end of the calendar"],
)
def test_an_instant_that_cannot_be_counted_from_is_refused(at):
    with pytest.raises(NotAnInstant):
        Event(kind=EventKind.REPORTED, at=at, source="r")


@pytest.mark.parametrize(
    "data",
    [{}, {"until": date(2026, 12, 1), "added": DAY}, {"added": -DAY}, {"added": timedelta(0)}],
)
def test_an_extension_of_no_or_negative_time_is_refused(data):
    with pytest.raises(IncompleteEvent):
        granted(1, **data)


def test_severity_set_without_a_level_is_refused():
    with pytest.raises(IncompleteEvent):
        fact(EventKind.SEVERITY_SET, 1)


# -- why


def test_why_names_clause_rule_source_and_instant_of_every_step():
    events = (
        reported(channel="bug_bounty"),
        severity(Severity.MEDIUM),
        fact(EventKind.TRIAGED, 2),
        fact(EventKind.PAUSED, 3, reason="Waiting", actor="a-1"),
        fact(EventKind.RESUMED, 4, reason="Waiting"),
        severity(Severity.CRITICAL, 20),
        fact(EventKind.EXTENSION_REQUESTED, 21, actor="a-1"),
        granted(22, until=date(2026, 12, 15)),
        fact(EventKind.FIXED, 23),
        fact(EventKind.REOPENED, 25),
        fact(EventKind.CANCELLED, 26, actor="a-2", reason="duplicate"),
    )
    now = START + 30 * DAY
    rule = fix_rule(pauses=("Waiting",))
    first, second = explain(rule, events, calendars={}, now=now)
    assert [step.rule for step in first] == [
        "bug_bounty findings start at triage, at most 14 days after the report",
        "the first severity counts from the start",
        "medium = 84 days, elapsed",
        "pauses allowed: Waiting",
        "the bound moves by the paused time",
        "severity change = min_old_or_change_plus_new",
        "critical = 10 days, elapsed",
        "a request alone moves nothing",
        "an extension that was granted counts, and never shortens",
        "stops when fixed",
        "state = bounds + now",
    ]
    assert "in time (due on 2026-12-15" in first[-2].text
    assert "reopen = resume" in second[0].rule
    assert "Cancelled at 2026-11-27T00:00:00Z by a-2: duplicate" in second[1].text
    assert all(step.clause and step.source and step.text for step in first + second)
    assert first[2].source == TABLE.source
    assert first[0].to_json()["at"] == "2026-11-01T00:00:00Z"


def test_why_says_what_was_not_counted_and_why_not():
    events = (
        reported(),
        severity(Severity.HIGH),
        fact(EventKind.PAUSED, 3, reason="on holiday"),
        granted(4, added=DAY, role="admin"),
    )
    ((*_, paused, extended, _says),) = explain(fix_rule(), events, calendars={}, now=START)
    assert paused.text == "on holiday is not a reason to pause: the clock runs on."
    assert extended.text == "Extension by 1 day, 0:00:00 by a-1: only atlassian may grant it."


def test_a_rise_that_keeps_the_old_bound_is_explained_by_the_old_level():
    events = (reported(), severity(Severity.HIGH), severity(Severity.CRITICAL, 27))
    ((*_, kept, _says),) = explain(fix_rule(), events, calendars={}, now=START)
    assert (kept.rule, kept.text) == ("high = 28 days, elapsed", "due at 2026-11-29T00:00:00Z.")
