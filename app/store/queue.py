"""Putting work into the queue, in the transaction of the change that asks for it."""

from datetime import datetime
from typing import Any, Literal

from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import Connection, text

from app.domain.identifiers import TenantId
from app.domain.ports import AFTER_ALL_ELSE, JobKind

_LOCKS = {
    "shared": text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 1))"),
    "exclusive": text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 1))"),
}


class Queue:
    """Defers jobs by name; it runs none. One job per tenant and kind waits, and one runs, at a time."""

    def __init__(self) -> None:
        # Never opened: each job goes through the connection of the transaction that asks for it.
        self._app = App(connector=SyncPsycopgConnector())

    def defer(
        self, connection: Connection, kind: JobKind, tenant: TenantId, *, at: datetime | None, attempt: int
    ) -> None:
        """Ask for the job at once, or for a wake-up at a later instant that then asks for it.

        A waiting job that is not due yet would hold its place in the queue against one that is: hence the wake-up,
        which holds no lock.
        """
        name = f"{kind}:{tenant}"
        arguments = {"tenant": int(tenant), "attempt": attempt}
        if at is None:
            self._lock(connection, name, how="shared")
            options: dict[str, Any] = {"lock": name, "queueing_lock": name, "priority": -int(kind in AFTER_ALL_ELSE)}
            self._insert(connection, kind, arguments=arguments, options=options)
        else:
            options = {"queueing_lock": f"wake:{name}", "schedule_at": at}
            self._insert(connection, f"wake:{kind}", arguments=arguments, options=options)

    def await_deferred(self, connection: Connection, kind: JobKind, tenant: TenantId) -> None:
        """Wait for transactions that asked for this job and have not ended.

        One of them may have found this very job waiting, and so have added none; the job, begun since, would not see
        what that transaction has yet to commit, and nothing would ever look at it.
        """
        self._lock(connection, f"{kind}:{tenant}", how="exclusive")

    def _lock(self, connection: Connection, name: str, *, how: Literal["shared", "exclusive"]) -> None:
        connection.execute(_LOCKS[how], {"name": name})

    def _insert(self, connection: Connection, task: str, *, arguments: dict[str, Any], options: dict[str, Any]) -> None:
        driver = connection.connection.driver_connection
        try:
            # A duplicate is an error in PostgreSQL: the savepoint keeps it from taking the transaction along.
            with connection.begin_nested():
                self._app.configure_task(task, connection=driver, **options).defer(**arguments)
        except AlreadyEnqueued:
            return
