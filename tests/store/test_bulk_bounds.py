"""Stored bounds are made what follows from the facts: nothing else is written, and nothing else is deleted."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Outcome, Severity
from app.domain.identifiers import IssueId
from app.domain.tracking.derived import IssueBounds
from tests.store.conftest import NOW
from tests.store.test_clock_events import EVENTS, INSTANTS, TEXTS
from tests.stored_bounds import save_bounds

ISSUE = IssueId(10001)
BOUNDS = st.builds(
    Bounds,
    cycle=st.just(1),
    severity=st.none() | st.sampled_from(Severity),
    started_at=st.none() | INSTANTS,
    due_at=st.none() | INSTANTS,
    due_date=st.none() | INSTANTS.map(lambda at: at.date()),
    due_before=st.none() | INSTANTS,
    at_risk_at=st.none() | INSTANTS,
    paused_since=st.none() | INSTANTS,
    paused_seconds=st.integers(0, 2**62),
    overrun_at=st.none() | INSTANTS,
    stopped_at=st.none() | INSTANTS,
    outcome=st.none() | st.sampled_from(Outcome),
    cancelled_reason=st.none() | TEXTS,
    cancelled_by=st.none() | TEXTS,
    calendar_sha256=st.none() | TEXTS,
)
NOTHING_COMMITTED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


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


def derived(*made):
    """One issue each, numbered from 1; a list of bounds is the cycles of one promise."""
    return [
        IssueBounds(IssueId(number), 10000, tuple(("fix", replace(each, cycle=n)) for n, each in enumerate(cycles, 1)))
        for number, cycles in enumerate(made, start=1)
    ]


@given(st.lists(st.lists(BOUNDS, max_size=3), min_size=1, max_size=4), st.lists(BOUNDS, max_size=3))
@NOTHING_COMMITTED
def test_what_was_written_is_no_difference_any_more_and_everything_else_is(worker, tenant, record, made, others):
    with worker.begin(tenant) as uow:
        for number in range(1, len(made) + 1):
            uow.issues.save(record(number), NOW)
        for wanted in (made, [others, *made[1:]], made):
            differences = uow.bounds.compare(derived(*wanted), policy="p")
            uow.bounds.write(differences, policy="p", silent_before=NOW)
            again = uow.bounds.compare(derived(*wanted), policy="p")
            assert (again.changed, again.gone) == ([], [])


@given(st.lists(EVENTS, max_size=5, unique_by=lambda event: (event.kind, event.source)))
@NOTHING_COMMITTED
def test_the_facts_are_those_that_one_issue_is_read_with(worker, tenant, record, events):
    with worker.begin(tenant) as uow:
        uow.issues.save(record(1, events=tuple(events)), NOW)
        uow.issues.save(record(2, project=10007), NOW)
        one, two = uow.bounds.facts(after=IssueId(0), limit=10)
        assert set(one.events) == set(uow.issues.events(IssueId(1)))
        assert (len(one.events), two.project) == (len(events), 10007)
        assert uow.bounds.facts(after=IssueId(1), limit=10) == (two,)
        held = uow.bounds.hold([IssueId(2), IssueId(1)])
        assert [(each.issue, each.project, set(each.events)) for each in held] == [
            (each.issue, each.project, set(each.events)) for each in (one, two)
        ]
