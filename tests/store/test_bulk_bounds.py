"""Stored bounds are made what follows from the facts: nothing else is written, and nothing else is deleted."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Outcome, Severity
from app.domain.identifiers import IssueId
from tests.stored_bounds import save_bounds

ISSUE = IssueId(10001)


@pytest.fixture
def keep(worker, tenant):
    """Run something in a transaction of its own and commit it."""

    def keep(act):
        with worker.begin(tenant) as uow:
            result = act(uow)
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)
        return result

    return keep


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
    keep(lambda uow: uow.issues.save(record(), now))
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[first, second]))
    before = bounds_rows(shared, tenant)
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[first, second]))
    assert bounds_rows(shared, tenant) == before
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[first, replace(second, started_at=now)]))
    after = bounds_rows(shared, tenant)
    assert after[1] == before[1]
    assert after[2] != before[2]


@pytest.mark.parametrize("field", [name for name in Bounds.__dataclass_fields__ if name != "cycle"])
def test_each_field_of_a_bound_is_written_when_it_changes_to_or_from_nothing(shared, tenant, keep, record, now, field):
    full = full_bounds(now)
    empty = replace(full, **{field: Bounds.__dataclass_fields__[field].default})
    keep(lambda uow: uow.issues.save(record(), now))
    seen = set()
    for bounds in (full, empty, full):
        keep(lambda uow, given=bounds: save_bounds(uow, ISSUE, fix=[given]))
        seen.add(bounds_rows(shared, tenant)[1])
    assert len(seen) == 3


def test_what_a_recomputation_moved_is_silent_until_then_and_what_it_did_not_stays_loud(
    shared, tenant, keep, record, now
):
    moved, same = full_bounds(now), Bounds(cycle=2)
    keep(lambda uow: uow.issues.save(record(), now))
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[replace(moved, due_at=None), same]))
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[moved, same], silent_before=now))
    query = "SELECT cycle, silent_before FROM app.clock_bounds WHERE tenant_id = %s ORDER BY 1"
    assert shared.rows(query, tenant) == [(1, now), (2, None)]


def test_a_cycle_that_is_no_more_is_deleted_and_other_promises_stay(shared, tenant, keep, record, now):
    keep(lambda uow: uow.issues.save(record(), now))
    both = [Bounds(cycle=1), Bounds(cycle=2)]
    keep(lambda uow: save_bounds(uow, ISSUE, fix=both, other=both))
    keep(lambda uow: save_bounds(uow, ISSUE, fix=both[:1], other=both))
    query = "SELECT promise, cycle FROM app.clock_bounds WHERE tenant_id = %s ORDER BY 1, 2"
    assert shared.rows(query, tenant) == [("fix", 1), ("other", 1), ("other", 2)]
