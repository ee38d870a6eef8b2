"""All stored bounds made anew: only what differs is written, in slices, beside everything else that goes on."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import pytest

import app
from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Event, EventKind, Severity
from app.domain.identifiers import IssueId, TenantId
from app.domain.promises.shelf import InForce, PolicyShelf
from app.domain.tracking import recomputing
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.recomputing import Recomputing, Slice
from tests.stored_bounds import save_bounds

POLICY, PROMISE = "atlassian-marketplace", "security-bug-fix"
BOUNDS = """SELECT issue_id, promise, cycle, due_at, at_risk_at, policy, project_id, silent_before, xmin::text
    FROM app.clock_bounds WHERE tenant_id = %s ORDER BY 1, 2, 3"""
AT_RISK = ("at_risk_hours = 48", "at_risk_hours = 240")
WORDS = ("Atlassian is told of", "Atlassian shall be told of")
RENAMED = (f'id = "{PROMISE}"', 'id = "fix"')


def shelf(*edits):
    """Our policies, with passages replaced."""

    def text_of(name):
        text = (Path(app.__file__).parent / "policies" / f"{name}.toml").read_text()
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        return text

    return PolicyShelf(text_of)


@pytest.fixture
def recomputing_with(roles):
    return lambda *edits: Recomputing(roles[1], shelf(*edits).in_force)


@pytest.fixture
def keep(roles, tenant, now):
    """Store issues with these facts, as a read of Jira does but without bounds."""

    def keep(*numbers, more=(), project=10000, tracking=Tracking.TRACKED):
        for number in numbers:
            events = (
                Event(kind=EventKind.REPORTED, at=now - timedelta(days=number % 7), source="jira:created"),
                Event(kind=EventKind.SEVERITY_SET, at=now, source="jira:created", severity=Severity.HIGH),
                *more,
            )
            with roles[1].begin(tenant) as uow:
                key = f"SEC-{number}"
                record = IssueRecord(IssueId(number), key, project, tracking, None, None, now, events)
                uow.issues.save(record, now)
                uow.commit(because=Bookkeeping.CLOCK_DERIVED)

    return keep


@pytest.fixture
def stored(shared, tenant):
    return lambda: shared.rows(BOUNDS, tenant)


@pytest.fixture
def position(shared, tenant):
    return lambda: shared.rows("SELECT after_issue FROM app.recomputations WHERE tenant_id = %s", tenant)


@pytest.fixture
def asked_where_stale(shared, tenant, now):
    """Whether a job for this tenant is asked for."""

    def asked(ours):
        shared.execute("DELETE FROM jobs.procrastinate_jobs")
        count = ours.ask_where_stale()
        jobs = shared.rows("SELECT (args->>'tenant')::bigint, task_name FROM jobs.procrastinate_jobs")
        assert (len(jobs), {name for _, name in jobs} | {"recompute-clocks"}) == (count, {"recompute-clocks"})
        return tenant in dict(jobs)

    return asked


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(recomputing, "SLICE", 2)


def test_what_is_stored_is_what_the_engine_says_and_nothing_is_written_twice(
    recomputing_with, keep, stored, tenant, now
):
    keep(1, 2, 3)
    keep(4, tracking=Tracking.NOT_TRACKED)
    ours = recomputing_with()
    assert ours.advance(tenant, now=now) == Slice(issues=3, written=3, deleted=0, is_last=True)
    rows = stored()
    assert [(row[0], row[3]) for row in rows] == [(n, now - timedelta(days=n) + timedelta(days=28)) for n in (1, 2, 3)]
    assert {row[6] for row in rows} == {10000}
    assert ours.advance(tenant, now=now + timedelta(hours=1)) == Slice(issues=3, written=0, deleted=0, is_last=True)
    assert stored() == rows


def test_only_rows_that_differ_are_written_and_only_they_are_silent(
    recomputing_with, keep, shared, stored, tenant, now
):
    keep(1, 2)
    ours = recomputing_with()
    ours.advance(tenant, now=now)
    shared.execute("UPDATE app.clock_bounds SET silent_before = NULL WHERE tenant_id = %s", tenant)
    shared.execute("UPDATE app.clock_bounds SET due_at = now() WHERE tenant_id = %s AND issue_id = 2", tenant)
    before, later = stored(), now + timedelta(hours=1)
    assert ours.advance(tenant, now=later) == Slice(issues=2, written=1, deleted=0, is_last=True)
    after = stored()
    assert after[0] == before[0]
    assert (after[1][3], after[1][7]) == (now - timedelta(days=2) + timedelta(days=28), later)


def test_another_text_with_the_same_dates_is_noted_and_silences_nobody(
    recomputing_with, keep, shared, stored, tenant, now
):
    """A threshold that was passed a minute ago, and of which nobody was told yet, is still to be told of."""
    keep(1)
    recomputing_with().advance(tenant, now=now)
    shared.execute("UPDATE app.clock_bounds SET silent_before = NULL WHERE tenant_id = %s", tenant)
    ours = recomputing_with(WORDS)
    assert ours.advance(tenant, now=now).written == 1
    [row] = stored()
    assert row[5] == ours.in_force(POLICY).policy.sha256
    assert row[7] is None


def test_a_project_that_was_not_noted_yet_is(recomputing_with, keep, shared, stored, asked_where_stale, tenant, now):
    keep(1, project=10007)
    ours = recomputing_with()
    ours.advance(tenant, now=now)
    shared.execute("UPDATE app.clock_bounds SET project_id = NULL, silent_before = NULL WHERE tenant_id = %s", tenant)
    assert asked_where_stale(ours)
    assert ours.advance(tenant, now=now).written == 1
    assert stored()[0][6:8] == (10007, None)


def test_a_cycle_that_follows_no_more_and_a_promise_that_is_no_more_are_deleted(
    recomputing_with, keep, roles, stored, tenant, now
):
    keep(1)
    with roles[1].begin(tenant) as uow:
        save_bounds(uow, IssueId(1), **{PROMISE: [Bounds(cycle=1), Bounds(cycle=2)], "of-old": [Bounds(cycle=1)]})
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)
    assert recomputing_with().advance(tenant, now=now) == Slice(issues=1, written=1, deleted=2, is_last=True)
    assert [row[1:3] for row in stored()] == [(PROMISE, 1)]
    assert recomputing_with(RENAMED).advance(tenant, now=now) == Slice(issues=1, written=1, deleted=1, is_last=True)
    assert [row[1:3] for row in stored()] == [("fix", 1)]


@pytest.mark.usefixtures("small_slices")
def test_it_goes_on_where_another_process_or_a_killed_one_left_it(recomputing_with, keep, position, tenant, now):
    keep(*range(1, 6))
    assert recomputing_with().remaining(tenant) == 5
    assert recomputing_with().advance(tenant, now=now) == Slice(issues=2, written=2, deleted=0, is_last=False)
    assert position() == [(2,)]
    other = recomputing_with()
    assert other.remaining(tenant) == 3
    assert other.advance(tenant, now=now).issues == 2
    assert other.advance(tenant, now=now) == Slice(issues=1, written=1, deleted=0, is_last=True)
    assert position() == []
    assert other.remaining(tenant) == 5


@pytest.mark.usefixtures("small_slices")
def test_a_policy_that_changes_half_way_begins_it_anew(recomputing_with, keep, stored, tenant, now):
    keep(*range(1, 4))
    recomputing_with().advance(tenant, now=now)
    ours = recomputing_with(AT_RISK)
    assert ours.remaining(tenant) == 3
    done = [ours.advance(tenant, now=now) for _ in range(2)]
    assert [each.issues for each in done] == [2, 1]
    assert {row[3] - row[4] for row in stored()} == {timedelta(hours=240)}


@pytest.mark.usefixtures("small_slices")
def test_a_job_does_some_slices_and_asks_for_another(recomputing_with, keep, monkeypatch, shared, tenant, now):
    monkeypatch.setattr(recomputing, "SLICES_PER_JOB", 2)
    jobs = "SELECT task_name, args FROM jobs.procrastinate_jobs WHERE (args->>'tenant')::bigint = %s"
    keep(*range(1, 7))
    ours = recomputing_with()
    assert ours.go_on(tenant, now=now) == 4
    assert shared.rows(jobs, tenant) == [("recompute-clocks", {"tenant": tenant, "attempt": 0})]
    shared.execute("DELETE FROM jobs.procrastinate_jobs")
    assert ours.go_on(tenant, now=now) == 2
    assert shared.rows(jobs, tenant) == []


def test_after_an_upgrade_it_is_asked_for_where_the_text_of_the_policy_or_a_holiday_list_is_another(
    recomputing_with, keep, shared, asked_where_stale, tenant, now
):
    keep(1)
    recomputing_with().advance(tenant, now=now)
    assert not asked_where_stale(recomputing_with())
    assert asked_where_stale(recomputing_with(WORDS))
    shared.execute("UPDATE app.clock_bounds SET calendar_sha256 = 'old' WHERE tenant_id = %s", tenant)
    assert asked_where_stale(recomputing_with())
    recomputing_with().advance(tenant, now=now)
    assert not asked_where_stale(recomputing_with())


def test_an_unknown_tenant_is_an_error(recomputing_with):
    with pytest.raises(LookupError):
        recomputing_with().remaining(TenantId(999_999))


@dataclass(frozen=True)
class Interrupted(InForce):
    """A policy in force during whose first use something else happens: between reading facts and writing bounds."""

    meanwhile: object = None
    happened: list = None

    @cached_property
    def issue_clocks(self):
        self.meanwhile()
        self.happened.append(True)
        return InForce(self.policy).issue_clocks


def test_what_a_webhook_brought_meanwhile_is_not_overwritten_with_older_facts(
    roles, keep, following, board, snapshot, shared, stored, tenant, now
):
    """The read commits after the slice has read the facts, and before it writes: the newer fact has to win."""
    keep(10001, 10002)
    shared.execute("DELETE FROM app.clock_events WHERE tenant_id = %s", tenant)
    keep(10002)
    board.issues[IssueId(10001)] = snapshot((7, 9, "priority", None, "Highest"))

    def webhook():
        following[1].ask_first_read(tenant, IssueId(10001), now=now)
        assert following[1].read_pending(tenant, now=now + timedelta(seconds=1)) == 1

    force = Interrupted(shelf().in_force(POLICY).policy, webhook, [])
    ours = Recomputing(roles[1], lambda name: force)
    done = ours.advance(tenant, now=now)
    assert force.happened == [True]
    assert (done.issues, done.deleted) == (2, 0)
    by_webhook = snapshot().created_at + timedelta(days=10)
    assert [row[3] for row in stored()] == [by_webhook, now - timedelta(days=10002 % 7) + timedelta(days=28)]
    assert [row[7] for row in stored()] == [None, now], "what the webhook brought is nothing to be silent about"
    assert Recomputing(roles[1], shelf().in_force).advance(tenant, now=now).written == 0


def test_an_issue_that_moves_meanwhile_is_noted_in_its_new_project(roles, keep, stored, tenant, now):
    keep(1, project=10000)
    force = Interrupted(shelf().in_force(POLICY).policy, lambda: keep(1, project=10001), [])
    Recomputing(roles[1], lambda name: force).advance(tenant, now=now)
    assert force.happened == [True]
    assert [row[6] for row in stored()] == [10001]


def test_only_issues_of_which_something_is_written_are_locked_and_readers_wait_for_none(
    recomputing_with, keep, roles, shared, tenant, now
):
    keep(1, 2)
    ours = recomputing_with()
    ours.advance(tenant, now=now)
    shared.execute("UPDATE app.clock_bounds SET due_at = now() WHERE tenant_id = %s AND issue_id = 2", tenant)
    free = "SELECT issue_id FROM app.issues WHERE tenant_id = %s FOR UPDATE SKIP LOCKED"
    seen = []

    def look():
        seen.append(shared.rows(free, tenant))
        seen.append(roles[0].view_issue(tenant, IssueId(2))[1].key)

    with roles[1].begin(tenant) as uow:
        force = shelf().in_force(POLICY)
        facts = uow.bounds.facts(after=IssueId(0), limit=10)
        differences = recomputing._differences(uow, facts, force=force)
        uow.bounds.write(differences, policy=force.policy.sha256, silent_before=now)
        look()
    assert seen == [[(1,)], "SEC-2"]
