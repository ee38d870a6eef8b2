"""Everything that a scrape can show, and nothing else: no label names a tenant, a person or an issue.

Names and kinds follow https://prometheus.io/docs/practices/naming/. What the processes count is added up in the
database, because a scrape reaches one process of several, and workers have no port: each answer is that of the cell.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.metrics.ports import Series

BUCKETS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""One second is the promise; below it steps of about two and a half."""
_LABELS = re.compile(r'([a-z_]+="[A-Za-z0-9_.:+-]*"(,(?!$)|$))*')
_ODD = re.compile(r"[^A-Za-z0-9_.:+-]")


@dataclass(frozen=True)
class Metric:
    """One row of the table below."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "age"]
    """`age` is a gauge in seconds: kept is the instant since when, so that it grows although nobody measures again."""
    meaning: str
    has_labels: bool = False
    """One without is shown as 0 before anything was counted."""

    @property
    def series(self) -> frozenset[str]:
        """The names under which its numbers are kept."""
        parts = ("_bucket", "_sum", "_count") if self.kind == "histogram" else ("",)
        return frozenset(self.name + part for part in parts)


ANSWERS = Metric("pledge_answers_total", "counter", "Answers, by route and class of status.", has_labels=True)
ACKNOWLEDGED = Metric(
    "pledge_acknowledgement_seconds",
    "histogram",
    "From the head of a webhook, Forge event or lifecycle call until its answer, time in our queue included.",
)
LIMITED = Metric("pledge_limit_refusals_total", "counter", "Requests refused, by limit.", has_labels=True)
LIMIT_STORE_FAILURES = Metric(
    "pledge_limit_store_failures_total", "counter", "How often the shared store of limits did not answer."
)
JOBS = Metric("pledge_jobs", "gauge", "Jobs that wait (todo), are not due (later), run, or failed.", has_labels=True)
QUEUE_AGE = Metric("pledge_queue_age_seconds", "age", "The oldest job that could run and does not.", has_labels=True)
EVENTS_WAITING = Metric(
    "pledge_events_waiting", "gauge", "Events that are stored and not worked on, of 200 tenants at most."
)
ISSUES_WAITING = Metric(
    "pledge_issues_waiting", "gauge", "Issues that are to be read from Jira, of 200 tenants at most."
)
EVENT_AGE = Metric("pledge_oldest_event_age_seconds", "age", "Since when the oldest event or asked read waits.")
RECOMPUTE_AGE = Metric("pledge_recompute_age_seconds", "age", "Since when stored bounds of a tenant are made anew.")
AUDIT_WAITING = Metric("pledge_audit_entries_waiting", "gauge", "Audit entries without a place in their log.")
AUDIT_AGE = Metric("pledge_audit_entry_age_seconds", "age", "Since when the oldest of them waits.")
ANCHORS_WAITING = Metric("pledge_audit_checkpoints_waiting", "gauge", "Checkpoints that are not anchored.")
ANCHOR_AGE = Metric("pledge_audit_checkpoint_age_seconds", "age", "Since when the oldest of them waits.")
REPORT_AGE = Metric("pledge_report_due_age_seconds", "age", "Since when the oldest account is due to be reported.")
CLOSED_AGE = Metric(
    "pledge_closed_account_age_seconds", "age", "Since when the oldest account that was closed is to be erased."
)
POINTS_LEFT = Metric("pledge_jira_points_left", "gauge", "Points of Jira's quota that are left in this hour.")
POINTS = Metric("pledge_jira_points_per_hour", "gauge", "Points that may be spent in an hour.")
JIRA_STOPPED = Metric("pledge_jira_stopped_seconds", "gauge", "How long nothing is asked: Jira said that all is spent.")
TENANTS_WAITING = Metric("pledge_jira_tenants_waiting", "gauge", "Tenants whose work waits for Jira or for points.")
ALERT_AGE = Metric("pledge_alert_age_seconds", "age", "Since when an alert of that rule was last raised.", True)
MEASURED_AGE = Metric("pledge_measurement_age_seconds", "age", "Since a worker last measured what workers measure.")

METRICS: tuple[Metric, ...] = (
    ANSWERS,
    ACKNOWLEDGED,
    LIMITED,
    LIMIT_STORE_FAILURES,
    JOBS,
    QUEUE_AGE,
    EVENTS_WAITING,
    ISSUES_WAITING,
    EVENT_AGE,
    RECOMPUTE_AGE,
    AUDIT_WAITING,
    AUDIT_AGE,
    ANCHORS_WAITING,
    ANCHOR_AGE,
    REPORT_AGE,
    CLOSED_AGE,
    POINTS_LEFT,
    POINTS,
    JIRA_STOPPED,
    TENANTS_WAITING,
    ALERT_AGE,
    MEASURED_AGE,
)
KNOWN: frozenset[str] = frozenset(name for metric in METRICS for name in metric.series)


def labelled(metric: Metric, **labels: str) -> Series:
    """The series of that metric with these labels; what no label may hold is left out of its value."""
    return Series(metric.name, ",".join(f'{name}="{_ODD.sub("", value)}"' for name, value in labels.items()))


def is_showable(series: Series) -> bool:
    """Whether it is of the table and has well-formed labels: whoever takes over a web process can store any text."""
    return series.name in KNOWN and _LABELS.fullmatch(series.labels) is not None


def observed(metric: Metric, seconds: float) -> dict[Series, float]:
    """What one observation adds to a histogram."""
    bounds = [*(bound for bound in map(str, BUCKETS_SECONDS) if seconds <= float(bound)), "+Inf"]
    found = {Series(f"{metric.name}_bucket", f'le="{bound}"'): 1.0 for bound in bounds}
    return found | {Series(f"{metric.name}_sum"): seconds, Series(f"{metric.name}_count"): 1.0}


def since(at: datetime | None) -> float:
    """How an instant is kept; 0 = nothing waits."""
    return 0.0 if at is None else at.timestamp()


def age_seconds(kept: float, *, now: datetime) -> float:
    """How long ago a kept instant is; 0 where nothing waits."""
    return max(0.0, now.timestamp() - kept) if kept else 0.0
