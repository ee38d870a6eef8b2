"""However often, however late and in whatever order an issue is read: the newest reading decides, and nothing is lost.

On the levels of a single reading; the same with the store is in `test_synchronizing`.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import EventKind, Severity
from app.domain.clocks.rule import Choices, Mode, Rule, Table, Term
from app.domain.identifiers import IssueId
from app.domain.tracking.configuration import configuration_of
from app.domain.tracking.deriving import Reading, derive
from app.domain.tracking.model import Change, IssueSnapshot, Status, Tracking
from app.domain.tracking.rule import TrackingRule, facts_of, missing_of, unmapped_of

AT = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
OPEN, WAITING, VENDOR, DONE = (Status(str(n), name) for n, name in enumerate(["Open", "Waiting", "Vendor", "Done"]))
GONE = Status("99", "Limbo", is_known=False)
PAUSING = TrackingRule(pausing={"waiting": "customer", "2": "vendor"})
TABLE = Table(AT.date() - timedelta(days=900), {level: 10 for level in Severity if level is not Severity.NONE}, "test")
CLOCK = Rule(
    promise="fix",
    clause="1",
    source="https://example.com",
    terms=(Term(mode=Mode.ELAPSED, clause="1", source="https://example.com", tables=(TABLE,)),),
    choices=Choices(pauses=("customer", "vendor")),
)


def moved(number, days, before, after):
    """A change of the status."""
    sides = ["done" if status is DONE else "new" for status in (before, after)]
    return Change(number, AT + timedelta(days=days), "status", *sides, left=before, entered=after)


def issue(*changes, status=OPEN, **values):
    defaults = {
        "issue": IssueId(10001),
        "key": "SEC-1",
        "project": 10000,
        "issue_type": "Bug",
        "labels": frozenset({"security"}),
        "priority": "High",
        "status_is_done": status is DONE,
        "resolution": None,
        "resolved_at": None,
        "created_at": AT,
        "cvss_vector": None,
        "cvss_score": None,
        "vector_field": "customfield_1",
        "score_field": "customfield_2",
        "changes": tuple(changes),
        "status": status,
    }
    return IssueSnapshot(**defaults | values)


def pauses(snapshot, rule=PAUSING):
    kinds = {EventKind.PAUSED, EventKind.RESUMED}
    return [(e.kind.value, (e.at - AT).days, e.reason) for e in facts_of(snapshot, rule) if e.kind in kinds]


def test_a_status_pauses_by_name_and_by_id_and_leaving_it_goes_on():
    seen = issue(moved(1, 1, OPEN, WAITING), moved(2, 3, WAITING, VENDOR), moved(3, 6, VENDOR, OPEN))
    assert pauses(seen) == [
        ("paused", 1, "customer"),
        ("paused", 3, "vendor"),
        ("resumed", 3, "customer"),
        ("resumed", 6, "vendor"),
    ]
    [bounds] = bounds_of(CLOCK, facts_of(seen, PAUSING), calendars={})
    assert bounds.paused_seconds == timedelta(days=5).total_seconds()
    assert bounds.due_at == AT + timedelta(days=15)


def test_two_statuses_of_one_reason_are_one_pause():
    rule = TrackingRule(pausing={"waiting": "customer", "vendor": "customer"})
    seen = issue(moved(1, 1, OPEN, WAITING), moved(2, 3, WAITING, VENDOR), moved(3, 6, VENDOR, OPEN))
    assert pauses(seen, rule) == [("paused", 1, "customer"), ("resumed", 6, "customer")]


def test_an_issue_that_came_in_a_pausing_status_pauses_from_its_creation():
    assert pauses(issue(status=WAITING)) == [("paused", 0, "customer")]
    assert pauses(issue(moved(1, 2, WAITING, OPEN))) == [("paused", 0, "customer"), ("resumed", 2, "customer")]


def test_without_a_choice_no_status_pauses():
    assert pauses(issue(moved(1, 1, OPEN, WAITING)), TrackingRule()) == []


@pytest.mark.parametrize("resolution", ["Obsolete", "Somehow solved"])
def test_a_resolution_without_a_meaning_ends_nothing_and_is_told(resolution):
    seen = issue(moved(1, 1, OPEN, DONE), status=DONE, resolution=resolution)
    assert {event.kind for event in facts_of(seen, TrackingRule())} == {EventKind.REPORTED, EventKind.SEVERITY_SET}
    assert [(value.kind, value.name) for value in unmapped_of(seen, TrackingRule())] == [("resolution", resolution)]


def test_a_status_that_jira_no_longer_lists_is_told():
    seen = issue(moved(1, 1, OPEN, GONE), moved(2, 2, GONE, OPEN))
    assert [(value.kind, value.name) for value in unmapped_of(seen, TrackingRule())] == [("status", "99")]


def test_a_priority_without_a_level_is_told_and_said_to_be_missing():
    seen = issue(priority="P1")
    assert [(value.kind, value.name) for value in unmapped_of(seen, TrackingRule())] == [("priority", "P1")]
    assert missing_of(seen, TrackingRule())[-1] == "no level is given for the priority 'P1'"
    assert unmapped_of(issue(priority="High"), TrackingRule()) == ()


def test_a_field_that_was_not_readable_is_never_quoted():
    canary = "secret of the customer"
    said = " ".join(missing_of(issue(priority=None, cvss_vector=canary, cvss_score=canary), TrackingRule()))
    assert "the field of the CVSS vector (customfield_1) does not hold a CVSS v3 vector" in said
    assert canary not in said


def test_the_reported_instant_comes_from_the_field_and_else_from_the_creation():
    day = AT - timedelta(days=5)
    [reported] = [e for e in facts_of(issue(reported_field="customfield_9", reported_at=day), TrackingRule())
                  if e.kind is EventKind.REPORTED]  # fmt: skip
    assert (reported.at, reported.source) == (day, f"jira:customfield_9:{day:%Y-%m-%dT%H:%M:%SZ}")
    [reported] = [e for e in facts_of(issue(reported_field="customfield_9"), TrackingRule())
                  if e.kind is EventKind.REPORTED]  # fmt: skip
    assert (reported.at, reported.source) == (AT, "jira:created")


READINGS = (
    Reading(TrackingRule()),
    configuration_of({"priorities": {"High": "critical"}}, version=1).reading(TrackingRule()),
    configuration_of({"pausing": {"waiting": "customer"}}, version=2).reading(TrackingRule()),
)
HISTORY = (
    moved(1, 1, OPEN, WAITING),
    Change(2, AT + timedelta(days=2), "priority", "Low", "High"),
    moved(3, 3, WAITING, OPEN),
    moved(4, 4, OPEN, DONE),
    Change(4, AT + timedelta(days=4), "resolution", None, "Fixed"),
)


def told_until(length):
    """The issue as Jira showed it after so many of its changes."""
    changes = HISTORY[:length]
    is_done = any(change.entered is DONE for change in changes)
    is_fixed = any(change.field == "resolution" for change in changes)
    waits = bool(changes) and [change for change in changes if change.entered][-1].entered is WAITING
    return issue(
        *changes,
        status=DONE if is_done else WAITING if waits else OPEN,
        priority="High" if length >= 2 else "Low",
        resolution="Fixed" if is_fixed else None,
    )


class Kept:
    """The store of one issue, by the same rules as the database's: a later reading stays, facts are kept once."""

    def __init__(self):
        self.record, self.superseded = None, []

    def take(self, snapshot, reading, *, now):
        if self.record is not None and self.record.read_at > now:
            return
        derived = derive(self.record, snapshot, reading=reading, belongs=True, now=now)
        known = {(e.source, e.kind): e for e in (self.record.events if self.record else ())}
        for event in derived.superseded:
            del known[event.source, event.kind]
        self.superseded += derived.superseded
        known |= {(e.source, e.kind): e for e in derived.record.events if (e.source, e.kind) not in known}
        self.record = replace(derived.record, events=tuple(sorted(known.values(), key=lambda e: e.order())))

    @property
    def state(self):
        return replace(self.record, read_at=AT), bounds_of(CLOCK, self.record.events, calendars={})


LENGTHS = st.lists(st.integers(0, len(HISTORY)), max_size=8)


@given(LENGTHS, st.sampled_from(READINGS))
def test_every_order_of_readings_that_ends_with_the_newest_ends_in_the_same(lengths, reading):
    """Webhooks cause reads; doubled, late and reordered they cause more of them, and at the end one of all."""
    some, one = Kept(), Kept()
    for second, length in enumerate(sorted(lengths)):
        some.take(told_until(length), reading, now=AT + timedelta(seconds=second))
    some.take(told_until(len(HISTORY)), reading, now=AT + timedelta(hours=1))
    one.take(told_until(len(HISTORY)), reading, now=AT + timedelta(hours=1))
    assert some.state == one.state


@given(st.permutations(range(len(HISTORY) + 1)))
def test_a_reading_that_was_held_up_puts_nothing_back(order):
    """Each reading has the instant at which it began; they are stored in any order."""
    kept, last = Kept(), Kept()
    for length in order:
        kept.take(told_until(length), READINGS[0], now=AT + timedelta(hours=length))
    last.take(told_until(len(HISTORY)), READINGS[0], now=AT + timedelta(hours=len(HISTORY)))
    assert kept.state == last.state


@given(st.lists(st.sampled_from(READINGS), max_size=5), st.sampled_from(READINGS))
def test_under_each_configuration_the_same_is_kept_as_if_there_had_been_no_other(before, reading):
    kept, fresh = Kept(), Kept()
    for second, each in enumerate([*before, reading]):
        kept.take(told_until(len(HISTORY)), each, now=AT + timedelta(seconds=second))
    fresh.take(told_until(len(HISTORY)), reading, now=AT)
    assert kept.state == fresh.state


def test_a_cycle_that_ended_stays_ended_as_it_did_whatever_is_chosen_later():
    kept = Kept()
    kept.take(told_until(len(HISTORY)), READINGS[0], now=AT)
    later = configuration_of({"fixed_resolutions": ["Done"], "other_resolutions": ["Fixed"]}, version=9)
    kept.take(told_until(len(HISTORY)), later.reading(TrackingRule()), now=AT + timedelta(seconds=1))
    endings = [event.kind for event in kept.record.events if event.kind in {EventKind.FIXED, EventKind.CANCELLED}]
    assert endings == [EventKind.FIXED]


def test_what_is_not_among_those_that_count_has_no_facts_unless_it_is_tracked_already():
    first = derive(None, issue(), reading=READINGS[0], belongs=False, now=AT)
    assert (first.record.tracking, first.record.events, first.unmapped) == (Tracking.NOT_TRACKED, (), ())
    tracked = derive(None, issue(), reading=READINGS[0], belongs=True, now=AT)
    again = derive(tracked.record, issue(), reading=READINGS[0], belongs=False, now=AT)
    assert (tracked.is_newly_tracked, again.is_newly_tracked, again.is_changed) == (True, False, False)
    assert again.record.tracking is Tracking.TRACKED
