"""Jira's quota in the database: what many processes take together is never more than there is."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import TurnAwaited
from app.domain.quota.model import Need, hour_of, let_out
from app.domain.quota.operations import Quota
from app.domain.quota.queries import QuotaStanding, Waiting
from tests.quota_in_memory import QuotaInMemory

HOUR = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LIMIT = 10_000
TENANTS = [TenantId(number) for number in (1, 2, 3)]


@pytest.fixture
def fresh(shared):
    """The accounts as after the migration."""
    shared.execute("DELETE FROM registry.jira_quota")
    shared.execute("INSERT INTO registry.jira_quota (tenant_id) VALUES (0)")
    return shared


@pytest.fixture
def quotas(web, worker, fresh):
    """One per process."""
    return [Quota(worker, points_per_hour=LIMIT), Quota(web, points_per_hour=LIMIT)]


def take(quota, tenant, *, at=HOUR, wanted=64):
    return quota.take(tenant, Need(least=1, wanted=wanted), owed=0, now=at)


def test_processes_that_take_at_once_take_together_what_there_is_and_no_more(quotas):
    begin = threading.Barrier(4)
    taken = []

    def process(number):
        begin.wait()
        while True:
            try:
                taken.append(take(quotas[number % 2], TENANTS[number % 3], wanted=50 + number))
            except TurnAwaited:
                return

    with ThreadPoolExecutor(4) as processes:
        list(processes.map(process, range(4)))
    assert let_out(LIMIT, HOUR) - 64 <= sum(taken) <= let_out(LIMIT, HOUR)


def test_what_one_process_was_told_holds_for_the_others_at_once(quotas):
    one, other = quotas
    one.stop(TENANTS[0], until=HOUR + timedelta(seconds=90), reason="jira-burst-based", people=False)
    with pytest.raises(TurnAwaited) as wait:
        take(other, TENANTS[0])
    assert wait.value.retry_after_seconds == 90
    assert take(other, TENANTS[1]) == 64
    one.stop(HOUSE, until=HOUR + timedelta(minutes=30), reason="jira-quota-global-based", people=True)
    with pytest.raises(TurnAwaited):
        take(other, TENANTS[1])
    assert other.share(people_spent=0, spent_by_jira=0, now=HOUR) == {HOUSE: HOUR + timedelta(minutes=30)}


def test_a_process_that_is_killed_while_it_takes_has_taken_nothing(worker, quotas):
    with worker.begin() as uow:
        uow.quota.hold(TENANTS[0], hour=HOUR)
        uow.quota.spend((HOUSE, TENANTS[0]), 500, hour=HOUR)
    assert QuotaStanding(worker, LIMIT).at(HOUR).left == LIMIT


def test_how_it_stands_says_what_is_left_and_who_waits_why(worker, quotas):
    quota, _ = quotas
    assert take(quota, TENANTS[0]) == 64
    quota.share(people_spent=LIMIT, spent_by_jira=0, now=HOUR)
    with pytest.raises(TurnAwaited):
        take(quota, TENANTS[1])
    quota.stop(TENANTS[2], until=HOUR + timedelta(minutes=5), reason="jira-burst-based", people=False)
    standing = QuotaStanding(worker, LIMIT).at(HOUR)
    assert (standing.points_per_hour, standing.left, standing.stopped_until) == (LIMIT, 0, None)
    assert standing.resets_at == HOUR + timedelta(hours=1)
    assert standing.waiting == (
        Waiting(TENANTS[1], None, None),
        Waiting(TENANTS[2], HOUR + timedelta(minutes=5), "jira-burst-based"),
    )
    quota.stop(HOUSE, until=HOUR + timedelta(minutes=8), reason="jira-quota-global-based", people=True)
    assert QuotaStanding(worker, LIMIT).at(HOUR).stopped_until == HOUR + timedelta(minutes=8)
    later = QuotaStanding(worker, LIMIT).at(HOUR + timedelta(hours=1))
    assert (later.left, later.stopped_until, later.waiting) == (LIMIT, None, ())


def test_processes_whose_clocks_differ_at_the_turn_of_the_hour_forget_nothing_of_each_other(worker, quotas):
    one, other = quotas
    after, before = HOUR + timedelta(hours=1), HOUR + timedelta(minutes=59)
    for _ in range(3):
        take(one, TENANTS[0], at=after)
        take(other, TENANTS[1], at=before)
    assert QuotaStanding(worker, LIMIT).at(after).left == LIMIT - 6 * 64


def test_what_a_process_stored_while_its_clock_was_wrong_binds_nobody_once_it_is_right(worker, quotas):
    one, other = quotas
    wrong = HOUR + timedelta(days=40)
    for _ in range(3):
        take(one, TENANTS[0], at=wrong)
    for tenant in (HOUSE, TENANTS[0]):
        one.stop(tenant, until=wrong, reason="jira-burst-based", people=True)
    assert take(other, TENANTS[0]) == 64
    assert QuotaStanding(worker, LIMIT).at(HOUR).left == LIMIT - 64
    assert other.share(people_spent=0, spent_by_jira=0, now=HOUR) == {}
    until = HOUR + timedelta(seconds=90)
    other.stop(TENANTS[0], until=until, reason="jira-burst-based", people=True)
    assert other.share(people_spent=0, spent_by_jira=0, now=HOUR) == {TENANTS[0]: until}
    with pytest.raises(TurnAwaited):
        take(one, TENANTS[0])


tenants = st.sampled_from([HOUSE, *TENANTS])
instants = st.integers(0, 7200).map(lambda seconds: HOUR + timedelta(seconds=seconds))
steps = st.one_of(
    st.tuples(st.just("spend"), st.sets(tenants, min_size=1), st.integers(0, 500), instants),
    st.tuples(st.just("note"), tenants, st.integers(0, 64), st.booleans(), instants),
    st.tuples(st.just("raise"), st.integers(0, 2000), instants),
    st.tuples(st.just("stop"), tenants, instants, st.sampled_from([None, "jira-burst-based"]), st.booleans()),
)


def apply(rows, step):
    kind, *values = step
    if kind == "spend":
        rows.spend(values[0], values[1], hour=hour_of(values[2]))
    elif kind == "note":
        rows.note_need(values[0], wanted=values[1], is_refused=values[2], now=values[3])
    elif kind == "raise":
        rows.raise_spent(values[0], hour=hour_of(values[1]))
    else:
        rows.stop(values[0], until=values[1], reason=values[2], people=values[3])


def seen(rows, now):
    hour, since = hour_of(now), now - timedelta(minutes=2)
    accounts = [rows.account(tenant, hour=hour) for tenant in [HOUSE, *TENANTS]]
    return (
        accounts,
        [rows.hold(tenant, hour=hour) for tenant in TENANTS],
        [rows.wanted_by_needier(own, hour=hour, since=since, now=now) for own in accounts],
        rows.stopped_people(now=now),
        rows.waiting(now=now, since=since),
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(done=st.lists(steps, max_size=12), now=instants)
def test_the_rows_are_what_the_model_says_whatever_was_done_before(worker, fresh, done, now):
    expected = QuotaInMemory()
    with worker.begin() as uow:
        for step in done:
            apply(expected, step)
            apply(uow.quota, step)
        assert seen(uow.quota, now) == seen(expected, now)
