"""Reading many issues at once, against the simulated site; odd answers come from a peer that is told to be odd."""

import json
from datetime import UTC, datetime

import pytest
import requests

from app.domain.identifiers import IssueId
from app.domain.ports import JiraUnavailable
from app.domain.tracking.bulk_reading import PageTokenExpired
from app.domain.tracking.jql import Jql, JqlRefused
from app.domain.tracking.model import FieldChoice
from app.outbound.jira_bulk import BulkJira
from simulator.connect import new_secret
from simulator.installations import Descriptor, Installation
from simulator.running import Simulator
from tests.outbound.test_jira import APP_KEY, access

ALL = Jql("project in (SEC, OPS)")
EVERYBODYS = FieldChoice()


@pytest.fixture
def simulator():
    with Simulator(seed=3) as running:
        yield running


@pytest.fixture
def site(simulator):
    site = simulator.site("genchi")
    app = Descriptor(APP_KEY, "http://127.0.0.1:9", {}, {})
    site.installation = Installation(app, site.client_key, new_secret())
    return site


@pytest.fixture
def jira(clock):
    return BulkJira(elapsed=clock)


@pytest.fixture
def as_app(site):
    return access(site.url, site.installation.secret)


@pytest.fixture
def visible(site):
    return [IssueId(int(issue.id)) for issue in site.visible(site.app_user)]


def pages(jira, as_app, *, limit):
    token = None
    while True:
        page = jira.find_issues(as_app, ALL.all(), page_token=token, limit=limit)
        yield page.issues
        token = page.next_token
        if token is None:
            return


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_a_search_is_read_page_by_page_and_finds_each_issue_once(jira, as_app, visible, limit):
    found = [issue for page in pages(jira, as_app, limit=limit) for issue in page]
    assert sorted(found) == sorted(visible)
    assert len(set(found)) == len(found)


def test_a_page_that_jira_has_forgotten_is_told_from_a_query_that_it_does_not_understand(jira, as_app, simulator):
    page = jira.find_issues(as_app, ALL.all(), page_token=None, limit=5)
    requests.post(f"{simulator.control_url}/control", json={"page_era": 1}, timeout=30).raise_for_status()
    with pytest.raises(PageTokenExpired):
        jira.find_issues(as_app, ALL.all(), page_token=page.next_token, limit=5)
    with pytest.raises(JqlRefused, match="does not exist"):
        jira.find_issues(as_app, Jql("nofield = 1").all(), page_token=None, limit=5)


def test_many_issues_are_read_as_each_is_read_alone(jira, as_app, visible):
    read = jira.read_issues(as_app, visible, EVERYBODYS)
    assert (read.hidden, read.unreadable) == ((), ())
    assert {snapshot.issue: snapshot for snapshot in read.snapshots} == {
        issue: jira.read_issue(as_app, issue, EVERYBODYS) for issue in visible
    }


def test_histories_that_come_in_pages_are_put_together(jira, as_app, site, visible, monkeypatch):
    monkeypatch.setattr("app.outbound.jira_bulk._CHANGES_PER_PAGE", 3)
    for number in range(7):
        values = {"priority": ("Low", "High")[number % 2]}
        site.change(site.issue("SEC-1"), values, author=site.people["admin"], at=datetime.now(UTC))
    read = jira.read_issues(as_app, visible, EVERYBODYS)
    [one] = [snapshot for snapshot in read.snapshots if snapshot.key == "SEC-1"]
    assert one == jira.read_issue(as_app, one.issue, EVERYBODYS)
    assert len(one.changes) == 7


def test_what_is_not_shown_is_hidden_and_the_others_are_read(jira, as_app, site, visible):
    site.delete(site.issue("SEC-1"))
    read = jira.read_issues(as_app, [IssueId(10001), IssueId(10002), IssueId(99999)], EVERYBODYS)
    assert [snapshot.issue for snapshot in read.snapshots] == [10002]
    assert read.hidden == (10001, 99999)
    assert [sign.issue for sign in jira.look_at(as_app, [IssueId(10001), IssueId(10002)])] == [10002]


def test_a_look_tells_key_project_and_last_change(jira, as_app, site):
    issue = site.issue("SEC-1")
    site.move(issue, "OPS", author=site.people["admin"], at=datetime.now(UTC))
    [sign] = jira.look_at(as_app, [IssueId(10001)])
    assert (sign.key, sign.project) == (issue.key, 10001)
    assert abs((sign.updated_at - issue.updated).total_seconds()) < 0.001


def test_chosen_fields_are_read_and_no_field_where_none_was_chosen(jira, as_app, site):
    values = {"reported_on": "2026-01-02", "cvss_score": 3.1}
    site.change(site.issue("SEC-1"), values, author=site.people["admin"], at=datetime.now(UTC))
    names = {name: field.id for name, field in site.fields.items()}
    choice = FieldChoice(vector=None, score=names["cvss_score"], reported=names["reported_on"])
    [one] = jira.read_issues(as_app, [IssueId(10001)], choice).snapshots
    assert (one.cvss_vector, one.vector_field, one.cvss_score) == (None, None, "3.1")
    assert one.reported_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert one == jira.read_issue(as_app, IssueId(10001), choice)


def test_whether_an_issue_is_within_a_query_is_jiras_word(jira, as_app):
    assert jira.is_within(as_app, Jql("labels = security OR project = OPS"), IssueId(10001))
    assert not jira.is_within(as_app, Jql("project = OPS"), IssueId(10001))


def test_a_sites_vocabulary_is_what_it_calls_things(jira, as_app, site):
    known = jira.vocabulary(as_app)
    assert known.fields[site.fields["reported_on"].id] == "date"
    assert {"in review", "10002"} <= known.statuses
    assert {"fixed", "obsolete"} <= known.resolutions
    assert "highest" in known.priorities
    assert jira.issue_types(as_app)[10103] == "Vulnerability"
    assert jira.display_url(as_app) == site.display_url


@pytest.mark.parametrize("text", ["project = SEC", 'labels in ("a", b) AND NOT (priority is EMPTY)'])
def test_a_query_that_jira_understands_is_taken(jira, as_app, text):
    jira.check_jql(as_app, Jql(text))


@pytest.mark.parametrize("text", ["nofield = 1", "project =", "priority = Urgent", "project = SEC project = OPS"])
def test_a_query_that_jira_does_not_understand_is_refused_in_its_words(jira, as_app, text):
    with pytest.raises(JqlRefused, match="Jira says: "):
        jira.check_jql(as_app, Jql(text))


class Odd:
    """A Jira that answers a POST as it is told to."""

    def __init__(self, peer):
        self.peer = peer
        self.site = access(peer.url, "a-made-up-secret-of-more-than-32-bytes")
        statuses = [{"id": "1", "name": "Open", "statusCategory": {"key": "new"}}]
        for path, value in {"/rest/api/3/field": [], "/rest/api/3/status": statuses}.items():
            peer.answers[path] = (200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def says(self, path, value, *, status=200):
        body = json.dumps(value).encode()
        self.peer.posted[path] = (status, {"Content-Type": "application/json"}, body)


@pytest.fixture
def odd(peer):
    return Odd(peer)


ISSUE = {
    "id": "1",
    "key": "SEC-1",
    "fields": {
        "issuetype": {"name": "Bug"},
        "labels": [],
        "status": {"id": "1", "name": "Open", "statusCategory": {"key": "new"}},
        "created": "2026-11-22T09:00:00.000+0100",
        "project": {"id": "10000"},
    },
}


@pytest.mark.parametrize("answer", [[], {}, {"issues": [{}]}, {"issues": [{"id": "x"}]}, {"issues": None}, "text"])
def test_an_odd_answer_to_a_search_is_an_outage(jira, odd, answer):
    odd.says("/rest/api/3/search/jql", answer)
    with pytest.raises(JiraUnavailable):
        jira.find_issues(odd.site, ALL.all(), page_token=None, limit=5)


def test_one_issue_in_an_odd_form_keeps_no_other_from_being_read(jira, odd):
    strange = ISSUE | {"id": "2", "fields": ISSUE["fields"] | {"created": "yesterday"}}
    odd.says("/rest/api/3/issue/bulkfetch", {"issues": [ISSUE, strange]})
    odd.says("/rest/api/3/changelog/bulkfetch", {"issueChangeLogs": [], "nextPageToken": None})
    read = jira.read_issues(odd.site, [IssueId(1), IssueId(2)], EVERYBODYS)
    assert ([snapshot.issue for snapshot in read.snapshots], read.unreadable) == ([1], (2,))


def test_changelogs_that_never_end_are_an_outage_and_not_a_loop(jira, odd, monkeypatch):
    monkeypatch.setattr("app.outbound.jira_bulk._MOST_CHANGES", 3000)
    odd.says("/rest/api/3/issue/bulkfetch", {"issues": [ISSUE]})
    odd.says("/rest/api/3/changelog/bulkfetch", {"issueChangeLogs": [], "nextPageToken": "on and on"})
    with pytest.raises(JiraUnavailable):
        jira.read_issues(odd.site, [IssueId(1)], EVERYBODYS)
    assert odd.peer.asked.count("/rest/api/3/changelog/bulkfetch") == 3


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_refused_bulk_read_hides_no_issue(jira, odd, status):
    odd.says("/rest/api/3/issue/bulkfetch", {}, status=status)
    with pytest.raises(JiraUnavailable):
        jira.read_issues(odd.site, [IssueId(1)], EVERYBODYS)
