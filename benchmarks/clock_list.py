"""The next 50 due, and all breached in one project, out of a million clocks of one site.

Run with `python -m benchmarks.clock_list [CLOCKS]`. A PostgreSQL of its own; asked as the web role, under row security,
each time in a transaction of its own, as a request does it. Of the clocks 60 % have ended; the others fall due from a
month ago to half a year ahead; there are a hundred projects.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from flask import Flask

from app.domain.clocks.model import State
from app.domain.identifiers import ProjectId, TenantId
from app.domain.tracking.derived import ClockFilter, Position
from app.store.administration import provision, upgrade, urls_of
from app.store.clock_list import statement
from app.store.database import SqlDatabase, open_engines
from app.store.embedded import EmbeddedPostgres
from benchmarks.audit_log import tenant_on

CLOCKS = 1_000_000
TIMES = 200
PROJECTS = 100
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
EVERY = 100_000
"""More than a project has."""

# The constraints hold by construction; checking a million of them is not what is measured.
FILL = (
    "SET session_replication_role = replica",
    """INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
        SELECT %(tenant)s, n, 'SEC-' || n, 10000 + n %% %(projects)s, 'tracked', %(now)s
        FROM generate_series(1, %(clocks)s) n""",
    """INSERT INTO app.clock_bounds (tenant_id, issue_id, promise, cycle, policy, severity, started_at, due_at,
        at_risk_at, paused_seconds, stopped_at, outcome, project_id)
        SELECT %(tenant)s, n, 'security-bug-fix', 1, 'p', 'high', due - interval '28 days', due,
        due - interval '2 days', 0, CASE WHEN n %% 5 < 3 THEN due - interval '1 day' END,
        CASE WHEN n %% 5 < 3 THEN 'met' END, 10000 + n / 5 %% %(projects)s FROM (
        SELECT n, %(now)s + (n::bigint * 7919 %% 302400 - 43200) * interval '1 minute' AS due
        FROM generate_series(1, %(clocks)s) n) made""",
    "VACUUM ANALYZE app.issues",
    "VACUUM ANALYZE app.clock_bounds",
)


def asked(number: int) -> dict[str, tuple[ClockFilter, int]]:
    """What is asked for the n-th time, with the number of rows that are wanted."""
    project = ProjectId(10000 + number % PROJECTS)
    return {
        "the next 50 that fall due": (ClockFilter(state=State.RUNNING), 50),
        "50 overdue": (ClockFilter(state=State.BREACHED), 50),
        "50 open ones, the most urgent first": (ClockFilter(open_only=True), 50),
        "all breached in one project": (ClockFilter(state=State.BREACHED, project=project), EVERY),
        "50 breached in one project": (ClockFilter(state=State.BREACHED, project=project), 50),
        "those that are held, of which there are none": (ClockFilter(state=State.PAUSED), 50),
        "50 of one project due within a week": (
            ClockFilter(project=project, due_before=NOW + timedelta(days=7), open_only=True),
            50,
        ),
    }


@contextmanager
def _filled(clocks: int) -> Iterator[tuple[SqlDatabase, TenantId]]:
    with ExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="pledge-", ignore_cleanup_errors=True))
        server = exits.enter_context(EmbeddedPostgres(Path(folder) / "postgres"))
        provision(server)
        urls = urls_of(server)
        upgrade(urls["database_owner_url"])
        engines = open_engines(Flask("lists"), urls["database_url"], connections=1)
        exits.callback(engines.dispose)
        database = SqlDatabase(engines, clock=lambda: NOW)
        tenant = tenant_on(database)
        with psycopg.connect(server.superuser_url("pledge"), autocommit=True) as connection:
            values = {"tenant": tenant, "clocks": clocks, "projects": PROJECTS, "now": NOW}
            for each in FILL:
                connection.cursor().execute(each, values if "%(" in each else None)
        yield database, tenant


def _ask(database: SqlDatabase, tenant: TenantId, question: tuple[ClockFilter, int]) -> tuple[float, int]:
    """Milliseconds, and how many rows came."""
    wanted, limit = question
    began = time.perf_counter()
    with database.begin(tenant) as uow:
        found = uow.clocks.page(wanted, position=Position(), limit=limit, now=NOW)
    return (time.perf_counter() - began) * 1000, len(found)


def _plan(database: SqlDatabase, tenant: TenantId, question: tuple[ClockFilter, int]) -> list[str]:
    wanted, limit = question
    values = {"tenant": tenant, "project": wanted.project, "due_before": wanted.due_before, "limit": limit}
    query = "EXPLAIN (COSTS OFF) " + statement(wanted, Position())
    with database.begin(tenant) as uow:
        rows = uow.clocks._driver.execute(query, values | {"skip": 0, "now": NOW}).fetchall()  # noqa: SLF001  to look at it
    return [line for (line,) in rows if "Index" in line or "Scan" in line]


def main() -> None:
    """Print the table, and what PostgreSQL looked in."""
    clocks = int(sys.argv[1]) if sys.argv[1:] else CLOCKS
    with _filled(clocks) as (database, tenant):
        times: dict[str, list[tuple[float, int]]] = {}
        for number in range(TIMES):
            for name, question in asked(number).items():
                times.setdefault(name, []).append(_ask(database, tenant, question))
        load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
        print(f"{clocks:,} clocks of one site, {TIMES} times each, {os.cpu_count()} processors, load {load}")
        print("| list | rows | median ms | p99 ms |")
        print("|---|---|---|---|")
        for name, each in times.items():
            taken = sorted(milliseconds for milliseconds, _ in each)
            rows = statistics.median(count for _, count in each)
            print(f"| {name} | {rows:,.0f} | {statistics.median(taken):.1f} | {taken[int(len(taken) * 0.99)]:.1f} |")
        for name in ("the next 50 that fall due", "all breached in one project"):
            print(f"\n{name}:", *_plan(database, tenant, asked(0)[name]), sep="\n")


if __name__ == "__main__":
    main()
