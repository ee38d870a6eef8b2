"""The worker's table of tasks and its numbers; that it survives faults is shown on real processes elsewhere."""

import asyncio
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import psycopg
import pytest
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Status

from app.domain.access.roles import NotPermitted, Permission
from app.domain.ports import DatabaseUnavailable, JiraUnavailable, TurnAwaited
from app.jobs import runner
from app.jobs.runner import RETRY_DELAYS_SECONDS, Worker
from app.jobs.schedule import SCHEDULE, STEADY, TENANT_JOBS, SteadyJob

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def worker(database):
    """A worker that is not running, on a database."""
    return Worker(services=None, conninfo=database.worker.replace("+psycopg", ""), clock=lambda: NOW)


@pytest.fixture
def jobs(database):
    """What waits: task, lock, arguments, when."""

    def waiting():
        query = "SELECT task_name, queueing_lock, args, scheduled_at FROM jobs.procrastinate_jobs ORDER BY id"
        return database.rows(query)

    return waiting


def fail(worker, attempt, error):
    async def failing():
        async with worker._app.open_async():
            await worker._after_failure(TENANT_JOBS[0], 7, attempt=attempt, error=error)

    asyncio.run(failing())


def test_every_row_of_both_tables_is_a_task(worker):
    wanted = {job.kind for job in TENANT_JOBS} | {f"wake:{job.kind}" for job in TENANT_JOBS}
    wanted |= {job.name for job in SCHEDULE}
    own = {name for name in worker._app.tasks if not name.startswith(("builtin:", "procrastinate."))}
    assert own == wanted


def test_every_periodic_row_is_registered_with_its_cron(worker):
    registered = {task.task.name: task.cron for task in worker._app.periodic_registry.periodic_tasks.values()}
    assert registered == {job.name: job.cron for job in SCHEDULE}


def test_a_round_that_lasts_longer_than_its_period_is_one_and_the_next_waits_for_it(worker, jobs):
    """Otherwise rounds over very many tenants would overlap, and hold every slot of every worker."""
    task = worker._app.tasks["publish-labels-due"]

    async def rounds():
        async with worker._app.open_async():
            manager = worker._app.job_manager
            number = await manager.register_worker()
            await task.defer_async(timestamp=1)
            running = await manager.fetch_job(queues=None, worker_id=number)
            await task.defer_async(timestamp=2)
            with pytest.raises(AlreadyEnqueued):
                await task.defer_async(timestamp=3)
            assert await manager.fetch_job(queues=None, worker_id=number) is None
            await manager.finish_job(running, status=Status.SUCCEEDED, delete_job=True)
            return (await manager.fetch_job(queues=None, worker_id=number)).task_kwargs

    assert asyncio.run(rounds()) == {"timestamp": 2}


def test_what_shows_in_jira_waits_for_what_finds_it_out_though_it_was_asked_for_earlier(worker):
    """Otherwise the events of one tenant wait for the labels of all: each label is written to Jira, one by one."""

    async def taken():
        async with worker._app.open_async():
            manager = worker._app.job_manager
            number = await manager.register_worker()
            await worker._app.tasks["wake:publish-labels"](tenant=7)
            await worker._app.tasks["wake:read-issues"](tenant=8)
            return [(await manager.fetch_job(queues=None, worker_id=number)).task_name for _ in range(2)]

    assert asyncio.run(taken()) == ["read-issues", "publish-labels"]


def test_each_failure_in_a_row_is_waited_for_longer():
    assert all(earlier < later for earlier, later in pairwise(RETRY_DELAYS_SECONDS))


def test_a_hung_worker_is_noticed_after_several_heartbeats_and_before_a_person_does():
    assert 3 * runner.HEARTBEAT_SECONDS <= runner.STALLED_SECONDS < runner.HUNG_SECONDS <= 60


@pytest.mark.parametrize("attempt", range(len(RETRY_DELAYS_SECONDS)))
def test_a_failed_job_is_asked_for_again_after_the_delay_of_its_attempt(worker, jobs, attempt):
    fail(worker, attempt, ValueError("secret text"))
    at = NOW + timedelta(seconds=RETRY_DELAYS_SECONDS[attempt])
    assert jobs() == [("wake:read-issues", "wake:read-issues:7", {"tenant": 7, "attempt": attempt + 1}, at)]


def test_a_site_that_says_when_to_come_back_is_given_that_time(worker, jobs):
    fail(worker, 0, JiraUnavailable(3600))
    ((*_, at),) = jobs()
    assert at == NOW + timedelta(seconds=3600)


@pytest.mark.parametrize("attempt", [0, len(RETRY_DELAYS_SECONDS)])
def test_a_job_whose_turn_it_is_not_comes_back_when_it_is_and_has_not_failed(worker, jobs, caplog, attempt):
    caplog.set_level("INFO", logger="pledge.jobs")
    fail(worker, attempt, TurnAwaited(7))
    at = NOW + timedelta(seconds=7)
    assert jobs() == [("wake:read-issues", "wake:read-issues:7", {"tenant": 7, "attempt": attempt}, at)]
    (record,) = [record for record in caplog.records if record.name == "pledge.jobs"]
    assert (record.levelname, record.exc_info) == ("INFO", None)


def test_a_job_that_the_grace_time_is_too_short_for_is_given_back(database, monkeypatch):
    monkeypatch.setattr(runner, "GRACE_SECONDS", 0.2)
    began, may_end, told = threading.Event(), threading.Event(), []

    def run(services, tenant, now):
        began.set()
        may_end.wait(timeout=30)

    monkeypatch.setattr(runner, "TENANT_JOBS", [replace(TENANT_JOBS[0], run=run)])
    monkeypatch.setattr(runner, "STEADY", [])
    worker = Worker(
        services=SimpleNamespace(budget=SimpleNamespace(wind_up=told.append)),
        conninfo=database.worker.replace("+psycopg", ""),
        clock=lambda: NOW,
    )

    async def work_until_told():
        async with worker._app.open_async():
            await worker._app.configure_task("read-issues").defer_async(tenant=7)
            working = asyncio.create_task(worker._work())
            await asyncio.to_thread(began.wait, 30)
            worker._stop()
            await working
        may_end.set()

    asyncio.run(work_until_told())
    query = "SELECT status::text, args FROM jobs.procrastinate_jobs WHERE task_name = 'read-issues'"
    assert (database.rows(query), told) == ([("todo", {"tenant": 7})], [runner.WIND_UP_SECONDS])


def test_two_failures_of_one_tenant_ask_once(worker, jobs):
    fail(worker, 0, ValueError())
    fail(worker, 1, ValueError())
    assert len(jobs()) == 1


def test_the_last_failure_is_left_to_be_seen(worker, jobs):
    with pytest.raises(ZeroDivisionError):
        fail(worker, len(RETRY_DELAYS_SECONDS), ZeroDivisionError())
    assert jobs() == []


def test_an_argument_of_a_job_is_an_id_and_nothing_else(worker, jobs):
    fail(worker, 0, ValueError("canary"))
    assert all(set(args) == {"tenant", "attempt"} for _, _, args, _ in jobs())


@pytest.mark.parametrize(
    ("error", "level"),
    [(JiraUnavailable(5), "WARNING"), (DatabaseUnavailable(), "WARNING"), (ZeroDivisionError(), "ERROR")],
    ids=["Jira is away", "the database is away", "a fault of ours"],
)
def test_a_fault_is_an_error_from_its_first_time_and_weather_is_not(worker, caplog, error, level):
    """An error with its traceback is what is reported."""
    fail(worker, 0, error)
    (record,) = [record for record in caplog.records if record.name == "pledge.jobs"]
    assert (record.levelname, record.exc_info[1]) == (level, error)


@pytest.mark.parametrize(
    ("error", "level"),
    [(DatabaseUnavailable(), "WARNING"), (OSError("the disk is full"), "ERROR")],
    ids=["the database is away", "the anchor cannot be written"],
)
def test_a_fault_of_a_steady_job_is_an_error_and_weather_is_not(worker, caplog, monkeypatch, error, level):
    def run(services, now):
        raise error

    async def pause(seconds):
        raise asyncio.CancelledError

    monkeypatch.setattr(runner.asyncio, "sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(worker._keep_on(SteadyJob("count", run, 7.0, "a test")))
    (record,) = [record for record in caplog.records if record.name == "pledge.jobs"]
    assert (record.levelname, record.job, record.exc_info[1]) == (level, "count", error)


def test_slow_jobs_in_every_slot_leave_threads_to_steady_ones(worker, monkeypatch):
    """asyncio's own threads are as few as there are processors, and four."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    everyone = threading.Barrier(runner.CONCURRENCY + len(STEADY), timeout=20)

    async def connect_and_work():
        await asyncio.gather(*(asyncio.to_thread(everyone.wait) for _ in range(everyone.parties)))
        worker._stopping.set()

    monkeypatch.setattr(worker, "_connect_and_work", connect_and_work)
    asyncio.run(worker._guard())
    assert not everyone.broken


@pytest.mark.parametrize("rows", ["TENANT_JOBS", "SCHEDULE"])
def test_a_job_that_the_role_of_the_app_does_not_grant_is_not_taken_on(monkeypatch, database, rows):
    monkeypatch.setattr(runner, rows, [replace(getattr(runner, rows)[0], permission=Permission.VIEW_SETTINGS)])
    with pytest.raises(NotPermitted):
        Worker(services=None, conninfo=database.worker, clock=lambda: NOW)


def test_a_worker_does_not_open_its_database_before_it_runs():
    worker = Worker(services=None, conninfo="postgresql://nobody@127.0.0.1:1/none", clock=lambda: NOW)
    assert worker._app is not None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect("postgresql://nobody@127.0.0.1:1/none", connect_timeout=2)


def test_a_steady_job_goes_on_after_a_failure_and_pauses_only_when_nothing_was_done(worker, monkeypatch):
    outcomes, pauses = iter([3, ValueError("secret text"), 2, 0]), []

    def run(services, now):
        assert now == NOW
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(runner.asyncio, "sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(worker._keep_on(SteadyJob("count", run, 7.0, "a test")))
    assert pauses == [7.0, 7.0]
    assert next(outcomes, "all done") == "all done"
