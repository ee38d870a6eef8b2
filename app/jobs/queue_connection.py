"""The worker's connections to the queue, which know how long they have been waiting for an answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException

STATEMENT_SECONDS = 10
"""PostgreSQL itself ends what takes longer: whoever waits longer than that is not heard by it any more."""

_OPTIONS = {
    "options": f"-c search_path=jobs -c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s",
    "connect_timeout": 5,
    "application_name": "pledge.worker",
}


class QueueConnection(PsycopgConnector):
    """procrastinate's connector, with an eye on queries that are never answered (procrastinate issue 1334), or refused.

    Its own worker waits for ever on a half-open connection, and looks alive meanwhile: its heartbeat goes over another.
    Nor does it try again to store that a job has ended: the job, and the lock of its tenant, would be held by a worker
    that lives. `has_failed`: something could not be stored since this was last set to False.
    """

    def __init__(self, conninfo: str, *, connections: int) -> None:
        super().__init__(conninfo=conninfo, min_size=1, max_size=connections, timeout=5.0, kwargs=_OPTIONS)
        self._begun: dict[object, float] = {}
        self.has_failed = False

    def waiting_since(self) -> float | None:
        """When the oldest query that has no answer was sent, on the monotonic clock; safe from any thread."""
        return min(tuple(self._begun.values()), default=None)

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:  # noqa: ANN401  procrastinate's
        """As the connector's own."""
        try:
            with self._timed():
                await super().execute_query_async(query, **arguments)
        except ConnectorException:
            self.has_failed = True
            raise

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  the same
        """As the connector's own."""
        with self._timed():
            row: dict[str, Any] = await super().execute_query_one_async(query, **arguments)
            return row

    async def execute_query_all_async(
        self,
        query: Any,  # noqa: ANN401  the same
        **arguments: Any,  # noqa: ANN401  the same
    ) -> list[dict[str, Any]]:
        """As the connector's own."""
        with self._timed():
            rows: list[dict[str, Any]] = await super().execute_query_all_async(query, **arguments)
            return rows

    @contextmanager
    def _timed(self) -> Iterator[None]:
        query = object()
        self._begun[query] = time.monotonic()
        try:
            yield
        finally:
            del self._begun[query]
