"""Jira's JSON, turned into what we keep: the order in which pages come decides nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.tracking.model import Change
from app.outbound.jira_answers import CvssFields, changes_of, cvss_fields_of, instant, snapshot_of

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ISSUE = {
    "id": "10001",
    "key": "SEC-1",
    "fields": {
        "issuetype": {"name": "Bug"},
        "labels": None,
        "status": {"statusCategory": {"key": "done"}},
        "resolution": {"name": "Fixed"},
        "resolutiondate": "2026-11-22T09:00:00.000+0100",
        "created": "2026-11-22T09:00:00.000+0100",
        "project": {"id": "10000"},
        "customfield_2": 8.1,
    },
}


@given(st.permutations([Change(n, AT + timedelta(days=n // 3), "priority", None, str(n)) for n in range(12)]))
def test_the_order_of_pages_decides_nothing(changes):
    snapshot = snapshot_of(ISSUE, changes, CvssFields(None, "customfield_2"))
    assert [change.id for change in snapshot.changes] == list(range(12))
    assert (snapshot.cvss_score, snapshot.resolved_at, snapshot.labels) == ("8.1", AT, frozenset())


def test_a_change_goes_by_the_id_of_its_field_where_it_has_one():
    items = [
        {"field": "Priority", "fieldId": "priority", "fromString": "", "toString": "High"},
        {"field": "resolution", "fromString": "Fixed", "toString": None},
    ]
    page = {"values": [{"id": "7", "created": "2026-11-22T09:00:00.000+0100", "items": items}]}
    assert list(changes_of(page, {"3": "done"})) == [
        Change(7, AT, "priority", None, "High"),
        Change(7, AT, "resolution", "Fixed", None),
    ]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], (None, None)),
        ([("a", "Summary")], (None, None)),
        ([("a", " CVSS Vector ")], ("a", None)),
        ([("a", "cvss score"), ("b", "CVSS vector")], ("b", "a")),
        ([("a", "CVSS"), ("b", "CVSS Score")], (None, "b")),
        ([("old", "CVSS Score"), ("new", "CVSS Score")], (None, "old")),
    ],
)
def test_cvss_fields_are_known_by_their_names(names, found):
    fields = cvss_fields_of([{"id": one, "name": name} for one, name in names])
    assert (fields.vector, fields.score) == found
    assert fields.ids() == tuple(field for field in found if field)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001  a zone is added
def test_an_instant_is_the_same_in_every_zone(moment, minutes):
    at = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    sign, distance = ("-", -minutes) if minutes < 0 else ("+", minutes)
    local = at + timedelta(minutes=minutes)
    text = f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03}{sign}{distance // 60:02}{distance % 60:02}"
    assert instant(text) == at
    assert instant(text).tzinfo is UTC
