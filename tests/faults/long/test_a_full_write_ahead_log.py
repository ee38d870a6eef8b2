"""A full disk of the write-ahead log alone: a replica that was left behind has PostgreSQL keep all of it.

PostgreSQL then gives up (PANIC), and comes up again only when there is room: until then nothing can be stored and
nothing is shown, and everybody is told when to come back. Only `pg_wal` lies on a small file system.
"""

import tempfile
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from app.store.postgres_programs import EmbeddedPostgresRefused
from tests.conftest import Process
from tests.faults.small_disk import full, small_disk

ROUNDS = 5
SIZE_MB = 192
MEGABYTES = 1000
"""More than fits: whoever writes is never done before the disk is full."""
ASKED = 5
KEPT = "SELECT pg_create_physical_replication_slot('left_behind', true)"
LET_GO = "SELECT pg_drop_replication_slot('left_behind')"
WRITTEN = "SELECT pg_logical_emit_message(true, 'much', repeat('x', 1000000))"


@pytest.fixture(scope="module")
def wal(make_server):
    """The server, its database, and where the write-ahead log is."""
    folder = Path(tempfile.mkdtemp(prefix="pledge-"))
    with make_server(folder) as (server, database):
        # No more of it is kept for use again than is small beside the disk.
        for setting in ("min_wal_size = '32MB'", "max_wal_size = '64MB'"):
            database.execute(f"ALTER SYSTEM SET {setting}")
        server.stop()
        server.start()
        database.execute("CHECKPOINT")
        server.stop()
        with small_disk(folder / "data" / "pg_wal", size_mb=SIZE_MB) as disk:
            server.start()
            yield server, database, disk
            server.stop()


@pytest.fixture(scope="module")
def stack(make_stack, wal):
    server, database, _ = wal
    with make_stack(database=database, processes=2) as running:
        second = Process("worker", ready="worker ready", env=running.env)
        running.install("genchi")
        running.server = server
        yield running
        second.stop()


def fill(database):
    """Write until PostgreSQL cannot; raises the driver's word for a server that is gone."""
    with psycopg.connect(database.superuser, autocommit=True) as connection:
        for _ in range(MEGABYTES):
            connection.execute(WRITTEN)


def starts(server):
    """Whether PostgreSQL comes up; one that is up already is started again."""
    try:
        server.stop()
        server.start()
    except EmbeddedPostgresRefused:
        return False
    return True


def look(stack, issue):
    answer = stack.clocks(issue)
    return answer.status_code, "Retry-After" in answer.headers


def test_a_full_write_ahead_log_loses_nothing_and_everybody_is_told_when_to_come_back(stack, wal, storm, report):
    server, database, disk = wal
    weather = storm(stack, issues=8)
    weather.settles()
    seen, lasted, resumed, stayed_down = Counter(), [], [], 0
    with weather.blowing():
        for _ in range(ROUNDS):
            database.execute(KEPT)
            before, began = weather.refused(), time.monotonic()
            with full(disk):
                with pytest.raises(psycopg.OperationalError):
                    fill(database)
                stack.eventually(lambda before=before: weather.refused() > before + 3, seconds=180)
                stayed_down += not starts(server)
                seen.update(look(stack, weather.issues[0].id) for _ in range(ASKED))
            mended_at, known = time.monotonic(), weather.delivered()
            lasted.append(mended_at - began)
            stack.eventually(lambda: starts(server), seconds=180)
            stack.eventually(lambda known=known: weather.delivered() > known, seconds=180)
            resumed.append(time.monotonic() - mended_at)
            database.execute(LET_GO)
            database.execute("CHECKPOINT")
    counts = weather.settles()
    note = (
        f"full for up to {max(lasted):.0f} s; PostgreSQL gave up each time, and {stayed_down} times did not start until"
        " there was room; people were answered 503 with Retry-After; writing went on within"
        f" {max(resumed):.1f} s of there being room"
    )
    report(f"full disk of the write-ahead log alone ×{ROUNDS}", counts, weather=weather, note=note)
    assert (counts["lost"], counts["doubled"], counts["half done"], counts["never acknowledged"]) == (0, 0, 0, 0)
    assert set(seen) == {(503, True)}
    assert "500" not in counts["answers"]
