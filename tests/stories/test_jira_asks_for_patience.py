"""Jira says when to come back: until then nothing is sent, in whatever form it says so, and nothing is lost by it."""

import json
import subprocess
import sys
from itertools import count

import pytest

from simulator.faults import RETRY_AFTER

WAITS = (
    "SELECT extract(epoch FROM background_until - now())::float8 FROM registry.jira_quota"
    " WHERE tenant_id = %s AND background_until > now()"
)
READ = "SELECT count(*) FROM app.issues WHERE tenant_id = %s AND issue_id = ANY(%s)"
ATTEMPTS = "SELECT sum(attempts)::int FROM app.pending_reads WHERE tenant_id = %s"
PENDING = "SELECT count(*) FROM app.pending_reads WHERE tenant_id = %s"
DUE_JOBS = "SELECT FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') AND scheduled_at IS NULL"


NEVER_ASKED = count(500_000)


@pytest.fixture(scope="module")
def kencha(stack, used):
    site = used(stack, "kencha")
    site.lifecycle("install")
    return site


@pytest.fixture
def sites(calm, kencha):
    """Both sites, read once, so that a read costs two calls; the weather of both ends with the test."""
    for site in (calm, kencha):
        first = site.create(**site.cvss["high"])
        site.stack.eventually(lambda site=site, first=first: known(site, [first]) == 1)
    yield calm, kencha
    kencha.weather(reset=True)
    calm.stack.database.let_time_pass()


def known(site, issues):
    return site.stack.database.rows(READ, site.tenant, [int(issue) for issue in issues])[0][0]


def calls(site):
    return site.seeded.faults.asked


def settled(site):
    """Every webhook is stored, and every job that may begin has ended."""
    site.deliveries()
    site.stack.eventually(lambda: not site.stack.database.rows(DUE_JOBS))


def people_are_refused(site):
    """Whether a question of a person is not even asked; each time about another issue, because answers are kept."""
    return site.clocks(next(NEVER_ASKED)).status_code == 503


def calm_down(site):
    site.weather(storm=None)
    site.stack.database.let_time_pass()


def doctor(stack):
    command = [sys.executable, "-m", "app.wiring", "doctor", "--json"]
    return json.loads(subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=60).stdout)


@pytest.mark.parametrize("form", RETRY_AFTER)
def test_in_a_storm_of_429_webhooks_cost_no_call_until_the_time_is_over_and_all_are_read_then(sites, form):
    site, _ = sites
    before = calls(site)
    site.weather(storm={"status": 429, "count": 1000, "retry_after": form, "seconds": 300})
    issues = [site.create(**site.cvss["high"])]
    site.stack.eventually(lambda: site.stack.database.rows(WAITS, site.tenant))
    [(seconds,)] = site.stack.database.rows(WAITS, site.tenant)
    if form == "bare":
        # Where nothing is said at all, the pause is ours: seconds, as the test of the budget shows.
        assert 0 < seconds <= 30
    else:
        # Where `Retry-After` cannot be read, the minute of `X-RateLimit-Reset` counts.
        assert 200 < seconds <= 301
        issues += [site.create(**site.cvss["high"]) for _ in range(6)]
        settled(site)
        # Seven webhooks cost one call, and one more where a label was just being written, as happens each minute.
        assert calls(site) - before in (1, 2)
        # Nothing was claimed for a call that could not be made: what waits is due as it was.
        assert site.stack.database.rows(ATTEMPTS, site.tenant) in ([(0,)], [(1,)])
    assert known(site, issues) == 0
    calm_down(site)
    site.stack.eventually(lambda: known(site, issues) == len(issues))
    assert site.stack.database.rows(PENDING, site.tenant) == [(0,)]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_site_that_is_down_is_not_asked_once_for_each_webhook_and_nothing_is_lost(sites, status):
    site, _ = sites
    before = calls(site)
    site.weather(storm={"status": status, "count": 1000, "retry_after": "seconds", "seconds": 300})
    issues = [site.create(**site.cvss["high"])]
    site.stack.eventually(lambda: site.stack.database.rows(WAITS, site.tenant))
    issues += [site.create(**site.cvss["high"]) for _ in range(6)]
    settled(site)
    assert calls(site) - before in (1, 2)
    assert known(site, issues) == 0
    calm_down(site)
    site.stack.eventually(lambda: known(site, issues) == len(issues))


def test_when_the_quota_of_all_is_spent_nobody_asks_for_anybody_and_the_doctor_says_so(sites):
    genchi, kencha = sites
    old = kencha.create(**kencha.cvss["high"])
    kencha.tracked(old)
    genchi.weather(
        storm={"status": 429, "count": 1, "reason": "jira-quota-global-based", "retry_after": "seconds", "seconds": 900}
    )
    first = genchi.create(**genchi.cvss["high"])
    genchi.stack.eventually(lambda: genchi.stack.database.rows(WAITS, 0))
    before = calls(genchi), calls(kencha)
    others = [kencha.create(**kencha.cvss["high"]) for _ in range(5)]
    settled(kencha)
    # Web processes learn within seconds what the worker was told; until then people's questions are asked.
    genchi.stack.eventually(lambda: people_are_refused(kencha))
    asked_by_people = calls(kencha) - before[1]
    for person in ("admin", "lead", "outsider"):
        refused = kencha.clocks(others[1], account=person)
        assert (refused.status_code, refused.json()["code"]) == (503, "jira_unavailable")
        assert 600 < int(refused.headers["Retry-After"]) <= 900
    assert (calls(genchi), calls(kencha)) == (before[0], before[1] + asked_by_people)
    assert known(kencha, others) == 0
    shown = doctor(genchi.stack)
    assert shown["findings"] == []
    assert shown["ok"]
    assert shown["jira"]["stopped_until"] is not None
    assert 0 < shown["jira"]["left"] < shown["jira"]["points_per_hour"] == 65_000
    genchi.stack.database.let_time_pass()
    genchi.stack.eventually(lambda: known(genchi, [first]) == 1 and known(kencha, others) == len(others))
    genchi.stack.eventually(lambda: not people_are_refused(kencha))


def test_the_quota_of_one_tenant_is_no_matter_of_another_and_a_burst_is_no_matter_of_people(sites):
    genchi, kencha = sites
    reasons = ("jira-quota-tenant-based", "jira-burst-based")
    for reason, is_shown in zip(reasons, (False, True), strict=True):
        genchi.weather(storm={"status": 429, "count": 1, "reason": reason, "retry_after": "seconds", "seconds": 900})
        mine = genchi.create(**genchi.cvss["high"])
        genchi.stack.eventually(lambda: genchi.stack.database.rows(WAITS, genchi.tenant))
        other = kencha.create(**kencha.cvss["high"])
        kencha.tracked(other)
        settled(genchi)
        assert known(genchi, [mine]) == 0
        if is_shown:
            assert genchi.clocks(mine, account="lead").status_code == 200
            waiting = {each["tenant"]: each["reason"] for each in doctor(genchi.stack)["jira"]["waiting"]}
            assert waiting == {genchi.tenant: reason}
        else:
            genchi.stack.eventually(lambda: people_are_refused(genchi))
        calm_down(genchi)
        genchi.stack.eventually(lambda mine=mine: known(genchi, [mine]) == 1)
        genchi.stack.eventually(lambda: not people_are_refused(genchi))
