"""A cursor leads back to where it was made, and anything else is refused."""

import base64
import json

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.identifiers import IssueId
from app.domain.tracking.derived import Place, Position
from app.edge.cursors import cursor_of, position, position_of
from app.edge.parameters import Malformed
from tests.store.test_clock_events import INSTANTS

PROMISES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=300)
PLACES = st.builds(
    Place,
    st.booleans(),
    st.none() | INSTANTS,
    st.integers(1, 2**63 - 1).map(IssueId),
    PROMISES,
    st.integers(1, 2**31 - 1),
)
POSITIONS = st.builds(Position, st.none() | PLACES, st.integers(0, 1_000_000))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each),
    max_leaves=9,
)
GOOD = [0, 0, "2026-11-22T09:00:00Z", 1, "fix", 1]


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(POSITIONS)
def test_a_cursor_leads_back(place):
    cursor = cursor_of(place)
    assert position_of(cursor) == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@example("")
@example("W10")
@example("A" * 2000)
def test_a_wild_cursor_is_refused(cursor):
    with pytest.raises(Malformed):
        position_of(cursor)


@given(JSON)
def test_a_cursor_of_any_other_json_is_refused_or_one_of_ours(value):
    cursor = encoded(value)
    try:
        found = position_of(cursor)
    except Malformed:
        return
    assert cursor_of(found) == cursor


@pytest.mark.parametrize(
    "changed",
    [
        {0: -1}, {0: 1_000_001}, {0: True}, {0: "0"}, {1: 2}, {1: True}, {2: ""}, {2: 1}, {2: "infinity"},
        {2: "2026-11-22"}, {2: "2026-11-22T09:00:00+00:00"}, {2: "3000-01-01T00:00:00Z"}, {2: "2026-13-01T00:00:00Z"},
        {3: 0}, {3: 2**63}, {3: 1.0}, {4: ""}, {4: "a b"}, {4: "\0"}, {4: None}, {5: 0}, {5: 2**31}, {5: None},
    ],
)  # fmt: skip
def test_one_part_that_is_not_as_it_should_be_is_enough(changed):
    parts = list(GOOD)
    for number, value in changed.items():
        parts[number] = value
    good = base64.urlsafe_b64encode(json.dumps(GOOD, separators=(",", ":")).encode()).decode().rstrip("=")
    assert position_of(good).after.promise == "fix"
    bad = base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")
    with pytest.raises(Malformed):
        position_of(bad)


def test_without_a_cursor_a_list_begins_at_its_beginning():
    app = Flask("cursors")
    with app.test_request_context("/x"):
        assert position() == Position()
    with app.test_request_context("/x?cursor=W10"), pytest.raises(Malformed):
        position()
