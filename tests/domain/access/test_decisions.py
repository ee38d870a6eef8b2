"""Jira's word is asked for, kept for a while, and never guessed."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.access import decisions
from app.domain.access.decisions import Confirmations, IssueAccess, NotConfirmed
from app.domain.access.roles import ROLES, Permission, Role, is_granted
from app.domain.identifiers import AccountId, IssueId, TenantId
from app.domain.ports import JiraUnavailable, SiteAccess

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
QUESTION = (TenantId(1), AccountId("a"), IssueId(10001))
VIEW = Permission.VIEW_ISSUE_CLOCKS
MOMENT = timedelta(microseconds=1)


class Board:
    """Jira's side of the port, in memory."""

    def __init__(self):
        self.allowed = {("https://1.example.com", "a", 10001)}
        self.asked = 0
        self.batches = []
        self.away = False

    def may_browse(self, site, account, issue):
        self.asked += 1
        if self.away:
            raise JiraUnavailable(5)
        return (site.base_url, account, issue) in self.allowed

    def may_browse_of(self, site, account, issues):
        self.batches.append(sorted(issues))
        return frozenset(issue for issue in issues if self.may_browse(site, account, issue))

    def read_issue(self, site, issue):
        raise NotImplementedError


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def access(board):
    def site_of(tenant, person_token):
        return SiteAccess(f"https://{tenant}.example.com", authorize=lambda headers, *, method, target: None)

    return IssueAccess(board, site_of, Confirmations())


def test_a_yes_is_good_for_fifteen_minutes_and_not_a_moment_longer(access, board):
    access.require(VIEW, QUESTION, now=NOW)
    board.allowed.clear()
    access.require(VIEW, QUESTION, now=NOW + timedelta(minutes=15) - MOMENT)
    assert board.asked == 1
    with pytest.raises(NotConfirmed):
        access.require(VIEW, QUESTION, now=NOW + timedelta(minutes=15))
    assert board.asked == 2


def test_looking_again_does_not_prolong_a_yes(access, board):
    for minute in range(15):
        access.require(VIEW, QUESTION, now=NOW + timedelta(minutes=minute))
    assert board.asked == 1
    access.require(VIEW, QUESTION, now=NOW + timedelta(minutes=15))
    assert board.asked == 2


def test_a_no_is_good_for_thirty_seconds(access, board):
    allowed, board.allowed = board.allowed, set()
    with pytest.raises(NotConfirmed):
        access.require(VIEW, QUESTION, now=NOW)
    board.allowed = allowed
    with pytest.raises(NotConfirmed):
        access.require(VIEW, QUESTION, now=NOW + timedelta(seconds=30) - MOMENT)
    assert board.asked == 1
    access.require(VIEW, QUESTION, now=NOW + timedelta(seconds=30))


@pytest.mark.parametrize(
    "other",
    [
        (TenantId(2), AccountId("a"), IssueId(10001)),
        (TenantId(1), AccountId("A"), IssueId(10001)),
        (TenantId(1), AccountId("a"), IssueId(10002)),
    ],
    ids=["tenant", "person", "issue"],
)
def test_a_yes_is_not_good_for_another(access, other):
    access.require(VIEW, QUESTION, now=NOW)
    with pytest.raises(NotConfirmed):
        access.require(VIEW, other, now=NOW)


@pytest.fixture
def who():
    return TenantId(1), AccountId("a")


def test_of_many_issues_jira_is_asked_once_and_only_for_those_not_known(access, board, who):
    one, two, three = (IssueId(10001 + n) for n in range(3))
    assert access.visible(VIEW, who, [one, two], now=NOW) == {one}
    assert access.visible(VIEW, who, [one, two, three], now=NOW) == {one}
    assert access.visible(VIEW, who, [three], now=NOW) == frozenset()
    assert board.batches == [[one, two], [three]]
    access.require(VIEW, QUESTION, now=NOW)
    assert board.asked == 3, "what a list has learned is good for the page of an issue"


def test_of_many_issues_none_is_seen_through_a_permission_that_browsing_does_not_give(access, board, who):
    assert access.visible(Permission.VIEW_SETTINGS, who, [IssueId(10001)], now=NOW) == frozenset()
    assert board.asked == 0


def test_of_many_issues_nothing_is_said_while_jira_is_away(access, board, who):
    board.away = True
    with pytest.raises(JiraUnavailable):
        access.visible(VIEW, who, [IssueId(10001)], now=NOW)
    board.away = False
    assert access.visible(VIEW, who, [IssueId(10001)], now=NOW) == {10001}


def test_jira_that_cannot_be_asked_is_no_answer_and_is_not_remembered(access, board):
    board.away = True
    with pytest.raises(JiraUnavailable):
        access.require(VIEW, QUESTION, now=NOW)
    board.away = False
    access.require(VIEW, QUESTION, now=NOW)


def test_a_yes_that_ran_out_does_not_return_when_jira_is_away(access, board):
    access.require(VIEW, QUESTION, now=NOW)
    board.away = True
    with pytest.raises(JiraUnavailable):
        access.require(VIEW, QUESTION, now=NOW + timedelta(minutes=15))


def test_answers_are_bounded_and_the_oldest_makes_room(monkeypatch):
    monkeypatch.setattr(decisions, "_REMEMBERED", 3)
    kept = Confirmations()
    questions = [(TenantId(1), AccountId("a"), IssueId(number)) for number in range(4)]
    for question in (*questions[:3], questions[0], questions[3]):
        kept.remember(question, allowed=True, now=NOW)
    assert [kept.find(question, now=NOW) for question in questions] == [True, None, True, True]
    assert len(kept._answers) == 3


def test_a_later_answer_replaces_an_earlier_one():
    kept = Confirmations()
    kept.remember(QUESTION, allowed=True, now=NOW)
    kept.remember(QUESTION, allowed=False, now=NOW)
    assert kept.find(QUESTION, now=NOW) is False


def test_what_no_row_grants_is_denied(monkeypatch):
    assert not is_granted(VIEW, frozenset())
    monkeypatch.setitem(ROLES, Role.ISSUE_BROWSER, frozenset())
    assert not is_granted(VIEW, frozenset(Role))


def test_a_permission_that_the_table_does_not_give_to_browsers_is_denied_to_them(access, monkeypatch):
    monkeypatch.setitem(ROLES, Role.ISSUE_BROWSER, frozenset())
    with pytest.raises(NotConfirmed):
        access.require(VIEW, QUESTION, now=NOW)


def test_every_role_has_a_row_and_every_row_a_permission_that_exists():
    assert set(ROLES) == set(Role)
    assert {permission for row in ROLES.values() for permission in row} <= set(Permission)


def test_many_issues_are_one_question_and_each_answer_is_good_for_as_long_as_a_single_one(access, board):
    who, issues = QUESTION[:2], frozenset({IssueId(10001), IssueId(10002)})
    assert access.visible(VIEW, who, issues, now=NOW) == {10001}
    access.require(VIEW, QUESTION, now=NOW)
    board.allowed = {("https://1.example.com", "a", 10002)}
    assert access.visible(VIEW, who, issues, now=NOW + timedelta(seconds=31)) == {10001, 10002}
    assert access.visible(VIEW, who, issues, now=NOW + timedelta(minutes=15)) == {10002}
    assert access.visible(VIEW, who, frozenset(), now=NOW) == frozenset()
