"""Numbers of pages: each is the length of the list that it leads to, and never counts what its reader may not see."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Outcome, Severity, State
from app.domain.identifiers import IssueId, ProjectId
from app.domain.tracking.derived import ClockFilter, Position
from app.domain.tracking.figures import Sight, ended_since
from app.store.clock_overview import _statement
from tests.store.conftest import NOW
from tests.store.test_clock_list import bounds
from tests.stored_bounds import save_bounds

SEC, OPS = ProjectId(10000), ProjectId(10001)
BOTH = Sight(frozenset({SEC, OPS}))
RUNNING = Bounds(cycle=1, severity=Severity.HIGH, started_at=NOW - timedelta(days=8), due_at=NOW + timedelta(days=1))
DAY = timedelta(days=1)


def save(uow, record, made, *, restricted=lambda _: False, project=lambda _: SEC):
    for number, each in enumerate(made, start=1):
        uow.issues.save(record(number, project=project(number), is_restricted=restricted(number)), NOW)
        save_bounds(uow, IssueId(number), fix=[each])


def figures(uow, sight=BOTH, *, most=1000):
    return uow.overviews.figures(sight, most=most, ended_since=ended_since(NOW), now=NOW)


def length(uow, **wanted):
    return len(uow.clocks.page(ClockFilter(**wanted), position=Position(), limit=1000, now=NOW))


@given(made=st.lists(bounds(), max_size=30))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_number_is_the_length_of_the_list_that_it_leads_to(worker, tenant, record, made):
    """Nothing is committed."""
    with worker.begin(tenant) as uow:
        save(uow, record, made, project=lambda n: OPS if n % 3 == 0 else SEC)
        found = figures(uow)
        assert found.open == length(uow, open_only=True)
        for state in State:
            assert found.count(state) == length(uow, state=state)
        for severity in (*Severity, None):
            counted = sum(row.number for row in found.states if row.severity is severity and row.is_open)
            assert counted == length(uow, severity=severity or "unset", open_only=True)
        for day, number in found.days:
            start = NOW.replace(year=day.year, month=day.month, day=day.day, hour=0)
            assert number == length(uow, open_only=True, due_after=start, due_until=start + DAY)
        assert sum(number for _, number in found.days) == sum(
            each.stopped_at is None and (each.due_at or each.due_before) is not None for each in made
        )
        assert not found.is_partial


@given(
    made=st.lists(st.tuples(st.integers(0, 100), st.none() | st.integers(0, 100)), max_size=30),
    restricted=st.sets(st.integers(1, 30)),
    confirmed=st.sets(st.integers(1, 30)),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_open_in_each_week_is_what_had_begun_and_not_ended(
    worker, tenant, record, made, restricted, confirmed
):
    spells = [
        replace(
            RUNNING,
            started_at=NOW - begun * DAY,
            stopped_at=None if ended is None else NOW - min(begun, ended) * DAY,
            outcome=None if ended is None else Outcome.MET,
        )
        for begun, ended in made
    ]
    with worker.begin(tenant) as uow:
        save(uow, record, spells, restricted=lambda n: n in restricted)
        found = figures(uow, Sight(frozenset({SEC}), frozenset(map(IssueId, confirmed))))
        shown = [each for n, each in enumerate(spells, start=1) if n not in restricted or n in confirmed]
        for weeks, counts in enumerate(reversed(found.open_by_week())):
            at = NOW - timedelta(weeks=weeks)
            expected = Counter(
                each.severity
                for each in shown
                if each.started_at <= at and (each.stopped_at is None or each.stopped_at > at)
            )
            assert Counter({severity: number for severity, number in counts.items() if number}) == expected


def test_an_issue_with_a_level_counts_only_for_whom_jira_has_confirmed_it(worker, tenant, record):
    """One of which it is not known counts as one that has a level."""
    with worker.begin(tenant) as uow:
        save(uow, record, [RUNNING] * 3, restricted={1: False, 2: True, 3: None}.get)
        assert uow.overviews.restricted(BOTH.projects, limit=10) == (3, 2)
        assert uow.overviews.restricted(BOTH.projects, limit=1) == (3,)
        assert figures(uow).open == 1
        assert figures(uow, replace(BOTH, confirmed=frozenset({IssueId(3)}))).open == 2
        assert figures(uow, replace(BOTH, confirmed=frozenset(map(IssueId, (1, 2, 3))))).open == 3


def test_a_project_that_may_not_be_browsed_is_not_counted_and_another_tenants_never(
    worker, web, register, tenant, record
):
    other = register(web).tenant
    with worker.begin(other) as uow:
        save(uow, record, [RUNNING] * 4)
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)
    with worker.begin(tenant) as uow:
        save(uow, record, [RUNNING] * 3, project=lambda n: OPS if n == 3 else SEC)
        assert uow.overviews.projects(limit=10) == (SEC, OPS)
        assert uow.overviews.projects(limit=1) == (SEC,)
        assert figures(uow).open == 3
        assert figures(uow, Sight(frozenset({OPS}))).open == 1
        assert figures(uow, Sight(frozenset())).states == ()


def test_more_clocks_than_are_looked_at_are_said_to_be_more(worker, tenant, record):
    with worker.begin(tenant) as uow:
        save(uow, record, [replace(RUNNING, due_at=NOW + n * DAY) for n in range(5)])
        some = figures(uow, most=3)
        assert (some.open, some.is_partial) == (3, True)
        assert [number for _, number in some.days] == [1, 1, 1]
        assert not figures(uow, most=5).is_partial


def test_the_oldest_open_clock_is_named(worker, tenant, record):
    old = replace(RUNNING, started_at=NOW - 300 * DAY)
    with worker.begin(tenant) as uow:
        save(uow, record, [RUNNING, old, replace(old, stopped_at=NOW, outcome=Outcome.MET)])
        assert figures(uow).oldest == ("SEC-2", old.started_at)
        save(uow, record, [RUNNING, old], restricted=lambda n: n == 2)
        assert figures(uow).oldest == ("SEC-1", RUNNING.started_at)


@pytest.mark.parametrize(
    ("projects", "names"),
    [
        ([SEC], ("ix_clock_bounds_list_of_project", "ix_clock_bounds_ended_of_project")),
        (list(range(10000, 10100)), ("ix_clock_bounds_list", "ix_clock_bounds_ended")),
    ],
)
def test_what_is_looked_at_is_found_in_the_index(shared, worker, tenant, projects, names):
    """As the role of the app, under row security; nothing is read of what lies outside the bounds."""
    issues = """INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at, restricted)
        SELECT %s, n, 'SEC-' || n, 10000 + n %% 100, 'tracked', now(), false FROM generate_series(1, 20000) n"""
    clocks = """INSERT INTO app.clock_bounds (tenant_id, issue_id, promise, cycle, policy, started_at, due_at,
        paused_seconds, project_id, stopped_at) SELECT tenant_id, issue_id, 'fix', 1, 'p', %s, %s + issue_id * interval
        '1 minute', 0, project_id, CASE WHEN issue_id %% 2 = 0 THEN %s - issue_id * interval '1 hour' END
        FROM app.issues WHERE tenant_id = %s"""
    shared.execute(issues, tenant)
    shared.execute(clocks, NOW, NOW, NOW, tenant)
    shared.execute("ANALYZE app.clock_bounds")
    shared.execute("ANALYZE app.issues")
    values = {"tenant": tenant, "project": SEC, "projects": projects, "confirmed": [], "most": 20}
    with worker.begin(tenant) as uow:
        query = "EXPLAIN (COSTS OFF) " + _statement(one_project=len(projects) == 1)
        rows = uow.overviews._driver.execute(query, values | {"now": NOW, "ended_since": ended_since(NOW)})
        plan = "\n".join(row[0] for row in rows)
    for name in names:
        assert f"using {name} on clock_bounds" in plan
    assert "Seq Scan" not in plan
