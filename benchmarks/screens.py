"""Server time of each screen at 100, 10,000 and 1,000,000 tracked issues of one site.

Run with `python -m benchmarks.screens [ISSUES …]`. The app in this process, on a PostgreSQL of its own, asked as a page
of ours asks, from the gate to the last byte. Jira is left out: a stand-in confirms everything at once, so that the
figures are ours alone; the first look of a person within 15 minutes waits for two answers of Jira besides, the next
ones for one or none. Up to 10,000 issues are in one project, a million in a hundred; of the clocks 60 % have ended.
"""

import gzip
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import psycopg
from flask import Flask

from app import wiring
from app.domain.identifiers import ClientKey, IssueId, ProjectId
from app.domain.installations.model import ConnectInstallBody
from app.domain.secrets import Secret
from app.edge.panels.admin_frame import SECTIONS
from app.protocol.connect_jwt import InstallClaims
from app.store.administration import provision, upgrade, urls_of
from app.store.embedded import EmbeddedPostgres
from app.vault.administration import create_keyring
from benchmarks.clock_list import FILL

SIZES = (100, 10_000, 1_000_000)
TIMES = 30
IN_ONE_PROJECT = 10_000
SITE, CLIENT_KEY, SECRET = (
    "https://example.atlassian.net",
    "made-up-client-key",
    "a-made-up-secret-of-more-than-32-bytes",
)
PROJECT = "/fragments/project?projectId=10000&projectKey=SEC&section="
SCREENS = {
    "issue panel": "/fragments/issue?issueId=5&issueKey=SEC-5",
    "project: board": PROJECT + "board",
    "project: due dates": PROJECT + "heat",
    "project: burn-down": PROJECT + "burn-down",
    "project: table": PROJECT + "table",
    "project: table, overdue": PROJECT + "table&state=breached",
    "site: promises": "/fragments/site?section=promises",
    "site: clocks": "/fragments/site?section=clocks",
    "site: next 30 days": "/fragments/site?section=upcoming",
    "site: recent breaches": "/fragments/site?section=breaches",
    **{f"administration: {section}": f"/fragments/admin?section={section}" for section in SECTIONS},
    "administration: policies compared": "/fragments/admin?section=policies&policy=genchi",
}
# Issues of a made-up site have no facts, and no level.
UNRESTRICTED = ("UPDATE app.issues SET restricted = false", "VACUUM ANALYZE app.issues")


class Confirming:
    """A Jira that lets everybody see everything, and takes no time."""

    def may_browse(self, *_: object) -> bool:
        """Yes."""
        return True

    def may_administer_jira(self, *_: object) -> bool:
        """Yes."""
        return True

    def may_browse_of(self, _site: object, _account: object, issues: Collection[IssueId]) -> frozenset[IssueId]:
        """All of them."""
        return frozenset(issues)

    def may_browse_among(
        self, _site: object, _account: object, *, projects: Collection[ProjectId], issues: Collection[IssueId]
    ) -> tuple[frozenset[ProjectId], frozenset[IssueId]]:
        """All of them."""
        return frozenset(projects), frozenset(issues)


@contextmanager
def _serving(issues: int) -> Iterator[Flask]:
    """The app with one site that has so many tracked issues."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="pledge-", ignore_cleanup_errors=True)))
        server = exits.enter_context(EmbeddedPostgres(folder / "postgres"))
        provision(server)
        urls = urls_of(server)
        upgrade(urls["database_owner_url"])
        create_keyring(folder / "keyring.json", now=datetime.now(UTC))
        for name, value in {
            "PROFILE": "development",
            "DATABASE_URL": urls["database_url"],
            "KEYRING_FILE": str(folder / "keyring.json"),
            # One person asks here as many do.
            "RATE_LIMITS": "reads.tenant=999999,reads.subject=999999",
            "LOG_FORMAT": "json",
        }.items():
            os.environ[f"PLEDGE_{name}"] = value
        app = wiring.web_app()
        exits.callback(app.extensions["pledge.services"].database._engines.dispose)  # noqa: SLF001  ours alone
        _install(app)
        with psycopg.connect(server.superuser_url("pledge"), autocommit=True) as connection:
            (tenant,) = connection.execute("SELECT tenant_id FROM registry.connect_installations").fetchone() or (0,)
            values = {"tenant": tenant, "clocks": issues, "now": datetime.now(UTC)}
            values["projects"] = max(1, issues // IN_ONE_PROJECT)
            for each in (*FILL, *UNRESTRICTED):
                connection.cursor().execute(each, values if "%(" in each else None)
        yield app


def _install(app: Flask) -> None:
    found = app.extensions["pledge.services"]
    now = datetime.now(UTC).replace(microsecond=0)
    body = ConnectInstallBody("io.pledge.app", ClientKey(CLIENT_KEY), SITE, SITE, None, "jira", Secret(SECRET))
    found.lifecycle.installed(body, InstallClaims(CLIENT_KEY, None, now, now, b"t" * 32), now=now)
    access = replace(found.access, jira=Confirming())
    sights = replace(found.overviews.sights, jira=Confirming())
    app.extensions["pledge.services"] = replace(
        found,
        access=access,
        roles=replace(found.roles, jira=Confirming()),
        lists=replace(found.lists, access=access),
        overviews=replace(found.overviews, sights=sights),
    )


def _token() -> str:
    now = datetime.now(UTC)
    claims = {"iss": CLIENT_KEY, "sub": "5b10ac8d82e05b22cc7d4ef5", "qsh": "context-qsh", "iat": now}
    return jwt.encode(claims | {"exp": now + timedelta(minutes=3)}, SECRET, algorithm="HS256")


def _ask(app: Flask, path: str) -> tuple[float, bytes]:
    headers = {"Authorization": f"JWT {_token()}"}
    began = time.perf_counter()
    answer = app.test_client().get(path, headers=headers)
    body = answer.get_data()
    taken = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code}")
    return taken, body


def main() -> None:
    """Print a table for each size."""
    for issues in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
        with _serving(issues) as app:
            load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
            print(f"\n{issues:,} tracked issues, {TIMES} times each, {os.cpu_count()} processors, load {load}")
            print("| screen | median ms | p99 ms | kB | kB compressed |")
            print("|---|---|---|---|---|")
            for name, path in SCREENS.items():
                _ask(app, path)
                asked = [_ask(app, path) for _ in range(TIMES)]
                taken = sorted(milliseconds for milliseconds, _ in asked)
                body = asked[0][1]
                sizes = f"{len(body) / 1000:.1f} | {len(gzip.compress(body)) / 1000:.1f}"
                print(f"| {name} | {statistics.median(taken):.0f} | {taken[int(len(taken) * 0.99)]:.0f} | {sizes} |")


if __name__ == "__main__":
    main()
