"""A recipient as an administrator writes it down: every field in its form, and nothing that is not known."""

import json
from datetime import UTC, datetime, time
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st

from app.domain.clocks.model import Severity
from app.domain.notices.entry import EntryMalformed, document_of, recipient_of
from app.domain.notices.model import Medium, Quiet, RecipientId, Rhythm

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ID = RecipientId(UUID(int=1))
FULL = {
    "label": "Security on call",
    "medium": "mail",
    "address": "oncall@example.com",
    "projects": [10000],
    "severities": ["critical", "high"],
    "roles": ["security"],
    "zone": "Europe/Berlin",
    "quiet": {"begins": "22:00", "ends": "07:30"},
    "rhythm": "daily",
    "overseer": True,
}


def read(fields):
    return recipient_of(fields, recipient=ID, added_at=NOW)


def test_every_field_is_taken():
    recipient, address = read(FULL)
    assert (recipient.label, recipient.medium, recipient.zone) == ("Security on call", Medium.MAIL, "Europe/Berlin")
    assert recipient.projects == {10000}
    assert recipient.severities == {Severity.CRITICAL, Severity.HIGH}
    assert (recipient.roles, recipient.rhythm) == ({"security"}, Rhythm.DAILY)
    assert recipient.quiet == Quiet(time(22), time(7, 30))
    assert recipient.is_overseer
    assert len(address) == len("oncall@example.com")


def test_what_is_shown_is_what_was_given_but_for_the_address():
    shown = document_of(read(FULL)[0])
    given = {name: value for name, value in FULL.items() if name != "address"}
    assert {name: shown[name] for name in given} == given
    assert "example.com" not in json.dumps(shown)
    assert (shown["standing"], shown["told_at"]) == ("active", None)


def test_a_label_is_enough_for_a_comment():
    recipient, address = read({"label": "Comments", "medium": "jira_comment"})
    assert (recipient.medium, address, recipient.zone) == (Medium.JIRA_COMMENT, None, "UTC")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", None),
        ("label", ""),
        ("label", " "),
        ("label", "x" * 61),
        ("label", "someone@example.com"),
        ("label", "two\nlines"),
        ("medium", "pigeon"),
        ("medium", 1),
        ("address", "nobody"),
        ("address", "a@example.com\r\nBcc: b@example.com"),
        ("address", ["a@example.com"]),
        ("projects", 10000),
        ("projects", ["10000"]),
        ("projects", [0]),
        ("projects", [True]),
        ("projects", [10**18]),
        ("projects", list(range(1, 102))),
        ("severities", ["severe"]),
        ("roles", [1]),
        ("zone", "Mars/Olympus"),
        ("zone", "../../etc/passwd"),
        ("zone", ""),
        ("zone", 1),
        ("quiet", "22:00"),
        ("quiet", {"begins": "22:00"}),
        ("quiet", {"begins": "24:00", "ends": "07:00"}),
        ("quiet", {"begins": "22:00:00", "ends": "07:00"}),
        ("rhythm", "hourly"),
        ("overseer", "yes"),
        ("account", "5b10ac8d82e05b22cc7d4ef5"),
    ],
)
def test_another_form_is_refused_by_the_name_of_its_field(field, value):
    with pytest.raises(EntryMalformed) as refused:
        read(FULL | {field: value})
    assert field in str(refused.value) or "known fields" in str(refused.value)
    assert "b@example.com" not in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@hypothesis.given(st.dictionaries(st.sampled_from(sorted(FULL)), json_values))
def test_any_json_is_taken_or_refused(fields):
    try:
        recipient, _ = read({"label": "x"} | fields)
    except EntryMalformed:
        return
    assert document_of(recipient)["label"]
