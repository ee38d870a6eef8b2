"""Decisions as they are handed in: read whole, or refused with every fault by field."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import EventKind, Severity
from app.domain.tracking.decision import KINDS, Decision, DecisionMalformed, read_decision

FULL = {
    "at": "2026-02-12T10:00:00+01:00",
    "reason": "  the vendor is late ",
    "clause": "§5",
    "until": "2026-03-01",
    "added_days": 5,
    "role": "atlassian",
    "evidence": "https://example.com/1",
    "severity": "High",
    "ticket": "AMS-123",
    "status": "Needs Patch",
    "due": "2026-02-28",
}
READ = {
    "at": datetime(2026, 2, 12, 9, tzinfo=UTC),
    "reason": "the vendor is late",
    "clause": "§5",
    "until": date(2026, 3, 1),
    "added": timedelta(days=5),
    "role": "atlassian",
    "evidence": "https://example.com/1",
    "severity": Severity.HIGH,
    "ticket": "AMS-123",
    "status": "Needs Patch",
    "due": date(2026, 2, 28),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_its_fields_and_no_other(kind):
    takes = (KINDS[kind].needs | KINDS[kind].may | {"at"}) - ({"until"} if kind == EventKind.EXTENDED else set())
    fitting = {name: FULL[name] for name in takes}
    wanted = {name: READ[name] for name in takes - {"added_days"}} | (
        {"added": READ["added"]} if "added_days" in takes else {}
    )
    assert read_decision({"id": "a.1", "kind": kind} | fitting) == Decision(
        id="a.1", kind=kind, **wanted, due_given="due" in takes
    )
    for name in sorted(FULL.keys() - KINDS[kind].needs - KINDS[kind].may - {"at"}):
        with pytest.raises(DecisionMalformed, match=f"{name}: is not a field of {kind}"):
            read_decision({"id": "a.1", "kind": kind} | fitting | {name: FULL[name]})
    for name in KINDS[kind].needs:
        with pytest.raises(DecisionMalformed, match=f"{name}: is missing"):
            read_decision({"id": "a.1", "kind": kind} | fitting | {name: None})


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("id", "", "is not 1 to 100 letters"),
        ("id", "a b", "is not 1 to 100 letters"),
        ("id", "a" * 101, "is not 1 to 100 letters"),
        ("id", 7, "is not 1 to 100 letters"),
        ("kind", "met", "is not one of triaged"),
        ("kind", ["paused"], "is not one of triaged"),
        ("kind", "external_bound", "is not one of triaged"),
        ("kind", "reported", "is not one of triaged"),
        ("at", "2026-02-12T10:00:00", "with its zone"),
        ("at", "2026-02-12", "with its zone"),
        ("at", 1770000000, "with its zone"),
        ("at", "3000-01-01T00:00:00Z", "with its zone"),
        ("at", "0001-01-01T00:00:00+23:00", "with its zone"),
        ("reason", " ", "is not a text of 1 to 1000"),
        ("reason", "x" * 1001, "is not a text of 1 to 1000"),
        ("reason", ["x"], "is not a text of 1 to 1000"),
        ("reason", "one\ntwo", "characters that are no text"),
        ("reason", "a\x00", "characters that are no text"),
        ("reason", "\ud800", "characters that are no text"),
        ("until", "20260301", "is not a date"),
        ("until", "2026-02-30", "is not a date"),
        ("until", "3000-01-01", "is not a date"),
        ("until", "2026-03-01T00:00:00Z", "is not a date"),
        ("odd", "x", "is not a field of extended"),
    ],
)
def test_a_field_that_has_not_its_form_is_named(field, value, fault):
    given = {"id": "a", "kind": "extended", "reason": "r", "role": "atlassian", "until": "2026-03-01"}
    with pytest.raises(DecisionMalformed) as refusal:
        read_decision(given | {field: value})
    assert f"{field}: " in str(refusal.value)
    assert fault in str(refusal.value)


@pytest.mark.parametrize("days", [0, -1, 1.5, True, "0", "five", "", 3661, "99999"])
def test_days_are_a_whole_number_of_some_days(days):
    with pytest.raises(DecisionMalformed, match="added_days: is not a whole number from 1 to 3660"):
        read_decision({"id": "a", "kind": "extended", "reason": "r", "role": "atlassian", "added_days": days})
    assert read_decision(
        {"id": "a", "kind": "extended", "reason": "r", "role": "atlassian", "added_days": "5"}
    ).added == timedelta(days=5)


def test_every_fault_is_told_at_once():
    with pytest.raises(DecisionMalformed) as refusal:
        read_decision({"kind": "extended", "at": "now", "role": "atlassian", "odd": 1})
    assert str(refusal.value).split("; ") == [
        "odd: is not a field of extended",
        "at: is not an instant with its zone, like 2026-02-12T09:00:00Z",
        "id: is missing",
        "reason: is missing",
        "until: give either until or added_days",
    ]


@pytest.mark.parametrize(
    ("given", "due", "is_given"),
    [
        ({}, None, False),
        ({"due": None}, None, True),
        ({"due": "none"}, None, True),
        ({"due": "2026-02-28"}, READ["due"], True),
    ],
)
def test_a_date_that_is_left_out_is_another_thing_than_one_that_is_withdrawn(given, due, is_given):
    read = read_decision({"id": "a", "kind": "ams", "ticket": "AMS-1", "status": "Patched"} | given)
    assert (read.due, read.due_given) == (due, is_given)


@pytest.mark.parametrize("ticket", ["ams-1", "AMS", "AMS-0", "AMS-1 ", "AMS-1\n", "../AMS-1", 5])
def test_a_ticket_is_a_key(ticket):
    with pytest.raises(DecisionMalformed, match="ticket: is not an issue key"):
        read_decision({"id": "a", "kind": "ams", "ticket": ticket, "status": "Patched"})


@pytest.mark.parametrize("level", ["urgent", "", 9.8])
def test_a_severity_is_one_of_five(level):
    with pytest.raises(DecisionMalformed, match="severity: is not one of critical, high, medium, low, none"):
        read_decision({"id": "a", "kind": "severity_set", "severity": level})


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.lists(st.text(), max_size=2)
    | st.sampled_from([str(value) for value in FULL.values()])
)


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(["id", *FULL]) | st.text(max_size=5), ANYTHING))
def test_whatever_is_handed_in_is_a_decision_or_a_refusal(kind, given):
    try:
        read = read_decision(given | {"kind": kind})
    except DecisionMalformed:
        return
    assert read.kind == kind
    assert (read.until is None or read.added is None) or kind != EventKind.EXTENDED
    assert read.at is None or read.at.tzinfo is UTC
