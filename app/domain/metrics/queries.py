"""What a scrape shows: what all processes have stored, and the queue and the quota as they are at that instant."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.metrics import model
from app.domain.metrics.model import METRICS, Metric, age_seconds, is_showable, labelled, since
from app.domain.metrics.ports import JobStanding, Series
from app.domain.ports import Database
from app.domain.quota.queries import QuotaStanding, Standing

_OTHER = "other"


@dataclass(frozen=True)
class Metrics:
    """Every metric of the cell, whichever process is asked."""

    database: Database
    quota: QuotaStanding
    jobs: Collection[str]
    """The names that jobs can have; any other is shown as one: whoever takes over a web process can add a job."""

    def at(self, now: datetime) -> tuple[tuple[Metric, Mapping[Series, float]], ...]:
        """The table of metrics with the numbers of that instant; raises `DatabaseUnavailable`."""
        with self.database.begin() as uow:
            stored = uow.metrics.stored()
            jobs = uow.metrics.jobs(now=now)
        found = {series: value for series, value in stored.items() if is_showable(series)}
        found |= self._of_jobs(jobs) | _of_quota(self.quota.at(now), now=now)
        return tuple((metric, _shown(metric, found, now=now)) for metric in METRICS)

    def _of_jobs(self, jobs: Iterable[JobStanding]) -> dict[Series, float]:
        found: dict[Series, float] = {}
        for each in jobs:
            name = each.name if each.name in self.jobs else _OTHER
            series = labelled(model.JOBS, job=name, state=each.state)
            found[series] = found.get(series, 0.0) + each.count
            if each.oldest is not None:
                waiting = labelled(model.QUEUE_AGE, job=name)
                found[waiting] = min(since(each.oldest), found.get(waiting, since(each.oldest)))
        return found


def _of_quota(standing: Standing, *, now: datetime) -> dict[Series, float]:
    stopped = standing.stopped_until
    return {
        Series(model.POINTS_LEFT.name): float(standing.left),
        Series(model.POINTS.name): float(standing.points_per_hour),
        Series(model.JIRA_STOPPED.name): 0.0 if stopped is None else max(0.0, (stopped - now).total_seconds()),
        Series(model.TENANTS_WAITING.name): float(len(standing.waiting)),
    }


def _shown(metric: Metric, found: Mapping[Series, float], *, now: datetime) -> Mapping[Series, float]:
    own = {series: value for series, value in found.items() if series.name in metric.series}
    if metric.kind == "age":
        own = {series: age_seconds(value, now=now) for series, value in own.items()}
    if metric.kind == "histogram":
        return _whole(metric, own)
    # The age of what was never measured is not 0: it is left out, and its absence is an alert.
    return own if own or metric.has_labels or metric.kind == "age" else {Series(metric.name): 0.0}


def _whole(metric: Metric, own: Mapping[Series, float]) -> Mapping[Series, float]:
    """Every bucket in its order, also those in which nothing was counted yet."""
    bounds = [f'le="{bound}"' for bound in (*model.BUCKETS_SECONDS, "+Inf")]
    order = [Series(f"{metric.name}_bucket", bound) for bound in bounds]
    order += [Series(f"{metric.name}_sum"), Series(f"{metric.name}_count")]
    return {series: own.get(series, 0.0) for series in order}
