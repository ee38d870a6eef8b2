"""What changes clocks: webhooks ask for a read, jobs read Jira and store the facts. On the real database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.clocks.model import EventKind, Severity
from app.domain.identifiers import IssueId
from app.domain.installations.model import Caller, CallerKind, InstallationState
from app.domain.ports import JiraUnavailable
from app.domain.tracking.model import Tracking
from app.domain.tracking.operations import DELIVERIES_KEPT_DAYS, SLICE, IssueHint

ISSUE = IssueId(10001)
SECURITY, OTHER = IssueHint("Bug", ("security",)), IssueHint("Task", ("garden",))


@pytest.fixture
def hook(following, tenant, now):
    """A webhook arrives."""

    def hook(hint=SECURITY, *, delivery="d1", issue=ISSUE, at=now):
        caller = Caller(tenant, None, CallerKind.HOST, "production", "global", None)
        following[0].accept_webhook(caller, deliveries=(delivery,), issue=issue, hint=hint, now=at)

    return hook


@pytest.fixture
def work(following, tenant, now):
    """A job runs."""
    return lambda at=now: following[1].read_pending(tenant, now=at)


@pytest.fixture
def found(roles, tenant):
    return lambda issue=ISSUE: roles[0].view_issue(tenant, issue)[1]


@pytest.fixture
def entries(shared, tenant):
    def entries():
        query = (
            "SELECT action, target FROM app.audit_entries WHERE tenant_id = %s AND action LIKE 'issue.%%' ORDER BY 1"
        )
        return shared.rows(query, tenant)

    return entries


@pytest.fixture
def waiting(shared, tenant):
    """Reads that wait, and jobs."""

    def waiting():
        reads = shared.rows("SELECT issue_id FROM app.pending_reads WHERE tenant_id = %s ORDER BY 1", tenant)
        jobs = shared.rows(
            "SELECT task_name FROM jobs.procrastinate_jobs WHERE (args->>'tenant')::bigint = %s ORDER BY id", tenant
        )
        return [row[0] for row in reads], [row[0] for row in jobs]

    return waiting


def test_a_webhook_of_an_issue_that_has_clocks_asks_for_a_read(hook, waiting):
    hook()
    assert waiting() == ([10001], ["read-issues"])


def test_a_webhook_that_arrives_twice_is_one(hook, work, board, snapshot, waiting):
    hook()
    board.issues[ISSUE] = snapshot()
    work()
    hook()
    assert waiting()[0] == []


def test_an_issue_that_matches_no_rule_and_is_not_tracked_is_dropped(hook, waiting, shared, tenant):
    hook(OTHER)
    assert waiting() == ([], [])
    assert shared.rows("SELECT FROM app.webhook_deliveries WHERE tenant_id = %s", tenant) == []


def test_without_a_readable_hint_the_issue_is_read(hook, waiting):
    hook(None)
    assert waiting()[0] == [10001]


def test_a_tracked_issue_is_read_whatever_the_hint_says(hook, work, board, snapshot, waiting):
    board.issues[ISSUE] = snapshot()
    hook()
    work()
    hook(OTHER, delivery="d2")
    assert waiting()[0] == [10001]


def test_a_tracked_issue_gets_its_facts_its_bounds_and_an_entry(
    hook, work, board, snapshot, found, entries, shared, tenant
):
    board.issues[ISSUE] = snapshot(priority="High")
    hook()
    assert work() == 1
    record = found()
    assert (record.tracking, record.severity.level, record.read_asked_at) == (Tracking.TRACKED, Severity.HIGH, None)
    assert {event.kind for event in record.events} == {EventKind.REPORTED, EventKind.SEVERITY_SET}
    bounds = shared.rows("SELECT due_at, severity FROM app.clock_bounds WHERE tenant_id = %s", tenant)
    assert bounds == [(snapshot().created_at + timedelta(weeks=4), "high")]
    assert entries() == [("issue.tracked", "issue/10001")]


def test_an_issue_that_matches_no_rule_is_known_as_such_and_has_no_facts(
    following, tenant, work, board, snapshot, found, entries, now
):
    board.issues[ISSUE] = snapshot(labels=frozenset())
    following[0].ask_first_read(tenant, ISSUE, now=now)
    work()
    assert (found().tracking, found().events, entries()) == (Tracking.NOT_TRACKED, (), [])


def test_an_issue_that_is_labelled_later_is_newly_tracked_once(hook, work, board, snapshot, found, entries, now):
    board.issues[ISSUE] = snapshot(labels=frozenset())
    hook(None)
    work()
    board.issues[ISSUE] = snapshot()
    for number in (2, 3):
        hook(delivery=f"d{number}", at=now + timedelta(seconds=number))
        work(now + timedelta(seconds=number))
    assert found().tracking is Tracking.TRACKED
    assert entries() == [("issue.tracked", "issue/10001")]


def test_taking_the_label_off_does_not_stop_a_clock(hook, work, board, snapshot, found, now):
    board.issues[ISSUE] = snapshot(priority="High")
    hook()
    work()
    board.issues[ISSUE] = snapshot(priority="High", labels=frozenset(), issue_type="Task")
    hook(OTHER, delivery="d2", at=now + timedelta(seconds=1))
    work(now + timedelta(seconds=1))
    assert found().tracking is Tracking.TRACKED
    assert len(found().events) == 2


def test_a_hidden_issue_is_flagged_once_never_met_and_no_longer_when_it_is_back(
    hook, work, board, snapshot, found, entries, shared, tenant, now
):
    board.issues[ISSUE] = snapshot(priority="High")
    hook()
    work()
    del board.issues[ISSUE]
    for second in (1, 2):
        hook(delivery=f"hidden{second}", at=now + timedelta(seconds=second))
        work(now + timedelta(seconds=second))
    assert found().hidden_since == now + timedelta(seconds=1)
    assert ("issue.hidden", "issue/10001") in entries()
    assert len(entries()) == 2
    assert shared.rows("SELECT stopped_at, outcome FROM app.clock_bounds WHERE tenant_id = %s", tenant) == [
        (None, None)
    ]
    board.issues[ISSUE] = snapshot(priority="High")
    hook(delivery="back", at=now + timedelta(seconds=3))
    work(now + timedelta(seconds=3))
    assert found().hidden_since is None


def test_an_issue_that_was_never_seen_and_is_hidden_is_tried_again_ever_less_often(hook, work, found, waiting, entries):
    """Settled it would be asked for anew by every look at it; nothing of it is stored."""
    hook()
    work()
    assert (found(), len(waiting()[0]), entries()) == (None, 1, [])


def test_jira_that_is_away_leaves_the_read_for_later_and_later_each_time(hook, work, board, shared, tenant, now):
    board.issues[ISSUE] = JiraUnavailable(7)
    hook()
    dues, at = [], now
    for _ in range(14):
        with pytest.raises(JiraUnavailable):
            work(at)
        [(due,)] = shared.rows("SELECT due_at FROM app.pending_reads WHERE tenant_id = %s", tenant)
        dues.append((due - at).total_seconds())
        at = due
    assert dues[:4] == [10, 20, 40, 80]
    assert dues[-1] == max(dues) == 3600


def test_nothing_is_asked_before_its_time(hook, work, board, now):
    board.issues[ISSUE] = JiraUnavailable(7)
    hook()
    with pytest.raises(JiraUnavailable):
        work()
    assert work(now + timedelta(seconds=9)) == 0
    assert len(board.asked) == 1


def test_what_a_clock_that_was_wrong_has_dated_holds_up_no_later_read(
    hook, work, board, snapshot, found, waiting, following, shared, tenant, now
):
    wrong = now + timedelta(days=40)
    board.issues[ISSUE] = snapshot(priority="High")
    hook(at=wrong)
    work(wrong)
    assert found().read_at == wrong
    hook(delivery="d2")
    work()
    assert found().read_at == now
    hook(delivery="d3")
    shared.execute("UPDATE app.pending_reads SET due_at = %s WHERE tenant_id = %s", wrong, tenant)
    shared.execute("DELETE FROM jobs.procrastinate_jobs")
    following[1].wake(now=now)
    assert waiting() == ([10001], ["read-issues"])
    work()
    assert waiting()[0] == []


def test_an_issue_whose_read_fails_each_time_stands_in_nobodys_way(hook, work, board, snapshot, found, now):
    bad, good = IssueId(1), IssueId(2)
    board.issues = {bad: JiraUnavailable(7), good: snapshot(number=2)}
    hook(delivery="bad", issue=bad)
    with pytest.raises(JiraUnavailable):
        work()
    hook(delivery="good", issue=good, at=now + timedelta(seconds=30))
    with pytest.raises(JiraUnavailable):
        work(now + timedelta(seconds=30))
    assert found(good) is not None


def test_a_webhook_during_a_read_causes_another_read(hook, work, board, snapshot, waiting, now):
    """What the first read saw may be older than what the webhook tells of."""
    board.issues[ISSUE] = snapshot()
    hook()
    read = board.read_issue

    def read_slowly(site, issue, choice):
        seen = read(site, issue, choice)
        if len(board.asked) == 1:
            hook(delivery="d2", at=now + timedelta(seconds=1))
        return seen

    board.read_issue = read_slowly
    work()
    assert waiting()[0] == [10001]
    work(now + timedelta(seconds=1))
    assert (waiting()[0], len(board.asked)) == ([], 2)


def test_a_job_reads_a_slice_and_asks_for_the_next(hook, work, board, snapshot, waiting):
    for number in range(SLICE + 2):
        issue = IssueId(20000 + number)
        board.issues[issue] = snapshot(number=20000 + number)
        hook(delivery=str(number), issue=issue)
    assert work() == SLICE
    assert len(waiting()[0]) == 2
    assert "read-issues" in waiting()[1]
    assert work() == 2


@pytest.mark.parametrize("state", [InstallationState.UNINSTALLED, InstallationState.SUSPENDED])
def test_a_site_that_is_gone_is_not_asked(roles, following, register, board, state, now):
    tenant = register(state)
    following[0].ask_first_read(tenant, ISSUE, now=now)
    assert following[1].read_pending(tenant, now=now) == 0
    assert board.asked == []


def test_waking_asks_for_every_tenant_with_reads_that_are_due(following, register, shared, now):
    due, later, idle = register(), register(), register()
    following[0].ask_first_read(due, ISSUE, now=now)
    following[0].ask_first_read(later, ISSUE, now=now + timedelta(hours=1))
    shared.execute("SET search_path = jobs; DELETE FROM procrastinate_jobs")
    following[1].wake(now=now)
    jobs = {row[0] for row in shared.rows("SELECT (args->>'tenant')::bigint FROM jobs.procrastinate_jobs")}
    assert due in jobs
    assert not {later, idle} & jobs


def test_old_deliveries_are_forgotten_for_every_active_tenant(following, hook, shared, tenant, now):
    hook()
    query = "SELECT count(*) FROM app.webhook_deliveries WHERE tenant_id = %s"
    following[1].purge_deliveries(now=now + timedelta(days=DELIVERIES_KEPT_DAYS))
    assert shared.rows(query, tenant) == [(1,)]
    following[1].purge_deliveries(now=now + timedelta(days=DELIVERIES_KEPT_DAYS, seconds=1))
    assert shared.rows(query, tenant) == [(0,)]


def test_what_an_earlier_read_told_is_kept_when_a_later_one_tells_less(hook, work, board, snapshot, found, now):
    """A shortened changelog takes no fact back."""
    whole = snapshot((1, 4, "resolution", None, "Fixed"), status_is_done=True, resolution="Fixed")
    board.issues[ISSUE] = whole
    hook()
    work()
    board.issues[ISSUE] = replace(whole, changes=(), status_is_done=False, resolution=None)
    hook(delivery="d2", at=now + timedelta(seconds=1))
    work(now + timedelta(seconds=1))
    assert EventKind.FIXED in {event.kind for event in found().events}
