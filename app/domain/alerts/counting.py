"""Counting in memory what alert rules watch; written beside the requests, so that a stranger never waits for a row."""

import threading
from collections import Counter
from datetime import datetime

from app.domain.alerts.ports import Signal
from app.domain.alerts.rules import WATCHED
from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import Database


class SignalCounts:
    """What this process has counted; safe between threads. What it holds is bounded: codes × routes × own tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: Counter[Signal] = Counter()

    def count(self, code: str, *, endpoint: str, tenant: TenantId = HOUSE) -> None:
        """Once more; codes that no rule watches are not counted."""
        if code in WATCHED:
            with self._lock:
                self._counts[Signal(code, endpoint, tenant)] += 1

    def flush(self, now: datetime) -> None:
        """Store what was counted; what cannot be stored now stays for the next time.

        Raises `DatabaseUnavailable`.
        """
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self._database.begin() as uow:
                uow.signals.add(counts, at=now)
                uow.commit(because=Bookkeeping.SIGNALS_COUNTED)
        except BaseException:
            with self._lock:
                self._counts.update(counts)
            raise
