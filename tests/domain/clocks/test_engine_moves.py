from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.clocks.model import Event, EventKind, Severity, State
from app.domain.clocks.rule import ExtensionForm, SeverityChange
from app.domain.clocks.state import projected_due_at, remaining_seconds, state_of

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


# -- pauses


def test_a_pause_moves_the_due_instant_by_its_length(story):
    events = (
        story.reported(),
        story.severity(Severity.HIGH),
        story.fact(EventKind.PAUSED, 9),
        story.fact(EventKind.RESUMED, 12),
    )
    bounds = story.only(story.fix_rule(pauses=("*",)), *events)
    assert (story.days_given(bounds), bounds.paused_seconds, bounds.paused_since) == (31, 3 * 86400, None)


def test_a_pause_for_a_reason_that_the_rule_does_not_allow_changes_nothing(story):
    paused = story.fact(EventKind.PAUSED, 9, reason="on holiday")
    bounds = story.only(
        story.fix_rule(pauses=("Waiting for customer",)), story.reported(), story.severity(Severity.HIGH), paused
    )
    assert bounds == story.only(story.fix_rule(pauses=()), story.reported(), story.severity(Severity.HIGH))


def test_an_open_pause_freezes_the_time_left_and_projects_the_due_instant(story):
    bounds = story.only(
        story.fix_rule(pauses=("*",)), story.reported(), story.severity(Severity.HIGH), story.fact(EventKind.PAUSED, 20)
    )
    for day in (21, 50):
        now = START + day * DAY
        assert state_of(bounds, now=now) is State.PAUSED
        assert remaining_seconds(bounds, now=now) == 8 * 86400
        assert projected_due_at(bounds, now=now) == START + (28 + day - 20) * DAY


@pytest.mark.parametrize("day", [10, 11])
def test_a_breach_cannot_be_paused_away(story, day):
    events = (
        story.reported(),
        story.severity(Severity.CRITICAL),
        story.fact(EventKind.PAUSED, day),
        story.fact(EventKind.RESUMED, 30),
    )
    bounds = story.only(story.fix_rule(pauses=("*",)), *events)
    assert (story.days_given(bounds), bounds.paused_seconds) == (10, 0)
    still_paused = story.only(story.fix_rule(pauses=("*",)), *events[:3])
    assert state_of(still_paused, now=START + 12 * DAY) is State.BREACHED


def test_overlapping_pauses_for_different_reasons_count_once(story):
    events = [story.reported(), story.severity(Severity.HIGH)]
    for reason, since, until in (("a", 2, 6), ("b", 4, 9), ("c", 5, 6)):
        for kind, day in ((EventKind.PAUSED, since), (EventKind.RESUMED, until)):
            events.append(Event(kind=kind, at=START + day * DAY, source=reason, reason=reason))
    assert story.days_given(story.only(story.fix_rule(pauses=("*",)), *events)) == 28 + 7


def test_a_pause_that_began_before_the_start_counts_from_the_start(story):
    events = (
        story.fact(EventKind.PAUSED, -3),
        story.reported(),
        story.severity(Severity.HIGH),
        story.fact(EventKind.RESUMED, 2),
    )
    assert story.days_given(story.only(story.fix_rule(pauses=("*",)), *events)) == 30


def test_a_fix_during_a_pause_ends_the_pause(story):
    events = (
        story.reported(),
        story.severity(Severity.CRITICAL),
        story.fact(EventKind.PAUSED, 5),
        story.fact(EventKind.FIXED, 40),
    )
    bounds = story.only(story.fix_rule(pauses=("*",)), *events)
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
def test_a_rise_moves_the_bound_as_the_rule_says(story, choice, days):
    events = (story.reported(), story.severity(Severity.MEDIUM), story.severity(Severity.CRITICAL, 20))
    assert story.days_given(story.only(story.fix_rule(on_rise=choice), *events)) == days


@pytest.mark.parametrize(
    ("choice", "days"),
    [
        (SeverityChange.MIN_OLD_OR_CHANGE_PLUS_NEW, 10),
        (SeverityChange.FROM_ORIGINAL_START, 84),
        (SeverityChange.CHANGE_PLUS_NEW, 89),
        (SeverityChange.KEEP_OLD, 10),
    ],
)
def test_a_fall_moves_the_bound_as_the_rule_says(story, choice, days):
    events = (story.reported(), story.severity(Severity.CRITICAL), story.severity(Severity.MEDIUM, 5))
    assert story.days_given(story.only(story.fix_rule(on_fall=choice), *events)) == days


def test_a_rise_late_in_the_time_given_never_gives_more_time(story):
    events = (story.reported(), story.severity(Severity.HIGH), story.severity(Severity.CRITICAL, 27))
    assert story.days_given(story.only(story.fix_rule(), *events)) == 28


def test_a_rise_during_a_pause_counts_from_where_the_clock_stands(story):
    events = (
        story.reported(),
        story.severity(Severity.MEDIUM),
        story.fact(EventKind.PAUSED, 20),
        story.severity(Severity.CRITICAL, 25),
    )
    resumed = story.fact(EventKind.RESUMED, 30)
    assert story.days_given(story.only(story.fix_rule(pauses=("*",)), *events, resumed)) == 40


def test_a_fall_counts_from_the_start_again_with_the_pauses_so_far(story):
    pause = (story.fact(EventKind.PAUSED, 1), story.fact(EventKind.RESUMED, 3))
    events = (story.reported(), story.severity(Severity.CRITICAL), *pause, story.severity(Severity.MEDIUM, 5))
    bounds = story.only(story.fix_rule(pauses=("*",)), *events)
    assert (story.days_given(bounds), bounds.paused_seconds) == (86, 2 * 86400)


def test_the_same_level_told_again_changes_nothing(story):
    events = (story.reported(), story.severity(Severity.CRITICAL), story.severity(Severity.CRITICAL, 5))
    assert story.days_given(story.only(story.fix_rule(), *events)) == 10


def test_a_finding_lowered_to_none_has_no_deadline_any_more(story):
    bounds = story.only(
        story.fix_rule(), story.reported(), story.severity(Severity.LOW), story.severity(Severity.NONE, 5)
    )
    assert state_of(bounds, now=START) is State.NO_DEADLINE


# -- extensions


def test_a_request_for_an_extension_alone_moves_nothing(story):
    asked = story.fact(EventKind.EXTENSION_REQUESTED, 8)
    assert (
        story.days_given(story.only(story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL), asked)) == 10
    )


def test_a_granted_date_holds_to_the_end_of_that_day(story):
    bounds = story.only(
        story.fix_rule(),
        story.reported(),
        story.severity(Severity.CRITICAL),
        story.granted(9, until=date(2026, 12, 15)),
    )
    assert (bounds.due_at, bounds.due_date) == (None, date(2026, 12, 15))
    assert bounds.due_before == datetime(2026, 12, 16, tzinfo=UTC)


def test_granted_time_is_added_to_the_bound(story):
    bounds = story.only(
        story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL), story.granted(9, added=5 * DAY)
    )
    assert story.days_given(bounds) == 15


def test_an_extension_never_shortens(story):
    bounds = story.only(
        story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL), story.granted(2, until=date(2026, 11, 5))
    )
    assert story.days_given(bounds) == 10


def test_an_extension_survives_a_change_of_severity_that_counts_from_the_start(story):
    events = (
        story.reported(),
        story.severity(Severity.CRITICAL),
        story.granted(2, added=5 * DAY),
        story.severity(Severity.HIGH, 3),
    )
    assert story.days_given(story.only(story.fix_rule(), *events)) == 33


def test_a_pause_before_the_grant_does_not_move_the_granted_date(story):
    events = (story.reported(), story.severity(Severity.CRITICAL), story.fact(EventKind.PAUSED, 5))
    grant = story.granted(8, until=date(2026, 11, 20))
    bounds = story.only(story.fix_rule(pauses=("*",)), *events, grant, story.fact(EventKind.RESUMED, 9))
    assert bounds.due_date == date(2026, 11, 21)


@pytest.mark.parametrize("lack", ["actor", "reason", "evidence", "role"])
def test_an_extension_that_does_not_say_who_why_and_on_what_evidence_moves_nothing(story, lack):
    event = story.granted(5, added=5 * DAY, **{lack: None})
    assert (
        story.days_given(story.only(story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL), event)) == 10
    )


def test_a_vendor_cannot_grant_itself_an_extension(story):
    event = story.granted(5, added=5 * DAY, role="admin")
    assert (
        story.days_given(story.only(story.fix_rule(), story.reported(), story.severity(Severity.CRITICAL), event)) == 10
    )


def test_a_form_of_extension_that_the_rule_does_not_know_moves_nothing(story):
    rule = story.fix_rule(extension_forms=(ExtensionForm.DATE,))
    assert (
        story.days_given(
            story.only(rule, story.reported(), story.severity(Severity.CRITICAL), story.granted(5, added=DAY))
        )
        == 10
    )
