"""What it costs to hand over a tenant and to erase it: rows per second and memory, for 100,000 and 1,000,000 rows.

Run with `python -m benchmarks.export [ROWS …]`. Memory is the growth of this process while the work is done.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
from flask import Flask

from app.domain.backup.erasing_again import Remembering
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.importing import Importing
from app.domain.privacy.leaving import Leaving
from app.domain.privacy.model import AskedBy
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.store.administration import provision, upgrade, urls_of
from app.store.database import SqlDatabase, open_engines
from app.store.embedded import EmbeddedPostgres
from app.vault.checkpoint_key import CheckpointKeyFile, create_checkpoint_key
from benchmarks.audit_log import now, tenant_on

SIZES = (100_000, 1_000_000)
_ISSUES = """INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
    SELECT {tenant}, n, 'SEC-' || n, 10000, 'tracked', now() FROM generate_series(1, {half}) n"""
_EVENTS = """INSERT INTO app.clock_events SELECT {tenant}, n, 'jira:created', 'reported', now(),
    '{{"reason": "some words about it"}}', now() FROM generate_series(1, {half}) n"""
_FILL = (_ISSUES, _EVENTS, "ANALYZE")


def resident_bytes() -> int:
    """What this process has in memory."""
    return psutil.Process(os.getpid()).memory_info().rss


class Measured:
    """Time and memory of one piece of work; memory is looked at whenever the work tells how far it is."""

    def __init__(self) -> None:
        self.before = self.peak = resident_bytes()

    def told(self, _: int) -> None:
        self.peak = max(self.peak, resident_bytes())

    def run(self, what: str, rows: int, work: Callable[[], object]) -> None:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        self.told(rows)
        grown = (self.peak - self.before) / 2**20
        print(f"{what:<8} {rows:>9} rows  {seconds:7.1f} s  {rows / seconds:9.0f} rows/s  {grown:+6.1f} MiB")


def measure(web: SqlDatabase, database: SqlDatabase, *, superuser: str, folder: Path, rows: int) -> None:
    """Export, import into another tenant, erase the first; tenants are made by the web role."""
    tenant, target = tenant_on(web), tenant_on(web)
    with psycopg.connect(superuser, autocommit=True) as connection:
        for statement in _FILL:
            connection.execute(statement.format(tenant=tenant, half=rows // 2).encode())
        connection.execute("UPDATE registry.connect_installations SET applied_at = now() - interval '1 day'")
    archive, exporting = folder / f"{tenant}.zip", Measured()
    with archive.open("wb") as file:
        exporter = Exporting(database)
        exporting.run("export", rows, lambda: exporter.write(tenant, file, now=now(), progress=exporting.told))
    print(f"         {archive.stat().st_size / 2**20:.1f} MiB")
    importing, importer = Measured(), Importing(database, knows_policy=lambda name: name == "genchi")
    with archive.open("rb") as source:
        importing.run("import", rows, lambda: importer.read_in(target, source, progress=importing.told))
    key = CheckpointKeyFile(folder / "signing.key")
    remembering = Remembering(lambda: ErasureLedgerFile(folder / "erasures.jsonl"), clock=now)
    times = {"retention": timedelta(days=30), "backups_kept": timedelta(days=14)}
    leaving = Leaving(database, lambda: key, **times, delete_files=lambda _: None, remembering=remembering)
    leaving.leave(tenant, asked_by=AskedBy.OPERATOR, at_once=True, now=now())
    erasing = Measured()

    def erase() -> None:
        while leaving.step(tenant, now=datetime.now(UTC)):
            erasing.told(0)

    erasing.run("erase", rows, erase)


def main() -> None:
    """Every size, on a PostgreSQL of its own with fsync."""
    sizes = tuple(int(each) for each in sys.argv[1:]) or SIZES
    folder = Path(tempfile.mkdtemp(prefix="pledge-"))
    create_checkpoint_key(folder / "signing.key", name="app.example.com/audit")
    with EmbeddedPostgres(folder / "postgres") as server:
        provision(server, "bench")
        urls = urls_of(server, "bench")
        upgrade(urls["database_owner_url"])
        web = open_engines(Flask("web"), urls["database_url"], connections=1)
        worker = open_engines(Flask("worker"), urls["database_worker_url"], connections=2)
        for rows in sizes:
            databases = SqlDatabase(web, clock=now), SqlDatabase(worker, clock=now)
            measure(*databases, superuser=server.superuser_url("bench"), folder=folder, rows=rows)
        web.dispose()
        worker.dispose()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
