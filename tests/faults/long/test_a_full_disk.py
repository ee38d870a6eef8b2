"""A disk that is full: what cannot be stored is not acknowledged, what is stored is shown, and writing goes on later.

The whole database lies on a small file system of its own.
"""

import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import Process
from tests.faults.small_disk import full, small_disk

ROUNDS = 5
SIZE_MB = 256


@pytest.fixture(scope="module")
def disk():
    with tempfile.TemporaryDirectory(prefix="pledge-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL, which is not root, lives below it
        with small_disk(Path(folder), size_mb=SIZE_MB) as small:
            yield small


@pytest.fixture(scope="module")
def stack(make_stack, make_server, disk):
    with make_server(disk / "pg") as (server, database), make_stack(database=database, processes=2) as running:
        second = Process("worker", ready="worker ready", env=running.env)
        running.install("genchi")
        running.server = server
        yield running
        second.stop()


def test_a_full_disk_loses_nothing_that_was_acknowledged_and_writing_goes_on_when_there_is_room(
    stack, disk, storm, report
):
    weather = storm(stack, issues=8)
    weather.settles()
    seen, resumed = [], []
    assert stack.clocks(weather.issues[0].id).status_code == 200  # Jira has said that this person may see it
    with weather.blowing():
        for _ in range(ROUNDS):
            before = weather.refused()
            with full(disk):
                stack.eventually(lambda before=before: weather.refused() > before + 3, seconds=180)
                seen.append(stack.clocks(weather.issues[0].id).status_code)
            mended_at, known = time.monotonic(), weather.delivered()
            stack.eventually(lambda known=known: weather.delivered() > known, seconds=120)
            resumed.append(time.monotonic() - mended_at)
    counts = weather.settles()
    note = (
        f"reads answered {sorted(set(seen))} meanwhile; writing went on within {max(resumed):.1f} s of there being room"
    )
    report(f"disk full ×{ROUNDS}", counts, weather=weather, note=note)
    assert (counts["lost"], counts["doubled"], counts["half done"], counts["never acknowledged"]) == (0, 0, 0, 0)
    assert set(seen) <= {200, 503}
    assert "500" not in counts["answers"]
