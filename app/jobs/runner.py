"""Runs the jobs: procrastinate's worker, with a guard for what it does not survive by itself.

* Nothing is worked on before this process is ready: database migrated, catalogue in order, keyring open.
* A job that raises is asked for again with growing delay, and ends as failed, in sight of `pledge jobs failed`.
* A job whose worker was killed is given back to the queue once the worker's heartbeat is too old.
* The worker ends with success when its connection is lost (procrastinate 3.10): it is started again. So it is when the
  end of a job could not be stored: what a worker that has ended still held is given back.
* It can hang for ever on a half-open connection (procrastinate issue 1334): a thread watches for queries that are
  not answered, and for an event loop that stands still; the process then replaces itself.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

from procrastinate import App, BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status

from app.domain.access.roles import Role, refuse_at_the_door
from app.domain.identifiers import TenantId
from app.domain.notices.ports import NotDelivered
from app.domain.ports import (
    AFTER_ALL_ELSE,
    DatabaseRefused,
    DatabaseUnavailable,
    JiraUnavailable,
    TurnAwaited,
)
from app.domain.secrets import VaultCannotAnswer
from app.domain.services import Services
from app.jobs.queue_connection import QueueConnection
from app.jobs.schedule import SCHEDULE, STEADY, TENANT_JOBS, PeriodicJob, SteadyJob, TenantJob

log = logging.getLogger("pledge.jobs")
# It prints the arguments of jobs and whole tracebacks; what we want to know of a job we log by field.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)

RETRY_DELAYS_SECONDS = (5, 30, 120, 600, 1800)
"""After each failure in a row; after the last the job stays as failed."""
CONCURRENCY = 4
QUEUE_CONNECTIONS = CONCURRENCY + 2
_THREADS = 2 * (CONCURRENCY + len(STEADY))
"""For all jobs at once, and for those from before a lost connection that have not ended yet."""
GRACE_SECONDS = 25
WIND_UP_SECONDS = 10.0
"""Of the grace: then no job calls Jira any more. The last call may take as long once again."""
_LINGER_SECONDS = 5.0
"""After the grace: what has been given back by then may still have a thread here, which nothing waits for."""
FETCH_SECONDS = 0.5
"""Work that is asked for while the tenant's job runs is announced too early to be taken: this is how long it waits."""
HEARTBEAT_SECONDS = 3.0
STALLED_SECONDS = 10.0
HUNG_SECONDS = 20.0
OPEN_SECONDS = 5.0
_WEATHER = (JiraUnavailable, DatabaseUnavailable, NotDelivered, VaultCannotAnswer)
"""What passes by itself; any other failure of a job is a fault of ours, and is reported as one."""
_KEPT_HOURS = 72
_FAILED_KEPT_HOURS = 30 * 24
_RESTART_SECONDS = 1.0


class Worker:
    """One worker process. `clock` gives the instant at which a job begins."""

    def __init__(self, services: Services, *, conninfo: str, clock: Callable[[], datetime]) -> None:
        self._services = services
        self._clock = clock
        self._beat_at = time.monotonic()
        self._told_at = float("inf")
        self._stopping = asyncio.Event()
        self._queue = QueueConnection(conninfo, connections=QUEUE_CONNECTIONS)
        self._app = App(connector=self._queue)
        for permission in [job.permission for job in TENANT_JOBS] + [job.permission for job in SCHEDULE]:
            refuse_at_the_door(permission, frozenset({Role.APP}))
        for job in TENANT_JOBS:
            self._add_tenant_job(job)
        for periodic in SCHEDULE:
            self._add_periodic_job(periodic)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then finish what is running, within the grace time."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        asyncio.run(self._guard())

    async def _guard(self) -> None:
        loop = asyncio.get_running_loop()
        # asyncio's own has four more than there are processors: slow reads could leave none for what is steady.
        loop.set_default_executor(ThreadPoolExecutor(_THREADS))
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop)
        while not self._stopping.is_set():
            self._beat_at = time.monotonic()
            try:
                await self._connect_and_work()
            except Exception as error:  # noqa: BLE001  one of the two broad handlers: a worker never gives up
                log.warning("worker lost its database", extra={"code": type(error).__name__})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _RESTART_SECONDS)

    def _stop(self) -> None:
        self._told_at = time.monotonic()
        self._services.budget.wind_up(WIND_UP_SECONDS)
        self._stopping.set()

    async def _connect_and_work(self) -> None:
        try:
            # Its own patience is longer than ours with a process that shows no sign of life.
            async with asyncio.timeout(OPEN_SECONDS):
                await self._app.open_async()
            if await asyncio.to_thread(self._services.is_ready):
                await self._work()
        finally:
            # Also when it could not be opened: it would take itself for open the next time.
            await self._app.close_async()

    async def _work(self) -> None:
        """Until told to stop, or the connection is gone."""
        worker = asyncio.create_task(
            self._app.run_worker_async(
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=FETCH_SECONDS,
                install_signal_handlers=False,
                shutdown_graceful_timeout=GRACE_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                delete_jobs="successful",
            )
        )
        tending = asyncio.create_task(self._tend())
        stopping = asyncio.create_task(self._stopping.wait())
        steady = [asyncio.create_task(self._keep_on(job)) for job in STEADY]
        await asyncio.wait({worker, tending, stopping, *steady}, return_when=asyncio.FIRST_COMPLETED)
        for task in (tending, stopping, *steady, worker):
            task.cancel()
        for ended in await asyncio.gather(worker, tending, stopping, *steady, return_exceptions=True):
            if isinstance(ended, Exception):
                log.warning("worker starts anew", extra={"code": type(ended).__name__})

    async def _tend(self) -> None:
        """Give back what killed workers held, forget what is long done, and show that the database answers.

        Ends when the end of a job could not be stored.
        """
        jobs = self._app.job_manager
        self._queue.has_failed = False
        log.info("worker ready")
        while not self._queue.has_failed:
            for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
                await self._give_back(job)
            await jobs.delete_old_jobs(nb_hours=_KEPT_HOURS)
            await jobs.delete_old_jobs(nb_hours=_FAILED_KEPT_HOURS, include_failed=True)
            self._beat_at = time.monotonic()
            await asyncio.sleep(HEARTBEAT_SECONDS)
        log.warning("worker starts anew", extra={"code": "job_end_not_stored"})

    async def _keep_on(self, job: SteadyJob) -> None:
        """Slice after slice; a failed one is tried again, as long as this process lives."""
        while True:
            try:
                done = await asyncio.to_thread(job.run, self._services, self._clock())
            except Exception as error:  # as below: any failure is tried again
                done = 0
                fields = {"job": job.name, "code": type(error).__name__}
                log.log(_level(error), "steady job failed, will be tried again", extra=fields, exc_info=error)
            if not done:
                await asyncio.sleep(job.pause_seconds)

    async def _give_back(self, job: Job) -> None:
        try:
            await self._app.job_manager.retry_job(job)
        except ConnectorException:
            # The same work is waiting already, and only one may wait.
            await self._app.job_manager.finish_job(job, status=Status.ABORTED, delete_job=True)

    def _watch(self) -> None:
        while True:
            time.sleep(1.0)
            silent_seconds = time.monotonic() - min(self._beat_at, self._queue.waiting_since() or self._beat_at)
            if self._stopping.is_set():
                if time.monotonic() - self._told_at > GRACE_SECONDS + _LINGER_SECONDS:
                    log.error("worker hangs instead of ending", extra={"code": "worker_hung"})
                    os._exit(1)
            elif silent_seconds > HUNG_SECONDS:
                log.error("worker hangs, starting anew", extra={"code": "worker_hung"})
                os.execv(sys.executable, sys.orig_argv)  # noqa: S606  our own arguments, once more

    def _add_tenant_job(self, job: TenantJob) -> None:
        async def run(*, tenant: int, attempt: int = 0) -> None:
            try:
                await asyncio.to_thread(job.run, self._services, TenantId(tenant), self._clock())
            except Exception as error:  # noqa: BLE001  the other broad handler: any failure is asked for again
                await self._after_failure(job, tenant, attempt=attempt, error=error)

        async def wake(*, tenant: int, attempt: int = 0) -> None:
            name = f"{job.kind}:{tenant}"
            with suppress(AlreadyEnqueued):
                await self._app.configure_task(job.kind, lock=name, queueing_lock=name).defer_async(
                    tenant=tenant, attempt=attempt
                )

        priority = -int(job.kind in AFTER_ALL_ELSE)
        self._app.task(name=job.kind, priority=priority, retry=_GivenBack())(run)
        self._app.task(name=f"wake:{job.kind}", retry=_GivenBack())(wake)

    async def _after_failure(self, job: TenantJob, tenant: int, *, attempt: int, error: Exception) -> None:
        """Ask for it again later. Not by procrastinate's own retry: that would hold the tenant's place in the queue
        for the whole delay, against work that could be done now."""
        if isinstance(error, DatabaseRefused):
            self._services.signals.count("database_refused", endpoint=f"job:{job.kind}", tenant=TenantId(tenant))
        fields = {"job": job.kind, "attempt": attempt, "code": type(error).__name__}
        if isinstance(error, TurnAwaited):
            log.info("job waits for its turn", extra=fields)
            await self._ask_again(job, tenant, seconds=error.retry_after_seconds, attempt=attempt)
            return
        if attempt >= len(RETRY_DELAYS_SECONDS):
            log.error("job failed for good", extra=fields, exc_info=error)
            raise error
        log.log(_level(error), "job failed, will be tried again", extra=fields, exc_info=error)
        asked = getattr(error, "retry_after_seconds", 0)
        await self._ask_again(job, tenant, seconds=max(RETRY_DELAYS_SECONDS[attempt], asked), attempt=attempt + 1)

    async def _ask_again(self, job: TenantJob, tenant: int, *, seconds: int, attempt: int) -> None:
        at = self._clock() + timedelta(seconds=seconds)
        with suppress(AlreadyEnqueued):
            await self._app.configure_task(
                f"wake:{job.kind}", queueing_lock=f"wake:{job.kind}:{tenant}", schedule_at=at
            ).defer_async(tenant=tenant, attempt=attempt)

    def _add_periodic_job(self, job: PeriodicJob) -> None:
        async def run(timestamp: int) -> None:
            fields = {"job": job.name, "tick": timestamp}
            log.info("periodic job", extra=fields)
            try:
                await asyncio.to_thread(job.run, self._services, self._clock())
            except Exception as error:
                code = {"code": type(error).__name__}
                log.log(_level(error), "periodic job failed", extra=fields | code, exc_info=error)
                raise

        # Over many tenants a round can take longer than its period: rounds that overlap would hold every job slot.
        task = self._app.task(name=job.name, retry=3, lock=job.name, queueing_lock=job.name)(run)
        self._app.periodic(cron=job.cron)(task)


class _GivenBack(BaseRetryStrategy):
    """What the grace time was too short for is another worker's; what could not be asked for again waits in its own
    place. Else nothing would ask for either."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """At once where this process was told to end; what failed we ask for ourselves, where the queue lets us."""
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_in={"seconds": 0})
        if isinstance(exception, ConnectorException):
            return RetryDecision(retry_in={"seconds": RETRY_DELAYS_SECONDS[0]})
        return None


def _level(error: Exception) -> int:
    return logging.WARNING if isinstance(error, _WEATHER) else logging.ERROR
