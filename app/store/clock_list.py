"""Lists of clocks, found by stored bounds: the state at an instant is a comparison of columns with that instant.

No date is derived here. Each condition below says the same as `app.domain.clocks.state.state_of`; a property test holds
them together. The order is that of the indexes, so that a page costs what is on it, however many clocks there are;
measured by `benchmarks/clock_list.py`.
"""
# ruff: noqa: S608  (joined from the constants of this file; values are bound)

from datetime import datetime
from typing import Any, cast

import psycopg
from sqlalchemy import Connection

from app.domain.clocks.model import Bounds, Outcome, Severity, State
from app.domain.identifiers import IssueId, TenantId
from app.domain.tracking.derived import ClockFilter, Place, Position, StoredClock
from app.store.issues import versions_of
from app.store.tables import BOUND, ENDED, LATE

_OF_KEY = "issue_id IN (SELECT issue_id FROM app.issues WHERE tenant_id = %(tenant)s::bigint AND issue_key = %(key)s)"
# Looked up for the rows of one page only.
_TICKET = """(SELECT data ->> 'ticket' FROM app.clock_events told WHERE told.tenant_id = %(tenant)s::bigint
    AND told.issue_id = page.issue_id AND kind = 'external_bound' ORDER BY at DESC, source DESC LIMIT 1)"""
_VALUES = tuple(name for name in Bounds.__dataclass_fields__ if name != "cycle")
ORDER = f"{ENDED}, {BOUND}, issue_id, promise, cycle"
_AFTER = f"({ORDER}) > (%(ended)s::boolean, %(bound)s::timestamptz, %(issue)s::bigint, %(promise)s, %(cycle)s::int)"

_NO_BOUND = "due_at IS NULL AND due_before IS NULL"
# Said so that it is not simplified to what no index has.
_OPEN, _STOPPED = f"{ENDED} IS FALSE", f"{ENDED} IS TRUE AND outcome IS DISTINCT FROM 'cancelled'"
_LATE = "(due_at < {0} OR due_at IS NULL AND due_before <= {0})"
_IN_TIME = "(due_at >= {0} OR due_at IS NULL AND due_before > {0})"
_LATE_NOW, _IN_TIME_NOW = _LATE.format("%(now)s"), _IN_TIME.format("%(now)s")
_BEGUN = f"started_at IS NOT NULL AND (started_at <= %(now)s OR {_LATE_NOW})"
# The comparison with the whole bound says nothing new: it is what the index is searched by. No overrun comes before it.
_RUNNING = f"{_OPEN} AND started_at <= %(now)s AND paused_since IS NULL AND {BOUND} >= %(now)s AND {_IN_TIME_NOW}"
IN_STATE: dict[State, str] = {
    State.CANCELLED: f"{ENDED} IS TRUE AND outcome = 'cancelled'",
    State.NO_DEADLINE: f"outcome IS DISTINCT FROM 'cancelled' AND {_NO_BOUND} AND severity = 'none'",
    State.MET: f"""{_STOPPED} AND ({_IN_TIME.format("stopped_at")}
        OR {_NO_BOUND} AND severity IS DISTINCT FROM 'none')""",
    State.MET_LATE: f"{_STOPPED} AND {LATE}",
    State.AWAITING_TRIAGE: f"""{_OPEN} AND (({_NO_BOUND} AND severity IS DISTINCT FROM 'none')
        OR (NOT ({_NO_BOUND}) AND (started_at IS NULL OR started_at > %(now)s AND {_IN_TIME_NOW})))""",
    State.PAUSED: f"""{_OPEN} AND NOT ({_NO_BOUND}) AND {_BEGUN} AND paused_since IS NOT NULL
        AND (overrun_at IS NULL OR overrun_at > %(now)s)""",
    State.BREACHED: f"""{_OPEN} AND {BOUND} <= %(now)s AND {_BEGUN}
        AND (paused_since IS NULL AND {_LATE_NOW} OR paused_since IS NOT NULL AND overrun_at <= %(now)s)""",
    State.AT_RISK: f"{_RUNNING} AND at_risk_at <= %(now)s",
    State.RUNNING: f"{_RUNNING} AND (at_risk_at IS NULL OR at_risk_at > %(now)s)",
}


class SqlClockList:
    """See `app.domain.rows.ClockRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._driver = cast("psycopg.Connection", connection.connection.driver_connection)
        self._tenant = tenant

    def page(self, wanted: ClockFilter, *, position: Position, limit: int, now: datetime) -> tuple[StoredClock, ...]:
        """The next cycles that are so at `now`."""
        values = {
            "tenant": self._tenant,
            "project": wanted.project,
            "due_before": wanted.due_before,
            "projects": None if wanted.projects is None else sorted(wanted.projects),
            "severity": None if wanted.severity == "unset" else wanted.severity,
            "due_after": wanted.due_after,
            "due_until": wanted.due_until,
            "ended_since": wanted.ended_since,
            "key": wanted.key,
            "limit": limit,
            "now": now,
            "skip": position.skip,
            **({} if position.after is None else _place(position.after)),
        }
        # Planned for these very values: a plan for any would have to serve the rare states and the frequent ones.
        rows = self._driver.cursor(binary=True).execute(statement(wanted, position).encode(), values, prepare=False)
        return tuple(
            StoredClock(
                issue=IssueId(issue),
                key=key,
                project=project,
                promise=promise,
                bounds=_bounds(cycle, values),
                score=score,
                ticket=ticket,
                fix_versions=versions_of(versions),
            )
            for issue, key, project, promise, score, versions, ticket, cycle, *values in rows
        )


def statement(wanted: ClockFilter, position: Position) -> str:
    """The query of one page; the page is cut before the keys of its issues are looked up."""
    conditions = [
        "tenant_id = %(tenant)s::bigint",
        *(["project_id = %(project)s::bigint"] if wanted.project is not None else []),
        *([_OF_KEY] if wanted.key is not None else []),
        *(["project_id = ANY(%(projects)s::bigint[])"] if wanted.projects is not None else []),
        *(["severity IS NULL"] if wanted.severity == "unset" else []),
        *(["severity = %(severity)s"] if wanted.severity not in (None, "unset") else []),
        *([f"{BOUND} > %(due_after)s"] if wanted.due_after is not None else []),
        *([f"{BOUND} <= %(due_until)s"] if wanted.due_until is not None else []),
        *(["stopped_at >= %(ended_since)s"] if wanted.ended_since is not None else []),
        *([IN_STATE[wanted.state]] if wanted.state is not None else []),
        *([_OPEN] if wanted.open_only else []),
        *([f"{BOUND} < %(due_before)s"] if wanted.due_before is not None else []),
        *([_AFTER] if position.after is not None else []),
    ]
    return f"""SELECT issue_id, issue_key, page.project_id, promise, cvss_score, fix_versions, {_TICKET},
        cycle, {", ".join(_VALUES)} FROM (
        SELECT * FROM app.clock_bounds WHERE {" AND ".join(conditions)} ORDER BY {ORDER} LIMIT %(limit)s
        OFFSET %(skip)s) page
        JOIN app.issues USING (tenant_id, issue_id) WHERE tenant_id = %(tenant)s::bigint ORDER BY {ORDER}"""


def _place(place: Place) -> dict[str, object]:
    return place._asdict() | {"bound": place.bound or "infinity"}


def _bounds(cycle: int, values: list[Any]) -> Bounds:
    named = dict(zip(_VALUES, values, strict=True))
    severity, outcome = named.pop("severity"), named.pop("outcome")
    return Bounds(
        cycle=cycle,
        severity=None if severity is None else Severity(severity),
        outcome=None if outcome is None else Outcome(outcome),
        **named,
    )
