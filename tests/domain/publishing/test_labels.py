"""The label of an issue: which clock speaks, in which words, and at which instants that changes."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Bounds, Outcome, Severity, State
from app.domain.publishing.labels import label_of, next_change_at

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


def running(due_at, **changes):
    values = {"cycle": 1, "severity": Severity.HIGH, "started_at": NOW - 400 * DAY, "due_at": due_at}
    return Bounds(**values | changes)


def text(bounds, now=NOW):
    return label_of([("fix", bounds)], now=now).text


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (175 * DAY, "Due in 25w"),
        (35 * DAY - TICK, "Due in 4w"),
        (28 * DAY, "Due in 4w"),
        (28 * DAY - TICK, "Due in 27d"),
        (9 * DAY, "Due in 9d"),
        (9 * DAY - TICK, "Due in 8d"),
        (1 * DAY, "Due in 1d"),
        (1 * DAY - TICK, "Due within 24h"),
        (timedelta(), "Due within 24h"),
        (-TICK, "Overdue"),
        (-1 * DAY, "Overdue"),
        (-1 * DAY - TICK, "1d overdue"),
        (-2 * DAY - TICK, "2d overdue"),
        (-28 * DAY, "27d overdue"),
        (-28 * DAY - TICK, "4w overdue"),
        (-35 * DAY - TICK, "5w overdue"),
    ],
)
def test_the_text_counts_whole_days_and_never_time_that_is_not_there(left, words):
    assert text(running(NOW + left)) == words


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (DAY + TICK, "Due in 1d"),
        (DAY, "Due today"),
        (TICK, "Due today"),
        (timedelta(), "Overdue"),
        (-DAY, "1d overdue"),
    ],
)
def test_a_promise_about_a_day_is_due_on_that_day_and_late_from_its_end(left, words):
    bounds = running(None, due_date=date(2026, 11, 22), due_before=NOW + left)
    assert text(bounds) == words


@pytest.mark.parametrize(
    ("bounds", "state", "words", "colour"),
    [
        (running(NOW + DAY, at_risk_at=NOW), State.AT_RISK, "Due in 1d", "moved"),
        (running(NOW + DAY, at_risk_at=NOW + SECOND), State.RUNNING, "Due in 1d", "inprogress"),
        (running(NOW - DAY), State.BREACHED, "Overdue", "removed"),
        (running(NOW + DAY, paused_since=NOW - DAY), State.PAUSED, "Paused", "default"),
        (running(NOW - DAY, paused_since=NOW - 2 * DAY, overrun_at=NOW), State.BREACHED, "Overdue", "removed"),
        (Bounds(cycle=1), State.AWAITING_TRIAGE, "Needs triage", "new"),
        (Bounds(cycle=1, severity=Severity.NONE, started_at=NOW), State.NO_DEADLINE, "No deadline", "default"),
        (running(NOW, stopped_at=NOW, outcome=Outcome.MET), State.MET, "Fixed in time", "success"),
        (running(NOW, stopped_at=NOW + TICK, outcome=Outcome.MET), State.MET_LATE, "Fixed late", "moved"),
        (running(NOW, stopped_at=NOW, outcome=Outcome.CANCELLED), State.CANCELLED, "Cancelled", "default"),
    ],
)
def test_every_state_has_words_and_a_colour(bounds, state, words, colour):
    label = label_of([("fix", bounds)], now=NOW)
    assert (label.state, label.text) == (state, words)
    assert label.lozenge() == {"type": "lozenge", "value": {"label": words, "type": colour}}


def test_an_issue_without_a_clock_has_no_deadline_and_that_never_changes():
    assert label_of([], now=NOW).property() == {"state": "no_deadline"}
    assert next_change_at([], now=NOW) is None


def test_the_property_has_the_last_instant_in_time_and_the_day_where_the_promise_is_about_one():
    at = label_of([("fix", running(NOW + DAY))], now=NOW).property()
    assert at == {"state": "running", "due": "2026-11-23T09:00:00Z", "promise": "fix"}
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    day = label_of([("fix", running(None, due_date=date(2026, 11, 23), due_before=midnight))], now=NOW).property()
    assert day == {"state": "running", "due": "2026-11-23T23:59:59Z", "dueDate": "2026-11-23", "promise": "fix"}


SPEAKS_BEFORE = [
    running(NOW - 2 * DAY),
    running(NOW - DAY),
    running(NOW + 300 * DAY),
    running(NOW + DAY, paused_since=NOW - DAY),
    running(NOW + 2 * DAY, paused_since=NOW - DAY),
    Bounds(cycle=1),
    Bounds(cycle=1, severity=Severity.NONE, started_at=NOW),
    running(NOW, stopped_at=NOW + DAY, outcome=Outcome.MET),
    running(NOW, stopped_at=NOW, outcome=Outcome.CANCELLED),
]


@pytest.mark.parametrize("first", range(len(SPEAKS_BEFORE) - 1))
def test_the_most_urgent_clock_speaks_whatever_its_name(first):
    for other in SPEAKS_BEFORE[first + 1 :]:
        for names in (("a", "b"), ("b", "a")):
            label = label_of([(names[1], other), (names[0], SPEAKS_BEFORE[first])], now=NOW)
            assert label.promise == names[0]


def test_of_equal_clocks_the_first_name_speaks_in_any_order():
    cycles = [(name, running(NOW + DAY)) for name in ("c", "a", "b")]
    assert {label_of(order, now=NOW).promise for order in permutations(cycles)} == {"a"}


def test_only_the_newest_cycle_of_a_promise_speaks():
    ended = running(NOW - 9 * DAY, stopped_at=NOW - 8 * DAY, outcome=Outcome.MET)
    cycles = [("fix", running(NOW + 5 * DAY, cycle=2)), ("fix", ended)]
    assert {label_of(order, now=NOW).text for order in permutations(cycles)} == {"Due in 5d"}


offsets = st.timedeltas(min_value=timedelta(days=-120), max_value=timedelta(days=120))
instants = offsets.map(lambda offset: NOW + offset) | st.integers(-60, 60).map(lambda days: NOW + days * DAY)
maybe = st.none() | instants


@st.composite
def cycles(draw):
    """Bounds as the engine could make them, and some that it would not."""
    is_date, stopped = draw(st.booleans()), draw(st.none() | st.none() | instants)
    bound = draw(maybe)
    return Bounds(
        cycle=draw(st.integers(1, 3)),
        severity=draw(st.none() | st.sampled_from(Severity)),
        started_at=draw(maybe),
        due_at=None if is_date else bound,
        due_before=bound if is_date else None,
        due_date=bound.date() if is_date and bound else None,
        at_risk_at=draw(maybe),
        paused_since=draw(st.none() | st.none() | instants),
        overrun_at=bound and draw(st.none() | st.sampled_from([bound + TICK, bound + DAY, bound + 30 * DAY])),
        stopped_at=stopped,
        outcome=None if stopped is None else draw(st.sampled_from(Outcome)),
    )


issues = st.lists(st.tuples(st.sampled_from("abc"), cycles()), max_size=4)


@given(clocks=issues, now=instants, shares=st.lists(st.floats(0, 1, exclude_max=True), max_size=5))
def test_a_label_holds_until_its_next_change_and_not_one_instant_longer(clocks, now, shares):
    label, changes_at = label_of(clocks, now=now), next_change_at(clocks, now=now)
    until = NOW + timedelta(days=3000) if changes_at is None else changes_at
    assert until > now
    for at in (now, until - TICK, *(min(now + (until - now) * share, until - TICK) for share in shares)):
        assert label_of(clocks, now=at) == label
    if changes_at is not None:
        assert label_of(clocks, now=changes_at) != label


@given(clocks=issues, now=instants, order=st.randoms())
def test_the_order_in_which_clocks_are_told_decides_nothing(clocks, now, order):
    kept = {(promise, bounds.cycle): (promise, bounds) for promise, bounds in clocks}
    mixed = list(kept.values())
    order.shuffle(mixed)
    assert label_of(mixed, now=now) == label_of(kept.values(), now=now)
    assert next_change_at(mixed, now=now) == next_change_at(kept.values(), now=now)


@given(clocks=issues, now=instants)
def test_a_label_is_short_and_changes_at_most_once_a_day_and_by_what_happens(clocks, now):
    assert len(label_of(clocks, now=now).text) <= 20
    changes, at = 0, now
    while (at := next_change_at(clocks, now=at)) is not None and at < now + timedelta(days=60):
        changes += 1
    others = 4 * len(clocks)  # begins, turns risky, falls due, gives way to another
    assert changes <= 60 + others
