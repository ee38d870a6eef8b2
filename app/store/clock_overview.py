"""Numbers of stored bounds, for pages: one statement over the clocks that are due first, and those that ended lately.

What is looked at is bounded before anything is counted, by the indexes that lists are read by, so that a page of a site
with a million clocks costs what one of ten thousand costs; measured by `benchmarks/screens.py`.
"""
# ruff: noqa: S608  (joined from the constants of this file and of `clock_list`; values are bound)

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import psycopg
from sqlalchemy import Connection

from app.domain.clocks.model import Severity, State
from app.domain.identifiers import IssueId, ProjectId, TenantId
from app.domain.tracking.figures import WEEKS, DueOn, Figures, InState, Sight, Spell
from app.store.clock_list import IN_STATE, ORDER
from app.store.tables import BOUND, ENDED

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = """issue_id, promise, severity, started_at, due_at, due_before, at_risk_at, paused_since, overrun_at,
    stopped_at, outcome"""
_STATE = "CASE " + " ".join(f"WHEN {condition} THEN '{state}'" for state, condition in IN_STATE.items()) + " END"


def _weeks_since(column: str) -> str:
    weeks = f"floor(extract(epoch FROM %(now)s - {column}) / 604800)"
    # LEAST alone would take the limit for what is not there.
    return f"CASE WHEN {column} IS NOT NULL THEN LEAST({WEEKS + 1}, {weeks})::int END"


def _statement(*, one_project: bool) -> str:
    project = "project_id = %(project)s::bigint" if one_project else "project_id = ANY(%(projects)s::bigint[])"
    mine = f"tenant_id = %(tenant)s::bigint AND {project}"
    return f"""WITH unended AS MATERIALIZED (
        SELECT {_COLUMNS} FROM app.clock_bounds WHERE {mine} AND {ENDED} IS FALSE ORDER BY {ORDER} LIMIT %(most)s + 1
    ), ended AS MATERIALIZED (
        SELECT {_COLUMNS} FROM app.clock_bounds WHERE {mine} AND stopped_at >= %(ended_since)s
        ORDER BY stopped_at DESC LIMIT %(most)s + 1
    ), looked_at AS (
        (SELECT * FROM unended LIMIT %(most)s) UNION ALL (SELECT * FROM ended LIMIT %(most)s)
    ), counted AS MATERIALIZED (
        SELECT *, {_STATE} AS state, {ENDED} IS FALSE AS is_open FROM looked_at WHERE NOT EXISTS (
            SELECT FROM app.issues WHERE tenant_id = %(tenant)s::bigint AND issues.issue_id = looked_at.issue_id
            AND tracking = 'tracked' AND restricted IS NOT FALSE
            AND NOT issues.issue_id = ANY(%(confirmed)s::bigint[]))
    )
    SELECT
        (SELECT jsonb_agg(jsonb_build_array(promise, state, severity, n, is_open)) FROM (
            SELECT promise, state, severity, is_open, count(*) AS n FROM counted GROUP BY 1, 2, 3, 4) made),
        (SELECT jsonb_agg(jsonb_build_array(day, n)) FROM (
            SELECT ceil(extract(epoch FROM {BOUND}) / 86400)::int - 1 AS day, count(*) AS n FROM counted
            WHERE is_open AND LEAST(due_at, due_before) IS NOT NULL GROUP BY 1) made),
        (SELECT jsonb_agg(jsonb_build_array(severity, begun, finished, n)) FROM (
            SELECT severity, {_weeks_since("started_at")} AS begun, {_weeks_since("stopped_at")} AS finished,
            count(*) AS n FROM counted WHERE started_at <= %(now)s GROUP BY 1, 2, 3) made),
        (SELECT jsonb_build_array(issue_key, extract(epoch FROM started_at)) FROM (
            SELECT issue_id, started_at FROM counted WHERE is_open AND started_at <= %(now)s
            ORDER BY started_at, issue_id LIMIT 1) oldest
            JOIN app.issues ON tenant_id = %(tenant)s::bigint AND issues.issue_id = oldest.issue_id),
        (SELECT count(*) > %(most)s FROM unended) OR (SELECT count(*) > %(most)s FROM ended)"""


_RESTRICTED = """SELECT issue_id FROM app.issues WHERE tenant_id = %(tenant)s::bigint
    AND project_id = ANY(%(projects)s::bigint[]) AND tracking = 'tracked' AND restricted IS NOT FALSE
    ORDER BY issue_id DESC LIMIT %(limit)s"""
# Each step finds the next project in the index: what is in between is not read.
_PROJECTS = """WITH RECURSIVE found AS (
        (SELECT project_id FROM app.clock_bounds WHERE tenant_id = %(tenant)s::bigint AND project_id IS NOT NULL
            ORDER BY project_id LIMIT 1)
        UNION ALL
        SELECT (SELECT project_id FROM app.clock_bounds WHERE tenant_id = %(tenant)s::bigint
            AND project_id > found.project_id ORDER BY project_id LIMIT 1) FROM found WHERE found.project_id IS NOT NULL
    ) SELECT project_id FROM found WHERE project_id IS NOT NULL LIMIT %(limit)s"""


class SqlOverviews:
    """See `app.domain.rows.OverviewRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._driver = cast("psycopg.Connection", connection.connection.driver_connection)
        self._tenant = tenant

    def projects(self, *, limit: int) -> tuple[ProjectId, ...]:
        """The projects that have clocks."""
        rows = self._driver.execute(_PROJECTS, {"tenant": self._tenant, "limit": limit})
        return tuple(ProjectId(project) for (project,) in rows)

    def restricted(self, projects: frozenset[ProjectId], *, limit: int) -> tuple[IssueId, ...]:
        """Tracked issues there that have a security level, or of which that is not known; the newest first."""
        values = {"tenant": self._tenant, "projects": sorted(projects), "limit": limit}
        return tuple(IssueId(issue) for (issue,) in self._driver.execute(_RESTRICTED, values))

    def figures(self, sight: Sight, *, most: int, ended_since: datetime, now: datetime) -> Figures:
        """The numbers of what that person may know."""
        projects = sorted(sight.projects)
        values = {
            "tenant": self._tenant,
            "project": projects[0] if projects else None,
            "projects": projects,
            "confirmed": sorted(sight.confirmed),
            "most": most,
            "ended_since": ended_since,
            "now": now,
        }
        # Planned for these very values, as lists are.
        query = _statement(one_project=len(projects) == 1).encode()
        row = self._driver.cursor().execute(query, values, prepare=False).fetchone()
        return _figures(row or (None, None, None, None, False))


def _figures(row: tuple[Any, ...]) -> Figures:
    states, days, spells, oldest, is_partial = row
    return Figures(
        states=tuple(
            InState(promise, State(state), None if severity is None else Severity(severity), count, is_open)
            for promise, state, severity, count, is_open in states or ()
        ),
        days=tuple(DueOn(_day(day), count) for day, count in sorted(days or ())),
        spells=tuple(
            Spell(None if severity is None else Severity(severity), begun, ended, count)
            for severity, begun, ended, count in spells or ()
        ),
        oldest=None if oldest is None else (str(oldest[0]), _EPOCH + timedelta(seconds=float(oldest[1]))),
        is_partial=bool(is_partial),
    )


def _day(number: int) -> date:
    return (_EPOCH + timedelta(days=number)).date()
