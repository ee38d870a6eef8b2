"""The cycle as a promise with evidence: what each pass took, and who is told when it is late."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.clocks.model import instant_text
from app.domain.identifiers import HOUSE
from app.domain.ports import Database
from app.domain.privacy.cycle import ERASE_WITHIN, LATE_AFTER, CycleState, state_of
from app.domain.privacy.ports import Cycle, Standing

_TOLD_AGAIN = timedelta(days=1)
_KEPT = timedelta(days=400)
"""Evidence of more than a year, which audits ask for."""


@dataclass(frozen=True)
class Evidence:
    """What is written down about the cycle, in our own audit log."""

    database: Database

    def close_pass(self, *, now: datetime) -> None:
        """Once every account that was there when the pass began is reported, say what it took, and begin the next."""
        with self.database.begin(HOUSE) as uow:
            if uow.reports.pass_left():
                return
            number = uow.reports.cycle().pass_number
            totals = uow.reports.begin_pass(now)
            if not totals["accounts"]:
                return
            uow.reports.forget_sent(now - _KEPT)
            uow.commit(because=AuditEvent(Action.REPORTS_COMPLETED, "system", f"pass/{number}", totals))

    def tell_if_late(self, *, now: datetime) -> None:
        """A day too late is a broken promise: an entry in our log, which is an alert, once a day while it lasts."""
        with self.database.begin(HOUSE) as uow:
            cycle, standing = uow.reports.cycle(), uow.reports.standing(now=now)
            is_late = cycle_state(standing, now=now) is CycleState.BREACHED
            if is_late and (cycle.told_at is None or cycle.told_at + _TOLD_AGAIN <= now):
                uow.reports.save_told(now)
                uow.commit(because=AuditEvent(Action.REPORTS_LATE, "system", "reports/all", _late(standing)))
            elif not is_late and cycle.told_at is not None:
                uow.reports.save_told(None)
                uow.commit(because=Bookkeeping.ACCOUNTS_REPORTED)


def cycle_state(standing: Standing, *, now: datetime) -> CycleState:
    """Whether the promise holds."""
    return state_of(
        accounts=standing.accounts,
        oldest_due=standing.oldest_due,
        oldest_unerased=standing.oldest_unerased,
        now=now,
    )


def _late(standing: Standing) -> dict[str, str | int | None]:
    return {
        "due": standing.due,
        "oldest_due": _text(standing.oldest_due),
        "closed_unerased": standing.closed_unerased,
        "oldest_unerased": _text(standing.oldest_unerased),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)


@dataclass(frozen=True)
class ReportStatus:
    """What `pledge privacy status` says."""

    database: Database
    way: str
    lacking: Callable[[], str | None] = lambda: None
    """Why nobody can be asked."""

    def read(self, *, now: datetime) -> dict[str, Any]:
        """Counts, instants, and the newest requests; nobody's id."""
        with self.database.begin() as uow:
            cycle, standing = uow.reports.cycle(), uow.reports.standing(now=now)
            sent = uow.reports.sent(10)
        return {
            "state": CycleState.NOTHING_HELD if cycle.listed_at is None else cycle_state(standing, now=now),
            "way": self.way,
            "lacking": self.lacking(),
            **_cycle(cycle, standing),
            "accounts": standing.accounts,
            "due": standing.due,
            "waiting_after_failure": standing.waiting,
            "set_aside": standing.set_aside,
            "closed_unerased": standing.closed_unerased,
            "oldest_due_at": _text(standing.oldest_due),
            "breach_at": _text(_breach_at(standing)),
            "requests": [{name: _shown(value) for name, value in row.items()} for row in sent],
        }


def _cycle(cycle: Cycle, standing: Standing) -> dict[str, Any]:
    return {
        "period_seconds": int(cycle.period.total_seconds()),
        "period_text": cycle.period_text,
        "listed_at": _text(cycle.listed_at),
        "waits_until": _text(cycle.waits_until) if cycle.failures else None,
        "waits_for": cycle.waits_for if cycle.failures else None,
        "pass": cycle.pass_number,
        "pass_started_at": _text(cycle.pass_started_at),
        "pass_left": standing.pass_left,
    }


def _breach_at(standing: Standing) -> datetime | None:
    """When the promise is broken if nothing more is done."""
    ends = []
    if standing.oldest_due is not None:
        ends.append(standing.oldest_due + LATE_AFTER)
    if standing.oldest_unerased is not None:
        ends.append(standing.oldest_unerased + ERASE_WITHIN)
    return min(ends, default=None)


def _shown(value: object) -> object:
    return instant_text(value) if isinstance(value, datetime) else value
