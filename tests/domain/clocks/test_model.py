from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.domain.clocks.model import Event, EventKind, NotAScore, Severity, instant_text, severity_of


@pytest.mark.parametrize(
    ("score", "level"),
    [
        ("10.0", Severity.CRITICAL),
        ("9.0", Severity.CRITICAL),
        ("8.9", Severity.HIGH),
        ("7.0", Severity.HIGH),
        ("6.9", Severity.MEDIUM),
        ("4.0", Severity.MEDIUM),
        ("3.9", Severity.LOW),
        ("0.1", Severity.LOW),
        ("0.0", Severity.NONE),
    ],
)
def test_a_score_falls_into_its_band(score, level):
    assert severity_of(Decimal(score)) is level


def test_a_score_of_zero_is_low_where_the_policy_is_taken_literally():
    assert severity_of(Decimal("0.0"), zero_is_low=True) is Severity.LOW


@pytest.mark.parametrize("score", ["-0.1", "10.1"])
def test_what_is_no_score_is_refused(score):
    with pytest.raises(NotAScore):
        severity_of(Decimal(score))


def test_facts_of_one_instant_have_an_order_of_their_own():
    at = datetime(2026, 11, 22, tzinfo=UTC)
    kinds = (EventKind.REPORTED, EventKind.PAUSED, EventKind.RESUMED, EventKind.FIXED, EventKind.REOPENED)
    events = [Event(kind=kind, at=at, source="x") for kind in reversed(kinds)]
    assert [event.kind for event in sorted(events, key=Event.order)] == [*kinds]


def test_changelog_entry_9_comes_before_entry_10():
    at = datetime(2026, 11, 22, tzinfo=UTC)
    nine, ten = (Event(kind=EventKind.PAUSED, at=at, source=f"jira:changelog:{n}") for n in (9, 10))
    assert nine.order() < ten.order()


def test_an_instant_is_written_in_utc_with_z():
    assert instant_text(datetime(2026, 11, 22, 9, tzinfo=UTC)) == "2026-11-22T09:00:00Z"
