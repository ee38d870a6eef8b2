"""What one person may be told of in numbers: one question to Jira, its answer remembered, nothing guessed."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from app.domain.access.decisions import Confirmations
from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds
from app.domain.identifiers import AccountId, IssueId, ProjectId
from app.domain.installations.model import Caller, CallerKind
from app.domain.ports import JiraUnavailable, SiteAccess
from app.domain.tracking import sight
from app.domain.tracking.figures import Sight
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.sight import Overviews, Sights
from tests.stored_bounds import save_bounds

SEC, OPS = ProjectId(10000), ProjectId(10001)


@dataclass
class Jira:
    """Jira's side of the port: which projects and issues the person may browse."""

    projects: set = field(default_factory=set)
    issues: set = field(default_factory=set)
    asked: list = field(default_factory=list)
    away: bool = False

    def may_browse_among(self, site, account, *, projects, issues):
        if self.away:
            raise JiraUnavailable(5)
        self.asked.append((sorted(projects), sorted(issues)))
        return frozenset(projects) & self.projects, frozenset(issues) & self.issues


@pytest.fixture
def jira():
    return Jira()


@pytest.fixture
def overviews(roles, jira):
    def site_of(tenant, person_token):
        return SiteAccess("https://site.example.com", authorize=lambda headers, *, method, target: None)

    return Overviews(roles[0], Sights(roles[0], jira, site_of, Confirmations()))


@pytest.fixture
def who(tenant):
    return Caller(tenant, AccountId("a"), CallerKind.PERSON, "production", "global", None)


@pytest.fixture(autouse=True)
def four(roles, tenant, now):
    """Issues 1 and 2 of SEC, 3 and 4 of OPS; 2 and 4 have a security level."""
    running = Bounds(cycle=1, started_at=now - timedelta(days=9), due_at=now + timedelta(days=1))
    with roles[1].begin(tenant) as uow:
        for number in range(1, 5):
            issue, project = IssueId(number), SEC if number < 3 else OPS
            record = IssueRecord(issue, f"X-{number}", project, Tracking.TRACKED, None, None, now, ())
            uow.issues.save(replace(record, is_restricted=number % 2 == 0), now)
            save_bounds(uow, issue, fix=[running])
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)


def numbers(found):
    return sum(row.number for row in found[1].states)


def test_projects_and_issues_with_a_level_are_asked_for_in_one_question(overviews, jira, who, now):
    jira.projects, jira.issues = {SEC, OPS}, {2}
    found = overviews.of(who, project=None, now=now)
    assert jira.asked == [([SEC, OPS], [2, 4])]
    assert found[0] == Sight(frozenset({SEC, OPS}), frozenset({2}))
    assert numbers(found) == 3


def test_an_answer_is_remembered_for_a_quarter_of_an_hour_and_a_no_for_half_a_minute(overviews, jira, who, now):
    jira.projects, jira.issues = {SEC}, {2}
    overviews.of(who, project=None, now=now)
    overviews.of(who, project=SEC, now=now + timedelta(seconds=20))
    overviews.of(who, project=None, now=now + timedelta(seconds=40))
    assert jira.asked == [([SEC, OPS], [2, 4]), ([OPS], [4])]
    overviews.of(who, project=SEC, now=now + timedelta(minutes=16))
    assert jira.asked[2:] == [([SEC], [2])]


def test_what_one_person_may_see_says_nothing_about_another(overviews, jira, who, now):
    jira.projects = {SEC}
    overviews.of(who, project=SEC, now=now)
    jira.projects = set()
    found = overviews.of(replace(who, account=AccountId("b")), project=SEC, now=now)
    assert found[0].projects == frozenset()
    assert numbers(found) == 0


def test_an_issue_in_a_project_that_may_not_be_browsed_is_not_counted_though_it_may_be_seen(overviews, jira, who, now):
    jira.issues = {2, 4}
    assert numbers(overviews.of(who, project=SEC, now=now)) == 0


def test_nobody_counts_for_no_person(overviews, jira, who, now):
    assert numbers(overviews.of(replace(who, account=None), project=None, now=now)) == 0
    assert jira.asked == []


def test_a_jira_that_does_not_answer_is_no_answer(overviews, jira, who, now):
    jira.away = True
    with pytest.raises(JiraUnavailable):
        overviews.of(who, project=SEC, now=now)


def test_more_than_jira_is_asked_about_is_said_and_not_counted(overviews, jira, who, now, monkeypatch):
    monkeypatch.setattr(sight, "MOST_AT_ONCE", 1)
    jira.projects, jira.issues = {SEC, OPS}, {2, 4}
    found = overviews.of(who, project=None, now=now)
    assert jira.asked == [([SEC], [4])]
    assert found[0].has_unasked
    assert numbers(found) == 1
