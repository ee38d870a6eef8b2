"""Looking at the counts, and raising alerts. Each is an audit entry before it is anything else."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.alerts.ports import SignalRows
from app.domain.alerts.rules import AUDIT_BACKLOG, AUDIT_LATE, RULES, Rule
from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import Database

QUIET = timedelta(minutes=30)
"""The same alert about the same subject is raised once in this time."""
_FORTNIGHT_DAYS = 14
_WEIGHT = 0.3
"""Of each day in the average of the days before it; the newest counts most."""
_HOUR_SECONDS = 3600
_KEPT = timedelta(days=_FORTNIGHT_DAYS + 1)
_FINE = timedelta(days=1)
"""For so long counts stay as they were written; afterwards they are summed up by the hour."""


class Herald(Protocol):
    """Tells people of an alert once it is stored."""

    def __call__(self, alert: "Alert") -> None:
        """Must not raise."""


@dataclass(frozen=True)
class Alert:
    """A rule that holds for a subject."""

    rule: Rule
    subject: str
    """`endpoint/…`, `tenant/…` or `house/…`."""
    count: int

    @property
    def tenant(self) -> TenantId:
        """In whose audit log it stands: the tenant's that it is about, else our own."""
        kind, _, name = self.subject.partition("/")
        return TenantId(int(name)) if kind == "tenant" else HOUSE


@dataclass(frozen=True)
class Watch:
    """The evaluator; its state is in the database, so that it may be killed at any time."""

    database: Database
    tell: Herald

    def evaluate(self, *, now: datetime) -> tuple[Alert, ...]:
        """Raise every alert that holds at that instant and was not raised within `QUIET`; returns those raised.

        One that cannot be raised holds up no other; its failure is raised at the end.
        """
        with self.database.begin() as uow:
            holding = [alert for rule in RULES for alert in _holding(uow.signals, rule, now=now)]
            holding += _behind(uow.signals, now=now)
        raised: list[Alert] = []
        # A stack calls all of them, whatever one of them raises, and in reverse.
        with ExitStack() as each:
            for alert in reversed(holding):
                each.callback(self._raise, alert, raised, now=now)
        return tuple(raised)

    def tidy(self, *, now: datetime) -> None:
        """Sum up old counts by the hour, and forget what no baseline needs."""
        with self.database.begin() as uow:
            uow.signals.condense(before=now - _FINE)
            uow.signals.forget(before=now - _KEPT)
            uow.commit(because=Bookkeeping.SIGNALS_TIDIED)

    def _raise(self, alert: Alert, raised: list[Alert], *, now: datetime) -> None:
        with self.database.begin(alert.tenant) as uow:
            if not uow.signals.claim_alert(alert.rule.rule_id, alert.subject, now=now, quiet=QUIET):
                return
            detail: Mapping[str, str | int | None] = {
                "rule": alert.rule.rule_id,
                "severity": alert.rule.severity,
                "count": alert.count,
            }
            uow.commit(because=AuditEvent(Action.ALERT_RAISED, "system", alert.subject, detail))
        raised.append(alert)
        self.tell(alert)


def _holding(signals: SignalRows, rule: Rule, *, now: datetime) -> Iterator[Alert]:
    since = now - timedelta(seconds=rule.window_seconds)
    for subject, count in signals.sums(rule.codes, endpoints=rule.endpoints, by=rule.by, since=since, until=now):
        if count < rule.threshold:
            continue
        if rule.factor is None or count > rule.factor * _usual(signals, rule, subject, now=now):
            yield Alert(rule, f"{rule.by}/{subject}", count)


def _behind(signals: SignalRows, *, now: datetime) -> Iterator[Alert]:
    entries, checkpoints = signals.audit_backlog(), signals.anchor_backlog()
    for subject, (waiting, oldest) in (("house/audit-log", entries), ("house/audit-anchor", checkpoints)):
        if oldest is not None and now - oldest > timedelta(seconds=AUDIT_LATE.window_seconds):
            yield Alert(AUDIT_LATE, subject, waiting)
    if entries[0] >= AUDIT_BACKLOG.threshold:
        yield Alert(AUDIT_BACKLOG, "house/audit-log", entries[0])


def _usual(signals: SignalRows, rule: Rule, subject: str, *, now: datetime) -> float:
    """How many a window of this rule had at this hour of the day, on a weighted average of the last fortnight."""
    average = 0.0
    for days in range(_FORTNIGHT_DAYS, 0, -1):
        hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=days)
        until = hour + timedelta(hours=1)
        found = dict(signals.sums(rule.codes, endpoints=rule.endpoints, by=rule.by, since=hour, until=until))
        average += _WEIGHT * (found.get(subject, 0) - average)
    return average * rule.window_seconds / _HOUR_SECONDS
