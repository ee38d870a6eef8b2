"""Two hundred sites that have installed the running product, their Jira, and who sends their webhooks."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import psycopg
from flask import Flask

from app.domain.identifiers import ClientKey, TenantId
from app.domain.installations.model import ConnectInstallBody
from app.domain.secrets import Secret
from app.protocol.connect_jwt import InstallClaims
from app.settings import read_settings
from app.store.database import open_engines
from app.wiring_services import services_of
from benchmarks.running import Running, pid_of, processor_seconds, pss_kib

SECRET = token_hex(32)
UNLIMITED = {
    # Our own limits hold. Jira's quota would end each of these measurements after minutes: it is what it is.
    "RATE_LIMITS": "",
    "JIRA_POINTS_PER_HOUR": "1000000000",
}


@dataclass(frozen=True)
class Crowd:
    """The sites by number, and the process that sends in their name."""

    product: Running
    tenants: tuple[TenantId, ...]
    sender: "subprocess.Popen[str]"

    def send(self, **stage: Any) -> dict[str, Any]:
        """One stage; returns what happened when its last answer is there."""
        _write(self.sender, stage)
        return json.loads(self.sender.stdout.readline())

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a superuser sees."""
        with psycopg.connect(self.product.server.superuser_url("pledge"), autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def waiting(self) -> int:
        """Issues that are still to be read."""
        return int(self.rows("SELECT count(*) FROM app.pending_reads WHERE attempts < 5")[0][0])

    def await_idle(self, *, seconds: float) -> float:
        """Seconds until nothing waits any more; raises `TimeoutError`."""
        began = time.monotonic()
        while self.waiting():
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"{self.waiting()} issues still wait")
            time.sleep(0.5)
        return time.monotonic() - began

    def memory_mib(self) -> dict[str, float]:
        """Proportional memory by process, with its children."""
        found = {"web": pss_kib(pid_of(self.product.url)) / 1024}
        worker = self.product.worker_pid()
        return found | ({} if worker is None else {"worker": pss_kib(worker) / 1024})

    def processor_seconds(self) -> dict[str, float]:
        """What each has used so far: processes that have ended are not counted, and none of ours ends."""
        worker, database = self.product.worker_pid(), self.product.server.postmaster_pid
        pids = {"web": pid_of(self.product.url), "worker": worker, "database": database}
        return {name: processor_seconds(pid) for name, pid in pids.items() if pid is not None}


@contextmanager
def crowd(product: Running, *, sites: int, issues: int) -> Iterator[Crowd]:
    """Install them; each has so many issues."""
    with ExitStack() as exits:
        jira = _child(exits, "benchmarks.many_sites", str(sites))
        ports = json.loads(jira.stdout.readline())
        installed = [(f"made-up-client-key-{number}", f"http://127.0.0.1:{port}") for number, port in enumerate(ports)]
        _install(product, installed)
        sender = _child(exits, "benchmarks.sender")
        address = urlsplit(product.url)
        who = {"sites": [[client_key, SECRET] for client_key, _ in installed], "issues": issues}
        _write(sender, {"host": address.hostname, "port": address.port, **who})
        found = Crowd(product, (), sender)
        tenants = found.rows(
            "SELECT tenant_id FROM registry.connect_installations WHERE client_key LIKE 'made-up-client-key-%%'"
            " ORDER BY substr(client_key, 20)::int"
        )
        yield Crowd(product, tuple(TenantId(tenant) for (tenant,) in tenants), sender)


def load() -> str:
    """How busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def _child(exits: ExitStack, module: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", module, *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    exits.callback(child.wait)
    exits.callback(child.terminate)
    return child


def _write(child: "subprocess.Popen[str]", document: dict[str, Any]) -> None:
    child.stdin.write(json.dumps(document) + "\n")
    child.stdin.flush()


def _install(product: Running, sites: list[tuple[str, str]]) -> None:
    """As their `installed` would; the signature of Atlassian's is all that is left out."""
    settings = read_settings(product.env)
    engines = open_engines(Flask("crowd"), product.env["PLEDGE_DATABASE_URL"], connections=1)
    services = services_of(settings, engines, process="crowd")
    now = datetime.now(UTC).replace(microsecond=0)
    for client_key, url in sites:
        body = ConnectInstallBody("io.pledge.app", ClientKey(client_key), url, url, None, "jira", Secret(SECRET))
        claims = InstallClaims(client_key, None, now, now, os.urandom(32))
        services.lifecycle.installed(body, claims, now=now)
    engines.dispose()
