"""Beside the smallest app on npm's atlassian-connect-express: a context token in, a JSON from the database out.

`python -m benchmarks.peer`. Both have two processes, the same private PostgreSQL, the same load generator and an answer
of the same size; rounds alternate, also with a Flask view that does one SELECT in one transaction on our server. The
peer's packages are installed from its lock file into `build/`, never into the repository. What the peer does not do
(row security, state of the site, audience, cap on a token's life, permission, clocks) the product does here as well.
"""

import argparse
import filecmp
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple
from urllib.request import Request, urlopen

import jwt
import psycopg
from psycopg.types.json import Json

from app.store.row_security import OWNER
from benchmarks.load import measure
from benchmarks.running import Running, free_port, pid_of, processor_seconds, pss_kib, running

PEER = Path(__file__).parent / "peer_connect_express"
BUILD = Path("build") / "peer_connect_express"
PATH = "/api/issues/10001/clocks"
CLIENT = {
    "key": "com.example.peer",
    "clientKey": "6f1c9d6e-0000-4000-8000-00000000peer",
    "sharedSecret": token_hex(32),
    "baseUrl": "https://example.atlassian.net",
    "productType": "jira",
    "eventType": "installed",
}
OURS, THEIRS, VIEW = "Pledge", "atlassian-connect-express", "Flask view with one SELECT"


class Round(NamedTuple):
    """What one round of one server measured; the processor's time is of the web processes alone."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    processor_milliseconds: float


def main(arguments: Sequence[str] = ()) -> None:
    """Print a table of medians and the ratios with their spread."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=8)
    compare(**vars(parser.parse_args(arguments)))


def compare(*, rounds: int, seconds: float, connections: int) -> None:
    """Start everything, measure that many rounds of each, print."""
    if shutil.which("npm") is None:
        print("not run: this needs Node with npm")
        return
    packages = install()
    with running() as product:
        targets = {
            OURS: f"{product.url}/api/v1/issues/10001/clocks",
            VIEW: product.serve("baseline", sys.executable, "-m", "benchmarks.baseline") + "/select",
        }
        tokens = {OURS: product.token(kind="context", account="developer")}
        answer = _warm(targets[OURS], tokens[OURS])
        targets[THEIRS] = _start_peer(product, packages, document=json.loads(answer)) + PATH
        tokens[THEIRS] = peer_token(datetime.now(UTC))
        tokens[VIEW] = tokens[OURS]
        sizes = {name: len(_warm(targets[name], tokens[name])) for name in (OURS, THEIRS)}
        assert max(sizes.values()) <= 1.01 * min(sizes.values()), sizes
        found: dict[str, list[Round]] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, url in targets.items():
                found[name].append(_round(url, tokens[name], seconds=seconds, connections=connections))
        memory = {name: pss_kib(pid_of(url)) / 1024 for name, url in targets.items()}
    print(f"{rounds} rounds of {seconds:g} s, {connections} connections, answers of {sizes[OURS]} bytes")
    _print(found, memory)


def _round(url: str, token: str, *, seconds: float, connections: int) -> Round:
    before = processor_seconds(pid_of(url))
    load = measure(url, headers={"Authorization": f"JWT {token}"}, seconds=seconds, connections=connections)
    used = processor_seconds(pid_of(url)) - before
    return Round(load.per_second, load.p50_milliseconds, load.p99_milliseconds, used / load.answers * 1000)


def install() -> Path:
    """The peer with its packages from the lock file, made anew when a file of it changed; runs no package's script."""
    names = [path.name for path in PEER.iterdir() if path.is_file()]
    if not BUILD.is_dir() or filecmp.cmpfiles(PEER, BUILD, names, shallow=False)[0] != names:
        half_made = BUILD.with_suffix(".new")
        for folder in (half_made, BUILD):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(PEER, half_made, ignore=shutil.ignore_patterns("node_modules"))
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(npm, cwd=half_made, check=True)
        half_made.rename(BUILD)
    return BUILD


def peer_token(now: datetime) -> str:
    """A context token as Jira makes it, signed with the made-up secret."""
    claims = {"iss": CLIENT["clientKey"], "sub": "developer", "qsh": "context-qsh", "context": {}}
    return jwt.encode(claims | {"iat": now, "exp": now + timedelta(minutes=30)}, CLIENT["sharedSecret"], "HS256")


def _start_peer(product: Running, packages: Path, *, document: object) -> str:
    """A database of its own on the same server, the client installed through the peer's own table."""
    with psycopg.connect(product.server.superuser_url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE peer OWNER {OWNER}".encode())
    url = product.server.url(OWNER, "peer")
    base = product.serve(
        "peer",
        "node",
        str(packages / "server.js"),
        NODE_ENV="production",
        DATABASE_URL=url.replace("@/", "@localhost/"),
        BASE_URL=f"http://127.0.0.1:{free_port()}",
    )
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE clocks (client_key text, issue text, document json, PRIMARY KEY (client_key, issue))"
        )
        connection.execute("INSERT INTO clocks VALUES (%s, '10001', %s)", [CLIENT["clientKey"], Json(document)])
        connection.execute(
            'INSERT INTO "AddonSettings" ("clientKey", key, val) VALUES (%s, %s, %s)',
            [CLIENT["clientKey"], "clientInfo", Json(CLIENT)],
        )
    return base


def _warm(url: str, token: str) -> bytes:
    """Ask until every process has answered, then the body of one answer.

    The first answer of each of our processes asks Jira, and only three wait for Jira at once: a fourth is sent away.
    """
    headers = {"Authorization": f"JWT {token}"}
    for connections in (1, 2, 2, 3, 3):
        measure(url, headers=headers, seconds=0.7, connections=connections)
        time.sleep(0.3)
    with urlopen(Request(url, headers=headers), timeout=30) as answer:  # noqa: S310  our own loopback servers
        return bytes(answer.read())


def _print(found: dict[str, list[Round]], memory: dict[str, float]) -> None:
    print("| | requests / s | p50 ms | p99 ms | processor ms / request | memory MB (PSS) |")
    print("|---|---|---|---|---|---|")
    for name, rounds in found.items():
        per_second, *milliseconds = (statistics.median(column) for column in zip(*rounds, strict=True))
        cells = (name, f"{per_second:.0f}", *(f"{each:.2f}" for each in milliseconds), f"{memory[name]:.0f}")
        print(f"| {' | '.join(cells)} |")
    for other in (THEIRS, VIEW):
        ratios = (f"{what.replace('_', ' ')} {_ratio(found, other, what)}" for what in Round._fields)
        print(f"of {other}: {', '.join(ratios)}, memory {memory[OURS] / memory[other]:.2f}")


def _ratio(found: dict[str, list[Round]], other: str, what: str) -> str:
    """Ours to the other's, round by round: median and the range of all rounds."""
    ratios = [getattr(ours, what) / getattr(each, what) for ours, each in zip(found[OURS], found[other], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


if __name__ == "__main__":
    main(sys.argv[1:])
