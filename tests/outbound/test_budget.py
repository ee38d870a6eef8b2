"""Who may call Jira, and what follows from its answers."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import DatabaseUnavailable, TurnAwaited
from app.domain.quota.operations import Quota
from app.outbound.budget import CHUNK, FIRST_CHUNK, Budget, Call
from app.outbound.bursts import CHANGES, ISSUE_WRITES, NEAR_LIMIT, READS, Bursts
from app.outbound.prices import endpoint, is_write, issue_written, points
from tests.quota_in_memory import DatabaseInMemory

NOW = datetime(2026, 11, 22, 9, 10, tzinfo=UTC)
LIMIT = 10_000
ONE, OTHER = TenantId(1), TenantId(2)
ISSUE = "/rest/api/3/issue/10001"
READ = Call(ONE, "GET", ISSUE, is_for_person=False)
CHECK = Call(ONE, "POST", "/rest/api/3/permissions/check", is_for_person=True)
GRANTED = {"globalPermissions": [], "projectPermissions": [{"permission": "BROWSE_PROJECTS", "issues": [10001]}]}


class CountingDatabase(DatabaseInMemory):
    def __init__(self):
        super().__init__()
        self.round_trips = 0
        self.is_down = False

    def begin(self):
        self.round_trips += 1
        if self.is_down:
            raise DatabaseUnavailable
        return super().begin()


class World:
    """One database, and processes on it that share its clock."""

    def __init__(self, clock):
        self.clock = clock
        self.begun = clock()
        self.database = CountingDatabase()
        self.slept = []

    def now(self):
        return NOW + timedelta(seconds=self.clock() - self.begun)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.seconds += seconds

    def process(self, chance=lambda low, high: (low + high) / 2):
        quota = Quota(self.database, points_per_hour=LIMIT)
        return Budget(quota, clock=self.now, elapsed=self.clock, sleep=self.sleep, chance=chance)

    def used(self, tenant=HOUSE):
        hour = self.now().replace(minute=0, second=0, microsecond=0)
        return self.database.quota.account(tenant, hour=hour).used


@pytest.fixture
def world(clock):
    return World(clock)


@pytest.fixture
def budget(world):
    return world.process()


def answer(status=200, body=None, **headers):
    made = requests.Response()
    made.status_code = status
    made._content = json.dumps({} if body is None else body).encode()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


def refusal(budget, call=READ):
    with pytest.raises(TurnAwaited) as wait:
        budget.spend(call)
    return wait.value.retry_after_seconds


def made(budget, call=READ, **heard):
    budget.spend(call)
    budget.heard(call, answer(**heard))


def test_points_are_taken_in_chunks_that_grow_with_the_need_and_begin_small_again(world, budget, clock):
    for _ in range(100):
        made(budget)
        clock.seconds += 0.05
    assert 200 <= world.used() == world.used(ONE) <= 200 + CHUNK
    assert world.database.round_trips <= 10
    clock.seconds += 60
    spent = world.used()
    for _ in range(40):
        made(budget)
    clock.seconds += 60
    spent, trips = world.used(), world.database.round_trips
    made(budget)
    assert world.used() - spent <= FIRST_CHUNK
    assert world.database.round_trips - trips <= 2


def test_what_an_answer_cost_more_is_paid_with_the_next_points(world, budget):
    made(budget, Call(ONE, "POST", "/rest/api/3/issue/bulkfetch", is_for_person=False), body={"issues": [{}] * 90})
    made(budget)
    assert world.used() >= 91 + 1


def test_points_of_the_last_hour_are_worth_nothing_in_the_next(world, budget, clock):
    for _ in range(20):
        made(budget)
    clock.seconds += 3600
    made(budget)
    assert world.used() == world.used(ONE) == FIRST_CHUNK


def test_people_cost_no_round_trip_and_are_counted_later_whatever_is_left(world, budget, clock):
    for _ in range(LIMIT):
        made(budget, CHECK, body=GRANTED)
    assert (world.database.round_trips, world.slept) == (0, [])
    budget.share(world.now())
    assert world.database.round_trips == 1
    assert world.used() == 3 * LIMIT
    assert refusal(budget) == 50 * 60
    made(budget, CHECK, body=GRANTED)


def test_what_could_not_be_told_is_told_the_next_time(world, budget):
    made(budget, CHECK, body=GRANTED)
    world.database.is_down = True
    with pytest.raises(DatabaseUnavailable):
        budget.share(world.now())
    world.database.is_down = False
    budget.share(world.now())
    budget.share(world.now())
    assert world.used() == 3


REASONS = {
    "jira-burst-based": (False, False),
    "jira-per-issue-on-write": (False, False),
    "": (False, False),
    "something-new": (False, False),
    "jira-cost-based": (True, False),
    "jira-quota-tenant-based": (True, False),
    "jira-quota-based": (True, False),
    "jira-quota-global-based": (True, True),
}
"""Whether it also stops people, and whether it stops all tenants."""


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_job_stops_whom_the_reason_concerns_in_every_process(world, budget, clock, reason):
    people, everybody = REASONS[reason]
    elsewhere = world.process()
    elsewhere.await_turn(ONE)
    made(budget, status=429, Retry_After="7", RateLimit_Reason=reason)
    clock.seconds += 2
    elsewhere.share(world.now())
    for process in (budget, elsewhere):
        assert refusal(process) == 5
        for tenant, is_stopped in ((ONE, people), (OTHER, everybody)):
            call = Call(tenant, CHECK.method, CHECK.path, is_for_person=True)
            assert refusal(process, call) == 5 if is_stopped else made(process, call) is None
        other = Call(OTHER, "GET", ISSUE, is_for_person=False)
        assert refusal(process, other) == 5 if everybody else made(process, other) is None
    clock.seconds += 5
    for process in (budget, elsewhere):
        made(process)
        made(process, CHECK)


def test_a_job_waits_before_anything_of_it_is_claimed(world, budget):
    budget.await_turn(ONE)
    made(budget, status=429, Retry_After="7")
    with pytest.raises(TurnAwaited):
        budget.await_turn(ONE)
    budget.await_turn(OTHER)


def test_a_process_that_ends_finishes_what_it_does_begins_nothing_new_and_goes_on_answering_people(
    world, budget, clock
):
    made(budget)
    budget.wind_up(10)
    clock.seconds += 10
    made(budget)
    clock.seconds += 1
    assert refusal(budget) == 1
    with pytest.raises(TurnAwaited):
        budget.await_turn(ONE)
    made(budget, CHECK, body=GRANTED)
    made(world.process())


def test_another_process_learns_within_two_seconds_though_it_has_points_left(world, budget, clock):
    elsewhere = world.process()
    for _ in range(40):
        made(elsewhere)
    made(budget, status=429, Retry_After="60")
    clock.seconds += 2
    assert refusal(elsewhere) == 58


def test_what_was_looked_up_just_before_jira_stopped_all_is_not_relied_on_after_it(world, budget, clock, monkeypatch):
    """One thread has looked and is not back yet when another is told: else it would go on for two seconds."""
    made(budget)
    made(budget, Call(OTHER, "GET", ISSUE, is_for_person=False))
    clock.seconds += 3
    look = budget._quota.look

    def look_and_be_overtaken(quota, tenant, *, now):
        look(tenant, now=now)
        budget.heard(
            Call(OTHER, "GET", ISSUE, is_for_person=False),
            answer(429, Retry_After="60", RateLimit_Reason="jira-quota-global-based"),
        )

    with monkeypatch.context() as overtaken:
        overtaken.setattr(Quota, "look", look_and_be_overtaken)
        budget.spend(READ)
    assert refusal(budget) == 60


def test_a_refused_question_of_a_person_stops_people_and_jobs_of_that_tenant_for_half_a_minute_at_most(
    world, budget, clock
):
    made(budget, CHECK, status=429, Retry_After="3600")
    assert (refusal(budget, CHECK), refusal(budget)) == (30, 30)
    made(budget, Call(OTHER, CHECK.method, CHECK.path, is_for_person=True))
    clock.seconds += 30
    made(budget, CHECK)


def test_a_spent_quota_without_a_time_ends_with_the_hour(world, budget):
    made(budget, status=429, RateLimit_Reason="jira-quota-global-based")
    assert refusal(budget) == refusal(budget, CHECK) == 50 * 60


def test_without_a_word_jobs_wait_twice_as_long_each_time_up_to_thirty_seconds_and_begin_anew_after_success(
    world, budget, clock
):
    waits = []
    for heard in (answer(500), answer(429), None, answer(503), answer(502), answer(504)):
        budget.spend(READ)
        budget.heard(READ, heard)
        waits.append(refusal(budget))
        clock.seconds += 30
    assert waits == [4, 7, 14, 28, 30, 30]
    made(budget)
    made(budget, status=500)
    assert refusal(budget) == 4


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_pauses_are_jittered_and_stay_within_bounds(parts):
    clock = [0.0]
    drawn = iter(parts)
    world = World(lambda: clock[0])
    budget = world.process(chance=lambda low, high: low + (high - low) * next(drawn))
    for failures in range(4):
        budget.spend(READ)
        budget.heard(READ, None)
        assert 0.7 * 2 * 2**failures - 1 <= refusal(budget) <= min(30, 1.3 * 5 * 2**failures + 1)
        clock[0] += 30


def test_a_person_is_kept_from_a_broken_site_by_the_breaker_and_by_nothing_here(world, budget):
    for heard in (answer(500), answer(503, Retry_After="60"), None):
        budget.spend(CHECK)
        budget.heard(CHECK, heard)
    budget.spend(CHECK)
    assert world.database.round_trips == 0


def test_a_site_that_is_no_tenant_yet_stops_nobody_but_by_the_quota_of_all(world, budget):
    nobody = Call(HOUSE, "GET", "/rest/atlassian-connect/1/addons/app/properties/key", is_for_person=True)
    made(budget, nobody, status=429, Retry_After="60", RateLimit_Reason="jira-quota-tenant-based")
    made(budget)
    made(budget, nobody)
    made(budget, nobody, status=429, Retry_After="60", RateLimit_Reason="jira-quota-global-based")
    assert refusal(budget) == refusal(budget, nobody) == 60


def test_what_jira_counts_of_the_app_is_taken_over_but_not_at_the_turn_of_the_hour(world, budget, clock):
    made(budget, Beta_RateLimit='"global-app-quota";r=2500;t=3000')
    budget.share(world.now())
    assert world.used() == LIMIT - 2500
    clock.seconds += 50 * 60
    made(budget, Beta_RateLimit='"global-app-quota";r=100;t=1')
    budget.share(world.now())
    assert world.used() == FIRST_CHUNK


def test_a_count_of_jira_from_the_hour_before_is_not_told_in_the_next(world, budget, clock):
    made(budget, Beta_RateLimit='"global-app-quota";r=0;t=3000')
    clock.seconds += 50 * 60
    budget.share(world.now())
    assert world.used() == 0


def test_what_a_refusal_says_of_the_quota_ends_with_the_wait_that_it_asks_for(world, budget, clock):
    quota = {"RateLimit_Reason": "jira-quota-global-based", "Beta_RateLimit": '"global-app-quota";r=0;t=60'}
    made(budget, status=429, **quota)
    budget.share(world.now())
    assert refusal(budget) == 60
    clock.seconds += 60
    made(budget)


def test_near_the_limit_a_tenant_slows_down_and_no_other(world, budget, clock):
    made(budget, X_RateLimit_NearLimit="true")
    for tenant in (ONE, OTHER):
        world.slept.clear()
        for _ in range(4):
            made(budget, Call(tenant, "GET", ISSUE, is_for_person=False))
        assert sum(world.slept) == pytest.approx(3 / NEAR_LIMIT.rate if tenant == ONE else 0, abs=0.06)
    clock.seconds += 60
    world.slept.clear()
    for _ in range(4):
        made(budget)
    assert world.slept == []


def test_calls_that_come_too_fast_are_spread_and_no_call_waits_here_for_long(world, budget):
    begun = world.clock()
    for _ in range(200):
        made(budget)
    assert (world.clock() - begun) * READS.rate == pytest.approx(200 - READS.ahead)
    write = Call(ONE, "PUT", f"{ISSUE}/properties/pledge", is_for_person=False)
    for _ in range(ISSUE_WRITES.ahead):
        made(budget, write)
    assert refusal(budget, write) == 2


@given(st.lists(st.floats(0, 3), max_size=120), st.sampled_from([READS, CHANGES, ISSUE_WRITES, NEAR_LIMIT]))
def test_no_stretch_of_time_has_more_calls_than_its_pace_allows(gaps, pace):
    clock = [0.0]
    bursts = Bursts(elapsed=lambda: clock[0])
    called = []
    for gap in gaps:
        clock[0] += gap
        pause = bursts.claim("key", pace, patience_seconds=1.0)
        if pause <= 1.0:
            called.append(clock[0] + pause)
    for seconds in (1.0, 2.0, 30.0):
        for first in called:
            assert sum(first <= at < first + seconds for at in called) <= pace.ahead + seconds * pace.rate + 1e-6


def test_a_process_keeps_to_a_quarter_of_what_jira_takes():
    for pace, limits in ((READS, [(1, 100)]), (CHANGES, [(1, 50)]), (ISSUE_WRITES, [(2, 20), (30, 100)])):
        for seconds, limit in limits:
            assert pace.ahead + seconds * pace.rate <= limit / 4 + 1.5


def test_keys_that_are_due_no_more_are_forgotten(clock):
    bursts = Bursts(elapsed=clock)
    for number in range(10_002):
        bursts.claim(number, READS, patience_seconds=1.0)
    clock.seconds += 1
    bursts.claim("new", READS, patience_seconds=1.0)
    assert len(bursts._due) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "price"),
    [
        ("GET", ISSUE, {"id": "10001"}, 2),
        ("GET", f"{ISSUE}/changelog", {"values": [{}] * 100}, 2),
        ("GET", "/rest/api/3/field", [{}] * 300, 2),
        ("POST", "/rest/api/3/search/jql", {"issues": [{}] * 50}, 51),
        ("GET", "/rest/api/3/search/jql", {"issues": []}, 1),
        ("POST", "/rest/api/3/issue/bulkfetch", {"issues": [{}] * 100, "issueErrors": [{}]}, 101),
        ("POST", "/rest/api/3/changelog/bulkfetch", {"issueChangeLogs": [{}] * 7}, 8),
        ("POST", "/rest/api/3/permissions/check", GRANTED, 3),
        ("GET", "/rest/api/3/myself", {"accountId": "a", "groups": {}}, 3),
        ("GET", "/rest/api/3/users/search", [{}] * 10, 21),
        ("PUT", f"{ISSUE}/properties/pledge", None, 1),
        ("POST", f"{ISSUE}/comment", {"id": "1"}, 1),
        ("DELETE", f"{ISSUE}/comment/1", None, 1),
        ("GET", ISSUE, None, 2),
        ("GET", "/rest/api/3/search/jql", {"issues": "many"}, 1),
        ("GET", "/rest/api/3/myself", 7, 3),
    ],
)
def test_a_call_costs_what_atlassian_says(method, path, body, price):
    assert points(method, path, answer=body) == price


def test_an_endpoint_is_a_path_without_names_and_a_write_knows_its_issue():
    assert endpoint("/rest/api/3/issue/SEC-1/comment/77") == endpoint("/rest/api/3/issue/10001/comment/1")
    assert endpoint("/rest/api/3/issue/bulkfetch") != endpoint(ISSUE)
    assert issue_written("PUT", f"{ISSUE}/properties/pledge") == "10001"
    assert issue_written("POST", "/ex/jira/cloud/rest/api/3/issue/SEC-1/comment") == "SEC-1"
    assert issue_written("GET", ISSUE) is None
    assert issue_written("POST", "/rest/api/3/issue/bulkfetch") is None
    assert [is_write(*call) for call in (("POST", "/rest/api/3/search/jql"), ("HEAD", ISSUE))] == [False, False]
