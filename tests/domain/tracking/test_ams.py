"""What a ticket of Atlassian's security project says becomes facts; what it does not say is not guessed."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Event, EventKind
from app.domain.clocks.rule import Choices, Mode, Rule, Term
from app.domain.tracking.ams import STATUSES, Report, said_last, status_of
from app.domain.tracking.decision import Author, Decision, DecisionMalformed, DecisionRefused, Via

START = datetime(2026, 2, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
EARLY, LATE = date(2026, 2, 12), date(2026, 3, 12)
KIM = Author(Via.COMMAND, "kim", "operator")


class Ticket:
    """A ticket that is looked at day by day."""

    def __init__(self):
        self.events = []

    def look(self, day, status, *due, ticket="AMS-1", given_id=None, evidence=None):
        """The kinds of the facts that are new; `due` if it is told."""
        decision = Decision(
            id=given_id or f"r{len(self.events)}",
            kind="ams",
            ticket=ticket,
            status=status,
            due=due[0] if due else None,
            due_given=bool(due),
            evidence=evidence,
        )
        found = list(Report(decision, KIM, START + day * DAY, said_last(ticket, self.events)).facts())
        self.events += found
        return [event.kind.value for event in found]

    def bounds(self, **choices):
        term = Term(mode=Mode.ELAPSED, clause="§1", source="x", amount=28)
        rule = Rule(promise="p", clause="§1", source="x", terms=(term,), choices=Choices(**choices))
        reported = Event(kind=EventKind.REPORTED, at=START, source="r")
        return bounds_of(rule, [reported, *self.events], calendars={})


@pytest.fixture
def ticket():
    return Ticket()


@pytest.mark.parametrize("name", STATUSES)
def test_a_status_is_known_by_its_name_however_it_is_written(name):
    assert status_of(f"  {name.upper().replace(' ', '  ')} ") == name


@pytest.mark.parametrize("name", ["", "Needs Coffee", "NeedsPatch", "Duplicate of AMS-2"])
def test_a_status_that_is_not_known_is_reported_with_those_that_are(ticket, name):
    with pytest.raises(DecisionMalformed, match="is not a known status of AMS: Needs Patch, Needs Security Review"):
        ticket.look(1, name, EARLY)
    assert ticket.events == []


def test_their_date_is_kept_with_its_status_and_named_by_the_ticket(ticket):
    assert ticket.look(1, "needs patch", EARLY, evidence="https://example.com/1") == ["external_bound"]
    [said] = ticket.events
    assert (said.ticket, said.reason, said.until, said.role) == ("AMS-1", "Needs Patch", EARLY, "atlassian")
    assert (said.source, said.actor, said.evidence) == ("ams:AMS-1:r0", "kim", "https://example.com/1")
    assert ticket.bounds()[0].due_date == EARLY


def test_what_it_said_before_is_no_news_and_a_date_left_out_is_as_before(ticket):
    ticket.look(1, "Needs Patch", EARLY)
    assert ticket.look(1, "Needs Patch", EARLY) == ticket.look(2, "Needs Patch", EARLY) == []
    assert ticket.look(3, "Needs Patch") == []
    assert ticket.look(4, "Waiting for Release") == ["external_bound"]
    assert ticket.bounds()[0].due_date == EARLY
    assert ticket.look(5, "Waiting for Release", None) == ["external_bound"]
    assert ticket.bounds()[0].due_at == START + 28 * DAY


@pytest.mark.parametrize(
    ("status", "due", "kinds", "bound"),
    [
        ("Needs Patch", LATE, ["external_bound", "extended"], LATE),
        ("Needs Patch", EARLY, ["external_bound", "extension_refused"], EARLY),
        ("Needs Patch", date(2026, 2, 10), ["external_bound", "extension_refused"], date(2026, 2, 10)),
        ("Waiting for Release", LATE, ["external_bound", "extended"], LATE),
        ("Waiting for Release", EARLY, ["external_bound"], EARLY),
    ],
)
def test_a_request_is_granted_by_a_later_date_and_refused_by_going_back_with_the_old_one(
    ticket, status, due, kinds, bound
):
    ticket.look(1, "Needs Patch", EARLY)
    assert ticket.look(2, "Extension Requested") == ["external_bound", "extension_requested"]
    assert ticket.bounds()[0].due_date == EARLY
    assert ticket.look(3, status, due, evidence="https://example.com/plan") == kinds
    assert ticket.bounds()[0].due_date == bound
    decided = [event for event in ticket.events if event.kind in {EventKind.EXTENDED, EventKind.EXTENSION_REFUSED}]
    assert all((event.evidence, event.role) == ("https://example.com/plan", "atlassian") for event in decided)


def test_whether_it_was_granted_is_not_guessed(ticket):
    ticket.look(1, "Needs Patch", EARLY)
    ticket.look(2, "Extension Requested")
    with pytest.raises(DecisionMalformed, match="due: is missing; it tells whether AMS-1 has got its extension"):
        ticket.look(3, "Needs Patch")
    first = Ticket()
    first.look(1, "Extension Requested")  # no date was ever told
    assert first.look(2, "Needs Patch", LATE) == ["external_bound"]


def test_a_later_date_that_nobody_asked_for_replaces_theirs_and_not_ours(ticket):
    ticket.look(1, "Needs Patch", EARLY)
    assert ticket.look(2, "Needs Patch", LATE) == ["external_bound"]
    assert ticket.bounds()[0].due_at == START + 28 * DAY


def test_waiting_for_their_review_pauses_only_where_the_policy_says_so(ticket):
    assert ticket.look(1, "Needs Security Review") == ["external_bound", "paused"]
    assert ticket.bounds()[0].paused_since is None
    assert ticket.bounds(pauses=("Needs Security Review",))[0].paused_since == START + DAY
    assert ticket.look(3, "Needs Patch") == ["external_bound", "resumed"]
    assert ticket.bounds(pauses=("Needs Security Review",))[0].due_at == START + 30 * DAY
    assert ticket.bounds()[0].due_at == START + 28 * DAY


def test_patched_is_fixed_and_anything_after_it_is_reopened(ticket):
    ticket.look(1, "Needs Patch", EARLY)
    assert ticket.look(2, "Patched") == ["external_bound", "fixed"]
    assert ticket.bounds()[0].stopped_at == START + 2 * DAY
    assert ticket.look(5, "Needs Patch") == ["external_bound", "reopened"]
    assert [bounds.stopped_at for bounds in ticket.bounds()] == [START + 2 * DAY, None]


def test_released_later_or_handled_elsewhere_ends_nothing(ticket):
    assert ticket.look(1, "Waiting for Release", EARLY) == ["external_bound"]
    assert ticket.look(2, "Duplicate") == ["external_bound"]
    assert ticket.bounds()[0].stopped_at is None


@pytest.mark.parametrize("day", [1, 2])
def test_a_look_that_is_no_later_than_the_last_one_is_refused(ticket, day):
    ticket.look(2, "Needs Patch", EARLY)
    with pytest.raises(DecisionRefused, match="AMS-1 was reported later already, as of 2026-02-03T09:00:00"):
        ticket.look(day, "Extension Requested")
    assert ticket.look(day, "Extension Requested", ticket="AMS-2") == ["external_bound", "extension_requested"]
