"""Nobody starves: how the points of an hour are given out to tenants that want little, much, or everything."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import TurnAwaited
from app.domain.quota.model import KEPT_FOR_PEOPLE, Need, let_out
from app.domain.quota.operations import Quota
from tests.quota_in_memory import DatabaseInMemory

HOUR = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LIMIT = 10_000
CHUNK = 64
TICK = timedelta(seconds=20)
NOISY = TenantId(1)


@pytest.fixture
def quota():
    return Quota(DatabaseInMemory(), points_per_hour=LIMIT)


def drain(quota, tenant, *, at, demand=10**9, chunk=CHUNK):
    """What a tenant gets that asks until it has enough or is refused."""
    got = 0
    while got < demand:
        try:
            got += quota.take(tenant, Need(least=1, wanted=min(chunk, demand - got)), owed=0, now=at)
        except TurnAwaited:
            break
    return got


def used(quota, tenant=HOUSE, *, hour=HOUR):
    return quota.database.quota.account(tenant, hour=hour).used


def refusal(quota, tenant, *, at):
    with pytest.raises(TurnAwaited) as wait:
        quota.take(tenant, Need(least=1, wanted=1), owed=0, now=at)
    return wait.value.retry_after_seconds


def test_one_tenant_alone_may_use_half_at_once_and_all_but_the_reserve_by_the_end(quota):
    assert drain(quota, NOISY, at=HOUR) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2
    later = sum(drain(quota, NOISY, at=HOUR + TICK * number) for number in range(180))
    assert used(quota) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2 + later
    assert LIMIT * 0.89 < used(quota) <= LIMIT * (1 - KEPT_FOR_PEOPLE)


def test_who_is_refused_learns_when_there_will_be_points(quota):
    drain(quota, NOISY, at=HOUR)
    assert refusal(quota, NOISY, at=HOUR) == 5
    drain(quota, NOISY, at=HOUR + timedelta(minutes=59, seconds=59))
    quota.share(people_spent=LIMIT, spent_by_jira=0, now=HOUR + timedelta(minutes=59))
    assert refusal(quota, NOISY, at=HOUR + timedelta(minutes=40)) == 20 * 60
    assert drain(quota, NOISY, at=HOUR + timedelta(hours=1)) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2


def test_people_take_from_what_is_left_for_background_work_and_never_the_other_way_round(quota):
    quota.share(people_spent=3000, spent_by_jira=0, now=HOUR)
    assert drain(quota, NOISY, at=HOUR) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2 - 3000
    quota.share(people_spent=3 * LIMIT, spent_by_jira=0, now=HOUR)
    assert used(quota) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2 + 3 * LIMIT


def test_what_jira_counts_holds_where_it_is_more(quota):
    drain(quota, NOISY, at=HOUR, demand=1000)
    quota.share(people_spent=0, spent_by_jira=4000, now=HOUR)
    assert used(quota) == 4000
    quota.share(people_spent=0, spent_by_jira=3000, now=HOUR)
    assert used(quota) == 4000


def test_what_is_owed_is_counted_even_when_nothing_is_given(quota):
    drain(quota, NOISY, at=HOUR)
    with pytest.raises(TurnAwaited):
        quota.take(NOISY, Need(least=1, wanted=1), owed=700, now=HOUR)
    assert used(quota, NOISY) == used(quota) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2 + 700


def test_a_tenant_that_comes_late_finds_something_and_goes_first(quota):
    drain(quota, NOISY, at=HOUR)
    late = TenantId(2)
    assert drain(quota, late, at=HOUR) == 0
    soon = HOUR + timedelta(seconds=60)
    assert drain(quota, NOISY, at=soon) <= let_out(LIMIT, soon) - let_out(LIMIT, HOUR) - CHUNK
    assert drain(quota, late, at=soon, demand=CHUNK) == CHUNK


def test_many_that_want_little_do_not_keep_what_they_do_not_need(quota):
    for number in range(2, 102):
        assert drain(quota, TenantId(number), at=HOUR, demand=4, chunk=4) == 4
    assert drain(quota, NOISY, at=HOUR) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2 - 400 - 99 * 4 - 4


def test_a_tenant_that_jira_told_to_wait_keeps_nothing_from_others(quota):
    late = TenantId(2)
    drain(quota, late, at=HOUR, demand=CHUNK)
    quota.stop(late, until=HOUR + timedelta(minutes=10), reason="jira-burst-based", people=False)
    assert drain(quota, NOISY, at=HOUR) == LIMIT * (1 - KEPT_FOR_PEOPLE) / 2 - CHUNK
    assert refusal(quota, late, at=HOUR) == 600
    with pytest.raises(TurnAwaited):
        quota.look(late, now=HOUR)
    quota.look(NOISY, now=HOUR)
    quota.look(late, now=HOUR + timedelta(minutes=10))


def test_when_all_are_stopped_nobody_gets_anything_until_then(quota):
    quota.stop(HOUSE, until=HOUR + timedelta(minutes=10), reason="jira-quota-global-based", people=True)
    for tenant in (NOISY, TenantId(2)):
        assert refusal(quota, tenant, at=HOUR) == 600
        with pytest.raises(TurnAwaited):
            quota.look(tenant, now=HOUR)
    assert quota.share(people_spent=0, spent_by_jira=0, now=HOUR) == {HOUSE: HOUR + timedelta(minutes=10)}
    assert drain(quota, NOISY, at=HOUR + timedelta(minutes=10), demand=5) == 5


def test_a_shorter_instruction_does_not_end_a_longer_one(quota):
    quota.stop(NOISY, until=HOUR + timedelta(minutes=10), reason=None, people=True)
    quota.stop(NOISY, until=HOUR + timedelta(minutes=1), reason=None, people=True)
    assert refusal(quota, NOISY, at=HOUR) == 600


others = st.lists(
    st.tuples(st.integers(0, 170), st.one_of(st.integers(1, 40), st.integers(500, 20_000))), min_size=1, max_size=8
)


@settings(max_examples=40)
@given(others=others, data=st.data())
def test_a_noisy_tenant_keeps_no_other_from_its_share(others, data):
    """The noisy one asks without end, and first or last by turns; each other comes at some tick and wants so much."""
    quota = Quota(DatabaseInMemory(), points_per_hour=LIMIT)
    wants = {TenantId(number): list(each) for number, each in enumerate(others, 2)}
    got = dict.fromkeys([NOISY, *wants], 0)
    for tick in range(180):
        at = HOUR + TICK * tick
        order = [tenant for tenant, (begins, _) in wants.items() if begins <= tick]
        order.insert(data.draw(st.integers(0, len(order))) if tick % 10 == 0 else 0, NOISY)
        for tenant in order:
            demand = 10**9 if tenant == NOISY else wants[tenant][1] - got[tenant]
            got[tenant] += drain(quota, tenant, at=at, demand=demand)
    last = HOUR + TICK * 179
    assert sum(got.values()) == used(quota) <= LIMIT * (1 - KEPT_FOR_PEOPLE)
    for tenant, (begins, demand) in wants.items():
        let_out_since = let_out(LIMIT, last) - let_out(LIMIT, HOUR + TICK * begins)
        assert got[tenant] >= min(demand, let_out_since // len(got) - CHUNK)
