"""What a backup and a restore cost: rows and MB per second, and memory, which must not grow with the database.

Run with `python -m benchmarks.backup [--rows 1000000]`. The product's own commands as processes of their own, against a
PostgreSQL with fsync; a tenth of the rows first, then all of them, so that the two peaks of memory can be compared.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from app.store.administration import provision, upgrade, urls_of
from app.store.embedded import EmbeddedPostgres
from app.store.postgres_programs import ENVIRONMENT, account, programs_for
from app.vault.administration import create_keyring
from app.vault.backup_key import create_backup_key
from app.vault.checkpoint_key import create_checkpoint_key

MEASURED = """
import resource, sys
from app.wiring import pledge
try:
    pledge()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, file=sys.stderr)
"""
ROWS = 1_000_000
ISSUES = """
    INSERT INTO app.unmapped_values (tenant_id, kind, name, issue_id, met_at)
    SELECT 0, 'status', 'Waiting for the review of somebody else ' || n, n, now() FROM generate_series(%s::int, %s) n
"""


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    seconds: float
    processor_seconds: float
    mib: int

    def said(self, what: str, *, mb: float, rows: int) -> str:
        """One line."""
        memory = f", at most {self.mib} MiB" if self.mib else ""
        return (
            f"  {what}: {self.seconds:.1f} s ({self.processor_seconds:.1f} s of the processor), "
            f"{mb / self.seconds:.1f} MB/s, {rows / self.seconds:,.0f} rows/s{memory}"
        )


def run(env: dict[str, str], *arguments: str) -> tuple[dict[str, object], Cost]:
    """What the command says, and what it cost."""
    began = time.perf_counter()
    command = [sys.executable, "-c", MEASURED, *arguments, "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    processor, mib = done.stderr.splitlines()[-1].split()
    return json.loads(done.stdout), Cost(seconds, float(processor), int(mib))


def pg_dump(server: EmbeddedPostgres, file: Path) -> Cost:
    """The baseline: PostgreSQL's own tool, the same rows, as the same role, in the clear."""
    url = urls_of(server)["database_backup_url"]
    command = [programs_for(account()) / "pg_dump", "--data-only", "--dbname", url, "--file", file]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=ENVIRONMENT, check=True, cwd="/", stderr=subprocess.DEVNULL)
    seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, processor, 0)


def env_of(server: EmbeddedPostgres, database: str, folder: Path) -> dict[str, str]:
    """A product on that database."""
    return {
        **os.environ,
        **{f"PLEDGE_{name.upper()}": url for name, url in urls_of(server, database).items()},
        "PLEDGE_PROFILE": "development",
        "PLEDGE_KEYRING_FILE": str(folder / "keyring.json"),
        "PLEDGE_AUDIT_SIGNING_KEY_FILE": str(folder / "audit-signing.key"),
        "PLEDGE_AUDIT_ANCHOR": f"file:{folder / 'anchor.jsonl'}",
        "PLEDGE_BACKUP_KEY_FILE": str(folder / "backup.key"),
        "PLEDGE_ERASURE_LEDGER": f"file:{folder / 'erasures.jsonl'}",
    }


def measure(server: EmbeddedPostgres, folder: Path, rows: int) -> None:
    """One backup, one restore of it."""
    file, target = folder / f"backup-{rows}", f"restored{rows}"
    baseline = pg_dump(server, folder / f"dump-{rows}")
    manifest, backup = run(env_of(server, "pledge", folder), "backup", str(file))
    provision(server, target)
    _, restore = run(env_of(server, target, folder), "restore", str(file))
    mb = int(str(manifest["bytes"])) / 1e6
    print(f"{manifest['rows']} rows, {mb:.0f} MB as text, {file.stat().st_size / 1e6:.0f} MB sealed")
    for what, cost in (("backup", backup), ("restore", restore), ("pg_dump, which seals nothing", baseline)):
        print(cost.said(what, mb=mb, rows=rows), flush=True)


def main(rows: int = ROWS) -> None:
    """Print the figures."""
    with ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="pledge-"))
        exits.callback(shutil.rmtree, folder)
        server = exits.enter_context(EmbeddedPostgres(folder / "postgres"))
        provision(server)
        upgrade(urls_of(server)["database_owner_url"])
        create_keyring(folder / "keyring.json", now=datetime.now(UTC))
        create_checkpoint_key(folder / "audit-signing.key", name="app.example.com/audit")
        create_backup_key(folder / "backup.key")
        with psycopg.connect(server.superuser_url("pledge"), autocommit=True) as connection:
            for first, last in ((1, rows // 10), (rows // 10 + 1, rows)):
                connection.execute(ISSUES, [first, last])
                measure(server, folder, last)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=ROWS)
    main(arguments.parse_args().rows)
