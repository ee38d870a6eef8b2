"""Lists for one person: what Jira hides is left out, the page is filled up, and no cursor names what is hidden."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from app.domain.access.decisions import Confirmations, IssueAccess
from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Outcome, State
from app.domain.identifiers import AccountId, IssueId, TenantId
from app.domain.installations.model import Caller, CallerKind
from app.domain.ports import JiraUnavailable, SiteAccess
from app.domain.tracking import listing
from app.domain.tracking.derived import ClockFilter, Position
from app.domain.tracking.listing import ClockLists
from app.domain.tracking.model import IssueRecord, Tracking
from tests.stored_bounds import save_bounds

ALL = ClockFilter()


@dataclass
class Jira:
    """Jira's side of the port: which issues the person may browse."""

    visible: set = field(default_factory=set)
    batches: list = field(default_factory=list)
    away: bool = False

    def may_browse_of(self, site, account, issues):
        if self.away:
            raise JiraUnavailable(5)
        self.batches.append(sorted(issues))
        return frozenset(issues) & self.visible


@pytest.fixture
def jira():
    return Jira()


@pytest.fixture
def lists(roles, jira):
    def site_of(tenant, person_token):
        return SiteAccess("https://site.example.com", authorize=lambda headers, *, method, target: None)

    return ClockLists(roles[0], IssueAccess(jira, site_of, Confirmations()))


@pytest.fixture
def who(tenant):
    return Caller(tenant, AccountId("a"), CallerKind.PERSON, "production", "global", None)


@pytest.fixture
def keep(roles, tenant, now):
    """Issues whose clocks have these bounds, by number."""

    def keep(clocks):
        with roles[1].begin(tenant) as uow:
            for number, bounds in clocks.items():
                issue = IssueId(number)
                uow.issues.save(IssueRecord(issue, f"SEC-{number}", 10000, Tracking.TRACKED, None, None, now, ()), now)
                save_bounds(uow, issue, fix=[bounds])
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)

    return keep


def due(now, **until):
    return Bounds(cycle=1, started_at=now - timedelta(days=9), due_at=now + timedelta(**until))


@pytest.fixture
def twelve(keep, now):
    """Issues 1 to 12, due in that order."""
    keep({number: due(now, hours=number) for number in range(1, 13)})


@pytest.fixture
def few_at_once(monkeypatch):
    monkeypatch.setattr(listing, "READ_AT_ONCE", 3)
    monkeypatch.setattr(listing, "READS", 2)


def issues(page):
    return [each.clock.issue for each in page.clocks]


def walk(lists, who, now, *, limit):
    """Every page, one after the other."""
    pages, position = [], Position()
    while position is not None:
        page = lists.page(who, ALL, position=position, limit=limit, now=now)
        pages.append(issues(page))
        position = page.next
    return pages


@pytest.mark.usefixtures("twelve")
def test_a_list_has_what_the_person_may_see_as_it_is_now(lists, jira, who, now):
    jira.visible = {IssueId(1), IssueId(3)}
    page = lists.page(who, ALL, position=Position(), limit=50, now=now + timedelta(hours=2))
    assert [(each.clock.key, each.state, each.remaining_seconds) for each in page.clocks] == [
        ("SEC-1", State.BREACHED, -3600),
        ("SEC-3", State.RUNNING, 3600),
    ]
    assert page.next is None
    assert jira.batches == [list(range(1, 13))]


@pytest.mark.usefixtures("twelve")
def test_jira_is_asked_once_for_a_page_and_not_again_for_the_next(lists, jira, who, now):
    jira.visible = set(map(IssueId, range(1, 13)))
    assert walk(lists, who, now, limit=5) == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12]]
    assert len(jira.batches) == 1


@pytest.mark.usefixtures("twelve", "few_at_once")
def test_a_page_is_filled_up_from_what_comes_next(lists, jira, who, now):
    jira.visible = {IssueId(2), IssueId(5), IssueId(6), IssueId(12)}
    page = lists.page(who, ALL, position=Position(), limit=2, now=now)
    assert issues(page) == [2, 5]
    assert issues(lists.page(who, ALL, position=page.next, limit=2, now=now)) == [6]
    assert [each for page in walk(lists, who, now, limit=2) for each in page] == [2, 5, 6, 12]


@pytest.mark.usefixtures("twelve", "few_at_once")
def test_whoever_may_see_next_to_nothing_costs_no_more_than_anybody_else(lists, jira, who, now):
    jira.visible = {IssueId(12)}
    page = lists.page(who, ALL, position=Position(), limit=2, now=now)
    assert (issues(page), len(jira.batches)) == ([], 2)
    assert [each for page in walk(lists, who, now, limit=2) for each in page] == [12]


@pytest.mark.usefixtures("twelve", "few_at_once")
def test_a_position_names_nothing_that_is_hidden(lists, jira, who, now):
    """A cursor can be read by whoever gets it: the id and the date of a hidden issue are not for him."""
    jira.visible = {IssueId(2)}
    page = lists.page(who, ALL, position=Position(), limit=5, now=now)
    assert page.next.after.issue == 2
    assert page.next.skip == 4
    jira.visible = set()
    page = lists.page(who, ALL, position=Position(), limit=5, now=now + timedelta(minutes=16))
    assert page.next == Position(None, 6)


@pytest.mark.usefixtures("twelve")
def test_while_jira_is_away_nothing_is_told(lists, jira, who, now):
    jira.away = True
    with pytest.raises(JiraUnavailable):
        lists.page(who, ALL, position=Position(), limit=5, now=now)


def test_an_empty_list_asks_nobody(lists, jira, who, now):
    assert lists.page(who, ALL, position=Position(), limit=5, now=now).clocks == ()
    assert jira.batches == []


@pytest.mark.usefixtures("few_at_once")
def test_what_falls_due_is_found_however_long_it_was_held(lists, keep, tenant, now):
    held = Bounds(
        cycle=1,
        started_at=now - timedelta(days=40),
        due_at=now - timedelta(days=5),
        paused_since=now - timedelta(days=12),
    )
    keep(
        {
            1: due(now, days=-1),
            2: due(now, days=7),
            3: due(now, days=7, seconds=1),
            4: Bounds(cycle=1),
            5: Bounds(cycle=1, started_at=now, due_at=now, stopped_at=now, outcome=Outcome.MET),
            6: held,
            7: due(now, days=1),
        }
    )
    found = list(lists.due(tenant, within=timedelta(days=7), now=now))
    assert [each.clock.issue for each in found] == [6, 1, 7, 2]
    assert [each.state for each in found] == [State.PAUSED, State.BREACHED, State.RUNNING, State.RUNNING]
    assert [each.clock.issue for each in lists.due(tenant, within=timedelta(0), now=now)] == [1]
    with pytest.raises(LookupError):
        list(lists.due(TenantId(999_999), within=timedelta(0), now=now))
