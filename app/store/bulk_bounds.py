"""The stored bounds of many issues at once: read, compared and written by the thousand.

Statements go to the driver itself: what SQLAlchemy adds to each row costs more than the clock engine. Measured by
`benchmarks/recompute.py`.
"""
# ruff: noqa: S608  (joined from names of our own columns; values are bound)

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, cast

import psycopg
from sqlalchemy import Connection

from app.domain.clocks.model import Bounds, Event
from app.domain.identifiers import IssueId, TenantId
from app.domain.tracking.derived import Difference, Differences, IssueBounds, IssueFacts
from app.store import labels
from app.store.clock_events import KINDS, fields_of

_VALUES = tuple(name for name in Bounds.__dataclass_fields__ if name != "cycle")
_values_of = attrgetter(*_VALUES)
_TENANT = "tenant_id = %(tenant)s::bigint"
_BETWEEN = f"WHERE {_TENANT} AND issue_id BETWEEN %(first)s::bigint AND %(last)s::bigint"
_THESE = f"WHERE {_TENANT} AND issue_id = ANY(%(issues)s::bigint[])"

# Begun anew where another policy is in force by now: what was done under the old one is old.
_TAKE_UP = """INSERT INTO app.recomputations AS known (tenant_id, policy, after_issue, begun_at)
    VALUES (%(tenant)s::bigint, %(policy)s, 0, %(now)s) ON CONFLICT (tenant_id) DO UPDATE SET policy = excluded.policy,
    after_issue = CASE WHEN known.policy = excluded.policy THEN known.after_issue ELSE 0 END,
    begun_at = CASE WHEN known.policy = excluded.policy THEN known.begun_at ELSE excluded.begun_at END
    RETURNING after_issue"""
_LEAVE = f"UPDATE app.recomputations SET after_issue = %(after)s::bigint WHERE {_TENANT}"
_END = f"DELETE FROM app.recomputations WHERE {_TENANT}"
_REMAINING = f"""SELECT count(*) FROM app.issues WHERE {_TENANT} AND tracking = 'tracked' AND issue_id > coalesce((
    SELECT after_issue FROM app.recomputations WHERE {_TENANT} AND policy = %(policy)s), 0)"""
_BEHIND = f"""SELECT count(*) FILTER (WHERE policy <> %(policy)s), count(*) FROM app.clock_bounds WHERE {_TENANT}"""
_IS_STALE = f"""SELECT EXISTS (SELECT FROM app.clock_bounds WHERE {_TENANT} AND (policy <> %(policy)s
    OR calendar_sha256 IS NOT NULL AND calendar_sha256 <> ALL(%(calendars)s::text[]) OR project_id IS NULL))"""
_PAGE = f"""SELECT issue_id, project_id FROM app.issues
    WHERE {_TENANT} AND issue_id > %(after)s::bigint AND tracking = 'tracked' ORDER BY issue_id LIMIT %(limit)s"""
# In the order of everybody who takes several of these locks. They hold up who writes, and nobody who reads.
_HOLD = f"SELECT issue_id, project_id FROM app.issues {_THESE} ORDER BY issue_id FOR UPDATE"
_EVENTS = f"SELECT issue_id, kind, at, source, data::text FROM app.clock_events {_BETWEEN}"
_STORED = f"SELECT issue_id, promise, cycle, project_id, policy, {', '.join(_VALUES)} FROM app.clock_bounds {_BETWEEN}"
_CHANGED = ", ".join(f"{name} = excluded.{name}" for name in ("project_id", "policy", *_VALUES))
_COLUMNS = ", ".join(("tenant_id", "issue_id", "promise", "cycle", "project_id", "policy", *_VALUES, "silent_before"))
_WRITE = f"""INSERT INTO app.clock_bounds AS known ({_COLUMNS})
    SELECT {_COLUMNS} FROM json_populate_recordset(NULL::app.clock_bounds, %(rows)s::json)
    ON CONFLICT (tenant_id, issue_id, promise, cycle) DO UPDATE SET {_CHANGED},
    silent_before = coalesce(excluded.silent_before, known.silent_before)"""
_DELETE = f"""DELETE FROM app.clock_bounds WHERE {_TENANT} AND (issue_id, promise, cycle) IN
    (SELECT * FROM unnest(%(issues)s::bigint[], %(promises)s::text[], %(cycles)s::int[]))"""


class SqlBulkBounds:
    """See `app.domain.rows.BoundsRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._driver = cast("psycopg.Connection", connection.connection.driver_connection)
        self._tenant = tenant

    def take_up(self, *, policy: str, now: datetime) -> IssueId:
        """After which issue the recomputation goes on; nobody else takes it up until this transaction ends."""
        return IssueId(self._ask(_TAKE_UP, policy=policy, now=now)[0][0])

    def leave(self, after: IssueId | None) -> None:
        """The next one goes on after that issue; None = it is done."""
        self._run(_END) if after is None else self._run(_LEAVE, after=after)

    def remaining(self, *, policy: str) -> int:
        """How many tracked issues a recomputation by that policy has before it."""
        return int(self._ask(_REMAINING, policy=policy)[0][0])

    def behind(self, *, policy: str) -> tuple[int, int]:
        """How many stored bounds follow from another policy than this, and how many there are."""
        [(behind, stored)] = self._ask(_BEHIND, policy=policy)
        return int(behind), int(stored)

    def is_stale(self, *, policy: str, calendars: Collection[str]) -> bool:
        """Whether some stored bounds follow from another policy or holiday list than these."""
        return bool(self._ask(_IS_STALE, policy=policy, calendars=list(calendars))[0][0])

    def facts(self, *, after: IssueId, limit: int) -> tuple[IssueFacts, ...]:
        """The next tracked issues in order of id."""
        return self._facts(self._ask(_PAGE, after=after, limit=limit))

    def hold(self, issues: Collection[IssueId]) -> tuple[IssueFacts, ...]:
        """Nobody else changes these issues until this transaction ends; returns the facts as they are now."""
        return self._facts(self._ask(_HOLD, issues=list(issues)))

    def compare(self, derived: Iterable[IssueBounds], *, policy: str) -> Differences:
        """Where what is stored of these issues is something else."""
        by_issue = {each.issue: each for each in derived}
        rows = self._ask_between(_STORED, by_issue)
        stored = {row[:3]: row[3:] for row in rows if row[0] in by_issue}
        found = Differences()
        for issue, project, cycles in by_issue.values():
            for promise, bounds in cycles:
                known = stored.pop((issue, promise, bounds.cycle), None)
                values = _values_of(bounds)
                if known != (project, policy, *values):
                    is_moved = known is None or known[2:] != values
                    found.changed.append(Difference(issue, project, promise, bounds, is_moved))
        found.gone.extend(stored)
        return found

    def save(self, derived: Sequence[IssueBounds], *, policy: str, silent_before: datetime | None = None) -> None:
        """Compare and write."""
        if derived:
            self.write(self.compare(derived, policy=policy), policy=policy, silent_before=silent_before)

    def write(self, differences: Differences, *, policy: str, silent_before: datetime | None = None) -> None:
        """Make what is stored what follows, and have the labels of these issues looked at."""
        if differences.changed:
            silence = None if silent_before is None else silent_before.isoformat()
            beside = {"tenant_id": self._tenant, "policy": policy}
            rows = [
                beside
                | {"issue_id": each.issue, "project_id": each.project, "promise": each.promise}
                | {name: getattr(each.bounds, name) for name in ("cycle", *_VALUES)}
                | {"silent_before": silence if each.is_moved else None}
                for each in differences.changed
            ]
            self._run(_WRITE, rows=json.dumps(rows, default=str))
        if differences.gone:
            issues, promises, cycles = map(list, zip(*differences.gone, strict=True))
            self._run(_DELETE, issues=issues, promises=promises, cycles=cycles)
        if moved := differences.moved():
            labels.mark(self._connection, self._tenant, moved)

    def _facts(self, page: Sequence[tuple[Any, ...]]) -> tuple[IssueFacts, ...]:
        events: dict[int, list[Event]] = {issue: [] for issue, _ in page}
        for issue, kind, at, source, data in self._ask_between(_EVENTS, events):
            if issue in events:
                events[issue].append(Event(kind=KINDS[kind], at=at, source=source, **_fields(data)))
        return tuple(IssueFacts(issue, project, tuple(events[issue])) for issue, project in page)

    def _ask_between(self, statement: str, issues: Collection[int]) -> list[tuple[Any, ...]]:
        """Rows of these issues, and of those between them: a range costs less than so many single ids."""
        return self._ask(statement, first=min(issues), last=max(issues)) if issues else []

    def _ask(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        return self._run(statement, **values).fetchall()

    def _run(self, statement: str, **values: object) -> psycopg.Cursor:
        cursor = self._driver.cursor(binary=True)
        return cursor.execute(statement.encode(), {"tenant": self._tenant, **values})


@lru_cache(maxsize=1_000)
def _fields(text: str) -> Mapping[str, Any]:
    """Read once: of most facts there is nothing, or one of five levels."""
    return fields_of(json.loads(text))
