"""All stored bounds made anew, by one and by two processes, beside DefectDojo's way in the same run.

Run with `python -m benchmarks.recompute [SUBJECTS]`, 100,000 unless said. A PostgreSQL of its own with fsync; rounds
alternate between the ways. DefectDojo's way is made again from the description of its bulk recalculation (version
3.2.0, `dojo/sla_config/helpers.py` and `mass_model_updater` in `dojo/utils.py`): findings come in batches of a thousand
without the column of the due date, which is then read for each finding by a query of its own; dates only, one severity
table, no pauses, no reasons. It is SQLAlchemy's ORM here instead of Django's.
"""
# ruff: noqa: S608  (joined from constants of this file; values are bound)

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path

import psycopg
from flask import Flask
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, load_only, mapped_column

from app.domain.identifiers import TenantId
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking.recomputing import Recomputing
from app.store.administration import provision, upgrade, urls_of
from app.store.database import SqlDatabase, open_engines
from app.store.embedded import EmbeddedPostgres
from app.wiring_services import policy_text
from benchmarks.audit_log import now, tenant_on

SUBJECTS = 100_000
ROUNDS = 3
FINDINGS = 10_000
"""Of DefectDojo's way, whose time is proportional to their number."""
BATCH = 1000
DAYS = {"critical": 10, "high": 28, "medium": 84, "low": 175}
CASES = {"nothing": "false", "a tenth": "issue_id % 10 = 0", "everything": "true"}

LEVEL = "(ARRAY['low', 'medium', 'high', 'critical'])[n %% 4 + 1]"
ISSUES = """INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
    SELECT %s, n, 'SEC-' || n, 10000 + n %% 100, 'tracked', now() FROM generate_series(1, %s) n"""
EVENTS = f"""INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at)
    SELECT %s, n, source, kind, timestamptz '2026-01-01' + (n * 7919 %% 525600 + after) * interval '1 minute', data,
    now() FROM generate_series(1, %s) n, LATERAL (VALUES ('jira:created', 'reported', 0, '{{}}'::jsonb),
    ('jira:created', 'severity_set', 0, jsonb_build_object('severity', {LEVEL})),
    ('jira:changelog:' || n, 'fixed', 24 * 60 * (n %% 40) + 60, '{{}}')) told (source, kind, after, data)"""
SPOIL = "UPDATE app.clock_bounds SET due_at = due_at + interval '1 second' WHERE "
FINDINGS_TABLE = (
    "CREATE TABLE public.finding (id bigint PRIMARY KEY, date date, severity text, sla_expiration_date date)",
    f"INSERT INTO public.finding SELECT n, date '2026-01-01' + n %% 365, {LEVEL} FROM generate_series(1, %s) n",
)


@dataclass(frozen=True)
class Measured:
    """What one pass over all subjects took."""

    per_second: float
    written: int = 0
    peak_mib: float = 0.0


class _Rows(DeclarativeBase):
    pass


class Finding(_Rows):
    """A finding as DefectDojo keeps it, with what its deadline needs."""

    __tablename__ = "finding"

    id: Mapped[int] = mapped_column(primary_key=True)
    date: Mapped[date]
    severity: Mapped[str]
    sla_expiration_date: Mapped[date | None]


_OPENED: dict[str, Recomputing] = {}


def _open(url: str) -> None:
    """In a process that works: connect, and be done with imports before anything is measured."""
    database = SqlDatabase(open_engines(Flask(f"bench{os.getpid()}"), url, connections=1), clock=now)
    _OPENED["recomputing"] = Recomputing(database, PolicyShelf(policy_text).in_force)


def _work(tenants: list[TenantId]) -> tuple[int, float]:
    """Rows written, and the most memory that this process ever had (MiB)."""
    written = 0
    for tenant in tenants:
        is_last = False
        while not is_last:
            done = _OPENED["recomputing"].advance(tenant, now=now())
            written, is_last = written + done.written, done.is_last
    return written, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(pool: ProcessPoolExecutor, shares: list[list[TenantId]], *, subjects: int) -> Measured:
    """Each share of the tenants by a process of its own."""
    began = time.perf_counter()
    results = list(pool.map(_work, shares))
    elapsed = time.perf_counter() - began
    return Measured(subjects / elapsed, sum(row for row, _ in results), max(peak for _, peak in results))


def theirs(url: str, *, shift_days: int) -> Measured:
    """Every finding once; its date moves by `shift_days` against the last time."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    began = time.perf_counter()
    written = 0
    for first in range(0, FINDINGS, BATCH):
        with Session(engine) as session:
            columns = load_only(Finding.id, Finding.date, Finding.severity)
            batch = select(Finding).where(Finding.id > first, Finding.id <= first + BATCH).options(columns)
            for finding in session.scalars(batch):
                due = finding.date + timedelta(days=DAYS[finding.severity] + shift_days)
                if finding.sla_expiration_date != due:  # here the column is read, by a query for this one row
                    finding.sla_expiration_date = due
                    written += 1
            session.commit()
    elapsed = time.perf_counter() - began
    engine.dispose()
    return Measured(FINDINGS / elapsed, written)


@contextmanager
def _prepared(subjects: int) -> Iterator[tuple[EmbeddedPostgres, list[TenantId]]]:
    """A database with two tenants of equal size, whose bounds were never derived."""
    with ExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="pledge-", ignore_cleanup_errors=True))
        server = exits.enter_context(EmbeddedPostgres(Path(folder) / "postgres"))
        provision(server)
        urls = urls_of(server)
        upgrade(urls["database_owner_url"])
        engines = open_engines(Flask("prepare"), urls["database_url"], connections=1)
        exits.callback(engines.dispose)
        tenants = [tenant_on(SqlDatabase(engines, clock=now)) for _ in range(2)]
        with psycopg.connect(server.superuser_url("pledge"), autocommit=True) as connection:
            for tenant in tenants:
                connection.execute(ISSUES, (tenant, subjects // 2))
                connection.execute(EVENTS, (tenant, subjects // 2))
            connection.execute(FINDINGS_TABLE[0])
            connection.execute(FINDINGS_TABLE[1], (FINDINGS,))
            connection.execute("ANALYZE")
        yield server, tenants


def _spoil(server: EmbeddedPostgres, where: str) -> None:
    """Make stored bounds wrong, and tidy up, so that only what is measured is measured."""
    with psycopg.connect(server.superuser_url("pledge"), autocommit=True) as connection:
        connection.execute(SPOIL + where)
        connection.execute("VACUUM ANALYZE app.clock_bounds")
        connection.execute("CHECKPOINT")


def measure(subjects: int) -> dict[tuple[str, str], list[Measured]]:
    """By way and by what has changed, the rounds."""
    found: dict[tuple[str, str], list[Measured]] = {}
    with ExitStack() as exits:
        server, tenants = exits.enter_context(_prepared(subjects))
        url = urls_of(server)["database_worker_url"]
        pools = {
            count: exits.enter_context(ProcessPoolExecutor(count, get_context("spawn"), _open, (url,)))
            for count in (1, 2)
        }
        shares = {1: [tenants], 2: [[tenant] for tenant in tenants]}
        for count, pool in pools.items():
            list(pool.map(time.sleep, [1.0] * count))  # until each process of it is there
        found["ours, 2 processes", "first time"] = [ours(pools[2], shares[2], subjects=subjects)]
        ours(pools[1], shares[1], subjects=subjects)
        theirs(server.superuser_url("pledge"), shift_days=0)
        for number in range(ROUNDS):
            for case, where in CASES.items():
                for count in (1, 2):
                    _spoil(server, where)
                    way = f"ours, {count} process{'es' if count > 1 else ''}"
                    found.setdefault((way, case), []).append(ours(pools[count], shares[count], subjects=subjects))
            for case, shift in (("nothing", number), ("everything", number + 1)):
                measured = theirs(server.superuser_url("pledge"), shift_days=shift)
                found.setdefault(("DefectDojo's way", case), []).append(measured)
    return found


def main() -> None:
    """Print the table; the load of the machine stands above it."""
    subjects = int(sys.argv[1]) if sys.argv[1:] else SUBJECTS
    found = measure(subjects)
    base = {case: _median(found["DefectDojo's way", case]) for case in ("nothing", "everything")}
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{subjects:,} subjects (DefectDojo's way: {FINDINGS:,}), {os.cpu_count()} processors, load {load}")
    print("| way | changed | subjects / s (by round) | times DefectDojo's | rows written | peak memory |")
    print("|---|---|---|---|---|---|")
    for way, case in sorted(found, key=lambda each: each[::-1]):
        rounds = found[way, case]
        rates = [each.per_second for each in rounds]
        memory = f"{rounds[-1].peak_mib:.0f} MiB" if rounds[-1].peak_mib else ""
        rate = f"{_median(rounds):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"
        times = f"{_median(rounds) / base.get(case, base['everything']):.1f}"
        print(f"| {way} | {case} | {rate} | {times} | {rounds[-1].written:,} | {memory} |")


def _median(rounds: list[Measured]) -> float:
    return statistics.median(each.per_second for each in rounds)


if __name__ == "__main__":
    main()
