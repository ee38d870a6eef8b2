"""Imports and reconciliations, step by step, on the real database; Jira's side is in memory."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app
from app.domain.identifiers import IssueId
from app.domain.installations.model import Caller, CallerKind
from app.domain.ports import JiraUnavailable, SiteAccess
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking.bulk_reading import BulkRead, FoundPage, IssueSign, PageTokenExpired
from app.domain.tracking.jql import JqlRefused
from app.domain.tracking.model import Tracking, Vocabulary
from app.domain.tracking.operations import IssueHint
from app.domain.tracking.rule import TrackingRule
from app.domain.tracking.runs import Cause, Phase, RunKind
from app.domain.tracking.settings import FollowingSettings, VersionConflict
from app.domain.tracking.synchronizing import PAGE, STEPS, Synchronizing
from app.vault.door import Door

MINUTE = timedelta(minutes=1)


class Library:
    """Jira's side of `BulkJiraSites`: issues by id; what a search finds is what is listed, in order of id."""

    def __init__(self):
        self.issues, self.found, self.unreadable, self.updated = {}, None, set(), {}
        self.asked, self.before_read, self.era = [], None, 0

    def find_issues(self, site, jql, *, page_token, limit):
        self.asked.append(jql)
        if isinstance(self.found, Exception):
            raise self.found
        era, _, start = (page_token or f"{self.era}:0").partition(":")
        if era != str(self.era):
            raise PageTokenExpired
        known = sorted(self.issues if self.found is None else self.found)
        end = int(start) + limit
        return FoundPage(tuple(known[int(start) : end]), f"{self.era}:{end}" if end < len(known) else None)

    def read_issues(self, site, issues, choice):
        if self.before_read is not None:
            self.before_read()
        shown = [issue for issue in issues if issue in self.issues]
        return BulkRead(
            tuple(self.issues[issue] for issue in shown if issue not in self.unreadable),
            tuple(issue for issue in issues if issue not in self.issues),
            tuple(issue for issue in shown if issue in self.unreadable),
        )

    def look_at(self, site, issues):
        shown = [self.issues[issue] for issue in issues if issue in self.issues]
        return tuple(IssueSign(s.issue, s.key, s.project, self.updated.get(s.issue, s.created_at)) for s in shown)

    def issue_types(self, site):
        return {10103: "Vulnerability", 10100: "Task"}

    def vocabulary(self, site):
        return Vocabulary({}, frozenset(), frozenset({"fixed"}), frozenset({"high"}))

    def check_jql(self, site, jql):
        if "nowhere" in jql.text:
            raise JqlRefused("Jira says: no such project")


@pytest.fixture
def library():
    return Library()


@pytest.fixture
def parts(roles, library, keyring_file):
    """The use cases as a worker has them."""
    database = roles[1]
    shelf = PolicyShelf(lambda name: (Path(app.__file__).parent / "policies" / f"{name}.toml").read_text())

    def site_of(tenant, person_token):
        return SiteAccess(database.view_tenant(tenant).base_url, authorize=lambda headers, *, method, target: None)

    reads = (database, library, site_of, TrackingRule(), shelf.in_force)
    return [Synchronizing(*reads), FollowingSettings(*reads, Door.from_keyring_file(Path(keyring_file)))]


@pytest.fixture
def sync(parts, tenant, now):
    """Ask for a run, or go on with it."""

    class Sync:
        def ask(self, kind=RunKind.IMPORT, *, at=now):
            parts[0].ask(tenant, kind, Cause.ASKED, now=at)

        def advance(self, at=now):
            return parts[0].advance(tenant, now=at)

        def run(self, kind=RunKind.IMPORT, *, at=now):
            self.ask(kind, at=at)
            for _ in range(100):
                if not self.advance(at):
                    return self.view(kind)
            raise AssertionError("the run does not end")

        def view(self, kind=RunKind.IMPORT):
            return parts[1].view(tenant).runs[kind]

    return Sync()


@pytest.fixture
def fill(library, snapshot):
    def fill(many, **values):
        for number in range(20000, 20000 + many):
            library.issues[IssueId(number)] = snapshot(number=number, **values)

    return fill


@pytest.fixture
def kept(shared, tenant):
    """Stored issues and bounds."""
    return lambda: shared.rows(
        "SELECT issue_id, tracking, hidden_since, due_at FROM app.issues LEFT JOIN app.clock_bounds"
        " USING (tenant_id, issue_id) WHERE tenant_id = %s ORDER BY 1",
        tenant,
    )


def test_an_import_reads_page_after_page_and_queues_itself_between_slices(sync, fill, kept, shared, tenant):
    fill(PAGE * STEPS + 5, priority="High")
    sync.ask()
    shared.execute("DELETE FROM jobs.procrastinate_jobs")
    assert sync.advance() == STEPS
    assert sync.view().phase is Phase.SEARCHING
    [(jobs,)] = shared.rows("SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'sync-issues'")
    assert jobs == 1
    while sync.advance():
        pass
    run = sync.view()
    assert (run.phase, run.counts.created, run.problem) == (Phase.DONE, PAGE * STEPS + 5, None)
    assert len(kept()) == PAGE * STEPS + 5


def test_the_query_names_only_issue_types_that_the_site_has(sync, fill, library):
    fill(1)
    sync.run()
    assert library.asked[0] == (
        '(labels in ("security", "vulnerability") OR issuetype in (10103)) ORDER BY created ASC'
    )


def test_a_worker_that_dies_between_pages_leaves_a_run_that_goes_on(sync, fill, library, kept):
    fill(PAGE * 3)
    sync.ask()
    reads = iter([None, None, KeyboardInterrupt])

    def before_read():
        if (death := next(reads, None)) is not None:
            raise death

    library.before_read = before_read
    with pytest.raises(KeyboardInterrupt):
        sync.advance()
    assert len(kept()) == 2 * PAGE
    while sync.advance():
        pass
    assert (sync.view().counts.created, len(kept())) == (3 * PAGE, 3 * PAGE)


def test_a_page_token_that_has_expired_begins_the_search_again_and_loses_nothing(sync, fill, library):
    fill(PAGE * 3)
    sync.ask()

    def expire():
        library.era += library.era == 0

    library.before_read = expire
    while sync.advance():
        pass
    run = sync.view()
    assert (run.phase, run.counts.created, run.counts.unchanged) == (Phase.DONE, 3 * PAGE, PAGE)


def test_work_for_a_run_that_was_asked_for_anew_has_no_place_to_write_to(sync, fill, library, kept, now):
    fill(PAGE * 2)
    sync.ask()
    library.before_read = lambda: sync.ask(at=now + MINUTE)
    sync.advance()
    assert kept() == []
    library.before_read = None
    while sync.advance(now + MINUTE):
        pass
    assert len(kept()) == 2 * PAGE


def test_jira_that_is_away_leaves_the_run_where_it_is(sync, fill, library):
    fill(2)
    library.found = JiraUnavailable(7)
    sync.ask()
    with pytest.raises(JiraUnavailable):
        sync.advance()
    library.found = None
    while sync.advance():
        pass
    assert sync.view().counts.created == 2


def test_a_query_that_jira_no_longer_understands_fails_the_run_and_says_so(sync, fill, library, parts, now):
    fill(2)
    library.found = JqlRefused("Jira says: no such project")
    run = sync.run()
    assert (run.phase, run.problem) == (Phase.FAILED, "jql: Jira says: no such project")
    library.found = None
    parts[0].ask_hourly(now=now)
    while sync.advance():
        pass
    assert sync.view().phase is Phase.DONE


def test_what_is_hidden_unreadable_or_does_not_count_is_skipped_with_its_reason(sync, fill, library, snapshot, kept):
    fill(3)
    library.unreadable = {IssueId(20001)}
    library.issues[IssueId(20009)] = snapshot(number=20009, labels=frozenset())
    library.found = [*library.issues, IssueId(29999)]
    run = sync.run()
    assert run.counts.created == 2
    assert run.counts.skipped == {"hidden": 1, "unreadable": 1, "not among those that count": 1}
    assert [row[0] for row in kept()] == [20000, 20002]


def test_an_issue_that_was_read_since_the_job_began_keeps_what_is_newer(sync, fill, library, kept, now, snapshot):
    fill(1, priority="High")
    sync.run(at=now + MINUTE)
    before = kept()
    fill(1, priority="Low")
    run = sync.run(at=now)
    assert run.counts.skipped == {"newer is known": 1}
    assert kept() == before


def test_what_a_run_covered_while_the_clock_was_wrong_is_searched_and_read_again(sync, fill, library, kept, now):
    fill(1, priority="High")
    sync.run(at=now + timedelta(days=40))
    library.asked.clear()
    run = sync.run(RunKind.RECONCILIATION, at=now)
    assert library.asked[0].endswith(' AND updated >= "-1450m" ORDER BY created ASC')
    assert "newer is known" not in run.counts.skipped


def test_bounds_of_an_import_are_silent_and_those_of_the_hour_are_not(
    sync, fill, library, shared, tenant, now, snapshot
):
    fill(1, priority="High")
    sync.run()
    library.issues[IssueId(20001)] = snapshot(number=20001, priority="High")
    sync.run(RunKind.RECONCILIATION, at=now + timedelta(hours=1))
    rows = shared.rows("SELECT silent_before FROM app.clock_bounds WHERE tenant_id = %s ORDER BY issue_id", tenant)
    assert rows == [(now,), (None,)]


def test_a_reconciliation_searches_what_the_last_run_did_not_cover_and_a_little_more(sync, fill, library, now):
    fill(1)
    sync.run(at=now)
    library.asked.clear()
    sync.run(RunKind.RECONCILIATION, at=now + timedelta(minutes=61))
    assert library.asked[0].endswith(' AND updated >= "-71m" ORDER BY created ASC')


def test_a_reconciliation_finds_created_changed_moved_and_gone(
    sync, fill, library, snapshot, kept, shared, tenant, now
):
    fill(4, priority="High")
    sync.run()
    later = now + timedelta(hours=1)
    del library.issues[IssueId(20000)]
    library.issues[IssueId(20001)] = replace(library.issues[IssueId(20001)], key="OPS-1", project=10001)
    # Changed and no longer among what the search finds: its label was taken off by the same edit.
    changed = snapshot((1, 1, "priority", "High", "Low"), number=20002, priority="Low", labels=frozenset())
    library.issues[IssueId(20002)], library.updated[IssueId(20002)] = changed, now + MINUTE
    library.issues[IssueId(20004)] = snapshot(number=20004)
    library.found = [IssueId(20004)]
    run = sync.run(RunKind.RECONCILIATION, at=later)
    counts = run.counts
    assert (counts.created, counts.updated, counts.moved, counts.gone, counts.unchanged) == (1, 2, 1, 1, 1)
    rows = {row[0]: row for row in kept()}
    assert rows[20000][2] == later
    assert {row[1] for row in rows.values()} == {Tracking.TRACKED.value}
    detail = shared.rows(
        "SELECT detail ->> 'tracked', detail ->> 'hidden' FROM app.audit_entries"
        " WHERE tenant_id = %s AND action = 'issues.synced' ORDER BY at, detail ->> 'hidden' DESC",
        tenant,
    )
    assert {("20004", ""), ("", "20000")} < set(detail)
    again = sync.run(RunKind.RECONCILIATION, at=later + MINUTE)
    assert (again.counts.gone, again.counts.created) == (0, 0)


def test_a_reconciliation_looks_at_so_many_and_the_next_one_at_the_others(
    sync, fill, library, now, monkeypatch, shared, tenant
):
    monkeypatch.setattr("app.domain.tracking.synchronizing.CONFIRMED_PER_RUN", 150)
    fill(200)
    sync.run()
    age = (
        "UPDATE app.issues SET read_at = read_at - make_interval(secs => (issue_id - 20000)::int) WHERE tenant_id = %s"
    )
    shared.execute(age, tenant)
    library.found = []
    first, second = now + timedelta(hours=20), now + timedelta(hours=40)
    sync.run(RunKind.RECONCILIATION, at=first)
    looked_at = "SELECT count(*), min(issue_id) FROM app.issues WHERE tenant_id = %s AND read_at = %s"
    assert shared.rows(looked_at, tenant, first) == [(150, 20050)]
    sync.run(RunKind.RECONCILIATION, at=second)
    assert shared.rows("SELECT count(*) FROM app.issues WHERE tenant_id = %s AND read_at < %s", tenant, first) == [(0,)]


def test_the_hour_goes_on_with_what_is_unfinished_and_begins_nothing_beside_it(sync, fill, parts, now, library):
    fill(1)
    parts[0].ask_hourly(now=now)
    assert (sync.view().cause, sync.view(RunKind.RECONCILIATION)) == (Cause.HOURLY, None)
    while sync.advance():
        pass
    parts[0].ask_hourly(now=now + MINUTE)
    begun = sync.view(RunKind.RECONCILIATION)
    parts[0].ask_hourly(now=now + 2 * MINUTE)
    assert sync.view(RunKind.RECONCILIATION).asked_at == begun.asked_at


def test_a_configuration_that_changes_in_the_middle_begins_the_run_again(sync, fill, parts, tenant, now, library):
    fill(PAGE * 2, priority="High")
    library.before_read = None
    sync.ask()
    changes = iter([{"priorities": {"High": "low"}}])

    def change():
        if (document := next(changes, None)) is not None:
            parts[1].change(tenant, document, version=0, actor="operator", now=now + MINUTE)

    library.before_read = change
    while sync.advance(now + 2 * MINUTE):
        pass
    run = sync.view()
    assert (run.phase, run.configuration, run.counts.created) == (Phase.DONE, 1, 2 * PAGE)
    with pytest.raises(VersionConflict):
        parts[1].change(tenant, {}, version=0, actor="operator", now=now)


def test_a_read_under_a_configuration_that_is_no_longer_in_force_is_not_stored(
    following, board, tenant, parts, now, snapshot, roles
):
    issue = IssueId(10001)
    board.issues[issue] = snapshot(priority="High")
    read = board.read_issue

    def read_slowly(site, wanted, choice):
        seen = read(site, wanted, choice)
        if len(board.asked) == 1:
            parts[1].change(tenant, {"priorities": {"High": "low"}}, version=0, actor="operator", now=now)
        return seen

    board.read_issue = read_slowly
    following[0].ask_first_read(tenant, issue, now=now)
    following[1].read_pending(tenant, now=now)
    assert roles[0].view_issue(tenant, issue)[1] is None
    following[1].read_pending(tenant, now=now + MINUTE)
    assert roles[0].view_issue(tenant, issue)[1].severity.level.value == "low"


def test_a_query_of_the_tenants_own_is_asked_of_jira_for_each_hinted_issue(
    following, board, tenant, parts, now, snapshot, roles, shared
):
    parts[1].change(tenant, {"jql": "project = OPS"}, version=0, actor="operator", now=now)
    board.is_within = lambda site, jql, issue: (jql.text, issue) == ("project = OPS", 10002)
    caller = Caller(tenant, None, CallerKind.HOST, "production", "global", None)
    for number in (10001, 10002):
        board.issues[IssueId(number)] = snapshot(number=number, labels=frozenset({"garden"}))
        hint = IssueHint("Task", ("garden",))
        following[0].accept_webhook(caller, deliveries=(str(number),), issue=IssueId(number), hint=hint, now=now)
    following[1].read_pending(tenant, now=now)
    tracking = [roles[0].view_issue(tenant, IssueId(number))[1].tracking for number in (10001, 10002)]
    assert tracking == [Tracking.NOT_TRACKED, Tracking.TRACKED]


ACTS = st.sampled_from(["webhook", "import", "reconciliation", "change"])
STEPS_OF_LIFE = (
    ("priority", "Low", "High"),
    ("priority", "High", "Highest"),
    ("resolution", None, "Fixed"),
)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(order=st.lists(ACTS, min_size=1, max_size=7), data=st.data())
def test_however_readings_of_both_kinds_follow_each_other_they_end_in_the_same(
    order, data, register, following, board, library, parts, snapshot, shared, now
):
    """Webhooks and runs read the same issue in any order while it changes; a last run ends it as one reading would."""
    tenants = [register(), register()]
    issue, told = IssueId(10001), 0

    def show(length):
        steps = STEPS_OF_LIFE[:length]
        changes = [(10 + n, n + 1, *step) for n, step in enumerate(steps)]
        is_done = length == 3
        made = snapshot(*changes, priority=["Low", "High", "Highest", "Highest"][length], status_is_done=is_done,
                        resolution="Fixed" if is_done else None)  # fmt: skip
        board.issues[issue] = library.issues[issue] = made
        library.updated[issue] = now + timedelta(hours=1)

    def act(tenant, what, at):
        if what == "webhook":
            following[0].ask_first_read(tenant, issue, now=at)
            following[1].read_pending(tenant, now=at)
            return
        parts[0].ask(tenant, RunKind(what), Cause.ASKED, now=at)
        while parts[0].advance(tenant, now=at):
            pass

    show(0)
    for minute, what in enumerate(order):
        if what == "change":
            told = min(3, told + 1)
            show(told)
        else:
            at = now + minute * MINUTE - data.draw(st.sampled_from([0, 0, 3])) * MINUTE
            act(tenants[0], what, at)
    show(3)
    for tenant in tenants:
        act(tenant, "import", now + timedelta(hours=2))
    facts = [
        shared.rows(
            "SELECT kind, source, at, data FROM app.clock_events WHERE tenant_id = %s ORDER BY source, kind", tenant
        )
        for tenant in tenants
    ]
    bounds = [
        shared.rows("SELECT due_at, stopped_at, outcome FROM app.clock_bounds WHERE tenant_id = %s", tenant)
        for tenant in tenants
    ]
    assert facts[0] == facts[1]
    assert bounds[0] == bounds[1]
