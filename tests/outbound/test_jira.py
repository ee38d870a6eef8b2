"""Reading Jira as the app, against the simulated site; odd answers come from a peer that is told to be odd."""

import time
from dataclasses import replace
from datetime import UTC

import jwt
import pytest
import requests
from atlassian_jwt.url_utils import hash_url

from app.domain.identifiers import AccountId, IssueId
from app.domain.ports import IssueHidden, JiraUnavailable, SiteAccess, TurnAwaited
from app.outbound.jira import RestJira
from simulator.connect import new_secret
from simulator.installations import Descriptor, Installation
from simulator.running import Simulator

APP_KEY = "io.pledge.app"
ISSUE = IssueId(10001)


def access(url, secret):
    """Signs with PyJWT and atlassian-jwt: the other side of the wire from ours."""

    def authorize(headers, *, method, target):
        at = int(time.time())
        claims = {"iss": APP_KEY, "iat": at, "exp": at + 60, "qsh": hash_url(method, target)}
        headers["Authorization"] = f"JWT {jwt.encode(claims, secret, algorithm='HS256')}"

    return SiteAccess(base_url=url, authorize=authorize)


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
    return RestJira(elapsed=clock)


@pytest.fixture
def as_app(site):
    return access(site.url, site.installation.secret)


@pytest.fixture
def control(simulator):
    def control(path="/control", **body):
        method = "PATCH" if path.startswith("/sites") else "POST"
        answer = requests.request(method, simulator.control_url + path, json=body, timeout=30)
        answer.raise_for_status()

    return control


def test_an_issue_is_read_with_the_fields_that_decide(jira, as_app, site):
    snapshot = jira.read_issue(as_app, ISSUE)
    assert (snapshot.issue, snapshot.key, snapshot.project) == (10001, "SEC-1", 10000)
    assert (snapshot.issue_type, snapshot.labels, snapshot.priority) == ("Vulnerability", {"security"}, "High")
    assert (snapshot.status_is_done, snapshot.resolution, snapshot.resolved_at) == (False, None, None)
    assert snapshot.cvss_vector.startswith("CVSS:3.1/AV:N")
    assert snapshot.cvss_score == "8.1"
    assert {snapshot.vector_field, snapshot.score_field} <= set(site.issue("SEC-1").values) | {
        field.id for field in site.fields.values()
    }
    assert snapshot.created_at.tzinfo is UTC
    assert snapshot.changes == ()
    assert [(each.name, each.is_released) for each in jira.read_issue(as_app, IssueId(10003)).fix_versions] == [
        ("4.2", False)
    ]


def test_a_resolved_issue_says_when_and_how(jira, as_app):
    snapshot = jira.read_issue(as_app, IssueId(10007))
    assert (snapshot.status_is_done, snapshot.resolution) == (True, "Fixed")
    assert [change.after for change in snapshot.changes if change.field == "resolution"] == ["Fixed"]
    assert snapshot.resolved_at == snapshot.changes[-1].at


def test_a_long_changelog_is_read_page_by_page_in_order(jira, as_app, site, control):
    for number in range(250):
        control("/sites/genchi/issues/SEC-1", **{"as": "admin", "priority": ("Low", "High")[number % 2]})
    snapshot = jira.read_issue(as_app, ISSUE)
    assert len(snapshot.changes) == 250
    assert list(snapshot.changes) == sorted(snapshot.changes, key=lambda change: (change.at, change.id))
    assert len({change.id for change in snapshot.changes}) == 250


def test_the_cvss_fields_of_a_site_are_looked_up_once_an_hour(jira, as_app, site, clock, monkeypatch):
    asked = []

    def authorize(headers, *, method, target):
        asked.append(target)
        as_app.authorize(headers, method=method, target=target)

    watched = replace(as_app, authorize=authorize)
    for seconds in (0, 3599, 1):
        clock.seconds += seconds
        jira.read_issue(watched, ISSUE)
    assert sum(target.startswith("/rest/api/3/field") for target in asked) == 2


def test_what_sites_call_things_is_kept_of_the_last_ones_only(jira, as_app, monkeypatch):
    monkeypatch.setattr("app.outbound.jira.FORMS_KEPT", 3)
    for number in range(10):
        jira._forms[f"https://site{number}.example.com"] = ("a form", float("inf"))
    jira.read_issue(as_app, ISSUE)
    assert list(jira._forms) == ["https://site8.example.com", "https://site9.example.com", as_app.base_url]


@pytest.mark.parametrize(("handle", "allowed"), [("admin", True), ("developer", True), ("outsider", False)])
def test_a_person_may_browse_what_jira_says(jira, as_app, site, handle, allowed):
    assert jira.may_browse(as_app, AccountId(site.person(handle).account_id), ISSUE) is allowed


def test_nobody_may_browse_under_a_name_that_jira_does_not_know(jira, as_app):
    assert not jira.may_browse(as_app, AccountId("nobody"), ISSUE)
    assert not jira.may_browse(as_app, AccountId("nobody"), IssueId(99999))


def test_a_security_level_counts(jira, as_app, site):
    hidden = next(issue for issue in site.issues.values() if issue.values["security"] == "Security team")
    people = {name: AccountId(site.person(name).account_id) for name in ("developer", "developer2")}
    answers = {name: jira.may_browse(as_app, who, IssueId(int(hidden.id))) for name, who in people.items()}
    assert answers == {"developer": True, "developer2": False}


def test_of_many_issues_those_are_told_that_a_person_may_browse_and_security_levels_count(jira, as_app, site):
    ids = sorted(IssueId(int(issue.id)) for issue in site.issues.values())
    asked = [*ids, IssueId(99999)]
    hidden = {IssueId(int(each.id)) for each in site.issues.values() if each.values["security"] == "Security team"}
    told = {
        name: jira.may_browse_of(as_app, AccountId(site.person(name).account_id), asked)
        for name in ("developer", "developer2", "outsider")
    }
    assert hidden
    assert told["developer"] - told["developer2"] == hidden
    assert ISSUE in told["developer2"] - told["outsider"]
    outsider = AccountId(site.person("outsider").account_id)
    assert [issue in told["outsider"] for issue in ids] == [jira.may_browse(as_app, outsider, issue) for issue in ids]
    assert jira.may_browse_of(as_app, AccountId("nobody"), asked) == frozenset()


def test_an_issue_that_is_gone_is_hidden(jira, as_app):
    with pytest.raises(IssueHidden):
        jira.read_issue(as_app, IssueId(99999))


def test_a_token_that_jira_refuses_is_unavailable_and_hides_nothing(jira, site):
    with pytest.raises(JiraUnavailable):
        jira.read_issue(access(site.url, "x" * 40), ISSUE)


OURS = {30}
BY_THE_MINUTE = {*range(1, 8), 30}
"""`X-RateLimit-Reset` without its seconds: it may be past already."""


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    ("form", "seconds"),
    [("seconds", {6, 7}), ("fraction", {7, 8}), ("date", {5, 6, 7}), ("bare", OURS)]
    + [(form, BY_THE_MINUTE) for form in ("absent", "absurd", "negative", "garbage", "past")],
)
def test_a_storm_says_when_to_come_back(jira, as_app, control, status, form, seconds):
    control(site="genchi", storm={"status": status, "count": 1, "retry_after": form, "seconds": 7})
    with pytest.raises(JiraUnavailable) as refusal:
        jira.read_issue(as_app, ISSUE)
    assert refusal.value.retry_after_seconds in seconds
    assert isinstance(refusal.value, TurnAwaited) is (status == 429)
    assert jira.read_issue(as_app, ISSUE).key == "SEC-1"


def test_a_site_whose_permission_answers_fail_is_left_alone_for_a_while(jira, as_app, site, control, clock):
    developer = AccountId(site.person("developer").account_id)
    control(site="genchi", storm={"status": 503, "count": 3, "retry_after": "absent"})
    for _ in range(4):
        with pytest.raises(JiraUnavailable):
            jira.may_browse(as_app, developer, ISSUE)
    clock.seconds += 20
    assert jira.may_browse(as_app, developer, ISSUE)


def test_a_slow_permission_answer_is_waited_for_two_seconds_at_most(jira, as_app, site, control):
    control(site="genchi", latency_seconds=4)
    started = time.monotonic()
    with pytest.raises(JiraUnavailable):
        jira.may_browse(as_app, AccountId(site.person("developer").account_id), ISSUE)
    assert time.monotonic() - started < 3.5


def test_of_many_issues_jira_names_those_that_a_person_may_browse(jira, as_app, site):
    issues = {IssueId(int(issue.id)) for issue in site.issues.values()} | {IssueId(99999)}
    for handle in ("developer", "developer2", "outsider"):
        account = AccountId(site.person(handle).account_id)
        single = {issue for issue in issues if jira.may_browse(as_app, account, issue)}
        assert jira.may_browse_of(as_app, account, issues) == single
    assert jira.may_browse_of(as_app, AccountId("nobody"), issues) == frozenset()
