"""Writing to Jira as the app: signed, repeatable, and each kind of refusal told apart."""

import time

import jwt
import pytest
from atlassian_jwt.url_utils import hash_url
from flask import Response

from app.domain.identifiers import IssueId
from app.domain.ports import IssueHidden, JiraRefused, JiraUnavailable, SiteAccess
from app.domain.publishing.vulnerabilities import bulk
from app.outbound.jira_writes import WritingJira
from simulator.connect import new_secret
from simulator.installations import Descriptor, Installation
from simulator.running import Simulator

APP_KEY = "io.pledge.app"
ISSUE = IssueId(10001)
KEY = "com.atlassian.jira.issue:io.pledge.app:pledge-issue:status"
ENTRY = {
    "id": "pledge-10001",
    "containerId": "pledge/10000",
    "displayName": "SEC-1",
    "description": "d",
    "url": "https://example.com",
    "type": "unknown",
    "introducedDate": "2026-11-22T09:00:00Z",
    "lastUpdated": "2026-11-22T09:00:00Z",
    "status": "open",
    "severity": {"level": "high"},
    "addAssociations": [{"associationType": "issueIdOrKeys", "values": ["10001"]}],
}


@pytest.fixture
def simulator():
    with Simulator(seed=3) as running:
        yield running


@pytest.fixture
def site(simulator):
    site = simulator.site("genchi")
    modules = {"jiraSecurityInfoProvider": {}}
    app = Descriptor(APP_KEY, "http://127.0.0.1:9", {}, modules, frozenset({"READ", "WRITE"}))
    site.installation = Installation(app, site.client_key, new_secret())
    return site


@pytest.fixture
def as_app(site):
    """Signs with PyJWT and atlassian-jwt: the other side of the wire from ours."""

    def authorize(headers, *, method, target):
        at = int(time.time())
        claims = {"iss": APP_KEY, "iat": at, "exp": at + 60, "qsh": hash_url(method, target)}
        headers["Authorization"] = f"JWT {jwt.encode(claims, site.installation.secret, algorithm='HS256')}"

    return SiteAccess(base_url=site.url, authorize=authorize)


@pytest.fixture
def jira(clock):
    return WritingJira(elapsed=clock)


def entry(number=1, **changes):
    return ENTRY | {"updateSequenceNumber": number} | changes


def test_a_property_is_set_and_set_again(jira, site, as_app):
    for value in ({"label": "Due in 9d"}, {"label": "Due in 8d"}, {"label": "Due in 8d"}):
        jira.write_property(as_app, ISSUE, key=KEY, value=value)
        assert site.issue("SEC-1").properties == {KEY: value}
    assert [write["method"] for write in site.writes] == ["PUT"] * 3


def test_an_issue_that_is_hidden_or_gone_is_told_apart_from_an_outage(jira, simulator, site, as_app):
    with pytest.raises(IssueHidden):
        jira.write_property(as_app, IssueId(999), key=KEY, value={"a": 1})
    site.allow_browsing("SEC", site.app_user, allowed=False)
    with pytest.raises(IssueHidden):
        jira.write_property(as_app, ISSUE, key=KEY, value={"a": 1})
    site.faults.change({"storm": {"status": 503, "count": 1, "seconds": 77}})
    with pytest.raises(JiraUnavailable) as told:
        jira.write_property(as_app, ISSUE, key=KEY, value={"a": 1})
    assert told.value.retry_after_seconds == 77


def test_a_value_that_is_too_long_is_refused_as_our_fault(jira, as_app):
    with pytest.raises(JiraRefused):
        jira.write_property(as_app, ISSUE, key=KEY, value={"a": "x" * 33_000})


def test_an_app_that_may_only_read_is_refused(jira, site, as_app):
    reading = Descriptor(APP_KEY, "http://127.0.0.1:9", {}, {}, frozenset({"READ"}))
    site.installation = Installation(reading, site.client_key, site.installation.secret)
    with pytest.raises(IssueHidden):
        jira.write_property(as_app, ISSUE, key=KEY, value={"a": 1})
    with pytest.raises(IssueHidden):
        jira.link_workspaces(as_app, ["pledge"])
    assert site.writes == []


def test_entries_are_answered_one_by_one(jira, site, as_app):
    jira.link_workspaces(as_app, ["pledge"])
    jira.link_workspaces(as_app, ["pledge"])
    bad, stray = entry(id="pledge-2", status="lost"), entry(id="pledge-3")
    stray["addAssociations"] = [{"associationType": "issueIdOrKeys", "values": ["999"]}]
    answer = jira.push(as_app, bulk([entry(), bad, stray], operation="NORMAL"))
    assert answer.accepted == {"pledge-10001", "pledge-3"}
    assert answer.failed == {"pledge-2"}
    assert answer.unknown_associations == 1
    assert site.security.workspaces == {"pledge"}


def test_a_lower_number_is_taken_and_changes_nothing(jira, site, as_app):
    jira.link_workspaces(as_app, ["pledge"])
    for number, name in ((5, "five"), (4, "four"), (6, "six"), (6, "six again")):
        answer = jira.push(as_app, bulk([entry(number, displayName=name)], operation="BACKFILL"))
        assert answer.accepted == {"pledge-10001"}
    assert site.security.entries["pledge-10001"]["displayName"] == "six"


def test_more_entries_than_jira_takes_are_refused_as_our_fault(jira, as_app):
    jira.link_workspaces(as_app, ["pledge"])
    with pytest.raises(JiraRefused):
        jira.push(as_app, bulk([entry()] * 1001, operation="NORMAL"))


def test_entries_without_a_linked_workspace_fail(jira, as_app):
    answer = jira.push(as_app, bulk([entry()], operation="NORMAL"))
    assert (answer.accepted, answer.failed) == (set(), {"pledge-10001"})


@pytest.mark.parametrize("body", ["", "null", "[]", '{"failedVulnerabilities": {}}', '{"acceptedVulnerabilities": 1}'])
def test_an_answer_of_another_shape_is_an_outage(jira, site, as_app, monkeypatch, body):
    def other(*_, **__):
        return Response(body, 202, content_type="application/json")

    monkeypatch.setattr("simulator.writes.jsonify", other)
    jira.link_workspaces(as_app, ["pledge"])
    with pytest.raises(JiraUnavailable):
        jira.push(as_app, bulk([entry()], operation="NORMAL"))
