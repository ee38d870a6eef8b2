"""What an answer says about when to come back: in every form that was seen, and in forms that nobody should see."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from app.outbound.advice import LONGEST_SECONDS, advice_of, whole_seconds

NOW = datetime(2026, 11, 22, 9, 0, 30, tzinfo=UTC)
QUOTA = '"global-app-quota";r={};t={}'


def advice(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return advice_of(CaseInsensitiveDict(named), now=NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        (" 2 ", 2),
        ("0", 1),
        ("1.5", 1.5),
        ("0.2", 1),
        ("3600", 3600),
        ("3601", 3600),
        ("86400", 3600),
        ("86401", None),
        ("99999999", None),
        ("-5", None),
        ("1e3", None),
        ("+7", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("²", None),
        ("", None),
        ("soon", None),
        ("Sun, 22 Nov 2026 09:01:00 GMT", 30),
        ("Sun, 22 Nov 2026 10:01:00 +0100", 30),
        ("Sunday, 22-Nov-26 09:01:00 GMT", 30),
        ("Sun, 22 Nov 2026 09:00:30 GMT", 1),
        ("Sun, 22 Nov 2026 08:00:00 GMT", None),
        ("Sun, 22 Nov 2026 23:00:00 GMT", 3600),
        ("Sun, 22 Nov 9999 09:01:00 GMT", None),
        ("Sun, 99 Nov 2026 09:01:00 GMT", None),
    ],
)
def test_retry_after_in_all_its_forms(text, seconds):
    assert advice(Retry_After=text).seconds == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"X_RateLimit_Reset": "2026-11-22T09:02Z"}, 90),
        ({"X_RateLimit_Reset": "2026-11-22T09:00:40.5+00:00"}, 10.5),
        ({"X_RateLimit_Reset": "2026-11-22T09:00Z"}, None),
        ({"X_RateLimit_Reset": "2026-11-22T09:02"}, None),
        ({"X_Beta_RateLimit_Reset": "2026-11-22T09:01Z"}, 30),
        ({"RateLimit_Reset": "12"}, 12),
        ({"RateLimit_Reset": "2026-11-22T09:01:00Z"}, 30),
        ({"Beta_RateLimit": QUOTA.format(0, 2788)}, 2788),
        ({"RateLimit": QUOTA.format(0, 2788)}, 2788),
        ({"Beta_RateLimit": '"tenant-app-quota";r=0;t=2788'}, None),
        ({"Retry_After": "7", "X_RateLimit_Reset": "2026-11-22T09:02Z", "Beta_RateLimit": QUOTA.format(0, 99)}, 7),
        ({"Retry_After": "99999999", "X_RateLimit_Reset": "2026-11-22T09:02Z"}, 90),
        ({"Retry_After": "-1", "X_RateLimit_Reset": "yesterday", "Beta_RateLimit": QUOTA.format(0, 99)}, 99),
    ],
)
def test_what_stands_in_for_a_retry_after_that_is_missing_or_nonsense(headers, seconds):
    assert advice(**headers).seconds == seconds


@pytest.mark.parametrize("name", ["RateLimit_Reason", "X_Beta_RateLimit_Reason"])
def test_the_reason_is_read_as_jira_and_its_gateways_write_it(name):
    assert advice(**{name: " Jira-Burst-Based "}).reason == "jira-burst-based"
    assert advice().reason == advice(**{name: "jira\x1b[2J"}).reason == advice(**{name: "x" * 41}).reason == ""


@pytest.mark.parametrize("name", ["X_RateLimit_NearLimit", "X_Beta_RateLimit_NearLimit"])
@pytest.mark.parametrize(("text", "is_near"), [("true", True), ("True", True), ("false", False), ("1", False)])
def test_near_the_limit_is_what_says_true(name, text, is_near):
    assert advice(**{name: text}).is_near_limit is is_near


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (QUOTA.format(13450, 600), 13450),
        ('"tenant-app-quota";r=5;t=9, "global-app-quota";r=7;t=9', 7),
        ('"tenant-app-quota";r=5;t=9', None),
        ("global-app-quota;r=7;t=9", None),
        ('"global-app-quota";r=-7;t=9', None),
        ('"global-app-quota";r=0', 0),
    ],
)
def test_the_points_left_are_those_of_the_whole_app(text, left):
    assert advice(Beta_RateLimit=text).points_left == left


NAMES = ("Retry-After", "X-RateLimit-Reset", "RateLimit-Reset", "Beta-RateLimit", "RateLimit-Reason")
odd_texts = st.one_of(
    st.text(max_size=80),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(lambda at: at.isoformat()),
    st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()),
    st.datetimes(timezones=st.just(UTC)).map(lambda at: format_datetime(at, usegmt=True)),
    st.tuples(st.integers(), st.integers()).map(lambda pair: QUOTA.format(*pair)),
)


@given(st.dictionaries(st.sampled_from(NAMES), odd_texts))
@example({"X-RateLimit-Reset": "0001-01-01T00:00:00+23:59"})
@example({"Retry-After": "Mon, 01 Jan 0001 00:00:00 +2359"})
def test_whatever_headers_say_nothing_is_raised_and_a_wait_is_between_a_second_and_an_hour(headers):
    found = advice_of(CaseInsensitiveDict(headers), now=NOW)
    assert found.seconds is None or 1 <= found.seconds <= LONGEST_SECONDS
    assert found.points_left is None or found.points_left >= 0


@given(st.floats(min_value=1, max_value=3600))
def test_a_number_of_seconds_is_honoured_to_the_second_and_never_cut_short(seconds):
    text = f"{seconds:.6f}"
    heard = advice(Retry_After=text).seconds
    assert heard == float(text)
    assert 0 <= whole_seconds(heard) - heard < 1


@given(st.integers(min_value=1, max_value=3600))
def test_a_date_is_honoured_to_the_second(seconds):
    at = format_datetime((NOW + timedelta(seconds=seconds)).astimezone(UTC), usegmt=True)
    assert advice(Retry_After=at).seconds == seconds
