"""The personal data reports as a site's administrators see them: whether they are on time, and what went through it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.identifiers import TenantId
from app.domain.metrics.model import CLOSED_AGE, MEASURED_AGE, REPORT_AGE, age_seconds
from app.domain.metrics.ports import Series
from app.domain.ports import Database
from app.domain.privacy.cycle import ERASE_WITHIN, LATE_AFTER
from app.domain.privacy.ports import Cycle

_SHOWN = 10


@dataclass(frozen=True)
class SeenReports:
    """The cycle is that of all sites; `sent` are the requests that went through this one, nobody's id."""

    cycle: Cycle
    waiting: timedelta
    """For how long the account is due that is due for longest; nothing is due at 0."""
    is_late: bool
    is_measured: bool
    """Whether a worker has looked at all."""
    sent: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class ReportsSeen:
    """Reads it; how many people other sites have is not in it."""

    database: Database

    def of(self, tenant: TenantId, *, now: datetime) -> SeenReports:
        """For that site; raises `DatabaseUnavailable`."""
        with self.database.begin() as uow:
            cycle, sent, stored = uow.reports.cycle(), uow.reports.sent(_SHOWN, through=tenant), uow.metrics.stored()
        due, closed = (
            timedelta(seconds=age_seconds(stored.get(Series(metric.name), 0.0), now=now))
            for metric in (REPORT_AGE, CLOSED_AGE)
        )
        is_late = due > LATE_AFTER or closed > ERASE_WITHIN
        return SeenReports(cycle, due, is_late, Series(MEASURED_AGE.name) in stored, sent)
