"""Parameters have their documented form, once, or the request is refused."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import State
from app.edge import parameters
from app.edge.parameters import Malformed

APP = Flask("parameters")


def asked(query="", **headers):
    return APP.test_request_context("/x" + query, headers=headers)


@pytest.mark.parametrize("text", ["1", "10001", "9" * 18])
def test_an_issue_id_is_a_positive_number(text):
    with asked(f"?issueId={text}"):
        assert parameters.issue_id() == int(text)
    assert parameters.issue_id_or_key(text) == int(text)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?issueId=",
        "?issueId=0",
        "?issueId=01",
        "?issueId=-1",
        "?issueId=1.0",
        "?issueId=1e3",
        "?issueId=+1",
        "?issueId=%201",
        "?issueId=1%0A",
        "?issueId=%D9%A1",
        "?issueId=" + "9" * 19,
        "?issueId=SEC-1",
        "?issueId=1&issueId=2",
        "?issueId=1&issueId=1",
        "?issueid=1",
        "?issueId=1;DROP",
    ],
)
def test_any_other_issue_id_is_refused(query):
    with asked(query), pytest.raises(Malformed):
        parameters.issue_id()


def test_a_project_is_named_by_a_positive_number_or_not_at_all():
    with asked(""):
        assert parameters.project_id() is None
    with asked("?projectId=10000"):
        assert parameters.project_id() == 10000


@pytest.mark.parametrize("query", ["?projectId=", "?projectId=SEC", "?projectId=0", "?projectId=1&projectId=2"])
def test_any_other_project_is_refused(query):
    with asked(query), pytest.raises(Malformed):
        parameters.project_id()


@pytest.mark.parametrize("key", ["SEC-1", "A-1", "A1_B-999", "A" * 255 + "-1"])
def test_an_issue_key_has_a_project_and_a_number(key):
    with asked(f"?issueKey={key}"):
        assert parameters.issue_key() == key
    assert parameters.issue_id_or_key(key) == key


@pytest.mark.parametrize(
    "key",
    ["", "sec-1", "SEC", "SEC-", "-1", "SEC-0", "SEC-01", "1SEC-1", "SEC-1\n", "SEC-1/../x", "SEC%2D1", "<b>-1", "É-1"],
)
def test_any_other_key_is_refused(key):
    with asked(), pytest.raises(Malformed):
        parameters.issue_id_or_key(key)


def test_a_delivery_is_named_by_its_header():
    with asked():
        assert parameters.delivery() is None
    with asked(**{"X-Atlassian-Webhook-Identifier": "8b3f/1"}):
        assert parameters.delivery() == "8b3f/1"


@pytest.mark.parametrize("name", ["", "two words", "x" * 256, "é"])
def test_any_other_delivery_is_refused(name):
    with asked(**{"X-Atlassian-Webhook-Identifier": name}), pytest.raises(Malformed):
        parameters.delivery()


@given(st.text())
def test_whatever_the_path_says_is_an_id_a_key_or_refused(text):
    with contextlib.suppress(Malformed):
        found = parameters.issue_id_or_key(text)
        assert str(found) == text
        assert re.fullmatch(r"[A-Z0-9_]+(-[0-9]+)?", text)


def test_what_a_list_is_asked_for_may_be_left_out():
    with asked(""):
        assert (parameters.state(), parameters.project(), parameters.due_before()) == (None, None, None)
        assert parameters.limit(otherwise=50, largest=100) == 50


def test_what_a_list_is_asked_for_is_read():
    with asked("?state=at_risk&project=10000&due_before=2026-11-22T10:00:00.5%2B01:00&limit=100"):
        assert parameters.state() is State.AT_RISK
        assert parameters.project() == 10000
        assert parameters.due_before() == datetime(2026, 11, 22, 9, 0, 0, 500_000, tzinfo=UTC)
        assert parameters.limit(otherwise=50, largest=100) == 100


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("state", "?state="),
        ("state", "?state=overdue"),
        ("state", "?state=BREACHED"),
        ("state", "?state=met&state=met"),
        ("project", "?project=SEC"),
        ("project", "?project=0"),
        ("due_before", "?due_before=2026-11-22"),
        ("due_before", "?due_before=2026-11-22T09:00:00"),
        ("due_before", "?due_before=2026-11-22T09:00:00+01:00"),
        ("due_before", "?due_before=2026-02-30T09:00:00Z"),
        ("due_before", "?due_before=0001-01-01T00:00:00%2B23:00"),
        ("due_before", "?due_before=9999-01-01T00:00:00Z"),
        ("due_before", "?due_before=2026-W47-7T09:00:00Z"),
        ("due_before", "?due_before=now"),
    ],
)
def test_any_other_word_for_a_list_is_refused(name, query):
    with asked(query), pytest.raises(Malformed):
        getattr(parameters, name)()


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.0", "01", "", "9" * 30, "5&limit=5"])
def test_a_limit_is_a_whole_number_up_to_the_largest(limit):
    with asked(f"?limit={limit}"), pytest.raises(Malformed):
        parameters.limit(otherwise=50, largest=100)


@given(st.text())
def test_whatever_an_instant_is_it_is_read_or_refused(text):
    with contextlib.suppress(Malformed):
        assert parameters.instant(text).utcoffset() == timedelta(0)
