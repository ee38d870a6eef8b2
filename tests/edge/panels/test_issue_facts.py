"""What the panel tells besides clocks: of each ticket what was reported last, of each version whether it is held up."""

from datetime import date, timedelta

import pytest

from app.domain.clocks.model import EventKind
from app.domain.tracking.model import FixVersion
from app.edge.panels.issue_facts import asked_for_more, explanations, tickets_of, versions_of
from tests.edge.panels.conftest import START, fact

ASKED = fact(EventKind.EXTENSION_REQUESTED, 1, "form:a")


def bound(days, ticket, **said):
    return fact(EventKind.EXTERNAL_BOUND, days, f"ams:{ticket}:{days}", ticket=ticket, **said)


def test_each_ticket_is_told_once_as_it_was_reported_last():
    at = START + timedelta(days=9)
    told = [
        bound(3, "AMS-1", reason="Patched"),
        bound(1, "AMS-1", reason="Needs Patch", until=date(2027, 1, 4)),
        bound(2, "AMS-2", until_at=at),
    ]
    assert [(line.ticket, line.status, line.due, line.is_instant) for line in tickets_of(told)] == [
        ("AMS-1", "Patched", None, False),
        ("AMS-2", None, at, True),
    ]


def test_a_version_that_is_not_out_waits_for_the_fix_as_long_as_a_clock_runs():
    versions = (FixVersion("4.1", is_released=True), FixVersion("4.2", is_released=False))
    for is_open in (True, False):
        assert [line.is_held_up for line in versions_of(versions, is_open=is_open)] == [False, is_open]


@pytest.mark.parametrize(
    ("answer", "is_pending"),
    [
        ([], True),
        ([fact(EventKind.EXTENSION_REFUSED, 2, "form:b")], False),
        ([fact(EventKind.EXTENDED, 2, "form:b", until=date(2027, 1, 4))], False),
        ([fact(EventKind.FIXED, 2, "form:b")], False),
        ([fact(EventKind.PAUSED, 2, "form:b", reason="vendor")], True),
    ],
)
def test_a_request_is_pending_until_it_is_answered_or_needless(answer, is_pending):
    assert asked_for_more([ASKED, *answer]) == (ASKED.at if is_pending else None)


def test_an_explanation_belongs_to_its_cycle_and_the_last_one_counts():
    said = [
        fact(EventKind.EXPLAINED, 1, "form:a", reason="first"),
        fact(EventKind.EXPLAINED, 2, "form:b", reason="better"),
        fact(EventKind.REOPENED, 3, "form:c"),
        fact(EventKind.EXPLAINED, 4, "form:d", reason="again"),
    ]
    assert explanations(said) == {1: "better", 2: "again"}
