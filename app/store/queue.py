"""Putting work into the queue, in the transaction of the change that asks for it."""

from datetime import datetime
from typing import Any

from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import Connection

from app.domain.identifiers import TenantId
from app.domain.ports import JobKind


class Queue:
    """Defers jobs by name; it runs none. One job per tenant and kind waits, and one runs, at a time."""

    def __init__(self) -> None:
        # Never opened: each job goes through the connection of the transaction that asks for it.
        self._app = App(connector=SyncPsycopgConnector())

    def defer(self, connection: Connection, kind: JobKind, tenant: TenantId, *, at: datetime | None) -> None:
        """Ask for the job at once, or for a wake-up at a later instant that then asks for it.

        A waiting job that is not due yet would hold its place in the queue against one that is: hence the wake-up,
        which holds no lock.
        """
        name = f"{kind}:{tenant}"
        if at is None:
            self._insert(connection, task=kind, tenant=tenant, options={"lock": name, "queueing_lock": name})
        else:
            options = {"queueing_lock": f"wake:{name}", "schedule_at": at}
            self._insert(connection, task=f"wake:{kind}", tenant=tenant, options=options)

    def _insert(self, connection: Connection, *, task: str, tenant: TenantId, options: dict[str, Any]) -> None:
        driver = connection.connection.driver_connection
        try:
            # A duplicate is an error in PostgreSQL: the savepoint keeps it from taking the transaction along.
            with connection.begin_nested():
                self._app.configure_task(task, connection=driver, **options).defer(tenant=tenant)
        except AlreadyEnqueued:
            return
