"""Filters in the address: what a link says is read as it was meant, and nothing else is read at all."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Severity, State
from app.edge.panels import filters
from app.edge.panels.filters import ListFilter
from app.edge.parameters import Malformed

APP = Flask("filters")
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAYS = st.dates(date(1970, 1, 1), date(2999, 12, 31))
FILTERS = st.builds(
    ListFilter,
    state=st.none() | st.just("open") | st.sampled_from(State),
    severity=st.none() | st.just("unset") | st.sampled_from(Severity),
    due=st.none() | DAYS,
    within=st.none() | st.integers(1, 366),
    ended_since=st.none() | DAYS,
    key=st.none() | st.from_regex(r"[A-Z]{1,5}-[0-9]{1,4}", fullmatch=True),
)


def read(query):
    with APP.test_request_context(f"/x?{query}"):
        return filters.of_request()


@given(FILTERS)
def test_what_a_link_says_is_what_was_meant(wanted):
    said = {name: value for name, value in wanted.query.items() if value is not None}
    assert read(urlencode(said)) == wanted
    assert wanted.is_set == bool(said)
    assert wanted.words


@given(FILTERS)
def test_every_filter_has_clocks_that_it_means(wanted):
    clocks = wanted.clocks(frozenset({10000, 10001}), now=NOW)
    assert (clocks.projects, clocks.project) == ({10000, 10001}, None)
    assert wanted.clocks(frozenset({10000}), now=NOW).project == 10000
    if wanted.due and not wanted.within:
        assert clocks.due_until - clocks.due_after == timedelta(days=1)


@given(st.sampled_from(["state", "severity", "due", "within", "ended_since", "key", "other"]), st.text(max_size=300))
def test_whatever_is_said_is_read_or_refused(name, said):
    try:
        found = read(urlencode({name: said}))
    except Malformed:
        return
    again = {name: value for name, value in found.query.items() if value is not None}
    assert read(urlencode(again)) == found


@pytest.mark.parametrize("name", ["state", "severity", "due", "within", "ended_since", "key"])
def test_an_empty_value_is_none_and_two_are_refused(name):
    assert read(f"{name}=") == ListFilter()
    with pytest.raises(Malformed):
        read(f"{name}=1&{name}=1")
