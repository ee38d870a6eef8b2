"""What personal data reports cost without the network: memory, time per account, requests; and erasing one account.

Run with `python -m benchmarks.personal_data [--accounts 1000000] [--tenants 1000]`. A PostgreSQL of its own with fsync;
the accounts are put there by COPY, and an API in this process takes every request at once.
"""

import argparse
import json
import math
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from flask import Flask

from app.domain.backup.erasing_again import Remembering
from app.domain.identifiers import AccountId, TenantId
from app.domain.privacy.acting import Acting
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.ports import Answer, Outcome, ReportedAccount, Routes
from app.domain.privacy.reporting import Reporting
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.store.administration import provision, upgrade, urls_of
from app.store.database import SqlDatabase, open_engines
from app.store.embedded import EmbeddedPostgres
from benchmarks.audit_log import now, tenant_on

ACCOUNTS, TENANTS = 100_000, 100
ROWS_OF_ONE, TENANTS_OF_ONE = 10_000, 50
ONE = AccountId("712020:0f3a1c52-9d1e-4b7e-8a50-1f2e3d4c5b6a")


class Api:
    """Takes every request, and counts."""

    def __init__(self) -> None:
        self.requests = self.accounts = 0

    def ask(self, _: TenantId | None) -> Callable[[Sequence[ReportedAccount]], Answer]:
        """The way of any tenant."""
        return self.take

    def take(self, accounts: Sequence[ReportedAccount]) -> Answer:
        """There is nothing to do."""
        self.requests += 1
        self.accounts += len(accounts)
        return Answer(Outcome.TAKEN, status=204)


def resident_megabytes() -> float:
    """The most that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fill(url: str, rows: Iterator[tuple[int, int, str]]) -> None:
    """One issue and one clock event for each (tenant, issue, account)."""
    at = datetime.now(UTC)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE held (tenant bigint, issue bigint, data jsonb) ON COMMIT DROP")
        with cursor.copy("COPY held FROM STDIN") as copy:
            for tenant, issue, account in rows:
                copy.write_row((tenant, issue, json.dumps({"actor": account, "reason": "duplicate"})))
        cursor.execute(
            "INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)"
            " SELECT tenant, issue, 'SEC-1', 10000, 'tracked', %s FROM held",
            [at],
        )
        cursor.execute(
            "INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at)"
            " SELECT tenant, issue, 'x', 'cancelled', %s, data, %s FROM held",
            [at, at],
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(
    web: SqlDatabase, database: SqlDatabase, superuser: str, *, ledger: Path, accounts: int, tenants: int
) -> None:
    """List, report, then erase."""
    sites = [tenant_on(web) for _ in range(tenants)]
    fill(superuser, ((sites[n % tenants], n, f"{n:024x}") for n in range(accounts)))
    remembering = Remembering(lambda: ErasureLedgerFile(ledger), clock=now)
    erasing = Erasing(database, remembering)
    before = resident_megabytes()
    seconds = timed(lambda: Acting(database, erasing).list_accounts(period=timedelta(days=7), now=now()))
    print(f"listed                {accounts:>10,}    {seconds / accounts * 1e6:>8.1f} µs per account")
    api = Api()
    reporting = Reporting(database, Routes("benchmark", api.ask, is_shared=True), clock=now, erasing=erasing)
    seconds = timed(lambda: reporting.run(at_once=True))
    print(f"listed and reported   {api.accounts:>10,}    {seconds / accounts * 1e6:>8.1f} µs per account")
    print(f"requests              {api.requests:>10,}    of at least {math.ceil(accounts / 90):,}")
    print(f"memory before, after  {before:>10,.0f} MB {resident_megabytes():>8,.0f} MB")
    if api.accounts != accounts or api.requests != math.ceil(accounts / 90):
        raise SystemExit("not every account was reported once in full requests")
    holders = sites[:TENANTS_OF_ONE]
    rows = ((holders[n % len(holders)], accounts + n, ONE) for n in range(ROWS_OF_ONE))
    fill(superuser, rows)
    began = time.perf_counter()
    found = erasing.everywhere(ONE, actor="operator", reason="benchmark")
    seconds = time.perf_counter() - began
    if sum(found.values()) != ROWS_OF_ONE:
        raise SystemExit(f"not every row was changed: {found}")
    print(f"one account erased    {ROWS_OF_ONE:>10,}    rows of {len(found)} tenants in {seconds:.2f} s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--tenants", type=int, default=TENANTS)
    wanted = parser.parse_args()
    with ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="pledge-"))
        exits.callback(shutil.rmtree, folder)
        server = exits.enter_context(EmbeddedPostgres(folder / "postgres"))
        provision(server)
        urls = urls_of(server)
        upgrade(urls["database_owner_url"])
        web = open_engines(Flask("web"), urls["database_url"], connections=2)
        worker = open_engines(Flask("worker"), urls["database_worker_url"], connections=2)
        exits.callback(web.dispose)
        exits.callback(worker.dispose)
        stores = SqlDatabase(web, clock=now), SqlDatabase(worker, clock=now)
        ledger = folder / "erasures.jsonl"
        measure(
            *stores, server.superuser_url("pledge"), ledger=ledger, accounts=wanted.accounts, tenants=wanted.tenants
        )


if __name__ == "__main__":
    main()
