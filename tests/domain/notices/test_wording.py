"""What a message says, in the reader's zone, and what it can never hold."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Bounds, Severity
from app.domain.identifiers import IssueId, ProjectId
from app.domain.notices.model import ClockName, WatchedClock
from app.domain.notices.wording import comment_of, due_words, link_to, moment_words, subject_of, text_of

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
SITE = "https://example.atlassian.net"


def clock(due=NOW + timedelta(days=2), *, key="SEC-12", **changes):
    values = {"cycle": 1, "severity": Severity.HIGH, "started_at": NOW - timedelta(days=26), "due_at": due}
    bounds = Bounds(**values | changes)
    return WatchedClock(ClockName(IssueId(1), "security-bug-fix", 1), key, ProjectId(1), bounds, None, None)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=2), "due in 2 days"),
        (timedelta(days=2) - timedelta(seconds=1), "due in 47 hours"),
        (timedelta(hours=2), "due in 2 hours"),
        (timedelta(minutes=119), "due in 119 minutes"),
        (timedelta(minutes=1), "due in 1 minute"),
        (timedelta(seconds=59), "due in less than a minute"),
        (timedelta(0), "due in less than a minute"),
        (-timedelta(hours=1), "overdue for 60 minutes"),
        (-timedelta(days=9, hours=23), "overdue for 9 days"),
    ],
)
def test_time_is_told_in_one_unit_rounded_towards_zero(left, words):
    assert due_words(clock(NOW + left).bounds, now=NOW) == words


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("UTC", "Sun 29 Mar 2026, 01:30 UTC"),
        ("Europe/Berlin", "Sun 29 Mar 2026, 03:30 CEST"),  # summer time began half an hour before
        ("America/New_York", "Sat 28 Mar 2026, 21:30 EDT"),
    ],
)
def test_an_instant_is_that_of_the_readers_clock(zone, words):
    assert moment_words(clock(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)).bounds, zone) == words


def test_a_date_is_the_date_that_was_promised_wherever_it_is_read():
    dated = clock(None, due_date=date(2026, 3, 31), due_before=datetime(2026, 3, 31, 22, tzinfo=UTC))
    assert {moment_words(dated.bounds, zone) for zone in ("UTC", "Asia/Tokyo")} == {"Tue 31 Mar 2026"}


def test_a_subject_names_the_one_clock_or_how_many_there_are():
    late, soon = clock(NOW - timedelta(days=3)), clock()
    assert subject_of([soon], 1, now=NOW) == "[Pledge] SEC-12 High: due in 2 days"
    assert subject_of([soon, soon], 2, now=NOW) == "[Pledge] 2 deadlines coming up"
    assert subject_of([late, soon], 2, now=NOW) == "[Pledge] 2 deadlines, 1 overdue"
    assert subject_of([late, late], 2, now=NOW) == "[Pledge] 2 deadlines overdue"
    assert subject_of([late], 9, now=NOW) == "[Pledge] 9 deadlines, 1 or more overdue"


def test_a_comment_says_since_when():
    told = comment_of(clock(NOW), zone="Europe/Berlin")
    assert told == "High, Security bug fix: overdue since Sat 28 Mar 2026, 13:00 CET."


@given(st.text(max_size=60))
def test_injection_a_key_becomes_no_second_line_and_no_other_address(key):
    odd = clock(key=key)
    assert subject_of([odd], 1, now=NOW).isprintable()
    assert text_of([odd], 1, site_url=SITE, zone="UTC", now=NOW).count("\n") == 3
    link = link_to(odd, SITE)
    assert link.startswith(f"{SITE}/browse/")
    assert link.isascii()
    assert link.isprintable()
