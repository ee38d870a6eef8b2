"""Counting in memory, and writing the counts every few seconds: a stranger's request never waits for a row."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from app.domain.alerts.rules import WATCHED
from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import TenantId
from app.domain.ports import HOUSE, Database, DatabaseRefused, DatabaseUnavailable, Signal

FLUSH_SECONDS = 5.0


class SignalCounts:
    """See `app.domain.ports.Signals`; safe between threads. What it holds is bounded: codes × routes × own tenants."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[Signal] = Counter()
        self._flusher: threading.Thread | None = None

    def count(self, code: str, *, endpoint: str, tenant: TenantId = HOUSE) -> None:
        """Once more; codes that no rule watches are not counted."""
        if code not in WATCHED:
            return
        with self._lock:
            self._counts[Signal(code, endpoint, tenant)] += 1
            if self._flusher is None:
                # Not before the first count: a server that forks afterwards would leave its thread behind.
                self._flusher = threading.Thread(target=self._keep_flushing, name="signals", daemon=True)
                self._flusher.start()

    def flush(self) -> None:
        """Store what was counted; what cannot be stored now stays for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self._database.begin() as uow:
                uow.signals.add(counts, at=self._clock())
                uow.commit(because=Bookkeeping.SIGNALS_COUNTED)
        except (DatabaseUnavailable, DatabaseRefused):
            with self._lock:
                self._counts.update(counts)

    def _keep_flushing(self) -> None:
        while True:
            threading.Event().wait(FLUSH_SECONDS)
            self.flush()
