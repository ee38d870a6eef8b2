"""When who is told, as pure functions: cases by hand, and what holds for every clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Bounds, Outcome, Severity
from app.domain.identifiers import IssueId, ProjectId
from app.domain.notices.model import (
    AT_RISK,
    BREACHED,
    HALF,
    ClockName,
    Medium,
    Quiet,
    Recipient,
    RecipientId,
    Rhythm,
    Standing,
    Told,
    WatchedClock,
)
from app.domain.notices.rules import concerns, due_notice, is_time_for, newest_crossing

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)


def bounds(days=10.0, **changes):
    due = START + days * DAY
    values = {"cycle": 1, "severity": Severity.HIGH, "started_at": START, "due_at": due}
    return Bounds(**values | {"at_risk_at": due - 0.2 * days * DAY} | changes)


def clock(made=None, *, told=None, silent_before=None):
    name = ClockName(IssueId(10001), "security-bug-fix", 1)
    return WatchedClock(name, "SEC-1", ProjectId(10000), made or bounds(), silent_before, told)


def told_in(watched, days):
    """Every threshold that is told in these days, with its day, by a run each quarter of an hour."""
    found, now = [], START
    while now <= START + days * DAY:
        notice = due_notice(watched, now=now)
        if notice is not None:
            watched = replace(watched, told=Told(notice.threshold, now, watched.bounds.paused_seconds))
            found.append((notice.threshold, round((now - START) / DAY, 1)))
        now += QUARTER
    return found


def test_half_at_risk_and_breach_then_daily_for_a_week_then_weekly_without_end():
    days = [(BREACHED + n, 10.0 + n) for n in (*range(8), 14, 21, 28)]
    assert told_in(clock(), 38.5) == [(HALF, 5.0), (AT_RISK, 8.0), *days]
    year = due_notice(clock(), now=START + 375 * DAY)
    assert year.threshold == BREACHED + 364


def test_a_policy_that_says_for_how_long_a_breach_is_told_ends_it_there():
    newest = newest_crossing(bounds(), now=START + 30 * DAY, tell_days=3)
    assert newest.threshold == BREACHED + 3


def test_the_at_risk_threshold_is_the_policys_own():
    early = bounds(at_risk_at=START + 2 * DAY)
    assert told_in(clock(early), 9) == [(AT_RISK, 2.0)]


def test_of_all_that_was_crossed_meanwhile_only_the_newest_is_told():
    notice = due_notice(clock(), now=START + 12.5 * DAY)
    assert (notice.threshold, notice.crossed_at - START) == (BREACHED + 2, 12 * DAY + timedelta(microseconds=1))


def test_the_due_instant_itself_is_in_time_and_that_of_a_date_is_not():
    due = START + 10 * DAY
    assert newest_crossing(bounds(), now=due).threshold == AT_RISK
    assert newest_crossing(bounds(), now=due + timedelta(microseconds=1)).threshold == BREACHED
    dated = bounds(due_at=None, due_date=date(2026, 11, 10), due_before=due)
    assert newest_crossing(dated, now=due).threshold == BREACHED


@pytest.mark.parametrize(
    "ended",
    [
        {"stopped_at": START + DAY},
        {"outcome": Outcome.CANCELLED},
        {"paused_since": START + DAY},
        {"due_at": None},
        {"started_at": None},
    ],
    ids=["met", "cancelled", "paused", "no deadline", "awaiting triage"],
)
def test_a_clock_that_does_not_run_tells_nothing(ended):
    assert due_notice(clock(bounds(**ended)), now=START + 40 * DAY) is None


def test_nothing_is_told_of_what_a_recomputation_moved_into_the_past():
    silent = clock(silent_before=START + 12.5 * DAY)
    assert due_notice(silent, now=START + 12.9 * DAY) is None
    assert due_notice(silent, now=START + 13.1 * DAY).threshold == BREACHED + 3


def test_a_pause_tells_no_threshold_twice():
    told = Told(HALF, START + 5.01 * DAY, 0)
    resumed = bounds(days=12, at_risk_at=START + 10 * DAY, paused_seconds=2 * 86400)
    assert told_in(clock(resumed, told=told), 10.5) == [(AT_RISK, 10.0)]


def test_a_bound_that_moves_by_hours_tells_no_warning_twice():
    told = Told(AT_RISK, START + 8 * DAY, 0)
    moved = bounds(days=10.3, at_risk_at=START + 8.3 * DAY)
    assert told_in(clock(moved, told=told), 10.4) == [(BREACHED, 10.3)]


def test_an_extension_lets_every_threshold_that_is_crossed_anew_be_told_anew():
    told = Told(BREACHED + 2, START + 12 * DAY, 0)
    extended = bounds(days=40, at_risk_at=START + 32 * DAY)
    assert told_in(clock(extended, told=told), 40.1) == [(HALF, 20.0), (AT_RISK, 32.0), (BREACHED, 40.0)]


def test_a_breach_after_a_short_extension_is_told():
    told = Told(BREACHED, START + 3 * DAY, 0)
    extended = bounds(days=3.5, at_risk_at=START + 2.8 * DAY)
    assert told_in(clock(extended, told=told), 3.6) == [(BREACHED, 3.5)]


def test_a_bound_that_moves_closer_is_told_at_once():
    told = Told(HALF, START + 5 * DAY, 0)
    notice = due_notice(clock(bounds(days=4), told=told), now=START + 5.5 * DAY)
    assert notice.threshold == BREACHED + 1


@given(
    days=st.floats(0.1, 200),
    share=st.floats(0, 1),
    paused=st.integers(0, 86400),
    runs=st.lists(st.integers(0, 300 * 24 * 3600), min_size=1, max_size=60),
    silent=st.none() | st.integers(0, 200 * 24 * 3600),
    is_date=st.booleans(),
)
def test_thresholds_only_rise_and_none_is_told_twice_or_out_of_silence(days, share, paused, runs, silent, is_date):
    due = START + days * DAY
    made = bounds(days, at_risk_at=START + share * days * DAY, paused_seconds=paused)
    if is_date:
        made = replace(made, due_at=None, due_date=due.date(), due_before=due)
    silent_before = None if silent is None else START + timedelta(seconds=silent)
    watched, found = clock(made, silent_before=silent_before), []
    for seconds in sorted(runs):
        now = START + timedelta(seconds=seconds)
        newest, notice = newest_crossing(made, now=now), due_notice(watched, now=now)
        if notice is not None:
            assert (newest.threshold, newest.at) == (notice.threshold, notice.crossed_at)
            assert START <= notice.crossed_at <= now
            assert silent_before is None or notice.crossed_at > silent_before
            watched = replace(watched, told=Told(notice.threshold, now, paused))
            found.append(notice.threshold)
        assert due_notice(watched, now=now) is None
    assert found == sorted(set(found))


def recipient(**changes):
    values = {"recipient": RecipientId(UUID(int=1)), "label": "Team", "medium": Medium.MAIL, "added_at": START}
    return Recipient(**values | changes)


CASES = {
    "everything": ({}, True),
    "their project": ({"projects": frozenset({10000})}, True),
    "another project": ({"projects": frozenset({10001})}, False),
    "their severity": ({"severities": frozenset({Severity.HIGH})}, True),
    "another severity": ({"severities": frozenset({Severity.LOW})}, False),
    "their role": ({"roles": frozenset({"security"})}, True),
    "another role": ({"roles": frozenset({"support"})}, False),
    "added later": ({"added_at": START + 11 * DAY}, False),
    "refused": ({"standing": Standing.REFUSED}, False),
    "unsubscribed": ({"standing": Standing.UNSUBSCRIBED}, False),
    "a comment on the breach": ({"medium": Medium.JIRA_COMMENT}, True),
}


@pytest.mark.parametrize("name", CASES)
def test_a_recipient_is_told_of_what_they_asked_for(name):
    changes, expected = CASES[name]
    notice = due_notice(clock(), now=START + 10.5 * DAY)
    assert concerns(recipient(**changes), notice, told_roles=("security",)) is expected


def test_an_issue_is_commented_on_its_breach_only():
    comment = recipient(medium=Medium.JIRA_COMMENT)
    for days, expected in ((5, False), (8, False), (10.5, True), (11.5, False)):
        notice = due_notice(clock(), now=START + days * DAY)
        assert concerns(comment, notice, told_roles=()) is expected


def test_a_promise_that_names_nobody_is_told_to_everybody():
    notice = due_notice(clock(), now=START + 10.5 * DAY)
    assert concerns(recipient(roles=frozenset({"support"})), notice, told_roles=())


@pytest.mark.parametrize(("hours", "expected"), [(72, True), (73, False)])
def test_a_clock_of_72_hours_does_not_wait_for_the_morning(hours, expected):
    assert due_notice(clock(bounds(days=hours / 24)), now=START + 9 * DAY).is_urgent is expected


NIGHT = Quiet(time(22), time(7))


@pytest.mark.parametrize(
    ("zone", "quiet", "utc", "expected"),
    [
        ("UTC", None, "03:00", True),
        ("UTC", NIGHT, "21:59", True),
        ("UTC", NIGHT, "22:00", False),
        ("UTC", NIGHT, "06:59", False),
        ("UTC", NIGHT, "07:00", True),
        ("Asia/Tokyo", NIGHT, "21:59", False),  # 06:59 there
        ("Asia/Tokyo", NIGHT, "22:00", True),
        ("UTC", Quiet(time(9), time(17)), "12:00", False),
        ("UTC", Quiet(time(9), time(17)), "17:00", True),
        ("UTC", Quiet(time(9), time(9)), "12:00", True),
    ],
)
def test_quiet_hours_are_those_of_the_recipients_own_wall_clock(zone, quiet, utc, expected):
    now = datetime.fromisoformat(f"2026-11-22T{utc}:00+00:00")
    assert is_time_for(recipient(zone=zone, quiet=quiet), now=now) is expected


@pytest.mark.parametrize(
    ("rhythm", "told", "now", "expected"),
    [
        (Rhythm.EACH_RUN, "2026-11-22T09:00", "2026-11-22T09:15", True),
        (Rhythm.DAILY, "2026-11-22T09:00", "2026-11-22T22:59", False),
        (Rhythm.DAILY, "2026-11-22T09:00", "2026-11-22T23:00", True),  # midnight in Berlin
        (Rhythm.WEEKLY, "2026-11-16T09:00", "2026-11-22T22:59", False),
        (Rhythm.WEEKLY, "2026-11-16T09:00", "2026-11-22T23:00", True),  # Monday in Berlin
        (Rhythm.WEEKLY, "2026-12-30T09:00", "2027-01-03T09:00", False),  # the same ISO week in two years
    ],
)
def test_a_rhythm_counts_days_and_weeks_of_the_recipients_zone(rhythm, told, now, expected):
    made = recipient(zone="Europe/Berlin", rhythm=rhythm, told_at=datetime.fromisoformat(f"{told}+00:00"))
    assert is_time_for(made, now=datetime.fromisoformat(f"{now}+00:00")) is expected
