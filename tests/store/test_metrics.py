"""Numbers of a cell in its database: added up over processes, and measured of every tenant by itself."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import IssueId
from app.domain.metrics import model
from app.domain.metrics.operations import EVERY, Measuring, MetricCounts
from app.domain.metrics.ports import Series
from app.domain.metrics.queries import Metrics
from app.domain.ports import DatabaseRefused, DatabaseUnavailable
from app.domain.quota.queries import QuotaStanding
from app.jobs.schedule import JOB_NAMES

WORST = Series("pledge_answers_total", 'endpoint="a"} 1\npledge_forged{b="c"')


@pytest.fixture
def fresh(shared):
    """Nothing is counted and nothing waits."""
    for table in ("registry.metrics", "jobs.procrastinate_events", "jobs.procrastinate_jobs", "app.pending_reads"):
        shared.execute(f"DELETE FROM {table}")  # noqa: S608  our own words
    return shared


@pytest.fixture
def show(web, fresh):
    """What a scrape of a web process shows at an instant: number by series."""

    def show(now):
        shown = Metrics(web, QuotaStanding(web, 1000), JOB_NAMES).at(now)
        return {series: value for _, numbers in shown for series, value in numbers.items()}

    return show


def put(database, values, now):
    with database.begin() as uow:
        uow.metrics.put(values, at=now)
        uow.commit(because=Bookkeeping.METRICS_KEPT)


def test_what_several_processes_count_is_added_up_and_nothing_is_lost(web, worker, show, now):
    begin = threading.Barrier(4)

    def process(number):
        counts = MetricCounts((web, worker)[number % 2])
        begin.wait()
        for _ in range(20):
            counts.count(model.ANSWERS, endpoint="public.alive", status="2xx")
            counts.observe(model.ACKNOWLEDGED, 0.3)
            counts.flush(now)

    with ThreadPoolExecutor(4) as processes:
        list(processes.map(process, range(4)))
    found = show(now)
    assert found[model.labelled(model.ANSWERS, endpoint="public.alive", status="2xx")] == 80
    buckets = [found[Series("pledge_acknowledgement_seconds_bucket", f'le="{le}"')] for le in (0.25, 0.5, "+Inf")]
    assert buckets == [0, 80, 80]
    assert found[Series("pledge_acknowledgement_seconds_sum")] == pytest.approx(24.0)


def test_what_cannot_be_stored_is_stored_the_next_time(web, own_server, open_store, now):
    server, database = own_server
    store = open_store(database.web)
    counts = MetricCounts(store)
    counts.count(model.LIMIT_STORE_FAILURES, 3)
    server.stop()
    with pytest.raises(DatabaseUnavailable):
        counts.flush(now)
    server.start()
    counts.count(model.LIMIT_STORE_FAILURES, 2)
    counts.flush(now)
    with store.begin() as uow:
        assert uow.metrics.stored() == {Series("pledge_limit_store_failures_total"): 5.0}


def test_before_anything_is_counted_a_scrape_is_whole_and_admits_that_nobody_has_measured(show, now):
    found = show(now)
    assert found[Series("pledge_acknowledgement_seconds_count")] == 0
    assert found[Series("pledge_jira_points_left")] == 1000
    assert Series("pledge_measurement_age_seconds") not in found
    assert Series("pledge_oldest_event_age_seconds") not in found


def test_the_oldest_event_is_found_though_later_ones_moved_the_read_that_was_asked_for(worker, show, tenant, now):
    first, later = now - timedelta(minutes=20), now - timedelta(minutes=1)
    with worker.begin(tenant) as uow:
        uow.enqueue("read-issues", tenant)
        uow.issues.ask_read(IssueId(10001), now=first)
        uow.commit(because=Bookkeeping.READ_ASKED)
    Measuring(worker).measure(now=now)
    assert show(now)[Series("pledge_oldest_event_age_seconds")] == 1200
    with worker.begin(tenant) as uow:
        uow.issues.ask_read(IssueId(10001), now=later)
        uow.commit(because=Bookkeeping.READ_ASKED)
    Measuring(worker).measure(now=now + EVERY)
    found = show(now + EVERY)
    assert found[Series("pledge_oldest_event_age_seconds")] == 70
    assert found[Series("pledge_issues_waiting")] == 1


def test_a_delivery_waits_until_its_issue_is_read_after_it(web, worker, fresh, show, tenant, now):
    first = now - timedelta(minutes=20)
    with web.begin(tenant) as uow:
        uow.enqueue("read-issues", tenant)
        uow.commit(because=Bookkeeping.WEBHOOK_STORED)
    for number, at in enumerate((first, now - timedelta(minutes=5))):
        fresh.execute(
            "INSERT INTO app.webhook_deliveries (tenant_id, delivery_id, issue_id, received_at)"
            " VALUES (%s, %s, 10001, %s)",
            tenant,
            f"delivery {number}",
            at,
        )
    with worker.begin(tenant) as uow:
        uow.issues.ask_read(IssueId(10001), now=now)
        uow.commit(because=Bookkeeping.READ_ASKED)
    Measuring(worker).measure(now=now)
    found = show(now)
    assert (found[Series("pledge_events_waiting")], found[Series("pledge_oldest_event_age_seconds")]) == (2, 1200)


def test_one_of_several_workers_measures(worker, fresh, show, now):
    Measuring(worker).measure(now=now)
    Measuring(worker).measure(now=now + EVERY / 2)
    assert show(now + EVERY)[Series("pledge_measurement_age_seconds")] == EVERY.total_seconds()
    Measuring(worker).measure(now=now + EVERY)
    assert show(now + EVERY)[Series("pledge_measurement_age_seconds")] == 0


def test_an_age_grows_although_the_worker_that_measured_it_is_gone(worker, show, now):
    put(worker, {Series("pledge_audit_entry_age_seconds"): model.since(now)}, now)
    assert show(now + timedelta(hours=2))[Series("pledge_audit_entry_age_seconds")] == 7200


def test_the_queue_is_shown_by_job_and_an_invented_one_is_nobody(web, fresh, show, tenant, now):
    with web.begin(tenant) as uow:
        uow.enqueue("read-issues", tenant)
        uow.enqueue("tell-people", tenant, at=now + timedelta(hours=1))
        uow.commit(because=Bookkeeping.READ_ASKED)
    fresh.execute("UPDATE jobs.procrastinate_events SET at = %s", now - timedelta(minutes=7))
    forged = "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args) VALUES ('default', %s, '{}')"
    for number in range(3):
        fresh.execute(forged, f"forged {number}")
    found = show(now)
    assert found[model.labelled(model.JOBS, job="read-issues", state="todo")] == 1
    assert found[model.labelled(model.JOBS, job="wake:tell-people", state="later")] == 1
    assert found[model.labelled(model.JOBS, job="other", state="todo")] == 3
    assert found[model.labelled(model.QUEUE_AGE, job="read-issues")] == 420
    assert model.labelled(model.QUEUE_AGE, job="wake:tell-people") not in found


def test_who_took_over_a_web_process_cannot_write_lines_of_a_scrape(web, show, now):
    put(web, {WORST: 1.0, Series("pledge_forged"): 1.0}, now)
    assert not {series for series in show(now) if "forged" in series.name + series.labels}


def test_a_web_process_can_show_alerts_and_backlogs_but_not_read_them_itself(web, tenant):
    with pytest.raises(DatabaseRefused), web.begin() as uow:
        uow.metrics.alerts()
    with pytest.raises(DatabaseRefused), web.begin() as uow:
        uow.signals.audit_backlog()
