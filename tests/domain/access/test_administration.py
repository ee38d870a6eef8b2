"""Each administrative permission is asked for by itself, kept for a minute, and never taken for another."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.access.administration import CONFIRMED_FOR, SiteRoles
from app.domain.access.decisions import DENIED_FOR, Confirmations
from app.domain.access.roles import NotPermitted, Permission, Role
from app.domain.identifiers import AccountId, ProjectId, TenantId
from app.domain.installations.model import Caller, CallerKind
from app.domain.ports import JiraUnavailable, SiteAccess
from app.domain.secrets import Secret

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
SEC, OPS = ProjectId(10000), ProjectId(10001)


class Board:
    """Jira's side of the port, in memory."""

    def __init__(self):
        self.jira_admins = set()
        self.project_admins = set()
        self.asked = []
        self.away = False

    def may_administer_jira(self, site, account):
        return self._answer((site.base_url, account, None), self.jira_admins)

    def may_administer_project(self, site, account, project):
        return self._answer((site.base_url, account, project), self.project_admins)

    def _answer(self, question, holders):
        self.asked.append(question)
        if self.away:
            raise JiraUnavailable(5)
        return question in holders


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def roles(board):
    def site_of(tenant, person_token):
        kind = "app" if person_token is None else "person"
        return SiteAccess(f"https://{tenant}.example.com/{kind}", authorize=lambda headers, *, method, target: None)

    return SiteRoles(board, site_of, Confirmations(confirmed_for=CONFIRMED_FOR))


def person(account="a", tenant=1, token=None):
    who = None if account is None else AccountId(account)
    kind = CallerKind.HOST if account is None else CallerKind.PERSON
    return Caller(TenantId(tenant), who, kind, "production", "global", None, token)


def jira_admin(board, account="a", tenant=1, kind="app"):
    board.jira_admins.add((f"https://{tenant}.example.com/{kind}", account, None))


def project_admin(board, project, account="a"):
    board.project_admins.add(("https://1.example.com/app", account, project))


def test_a_person_of_the_site_is_a_user_and_nothing_more(roles):
    assert roles.of(person(), project=SEC, now=NOW) == {Role.USER}


def test_whoever_is_no_person_has_no_role_and_jira_is_not_asked(roles, board):
    assert roles.of(person(account=None), project=SEC, now=NOW) == frozenset()
    assert board.asked == []


def test_an_administrator_of_jira_is_not_taken_for_one_of_a_project(roles, board):
    jira_admin(board)
    assert roles.of(person(), project=SEC, now=NOW) == {Role.USER, Role.JIRA_ADMIN}


def test_an_administrator_of_a_project_is_not_taken_for_one_of_jira_or_of_another_project(roles, board):
    project_admin(board, SEC)
    assert roles.of(person(), project=SEC, now=NOW) == {Role.USER, Role.PROJECT_ADMIN}
    assert roles.of(person(), project=OPS, now=NOW) == {Role.USER}
    assert roles.of(person(), project=None, now=NOW) == {Role.USER}
    with pytest.raises(NotPermitted):
        roles.require(Permission.VIEW_SETTINGS, person(), now=NOW)


def test_what_is_for_administrators_is_refused_to_others(roles, board):
    jira_admin(board)
    roles.require(Permission.VIEW_SETTINGS, person(), now=NOW)
    for other in (person("A"), person(tenant=2), person(account=None)):
        with pytest.raises(NotPermitted):
            roles.require(Permission.VIEW_SETTINGS, other, now=NOW)


def test_an_administrator_may_not_do_what_only_jira_could_have_confirmed_otherwise(roles, board):
    jira_admin(board)
    with pytest.raises(NotPermitted):
        roles.require(Permission.VIEW_ISSUE_CLOCKS, person(), now=NOW)


def test_a_yes_is_good_for_a_minute_and_looking_again_does_not_prolong_it(roles, board):
    jira_admin(board)
    roles.require(Permission.VIEW_SETTINGS, person(), now=NOW)
    board.jira_admins.clear()
    roles.require(Permission.VIEW_SETTINGS, person(), now=NOW + timedelta(minutes=1) - MOMENT)
    assert len(board.asked) == 1
    with pytest.raises(NotPermitted):
        roles.require(Permission.VIEW_SETTINGS, person(), now=NOW + timedelta(minutes=1))


def test_a_no_is_good_for_half_a_minute(roles, board):
    assert roles.of(person(), project=None, now=NOW) == {Role.USER}
    jira_admin(board)
    assert roles.of(person(), project=None, now=NOW + DENIED_FOR - MOMENT) == {Role.USER}
    assert roles.of(person(), project=None, now=NOW + DENIED_FOR) == {Role.USER, Role.JIRA_ADMIN}


def test_jira_that_cannot_be_asked_is_no_answer_and_is_not_remembered(roles, board):
    jira_admin(board)
    board.away = True
    with pytest.raises(JiraUnavailable):
        roles.require(Permission.VIEW_SETTINGS, person(), now=NOW)
    board.away = False
    roles.require(Permission.VIEW_SETTINGS, person(), now=NOW)


def test_jira_is_asked_with_the_persons_own_token_where_it_came_along(roles, board):
    jira_admin(board, kind="person")
    assert Role.JIRA_ADMIN in roles.of(person(token=Secret("a-made-up-token")), project=None, now=NOW)
    assert board.asked == [("https://1.example.com/person", "a", None)]
