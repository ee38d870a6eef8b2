"""Parameters have their documented form, once, or the request is refused."""

import contextlib
import re

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

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
