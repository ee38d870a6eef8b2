"""Words for states and durations: honest, at most two units, the same text wherever they are shown."""

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Severity, State
from app.edge.panels import wording
from app.edge.panels.wording import due_text, duration_text

MINUTE, HOUR, DAY = 60, 3600, 86400
UNIT_SECONDS = {"min": MINUTE, "h": HOUR, "d": DAY}
seconds = st.integers(min_value=-(10**9), max_value=10**9)


def seconds_in(text):
    return sum(int(count) * UNIT_SECONDS[unit] for count, unit in re.findall(r"(\d+) (d|h|min)", text))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "less than 1 min"),
        (59, "less than 1 min"),
        (60, "1 min"),
        (2 * HOUR - 1, "119 min"),
        (2 * HOUR, "2 h"),
        (2 * DAY - 1, "47 h"),
        (2 * DAY, "2 d"),
        (2 * DAY + 4 * HOUR + 59, "2 d 4 h"),
        (14 * DAY - 1, "13 d 23 h"),
        (14 * DAY + 5 * HOUR, "14 d"),
        (28 * DAY - 1, "27 d"),
        (-(2 * DAY + 4 * HOUR), "2 d 4 h"),
    ],
)
def test_a_duration_changes_its_units_at_the_documented_lengths(length, text):
    assert duration_text(length) == text


@given(seconds)
def test_a_duration_has_at_most_two_units_and_never_promises_time_that_is_not_there(length):
    text = duration_text(length)
    units = re.findall(r"\d+ (d|h|min)", text)
    assert len(units) <= 2
    step = MINUTE if "min" in text else HOUR if abs(length) < 14 * DAY else DAY
    shown = 0 if text == "less than 1 min" else seconds_in(text)
    assert shown <= abs(length) < shown + step


@given(seconds, seconds)
def test_a_longer_time_never_reads_as_a_shorter_one(first, second):
    shorter, longer = sorted((abs(first), abs(second)))
    assert seconds_in(duration_text(shorter).replace("less than 1", "0")) <= seconds_in(
        duration_text(longer).replace("less than 1", "0")
    )


@pytest.mark.parametrize(
    ("state", "remaining", "text"),
    [
        (State.RUNNING, 28 * DAY - 1, "due in 27 d"),
        (State.AT_RISK, 37 * HOUR, "due in 37 h"),
        (State.RUNNING, 0, "due in less than 1 min"),
        (State.BREACHED, -(2 * DAY + 4 * HOUR), "2 d 4 h overdue"),
        (State.BREACHED, -1, "less than 1 min overdue"),
        (State.PAUSED, 3 * DAY, "paused with 3 d left"),
        (State.PAUSED, -3 * DAY, "paused 3 d overdue"),
        (State.MET, 6 * DAY, "met 6 d before due"),
        (State.MET_LATE, -2 * DAY, "met 2 d late"),
        (State.MET, None, "met"),
        (State.AWAITING_TRIAGE, None, "awaiting triage"),
        (State.NO_DEADLINE, None, "no deadline"),
        (State.CANCELLED, None, "cancelled"),
    ],
)
def test_each_state_says_where_the_clock_stands(state, remaining, text):
    assert due_text(state, remaining) == text


@given(st.sampled_from(State), st.none() | seconds)
def test_a_clock_past_its_bound_never_reads_as_due_in_the_future(state, remaining):
    text = due_text(state, remaining)
    assert text
    if remaining is not None and remaining < 0:
        assert "due in" not in text
        assert "before due" not in text
        assert " left" not in text


def test_every_state_and_every_severity_has_a_shape_of_its_own_within_its_kind():
    assert set(wording.STATE_LOZENGES) == set(State)
    assert set(wording.SEVERITY_LOZENGES) == set(Severity)
    severities = [*wording.SEVERITY_LOZENGES.values(), wording.SEVERITY_UNSET]
    assert len({lozenge.icon for lozenge in severities}) == len(severities)
    assert len({lozenge.text for lozenge in wording.STATE_LOZENGES.values()}) == len(State)


def test_a_promise_reads_as_a_sentence_begins():
    assert wording.title_of("security-bug-fix") == "Security bug fix"


@given(st.text())
def test_any_promise_name_gives_a_title(promise):
    title = wording.title_of(promise)
    assert "-" not in title
    assert "_" not in title


def test_a_refusal_of_a_token_never_says_which_check_failed():
    words = wording.refusal_text(401)
    said = f"{words.title} {words.explanation} {words.advice}".lower()
    for check in ("signature", "jwt", "qsh", "issuer", "audience", "algorithm", "secret"):
        assert check not in said


@given(st.integers(min_value=400, max_value=599))
def test_every_refusal_has_a_title_an_explanation_and_an_advice(status):
    words = wording.refusal_text(status)
    assert words.title
    assert words.explanation
    assert words.advice


def test_instants_and_days_are_written_with_the_month_by_name():
    at = datetime(2026, 12, 4, 9, 5, 7, tzinfo=UTC)
    assert wording.instant_words(at) == "Fri 4 Dec 2026, 09:05 UTC"
    assert wording.instant_iso(at) == "2026-12-04T09:05:07Z"
    assert wording.date_words(date(2026, 12, 4)) == "Fri 4 Dec 2026"


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 hypothesis takes naive ends
def test_the_instant_for_machines_is_the_instant_to_the_second(at):
    assert datetime.fromisoformat(wording.instant_iso(at)) == at.replace(microsecond=0)


@given(
    st.lists(st.text() | st.datetimes(timezones=st.just(UTC)).map(lambda at: f"{at.replace(tzinfo=None).isoformat()}Z"))
)
def test_a_sentence_keeps_every_word_when_its_instants_are_taken_out(pieces):
    text = "".join(pieces)
    parts = wording.with_instants(text)
    assert [part for part in parts if part == ""] == []
    spelled = [part if isinstance(part, str) else f"{part.replace(tzinfo=None).isoformat()}Z" for part in parts]
    assert "".join(spelled) == text


def test_an_instant_in_a_sentence_is_taken_out():
    at = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    assert wording.with_instants("due at 2026-11-22T09:00:00Z.") == ("due at ", at, ".")


def test_what_only_looks_like_an_instant_stays_text():
    assert wording.with_instants("9999-99-99T99:99:99Z") == ("9999-99-99T99:99:99Z",)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("jira:created", "the issue in Jira"),
        ("jira:changelog:10023", "entry 10023 of the issue's history in Jira"),
        ("jira:changelog:<b>", "jira:changelog:<b>"),
        ("a letter", "a letter"),
    ],
)
def test_a_source_is_said_in_words(source, words):
    assert wording.source_words(source) == words
