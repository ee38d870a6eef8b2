"""An issue as an entry of Jira's Security tab."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Bounds, Outcome, Severity
from app.domain.identifiers import IssueId
from app.domain.publishing.vulnerabilities import Subject, due_text, next_sequence, numbered, vulnerability

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HIGH = Bounds(cycle=1, severity=Severity.HIGH, started_at=NOW, due_at=NOW + 28 * DAY)
SUBJECT = Subject(IssueId(10042), "SEC-12", 10000, "https://example.atlassian.net", NOW, (("fix", HIGH),))


def test_an_entry_says_what_the_documentation_asks_for_and_nothing_of_the_issue_s_text_or_people():
    assert numbered(vulnerability(SUBJECT, now=NOW), sequence=7, now=NOW) == {
        "schemaVersion": "1.0",
        "id": "pledge-10042",
        "updateSequenceNumber": 7,
        "containerId": "pledge/10000",
        "displayName": "SEC-12: severity high",
        "description": "The time to fix SEC-12, as the security policy of the vendor has it.",
        "url": "https://example.atlassian.net/browse/SEC-12",
        "type": "unknown",
        "introducedDate": "2026-11-22T09:00:00Z",
        "lastUpdated": "2026-11-22T09:00:00Z",
        "severity": {"level": "high"},
        "identifiers": [],
        "status": "open",
        "additionalInfo": {
            "content": "Due 2026-12-20 (High, 28 days)",
            "url": "https://example.atlassian.net/browse/SEC-12",
        },
        "addAssociations": [{"associationType": "issueIdOrKeys", "values": ["10042"]}],
    }


MIDNIGHT = datetime(2026, 12, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"severity": None}, "Due 2026-12-20 (28 days)"),
        ({"due_at": NOW + DAY}, "Due 2026-11-23 (High, 1 day)"),
        ({"paused_seconds": 7 * 86400}, "Due 2026-12-20 (High, 21 days)"),
        ({"paused_since": NOW + DAY}, "Due 2026-12-20 (High, 28 days, paused)"),
        ({"due_at": None, "due_date": date(2026, 12, 20), "due_before": MIDNIGHT}, "Due 2026-12-20 (High, 28 days)"),
        ({"due_at": None, "severity": None}, "Needs triage"),
        ({"due_at": None, "severity": Severity.NONE}, "No deadline"),
        ({"stopped_at": NOW, "outcome": Outcome.MET}, "Fixed in time"),
        ({"stopped_at": NOW, "outcome": Outcome.CANCELLED}, "Cancelled"),
    ],
)
def test_the_due_date_stands_below_the_name(changes, words):
    assert due_text((("fix", replace(HIGH, **changes)),), now=NOW) == words


@pytest.mark.parametrize(
    ("changes", "status", "level"),
    [
        ({}, "open", "high"),
        ({"severity": None, "due_at": None}, "open", "unknown"),
        ({"severity": Severity.NONE, "due_at": None}, "open", "unknown"),
        ({"stopped_at": NOW, "outcome": Outcome.MET}, "closed", "high"),
        ({"stopped_at": NOW + 99 * DAY, "outcome": Outcome.MET}, "closed", "high"),
        ({"stopped_at": NOW, "outcome": Outcome.CANCELLED}, "ignored", "high"),
    ],
)
def test_status_and_severity_are_jira_s_own_words(changes, status, level):
    entry = vulnerability(replace(SUBJECT, clocks=(("fix", replace(HIGH, **changes)),)), now=NOW)
    assert (entry["status"], entry["severity"]) == (status, {"level": level})


@given(days=st.integers(0, 400), seconds=st.integers(0, 86399))
def test_time_alone_changes_no_entry(days, seconds):
    later = NOW + timedelta(days=days, seconds=seconds)
    assert vulnerability(SUBJECT, now=later) == vulnerability(SUBJECT, now=NOW)


def test_an_issue_without_a_clock_is_open_and_of_unknown_severity():
    entry = vulnerability(replace(SUBJECT, clocks=()), now=NOW)
    assert (entry["status"], entry["severity"]["level"]) == ("open", "unknown")
    assert (entry["displayName"], entry["additionalInfo"]["content"]) == ("SEC-12: severity not set", "No deadline")


@given(last=st.integers(0, 2**52), nows=st.lists(st.timedeltas(-9999 * DAY, 9999 * DAY), max_size=5))
def test_numbers_only_grow_also_when_the_clock_is_set_back(last, nows):
    for at in nows:
        number = next_sequence(last, now=NOW + at)
        assert number > last
        last = number


def test_numbers_are_milliseconds_of_the_epoch():
    assert next_sequence(0, now=NOW) == 1795338000000
