"""What a request costs the database while tenants grow from 10 to 10,000: statements, buffers, milliseconds.

Run with `python -m benchmarks.growth [TENANTS ...]`. A PostgreSQL of its own; the app in this process, one request
after the other, of ten tenants that are there from the beginning; all others are copies of one of them, with twenty
tracked issues each. Statements are counted by the server itself, buffers are those of its statistics. Then, over all
tenants, each round of the schedule and each of what goes on all the time, once, as a worker would do it, because these
cannot stay flat. Jobs that they ask for are not done; reports of accounts are listed, and told to nobody.
"""

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex

import jwt
import psycopg
from flask import Flask

from app import wiring
from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import ClientKey, IssueId, TenantId
from app.domain.installations.model import ConnectInstallBody
from app.domain.secrets import Secret
from app.domain.services import Services
from app.domain.tracking.model import FieldChoice, IssueSnapshot
from app.jobs.schedule import SCHEDULE, STEADY
from app.outbound.jira_answers import CvssFields, snapshot_of
from app.protocol.connect_jwt import InstallClaims
from app.protocol.connect_qsh import query_hash
from app.settings import read_settings
from app.store.administration import provision, upgrade, urls_of
from app.store.database import Engines, open_engines
from app.store.db import Base
from app.store.embedded import EmbeddedPostgres
from app.vault.administration import create_keyring
from app.vault.checkpoint_key import create_checkpoint_key
from app.wiring_services import services_of
from benchmarks.many_sites import answer
from benchmarks.running import processor_seconds
from benchmarks.screens import Confirming

SIZES = (10, 100, 1_000, 10_000)
ASKED, ISSUES, TIMES = 10, 20, 200
_HELD = """
    SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('app', 'registry') AND c.relkind = 'r'"""
JOB = f"job that reads {ISSUES} issues"
SECRET = token_hex(32)
HOOK = b'{"issue": {"fields": {"issuetype": {"name": "Bug"}, "labels": ["security"]}}}'
_NOT_COPIED = {f"registry.{name}" for name in ("tenants", "connect_installations", "report_log", "signals")}
"""The first two hold what is unique; in the others is what the ten tenants have just done."""


class Playing(Confirming):
    """A Jira in this process: it lets everybody see everything, takes what is written, and needs no time."""

    def read_issue(self, _site: object, issue: IssueId, _choice: FieldChoice) -> IssueSnapshot:
        """A security bug."""
        found = answer(f"/rest/api/3/issue/{issue}", {})
        return snapshot_of(found, [], CvssFields(None, None))

    def write_property(self, *_: object, **__: object) -> None:
        """Thrown away."""


@dataclass(frozen=True)
class Measured:
    """What one kind of request took, per request."""

    statements: float
    buffers: float
    milliseconds: float


@dataclass(frozen=True)
class Round:
    """What one round over all tenants took."""

    jobs: int
    """That it asked for."""
    seconds: float
    own_seconds: float
    """Of the processor, by this process."""
    postgresql_seconds: float
    """Of the processor, by the server."""


class Grown:
    """The app, as web and worker, on a database whose tenants grow."""

    def __init__(self, app: Flask, worker: tuple[Services, Engines], *, server: EmbeddedPostgres, log: Path) -> None:
        self.app, self.server, self.log = app, server, log
        self._superuser = server.superuser_url("pledge")
        self.web: Services = app.extensions["pledge.services"]
        self.services, engines = worker
        self.following = replace(self.services.following, jira=Playing())
        self.publishing = replace(self.services.publishing, jira=Playing())
        self._engines = (self.web.database._engines, engines)  # noqa: SLF001  to have their statistics told
        self.tenants: list[TenantId] = []
        self.size = 0

    def begin(self) -> None:
        """The ten that are asked, as the product makes them."""
        now = datetime.now(UTC).replace(microsecond=0)
        for number in range(ASKED):
            site = f"https://site{number}.atlassian.net"
            body = ConnectInstallBody(
                "io.pledge.app", ClientKey(key_of(number)), site, site, None, "jira", Secret(SECRET)
            )
            claims = InstallClaims(key_of(number), None, now, now, os.urandom(32))
            self.web.lifecycle.installed(body, claims, now=now)
        rows = self.rows("SELECT tenant_id FROM registry.connect_installations ORDER BY tenant_id")
        self.tenants = [TenantId(tenant) for (tenant,) in rows]
        self.ask_reads()
        for tenant in self.tenants:
            while self.following.read_pending(tenant, now=datetime.now(UTC)):
                pass
            while self.publishing.publish(tenant, now=datetime.now(UTC)).looked_at:
                pass
        self.size = ASKED

    def ask_reads(self) -> None:
        """Every issue of the ten has changed."""
        now = datetime.now(UTC)
        for tenant in self.tenants:
            with self.services.database.begin(tenant) as uow:
                for issue in range(ISSUES):
                    uow.issues.ask_read(IssueId(10_000 + issue), now=now)
                uow.commit(because=Bookkeeping.READ_ASKED)

    def grow(self, size: int) -> None:
        """Until there are so many."""
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in self._copying() if size > self.size else ():
                connection.execute(statement, {"model": self.tenants[0], "first": self.size, "last": size - 1})
            # Jobs that nobody takes here would pile up from size to size.
            connection.execute("TRUNCATE jobs.procrastinate_jobs CASCADE")
            connection.execute("VACUUM ANALYZE")
        self.size = size

    def _copying(self) -> Iterator[str]:
        yield """INSERT INTO registry.tenants (tenant_id, created_at) OVERRIDING SYSTEM VALUE
            SELECT 1000000 + n, now() FROM generate_series(%(first)s::bigint, %(last)s) n WHERE %(model)s > 0"""
        yield self._copy(
            "registry.connect_installations", {"client_key": "client_key || n", "site_url": "site_url || n"}
        )
        for table in Base.metadata.sorted_tables:
            if table.fullname not in _NOT_COPIED and "tenant_id" in table.columns:
                yield self._copy(table.fullname, {})

    @staticmethod
    def _copy(name: str, special: dict[str, str]) -> str:
        columns = [column.name for column in Base.metadata.tables[name].columns]
        own = dict.fromkeys(("tenant_id", "installation_id", "current_installation"), "1000000 + n") | special
        values = ", ".join(own.get(column, column) for column in columns)
        return (
            f"INSERT INTO {name} ({', '.join(columns)}) SELECT {values} FROM {name},"  # noqa: S608  our own tables
            " generate_series(%(first)s::bigint, %(last)s) n WHERE tenant_id = %(model)s"
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What a superuser sees."""
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def measure(self, work: Callable[[int], object], *, times: int, before: Callable[[], None] | None) -> Measured:
        """So many times, the first ten not counted."""
        for number in range(-ASKED, times):
            if before is not None and number in {-ASKED, 0}:
                before()
            if number == 0:
                buffers, statements, took = self._buffers(), self._statements(), []
            began = time.perf_counter()
            work(number)
            if number >= 0:
                took.append((time.perf_counter() - began) * 1000)
        counted = self._statements() - statements
        return Measured(counted / times, (self._buffers() - buffers) / times, statistics.median(took))

    def _buffers(self) -> int:
        for engines in self._engines:
            with engines.writing.connect() as connection:
                connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
                connection.commit()
            pooled = engines.reading.raw_connection()
            pooled.driver_connection.execute("SELECT pg_stat_force_next_flush()")
            pooled.close()
        [(buffers,)] = self.rows("SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = 'pledge'")
        return int(str(buffers))

    def _statements(self) -> int:
        """What the server has written down, but for our own looking at it."""
        lines = self.log.read_text(errors="replace")
        return len(re.findall(r"^pledge_\w+\|LOG:  (?:statement|execute) (?![^\n]*pg_stat_)", lines, re.MULTILINE))

    def requests(self) -> dict[str, Callable[[int], object]]:
        """By name; each is about one of the ten tenants in turn."""
        return {
            "webhook acknowledged": self._webhook,
            JOB: self._read,
            "panel": lambda n: self._get(n, "/connect/issue?issueId=10003&issueKey=SEC-10003&projectId=10000"),
            "clocks of an issue, JSON": lambda n: self._get(n, "/api/v1/issues/10003/clocks", context=True),
            "50 clocks of the site": lambda n: self._get(n, "/api/v1/clocks?limit=50", context=True),
        }

    def rounds(self) -> Iterator[tuple[str, str, Round]]:
        """Each round over all tenants: its name, when it is due, and what it took."""
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            # Counting statements by writing them down would be most of what a round costs.
            connection.execute("ALTER SYSTEM RESET log_statement")
            connection.execute("SELECT pg_reload_conf()")
        # Nothing may leave this machine: without a way to report, accounts are listed, and wait.
        routes = replace(self.services.reporting.routes, is_shared=True, lacking=lambda: "not in a benchmark")
        services = replace(self.services, reporting=replace(self.services.reporting, routes=routes))
        for periodic in SCHEDULE:
            yield periodic.name, periodic.cron, self._round(partial(periodic.run, services))
        for steady in reversed(STEADY):  # the logs, of which each tenant has entries waiting, take longest
            yield steady.name, f"every {steady.pause_seconds:g} s", self._round(partial(steady.run, services))

    def _round(self, run: Callable[[datetime], object]) -> Round:
        asked, own, theirs = self._jobs(), time.process_time(), processor_seconds(self.server.postmaster_pid)
        began = time.perf_counter()
        run(datetime.now(UTC))
        seconds = time.perf_counter() - began
        theirs = processor_seconds(self.server.postmaster_pid) - theirs
        return Round(self._jobs() - asked, seconds, time.process_time() - own, theirs)

    def _jobs(self) -> int:
        [(jobs,)] = self.rows("SELECT count(*) FROM jobs.procrastinate_jobs")
        return int(str(jobs))

    def _webhook(self, number: int) -> None:
        tenant, issue = number % ASKED, 10_000 + number % ISSUES
        target = f"/connect/webhooks?issueId={issue}"
        headers = {
            "Authorization": f"JWT {token(tenant, query_hash('POST', target))}",
            "Content-Type": "application/json",
            "X-Atlassian-Webhook-Identifier": f"{self.size}-{number}",
        }
        self._ask("POST", target, headers, body=HOOK)

    def _read(self, number: int) -> None:
        if self.following.read_pending(self.tenants[number % ASKED], now=datetime.now(UTC)) != ISSUES:
            raise RuntimeError("not every issue that has changed was read")

    def _get(self, number: int, target: str, *, context: bool = False) -> None:
        hashed = "context-qsh" if context else query_hash("GET", target)
        self._ask("GET", target, {"Authorization": f"JWT {token(number % ASKED, hashed)}"})

    def _ask(self, method: str, target: str, headers: dict[str, str], body: bytes | None = None) -> None:
        reply = self.app.test_client().open(target, method=method, headers=headers, data=body)
        reply.get_data()
        if reply.status_code not in {200, 204}:
            raise RuntimeError(f"{target}: {reply.status_code} {reply.get_data(as_text=True)}")


def key_of(number: int) -> str:
    """The client key of one of the ten."""
    return f"made-up-client-key-{number}"


def token(number: int, hashed: str) -> str:
    """Of one of the ten, for somebody there."""
    now = datetime.now(UTC)
    claims = {"iss": key_of(number), "sub": "5b10ac8d82e05b22cc7d4ef5", "qsh": hashed, "iat": now}
    return jwt.encode(claims | {"exp": now + timedelta(minutes=3)}, SECRET, algorithm="HS256")


@contextmanager
def _grown() -> Iterator[Grown]:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="pledge-", ignore_cleanup_errors=True)))
        server = exits.enter_context(EmbeddedPostgres(folder / "postgres"))
        provision(server)
        urls = urls_of(server)
        upgrade(urls["database_owner_url"])
        with psycopg.connect(server.superuser_url("pledge"), autocommit=True) as connection:
            for setting in ("log_line_prefix = '%u|'", "log_statement = 'all'"):
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
        create_keyring(folder / "keyring.json", now=datetime.now(UTC))
        create_checkpoint_key(folder / "audit-signing.key", name="app.example.com/audit")
        os.environ |= {
            "PLEDGE_PROFILE": "development",
            "PLEDGE_DATABASE_URL": urls["database_url"],
            "PLEDGE_DATABASE_WORKER_URL": urls["database_worker_url"],
            "PLEDGE_KEYRING_FILE": str(folder / "keyring.json"),
            "PLEDGE_AUDIT_SIGNING_KEY_FILE": str(folder / "audit-signing.key"),
            "PLEDGE_AUDIT_ANCHOR": f"file:{folder / 'anchor.jsonl'}",
            "PLEDGE_LOG_FORMAT": "json",
        }
        app = wiring.web_app()
        services = app.extensions["pledge.services"]
        exits.callback(services.database._engines.dispose)  # noqa: SLF001  ours alone
        access = replace(services.access, jira=Playing())
        app.extensions["pledge.services"] = replace(
            services,
            access=access,
            lists=replace(services.lists, access=access),
        )
        engines = open_engines(Flask("growth"), urls["database_worker_url"], connections=1)
        exits.callback(engines.dispose)
        worker = services_of(read_settings(os.environ), engines, process="worker")
        log = folder / "postgres" / "log"
        yield Grown(app, (worker, engines), server=server, log=log)


def main() -> None:
    """Print a line for each kind of request and size."""
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    with _grown() as grown:
        grown.begin()
        print("| tenants | request | statements | buffers | median ms |\n|---|---|---|---|---|")
        for size in sizes:
            grown.grow(size)
            for name, work in grown.requests().items():
                is_job = name == JOB
                found = grown.measure(
                    work, times=ASKED if is_job else TIMES, before=grown.ask_reads if is_job else None
                )
                cells = (f"{found.statements:.1f}", f"{found.buffers:.1f}", f"{found.milliseconds:.1f}")
                print(f"| {size:,} | {name} | {' | '.join(cells)} |", flush=True)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        print("\n| tenants | round | due | jobs asked for | seconds | processor: worker | PostgreSQL | load |")
        print("|---|---|---|---|---|---|---|---|")
        for name, due, took in grown.rounds():
            cells = (f"{took.jobs:,}", *(f"{each:.1f}" for each in astuple(took)[1:]), f"{os.getloadavg()[0]:.1f}")
            print(f"| {grown.size:,} | {name} | {due} | {' | '.join(cells)} |", flush=True)
        [(held,)] = grown.rows(_HELD)
        print(f"{int(str(held)) / grown.size / 1000:.0f} kB for each tenant, with {ISSUES} tracked issues")
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
