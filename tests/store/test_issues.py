"""What is known of issues: saved as read, written only when changed, read again when asked for again."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Event, EventKind, Outcome, Severity
from app.domain.identifiers import IssueId
from app.domain.tracking.model import SeverityReading, Tracking

ISSUE = IssueId(10001)


@pytest.fixture
def keep(worker, tenant):
    """Run something in a transaction of its own and commit it."""

    def keep(act):
        with worker.begin(tenant) as uow:
            result = act(uow.issues)
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)
        return result

    return keep


@pytest.mark.parametrize(
    "severity",
    [
        None,
        SeverityReading(Severity.HIGH, Decimal("8.1"), "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N", "field"),
        SeverityReading(Severity.CRITICAL, Decimal("10.0"), None, "field"),
        SeverityReading(Severity.LOW, None, None, "priority"),
    ],
)
def test_a_saved_issue_is_found_as_it_was(worker, web, tenant, keep, record, now, severity):
    saved = record(severity=severity, hidden_since=now)
    keep(lambda issues: issues.save(saved, now))
    with worker.begin(tenant) as uow:
        assert uow.issues.find(ISSUE) == saved
        assert uow.issues.is_tracked(ISSUE)
    assert web.view_issue(tenant, ISSUE)[1] == saved
    assert web.view_issue(tenant, saved.key)[1] == saved


def test_an_issue_that_was_never_read_is_none(web, tenant):
    found, record = web.view_issue(tenant, ISSUE)
    assert (found.tenant, record) == (tenant, None)
    with web.begin(tenant) as uow:
        assert uow.issues.find(ISSUE) is None
        assert not uow.issues.is_tracked(ISSUE)


def test_an_issue_without_events_has_none(worker, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(events=(), tracking=Tracking.NOT_TRACKED), now))
    with worker.begin(tenant) as uow:
        assert uow.issues.find(ISSUE).events == ()
        assert not uow.issues.is_tracked(ISSUE)


def test_saving_again_updates_the_issue_and_keeps_the_facts(worker, tenant, keep, record, now):
    first = record()
    later = now + timedelta(hours=1)
    more = Event(kind=EventKind.FIXED, at=now, source="jira:changelog:7")
    told_otherwise = replace(first.events[0], at=now)
    keep(lambda issues: issues.save(first, now))
    keep(lambda issues: issues.save(replace(first, key="OPS-1", read_at=later, events=(told_otherwise, more)), later))
    with worker.begin(tenant) as uow:
        found = uow.issues.find(ISSUE)
        assert (found.key, found.read_at) == ("OPS-1", later)
        assert sorted(found.events, key=Event.order) == [first.events[0], more]
        assert sorted(uow.issues.events(ISSUE), key=Event.order) == [first.events[0], more]


def test_of_two_issues_with_one_key_the_last_read_is_meant(web, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(10001, key="SEC-1", read_at=now), now))
    keep(lambda issues: issues.save(record(10002, key="SEC-1", read_at=now + timedelta(seconds=1)), now))
    keep(lambda issues: issues.save(record(10003, key="SEC-1", read_at=now - timedelta(seconds=1)), now))
    assert web.view_issue(tenant, "SEC-1")[1].issue == 10002
    assert web.view_issue(tenant, IssueId(10001))[1].issue == 10001


def test_a_key_is_compared_exactly(web, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(key="SEC-1"), now))
    for key in ("SEC-%", "SEC_1", "' OR true --", "SEC-1 ", ""):
        assert web.view_issue(tenant, key)[1] is None


def test_a_view_says_since_when_a_newer_read_is_waiting(web, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(), now))
    assert web.view_issue(tenant, ISSUE)[1].read_asked_at is None
    keep(lambda issues: issues.ask_read(ISSUE, now=now))
    assert web.view_issue(tenant, ISSUE)[1].read_asked_at == now


def bounds_rows(shared, tenant):
    return dict(shared.rows("SELECT cycle, xmin::text FROM app.clock_bounds WHERE tenant_id = %s ORDER BY 1", tenant))


def full_bounds(now, cycle=1):
    return Bounds(
        cycle=cycle,
        severity=Severity.HIGH,
        started_at=now,
        due_at=now + timedelta(days=28),
        due_date=date(2026, 12, 20),
        due_before=now + timedelta(days=29),
        at_risk_at=now + timedelta(days=20),
        paused_since=now,
        paused_seconds=2**40,
        overrun_at=now + timedelta(days=30),
        stopped_at=now,
        outcome=Outcome.CANCELLED,
        cancelled_reason="Won't Do",
        cancelled_by="jira",
        calendar_sha256="c" * 64,
    )


def test_bounds_that_did_not_change_are_not_written(shared, tenant, keep, record, now):
    first, second = full_bounds(now), Bounds(cycle=2)
    keep(lambda issues: issues.save(record(), now))
    keep(lambda issues: issues.save_bounds(ISSUE, "fix", [first, second], policy="p"))
    before = bounds_rows(shared, tenant)
    keep(lambda issues: issues.save_bounds(ISSUE, "fix", [first, second], policy="p"))
    assert bounds_rows(shared, tenant) == before
    keep(lambda issues: issues.save_bounds(ISSUE, "fix", [first, replace(second, started_at=now)], policy="p"))
    after = bounds_rows(shared, tenant)
    assert after[1] == before[1]
    assert after[2] != before[2]


@pytest.mark.parametrize("field", [name for name in Bounds.__dataclass_fields__ if name != "cycle"])
def test_each_field_of_a_bound_is_written_when_it_changes_to_or_from_nothing(shared, tenant, keep, record, now, field):
    full = full_bounds(now)
    empty = replace(full, **{field: Bounds.__dataclass_fields__[field].default})
    keep(lambda issues: issues.save(record(), now))
    seen = set()
    for bounds in (full, empty, full):
        keep(lambda issues, given=bounds: issues.save_bounds(ISSUE, "fix", [given], policy="p"))
        seen.add(bounds_rows(shared, tenant)[1])
    assert len(seen) == 3


def test_what_a_recomputation_moved_is_silent_until_then_and_what_it_did_not_stays_loud(
    shared, tenant, keep, record, now
):
    moved, same = full_bounds(now), Bounds(cycle=2)
    keep(lambda issues: issues.save(record(), now))
    keep(lambda issues: issues.save_bounds(ISSUE, "fix", [replace(moved, due_at=None), same], policy="p"))
    keep(lambda issues: issues.save_bounds(ISSUE, "fix", [moved, same], policy="p", silent_before=now))
    query = "SELECT cycle, silent_before FROM app.clock_bounds WHERE tenant_id = %s ORDER BY 1"
    assert shared.rows(query, tenant) == [(1, now), (2, None)]


def test_a_cycle_that_is_no_more_is_deleted_and_other_promises_stay(shared, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(), now))
    keep(lambda issues: issues.save_bounds(ISSUE, "fix", [Bounds(cycle=1), Bounds(cycle=2)], policy="p"))
    keep(lambda issues: issues.save_bounds(ISSUE, "other", [Bounds(cycle=1), Bounds(cycle=2)], policy="p"))
    keep(lambda issues: issues.save_bounds(ISSUE, "fix", [Bounds(cycle=1)], policy="p"))
    query = "SELECT promise, cycle FROM app.clock_bounds WHERE tenant_id = %s ORDER BY 1, 2"
    assert shared.rows(query, tenant) == [("fix", 1), ("other", 1), ("other", 2)]


def test_a_delivery_is_accepted_once_and_by_each_tenant_for_itself(web, register, now):
    one, two = register(web).tenant, register(web).tenant
    answers = []
    for tenant in (one, one, two):
        with web.begin(tenant) as uow:
            answers.append(uow.issues.accept_delivery("hook", issue=ISSUE, now=now))
            uow.commit(because=Bookkeeping.WEBHOOK_STORED)
    assert answers == [True, False, True]


def test_old_deliveries_are_forgotten_and_younger_ones_are_not(web, worker, tenant, now):
    with web.begin(tenant) as uow:
        for age in (0, 1, 2):
            uow.issues.accept_delivery(f"hook{age}", issue=ISSUE, now=now - timedelta(days=age))
        uow.commit(because=Bookkeeping.WEBHOOK_STORED)
    with worker.begin(tenant) as uow:
        assert uow.issues.purge_deliveries(now - timedelta(days=1)) == 1
        uow.commit(because=Bookkeeping.DELIVERIES_PURGED)
    with web.begin(tenant) as uow:
        assert not uow.issues.accept_delivery("hook1", issue=ISSUE, now=now)
        assert uow.issues.accept_delivery("hook2", issue=ISSUE, now=now)
