"""What the audit log costs: a commit with an entry against one without, how fast entries are sequenced, and verified.

Run with `python -m benchmarks.audit_log`. A PostgreSQL of its own with fsync; commits of both kinds alternate, by
several threads on one tenant, which is the worst case for whatever would make them wait for each other.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.audit.log import AuditLog
from app.domain.identifiers import ClientKey, IssueId, TenantId
from app.domain.installations.model import Install, InstallationState, Registered
from app.outbound.anchor_file import AnchorFile
from app.store.administration import provision, upgrade, urls_of
from app.store.database import SqlDatabase, open_engines
from app.store.embedded import EmbeddedPostgres
from app.vault.checkpoint_key import CheckpointKeyFile, create_checkpoint_key

THREADS = 8
COMMITS = 1000
ROUNDS = 5
ENTRIES = 20_000
EVENT = AuditEvent(Action.ISSUE_TRACKED, "system", "issue/10001", {"n": 1})


def now() -> datetime:
    """The instant."""
    return datetime.now(UTC)


def tenant_on(database: SqlDatabase) -> TenantId:
    """A tenant without anything."""
    with database.begin() as uow:
        tenant, installation = uow.registry.next_ids(None, now())
        names = {"tenant": tenant, "installation": installation, "client_key": ClientKey(f"key-{tenant}")}
        site = f"https://site{tenant}.atlassian.net"
        uow.enter(tenant)
        uow.registry.save_connect(
            Registered(
                **names,
                site_url=site,
                state=InstallationState.ACTIVE,
                secret_version=1,
                previous_accepted_until=None,
                applied_at=now(),
            )
        )
        install = Install(**names, base_url=site, display_url=site, cloud_id=None, product_type="jira")
        uow.tenants.save_install(install, region="global", policy="genchi", now=now())
        uow.commit(because=EVENT)
    return tenant


def commits_per_second(commit: Callable[[int], None], first: int) -> float:
    """By all threads together."""
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(commit, range(first, first + COMMITS)))
    return COMMITS / (time.perf_counter() - began)


def commits(database: SqlDatabase, tenant: TenantId) -> tuple[list[float], list[float]]:
    """Rates of the same small change without and with an entry, round by round."""

    def commit(number: int, *, because: AuditEvent | Bookkeeping) -> None:
        with database.begin(tenant) as uow:
            uow.issues.accept_delivery(f"hook-{because}-{number}", issue=IssueId(10001), now=now())
            uow.commit(because=because)

    without, with_entry = [], []
    for number in range(ROUNDS):
        first = number * COMMITS
        without.append(commits_per_second(lambda n: commit(n, because=Bookkeeping.WEBHOOK_STORED), first))
        with_entry.append(commits_per_second(lambda n: commit(n, because=EVENT), first))
    return without, with_entry


def write(database: SqlDatabase, tenant: TenantId, count: int) -> None:
    """So many entries, a hundred per transaction."""
    for _ in range(count // 100):
        with database.begin(tenant) as uow:
            for _ in range(99):
                uow.log.record(EVENT, now=now())
            uow.commit(because=EVENT)


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def sequence(log: AuditLog) -> None:
    """Until nothing waits."""
    while log.sequencing.advance(now=now()):
        pass


def main() -> None:
    """Print the figures."""
    with ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="pledge-"))
        exits.callback(shutil.rmtree, folder)
        server = exits.enter_context(EmbeddedPostgres(folder / "postgres"))
        provision(server)
        urls = urls_of(server)
        upgrade(urls["database_owner_url"])
        create_checkpoint_key(folder / "audit-signing.key", name="app.example.com/audit")
        stores = []
        for role in ("database_url", "database_worker_url"):
            engines = open_engines(Flask(role), urls[role], connections=THREADS)
            exits.callback(engines.dispose)
            stores.append(SqlDatabase(engines, clock=now))
        web, worker = stores
        log = AuditLog(
            database=worker,
            key=lambda: CheckpointKeyFile(folder / "audit-signing.key"),
            anchor=lambda: AnchorFile(folder / "anchor.jsonl"),
        )
        measure(web, log)


def measure(web: SqlDatabase, log: AuditLog) -> None:
    """Commits first, on one busy tenant; then a log of its own for sequencing and verifying."""
    without, with_entry = commits(web, tenant_on(web))
    ratios = [entry / plain for plain, entry in zip(without, with_entry, strict=True)]
    print(f"commits without an entry {statistics.median(without):>10,.0f}/s  ({THREADS} threads, one tenant)")
    print(f"commits with an entry    {statistics.median(with_entry):>10,.0f}/s")
    print(f"ratio                    {statistics.median(ratios):>10.2f}    ({min(ratios):.2f} to {max(ratios):.2f})")
    sequence(log)
    tenant = tenant_on(web)
    write(web, tenant, ENTRIES)
    print(f"sequenced                {ENTRIES / timed(lambda: sequence(log)):>10,.0f}/s")
    print(f"verified                 {ENTRIES / timed(lambda: log.verification.run(only=tenant)):>10,.0f}/s")
    write(web, tenant, 100)
    print(f"a pass of 100 entries    {timed(lambda: log.sequencing.advance(now=now())) * 1000:>10.1f} ms")
    print(f"a pass with nothing      {timed(lambda: log.sequencing.advance(now=now())) * 1000:>10.1f} ms")
    report = log.verification.run()
    if report.findings:
        raise SystemExit(f"the log does not verify: {report.findings}")


if __name__ == "__main__":
    main()
