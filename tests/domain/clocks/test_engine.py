from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app.domain.clocks.engine import bounds_of, explain
from app.domain.clocks.model import Bounds, Event, EventKind, IncompleteEvent, NotAnInstant, Outcome, Severity, State
from app.domain.clocks.rule import Mode, Reopen, Rule, TableChange, Term
from app.domain.clocks.state import is_late, remaining_seconds, state_of

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def test_a_critical_finding_is_due_ten_times_24_hours_after_the_report(story):
    bounds = story.only(story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL))
    assert bounds == Bounds(
        cycle=1,
        severity=Severity.CRITICAL,
        started_at=START,
        due_at=START + 10 * DAY,
        at_risk_at=START + 8 * DAY,
    )


def test_the_due_instant_itself_is_in_time_and_the_next_second_is_not(story):
    bounds = story.only(story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL))
    assert state_of(bounds, now=bounds.due_at) is State.AT_RISK
    assert state_of(bounds, now=bounds.due_at + SECOND) is State.BREACHED
    assert remaining_seconds(bounds, now=bounds.due_at) == 0
    assert remaining_seconds(bounds, now=bounds.due_at + SECOND) == -1
    assert remaining_seconds(bounds, now=bounds.due_at + timedelta(microseconds=1)) == -1


def test_a_rule_may_exclude_its_due_instant(story):
    bounds = story.only(story.fix_rule(due_inclusive=False), story.reported(), story.severity(Severity.CRITICAL))
    assert (bounds.due_at, bounds.due_before) == (None, START + 10 * DAY)
    assert is_late(bounds, bounds.due_before)


@pytest.mark.parametrize(
    ("day", "state"),
    [(1, State.RUNNING), (8, State.AT_RISK), (10, State.AT_RISK), (11, State.BREACHED)],
)
def test_time_changes_the_state_without_a_write(story, day, state):
    bounds = story.only(story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL))
    assert state_of(bounds, now=START + day * DAY) is state


def test_at_risk_comes_at_the_earlier_of_share_and_hours(story):
    rule = story.fix_rule(at_risk_percent=90, at_risk_hours=48)
    assert story.only(rule, story.reported(), story.severity(Severity.CRITICAL)).at_risk_at == START + 8 * DAY
    assert story.only(rule, story.reported(), story.severity(Severity.HIGH)).at_risk_at == START + 28 * DAY * 9 // 10


def test_a_fix_in_time_is_met_and_a_fix_one_second_late_is_not(story):
    due = START + 10 * DAY
    for at, state in ((due, State.MET), (due + SECOND, State.MET_LATE)):
        fixed = Event(kind=EventKind.FIXED, at=at, source="f")
        bounds = story.only(story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL), fixed)
        assert bounds.outcome is Outcome.MET
        assert state_of(bounds, now=due + 50 * DAY) is state
        assert remaining_seconds(bounds, now=due + 50 * DAY) == (due - at) // SECOND


def test_a_finding_without_a_severity_awaits_triage_and_then_counts_from_the_report(story):
    waiting = story.only(story.fix_rule(), story.reported())
    assert state_of(waiting, now=START + 400 * DAY) is State.AWAITING_TRIAGE
    assert remaining_seconds(waiting, now=START) is None
    assert story.days_given(story.only(story.fix_rule(), story.reported(), story.severity(Severity.HIGH, 9))) == 28


def test_severity_none_has_no_deadline_not_even_a_met_one(story):
    bounds = story.only(
        story.fix_rule(), story.reported(), story.severity(Severity.NONE), story.fact(EventKind.FIXED, 3)
    )
    assert state_of(bounds, now=START) is State.NO_DEADLINE


def test_a_clock_keeps_the_table_under_which_it_started_unless_the_rule_says_all(story):
    report = Event(kind=EventKind.REPORTED, at=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), source="r")
    for choice, days in ((TableChange.NEW_ONLY, 28), (TableChange.ALL, 10)):
        bounds = story.only(story.fix_rule(on_table_change=choice), report, story.severity(Severity.CRITICAL))
        assert bounds.due_at == report.at + days * DAY


@pytest.mark.parametrize(("triaged_on", "starts_on"), [(9, 9), (14, 14), (20, 14), (None, 14)])
def test_a_bounty_finding_starts_at_triage_but_at_most_two_weeks_after_the_report(story, triaged_on, starts_on):
    events = [story.reported(channel="bug_bounty"), story.severity(Severity.HIGH)]
    if triaged_on is not None:
        events.append(story.fact(EventKind.TRIAGED, triaged_on))
    bounds = story.only(story.fix_rule(), *events)
    assert story.days_given(bounds) == starts_on + 28
    assert state_of(bounds, now=START + starts_on * DAY - SECOND) is State.AWAITING_TRIAGE
    assert state_of(bounds, now=START + starts_on * DAY) is State.RUNNING


def test_another_channel_starts_at_the_report_however_late_the_triage(story):
    bounds = story.only(
        story.fix_rule(),
        story.reported(channel="ecoscanner"),
        story.severity(Severity.HIGH),
        story.fact(EventKind.TRIAGED, 9),
    )
    assert story.days_given(bounds) == 28


# -- cycles


@pytest.mark.parametrize(
    ("choice", "started_on", "due_on"),
    [(Reopen.RESUME, 30, 37), (Reopen.RESTART, 30, 40), (Reopen.NEVER_STOPPED, 0, 10)],
)
def test_reopening_is_a_new_cycle_with_the_time_that_the_rule_gives(story, choice, started_on, due_on):
    events = (
        story.reported(),
        story.severity(Severity.CRITICAL),
        story.fact(EventKind.FIXED, 3),
        story.fact(EventKind.REOPENED, 30),
    )
    first, second = bounds_of(story.fix_rule(on_reopen=choice), events, calendars={})
    assert state_of(first, now=START + 90 * DAY) is State.MET
    assert (second.cycle, second.outcome) == (2, None)
    assert (second.started_at, second.due_at) == (START + started_on * DAY, START + due_on * DAY)


@pytest.mark.parametrize(("reopened_on", "due_on"), [(5, 42), (20, 48)])
def test_a_bounty_finding_closed_before_its_triage_has_its_whole_time_when_reopened(story, reopened_on, due_on):
    events = (story.reported(channel="bug_bounty"), story.severity(Severity.HIGH), story.fact(EventKind.FIXED, 3))
    reopened = story.fact(EventKind.REOPENED, reopened_on)
    _, second = bounds_of(story.fix_rule(), (*events, reopened), calendars={})
    assert second.due_at == START + due_on * DAY


def test_a_promise_broken_before_it_was_reopened_stays_broken(story):
    events = (
        story.reported(),
        story.severity(Severity.CRITICAL),
        story.fact(EventKind.FIXED, 12),
        story.fact(EventKind.REOPENED, 30),
    )
    first, second = bounds_of(story.fix_rule(), events, calendars={})
    assert state_of(first, now=START + 30 * DAY) is State.MET_LATE
    assert state_of(second, now=START + 30 * DAY) is State.BREACHED


def test_a_level_changed_while_closed_counts_when_it_is_reopened(story):
    closed = (story.fact(EventKind.FIXED, 3), story.severity(Severity.CRITICAL, 10), story.fact(EventKind.REOPENED, 30))
    first, second = bounds_of(
        story.fix_rule(), (story.reported(), story.severity(Severity.MEDIUM), *closed), calendars={}
    )
    assert (first.severity, second.severity) == (Severity.MEDIUM, Severity.CRITICAL)
    assert second.due_at == START + 40 * DAY


def test_only_a_recorded_decision_takes_a_subject_out_and_it_is_not_a_promise_kept(story):
    decision = story.fact(EventKind.CANCELLED, 4, actor="a-1", reason="not our app")
    bounds = story.only(
        story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL), decision, story.fact(EventKind.FIXED, 5)
    )
    assert (bounds.outcome, bounds.cancelled_by, bounds.cancelled_reason) == (
        Outcome.CANCELLED,
        "a-1",
        "not our app",
    )
    assert state_of(bounds, now=START + 99 * DAY) is State.CANCELLED
    assert remaining_seconds(bounds, now=START) is None
    with pytest.raises(IncompleteEvent):
        story.fact(EventKind.CANCELLED, 4)


def test_a_repeating_promise_starts_again_at_each_stop_until_it_ends(story):
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
    found = bounds_of(rule, [story.fact(kind, day) for kind, day in days], calendars={})
    assert [state_of(bounds, now=START + 40 * DAY) for bounds in found] == [State.MET, State.MET_LATE, State.MET]
    assert [bounds.started_at for bounds in found] == [START, START + 6 * DAY, START + 14 * DAY]


def test_no_events_have_no_cycles_and_a_subject_without_its_start_waits(story):
    assert bounds_of(story.fix_rule(), (), calendars={}) == ()
    waiting = story.only(story.fix_rule(), story.severity(Severity.HIGH))
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
def test_an_extension_of_no_or_negative_time_is_refused(story, data):
    with pytest.raises(IncompleteEvent):
        story.granted(1, **data)


def test_severity_set_without_a_level_is_refused(story):
    with pytest.raises(IncompleteEvent):
        story.fact(EventKind.SEVERITY_SET, 1)


# -- why


def test_why_names_clause_rule_source_and_instant_of_every_step(story):
    events = (
        story.reported(channel="bug_bounty"),
        story.severity(Severity.MEDIUM),
        story.fact(EventKind.TRIAGED, 2),
        story.fact(EventKind.PAUSED, 3, reason="Waiting", actor="a-1"),
        story.fact(EventKind.RESUMED, 4, reason="Waiting"),
        story.severity(Severity.CRITICAL, 20),
        story.fact(EventKind.EXTENSION_REQUESTED, 21, actor="a-1"),
        story.granted(22, until=date(2026, 12, 15)),
        story.fact(EventKind.FIXED, 23),
        story.fact(EventKind.REOPENED, 25),
        story.fact(EventKind.CANCELLED, 26, actor="a-2", reason="duplicate"),
    )
    now = START + 30 * DAY
    rule = story.fix_rule(pauses=("Waiting",))
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
    assert first[2].source == story.TABLE.source
    assert first[0].to_json()["at"] == "2026-11-01T00:00:00Z"


def test_why_says_what_was_not_counted_and_why_not(story):
    events = (
        story.reported(),
        story.severity(Severity.HIGH),
        story.fact(EventKind.PAUSED, 3, reason="on holiday"),
        story.granted(4, added=DAY, role="admin"),
    )
    ((*_, paused, extended, _says),) = explain(story.fix_rule(), events, calendars={}, now=START)
    assert paused.text == "on holiday is not a reason to pause: the clock runs on."
    assert extended.text == "Extension by 1 day by a-1: only atlassian may grant it."


def test_a_rise_that_keeps_the_old_bound_is_explained_by_the_old_level(story):
    events = (story.reported(), story.severity(Severity.HIGH), story.severity(Severity.CRITICAL, 27))
    ((*_, kept, _says),) = explain(story.fix_rule(), events, calendars={}, now=START)
    assert (kept.rule, kept.text) == ("high = 28 days, elapsed", "due at 2026-11-29T00:00:00Z.")


def test_a_fixed_date_before_the_start_is_breached_at_once():
    term = Term(mode=Mode.FIXED_DATE, clause="§1", source="x", fixed_on=date(2026, 6, 30))
    rule = Rule(promise="p", clause="§1", source="x", terms=(term,))
    (bounds,) = bounds_of(rule, [Event(kind=EventKind.REPORTED, at=START, source="r")], calendars={})
    assert (bounds.due_date, bounds.at_risk_at) == (date(2026, 6, 30), START)
    assert state_of(bounds, now=START) is State.BREACHED
