"""Counting in a process, and measuring by a worker what only a worker may read."""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.audit.entry import Bookkeeping
from app.domain.metrics import model
from app.domain.metrics.model import Metric, labelled, since
from app.domain.metrics.ports import Backlog, Series
from app.domain.ports import Database, UnitOfWork

EVERY = timedelta(seconds=10)
"""However many workers there are, one of them measures in this time."""
MOST_TENANTS = 200
"""Looked at in one measurement, so that it takes seconds whatever waits; those whose jobs have waited longest."""


class MetricCounts:
    """What this process has counted; safe between threads. Written beside the requests, as counts for alerts are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: Counter[Series] = Counter()

    def count(self, metric: Metric, by: int = 1, **labels: str) -> None:
        """So many more."""
        series = labelled(metric, **labels)
        with self._lock:
            self._counts[series] += by

    def observe(self, metric: Metric, seconds: float) -> None:
        """One more in a histogram."""
        found = model.observed(metric, seconds)
        with self._lock:
            for series, by in found.items():
                self._counts[series] += by  # type: ignore[assignment]  # a Counter holds any number

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
                uow.metrics.add(counts, at=now)
                uow.commit(because=Bookkeeping.METRICS_KEPT)
        except BaseException:
            with self._lock:
                self._counts.update(counts)
            raise


@dataclass(frozen=True)
class Measuring:
    """What waits, over all tenants: each is entered by itself, because row security shows no worker more than one."""

    database: Database

    def measure(self, *, now: datetime) -> int:
        """Measure, unless another worker just has; returns 0, for there is nothing to go on with.

        Looked at are the tenants that a job works for or waits to, `MOST_TENANTS` of them: where a job was lost,
        `wake-tenants` asks for another within ten minutes.
        """
        with self.database.begin() as uow:
            if not uow.metrics.claim(now=now, every=EVERY):
                return 0
            values = _of_the_house(uow)
            tenants = uow.metrics.tenants_at_work(MOST_TENANTS)
            uow.commit(because=Bookkeeping.METRICS_KEPT)
        backlogs = []
        for tenant in tenants:
            with self.database.begin(tenant) as uow:
                backlogs.append(uow.metrics.backlog(tenant))
        values |= _of_tenants(backlogs) | {Series(model.MEASURED_AGE.name): since(now)}
        with self.database.begin() as uow:
            uow.metrics.put(values, at=now)
            uow.commit(because=Bookkeeping.METRICS_KEPT)
        return 0


def _of_the_house(uow: UnitOfWork) -> dict[Series, float]:
    (entries, entry), (checkpoints, checkpoint) = uow.signals.audit_backlog(), uow.signals.anchor_backlog()
    due, closed = uow.reports.oldest()
    values = {
        Series(model.AUDIT_WAITING.name): float(entries),
        Series(model.AUDIT_AGE.name): since(entry),
        Series(model.ANCHORS_WAITING.name): float(checkpoints),
        Series(model.ANCHOR_AGE.name): since(checkpoint),
        Series(model.REPORT_AGE.name): since(due),
        Series(model.CLOSED_AGE.name): since(closed),
    }
    return values | {labelled(model.ALERT_AGE, rule=rule): since(at) for rule, at in uow.metrics.alerts().items()}


def _of_tenants(backlogs: list[Backlog]) -> dict[Series, float]:
    oldest = min((each.oldest for each in backlogs if each.oldest is not None), default=None)
    begun = min((each.recomputing_since for each in backlogs if each.recomputing_since is not None), default=None)
    return {
        Series(model.EVENTS_WAITING.name): float(sum(each.events for each in backlogs)),
        Series(model.ISSUES_WAITING.name): float(sum(each.issues for each in backlogs)),
        Series(model.EVENT_AGE.name): since(oldest),
        Series(model.RECOMPUTE_AGE.name): since(begun),
    }
