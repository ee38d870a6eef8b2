"""`Cycle-Period` in every form that somebody expects, and when the promise is broken."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.privacy.cycle import LONGEST, SHORTEST, CycleState, period_of, state_of
from app.domain.privacy.ports import Answer, Outcome
from app.domain.privacy.waiting import pause_after

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("7 Days", 7), ("25 days", 25), ("1 day", 1), ("7days", 7), ("P7D", 7), ("p14d", 14), ("14", 14), ("366", 60),
        ("604800", 7), ("1209600", 14), ("367", 1), ("0", 1), ("P0D", 1), (" 7 ", 7), ("400 days", 60),
        ("P999999999D", 60), ("999999999", 60),
    ],
)  # fmt: skip
def test_a_period_is_read_and_clamped(text, days):
    assert period_of(text) == timedelta(days=days)


@pytest.mark.parametrize(
    "text", ["soon", "", "-7", "7.5", "P7W", "PT7H", "P-7D", "７", "٧ days", "7 d", "1" * 10, "7\n8"]
)
def test_what_nobody_understands_is_no_period(text):
    assert period_of(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_period_within_bounds_or_none(text):
    period = period_of(text)
    assert period is None or SHORTEST <= period <= LONGEST


@given(st.integers(1, 60))
def test_every_form_of_a_number_of_days_means_the_same(days):
    forms = (f"{days} Days", f"P{days}D", str(days), str(days * 86400))
    assert {period_of(form) for form in forms} == {timedelta(days=days)}


@pytest.mark.parametrize(
    ("due_hours_ago", "state"),
    [(0, CycleState.ON_TIME), (12, CycleState.ON_TIME), (13, CycleState.BEHIND), (24, CycleState.BREACHED)],
)
def test_a_day_after_an_account_is_due_the_promise_is_broken(due_hours_ago, state):
    due = NOW - timedelta(hours=due_hours_ago)
    assert state_of(accounts=1, oldest_due=due, oldest_unerased=None, now=NOW) is state


def test_without_accounts_nothing_can_be_late():
    assert state_of(accounts=0, oldest_due=None, oldest_unerased=None, now=NOW) is CycleState.NOTHING_HELD


@given(st.integers(1, 50), st.floats(0, 1))
def test_a_wait_is_between_a_minute_and_an_hour_or_so(failures, jitter):
    wait = pause_after(Answer(Outcome.SLOW_DOWN, status=429), failures=failures, jitter=jitter)
    assert timedelta(seconds=45) <= wait <= timedelta(minutes=75)


@given(st.integers(1, 86_400))
def test_what_was_asked_for_is_what_is_waited(seconds):
    answer = Answer(Outcome.SLOW_DOWN, status=429, retry_after_seconds=seconds)
    assert pause_after(answer, failures=9, jitter=0.5) == timedelta(seconds=seconds)
