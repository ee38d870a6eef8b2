"""Lists of clocks: what the condition on stored bounds finds is what the engine calls that state, in one order."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Outcome, Severity, State
from app.domain.clocks.state import state_of
from app.domain.identifiers import IssueId
from app.domain.tracking.derived import ClockFilter, Place, Position
from app.store.clock_list import statement
from tests.store.conftest import NOW
from tests.stored_bounds import save_bounds

ALL = ClockFilter()
# Few instants, so that the same one is often both a bound and now.
INSTANTS = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))
MAYBE = st.none() | INSTANTS


@st.composite
def bounds(draw):
    stopped_at = draw(MAYBE)
    due_at = draw(MAYBE)
    due_before = draw(MAYBE) if due_at is None else None
    bound = due_at or due_before
    return Bounds(
        cycle=1,
        severity=draw(st.none() | st.sampled_from(Severity)),
        started_at=draw(MAYBE),
        due_at=due_at,
        due_date=date(2026, 11, 22),
        due_before=due_before,
        overrun_at=None if bound is None else draw(st.none() | INSTANTS.filter(lambda at: at >= bound)),
        at_risk_at=draw(MAYBE),
        paused_since=draw(MAYBE),
        paused_seconds=draw(st.integers(0, 100)),
        stopped_at=stopped_at,
        # A cycle has an outcome when it has ended, and not before.
        outcome=None if stopped_at is None else draw(st.sampled_from(Outcome)),
    )


def save(uow, record, made, *, project=10000):
    """One issue for each of these bounds, numbered from 1; returns them by id."""
    for number, each in enumerate(made, start=1):
        uow.issues.save(record(number, project=project), NOW)
        save_bounds(uow, IssueId(number), fix=[each])
    return dict(enumerate(made, start=1))


def listed(uow, wanted, *, limit=1000, position=Position(), now=NOW):  # noqa: B008  a value
    return uow.clocks.page(wanted, position=position, limit=limit, now=now)


def order(clock):
    ended, bound, *rest = clock.place
    return ended, bound is None, bound or NOW, *rest


@given(made=st.lists(bounds(), min_size=1, max_size=30), now=INSTANTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_clocks_found_in_a_state_are_those_that_are_in_it(worker, tenant, record, made, now):
    """Nothing is committed."""
    with worker.begin(tenant) as uow:
        known = save(uow, record, made)
        for state in State:
            found = listed(uow, ClockFilter(state=state), now=now)
            assert {each.issue for each in found} == {
                n for n, each in known.items() if state_of(each, now=now) is state
            }
            assert all(each.bounds == known[each.issue] for each in found)


@given(made=st.lists(bounds(), max_size=30), limit=st.integers(1, 7), before=MAYBE, skip=st.integers(0, 3))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_put_together_are_the_list(worker, tenant, record, made, limit, before, skip):
    with worker.begin(tenant) as uow:
        known = save(uow, record, made)
        wanted = ClockFilter(due_before=before)
        whole = listed(uow, wanted)
        assert {each.issue for each in whole} == {
            n for n, each in known.items()
            if before is None or ((bound := each.due_at or each.due_before) and bound < before)
        }  # fmt: skip
        assert list(whole) == sorted(whole, key=order)
        pages, position = [], Position()
        while page := listed(uow, wanted, limit=limit, position=position):
            pages += page
            position = Position(page[-1].place)
        assert tuple(pages) == whole
        assert listed(uow, wanted, position=Position(None, skip)) == whole[skip:]
        if whole:
            assert listed(uow, wanted, position=Position(whole[0].place, skip)) == whole[1 + skip :]


def test_a_list_is_of_one_project_and_of_one_tenant(worker, web, register, tenant, record):
    other = register(web).tenant
    running = Bounds(cycle=1, started_at=NOW, due_at=NOW + timedelta(days=1), at_risk_at=NOW)
    with worker.begin(other) as uow:
        save(uow, record, [running])
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)
    with worker.begin(tenant) as uow:
        save(uow, record, [running])
        uow.issues.save(record(2, project=10001), NOW)
        save_bounds(uow, IssueId(2), fix=[running])
        assert [each.issue for each in listed(uow, ALL)] == [1, 2]
        [only] = listed(uow, ClockFilter(project=10001))
        assert (only.issue, only.key, only.project, only.promise) == (2, "SEC-2", 10001, "fix")


def test_a_moved_issue_is_listed_in_the_project_that_it_is_in_now(worker, tenant, record):
    running = Bounds(cycle=1, started_at=NOW, due_at=NOW)
    with worker.begin(tenant) as uow:
        save(uow, record, [running], project=10000)
        save(uow, record, [running], project=10001)
        assert listed(uow, ClockFilter(project=10000)) == ()
        assert len(listed(uow, ClockFilter(project=10001))) == 1


def test_only_what_has_not_ended_if_no_more_is_wanted(worker, tenant, record):
    running = Bounds(cycle=1, started_at=NOW, due_at=NOW)
    ended = replace(running, stopped_at=NOW, outcome=Outcome.MET)
    with worker.begin(tenant) as uow:
        save(uow, record, [ended, running])
        assert [each.issue for each in listed(uow, ClockFilter(open_only=True))] == [2]


@pytest.fixture
def many(shared, tenant):
    """So many clocks in a hundred projects that it matters how they are looked for."""
    issues = """INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
        SELECT %s, n, 'SEC-' || n, 10000 + n %% 100, 'tracked', now() FROM generate_series(1, 5000) n"""
    clocks = """INSERT INTO app.clock_bounds (tenant_id, issue_id, promise, cycle, policy, started_at, due_at,
        paused_seconds, project_id) SELECT tenant_id, issue_id, 'fix', 1, 'p', %s, %s + (issue_id - 2500) * interval
        '1 minute', 0, project_id FROM app.issues WHERE tenant_id = %s"""
    shared.execute(issues, tenant)
    shared.execute(clocks, NOW - timedelta(days=30), NOW, tenant)
    shared.execute("ANALYZE app.clock_bounds")
    shared.execute("ANALYZE app.issues")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (ALL, "ix_clock_bounds_list"),
        (ClockFilter(open_only=True, due_before=NOW), "ix_clock_bounds_list"),
        (ClockFilter(state=State.BREACHED, project=10000), "ix_clock_bounds_list_of_project"),
        (ClockFilter(state=State.AT_RISK, project=10000), "ix_clock_bounds_list_of_project"),
    ],
)
@pytest.mark.parametrize("after", [None, Place(False, NOW, IssueId(1), "fix", 1)], ids=["first page", "later page"])
def test_the_place_and_the_bound_are_looked_up_in_the_index(many, worker, tenant, wanted, index, after):
    """As the role of the app, under row security: a condition that leaks would not get as far as the index."""
    with worker.begin(tenant) as uow:
        driver = uow.clocks._driver
        values = {"tenant": tenant, "project": wanted.project, "due_before": wanted.due_before, "limit": 50, "now": NOW}
        values |= {"skip": 0, "ended": False, "bound": NOW, "issue": 1, "promise": "fix", "cycle": 1}
        query = "EXPLAIN (COSTS OFF) " + statement(wanted, Position(after))
        plan = "\n".join(row[0] for row in driver.execute(query, values))
    assert f"using {index} on" in plan
    condition = plan.partition("Index Cond: ")[2].partition("\n")[0]
    assert ("ROW(" in condition) == (after is not None)
    if wanted.state or wanted.due_before:
        assert condition.count("LEAST(due_at") == 1 + (after is not None)
