"""A disk that is full: what cannot be stored is not acknowledged, what is stored is shown, and writing goes on later.

The database lies on a small file system of its own, which takes root to mount; it is in a mount namespace that only
this process and what it starts can see, and that ends with them.
"""

import ctypes
import os
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import Process, require

ROUNDS = 5
SIZE_MB = 256
CLONE_NEWNS, MS_PRIVATE_BELOW = 0x0002_0000, 0x4_4000
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(kind, folder, *, flags=0, options=b""):
    """Raises `OSError` with what the kernel says."""
    if LIBC.mount(b"none", os.fsencode(folder), kind, flags, options):
        raise OSError(ctypes.get_errno(), f"mount on {folder}")


@pytest.fixture(scope="module")
def disk():
    """A small one."""
    if os.geteuid() != 0 or LIBC.unshare(CLONE_NEWNS):
        require("root", "a small file system can be mounted, and seen by nobody else, by root on Linux only")
    mount(b"", "/", flags=MS_PRIVATE_BELOW)
    with tempfile.TemporaryDirectory(prefix="pledge-") as folder:
        mount(b"tmpfs", folder, options=b"size=%dm,mode=755" % SIZE_MB)
        yield Path(folder)
        LIBC.umount2(os.fsencode(folder), 2)


@pytest.fixture(scope="module")
def stack(make_stack, make_server, disk):
    with make_server(disk / "pg") as (server, database), make_stack(database=database, processes=2) as running:
        second = Process("worker", ready="worker ready", env=running.env)
        running.install("genchi")
        running.server = server
        yield running
        second.stop()


@contextmanager
def full(stack, disk):
    """Everything that is free is taken, again and again: what PostgreSQL gives back is gone as well."""
    filler, ended = disk / "filler", threading.Event()

    def fill():
        with filler.open("wb", buffering=0) as file:
            while not ended.wait(0.05):
                with suppress(OSError):
                    while file.write(bytes(65_536)) and not ended.is_set():
                        pass

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        yield
    finally:
        ended.set()
        filling.join()
        filler.unlink()


def refused(weather):
    return sum(try_["status"] == 503 for one in weather.world.lanes["genchi"].ledger() for try_ in one["attempts"])


def test_a_full_disk_loses_nothing_that_was_acknowledged_and_writing_goes_on_when_there_is_room(
    stack, disk, storm, report
):
    weather = storm(stack, issues=8)
    weather.settles()
    seen, resumed = [], []
    assert stack.clocks(weather.issues[0].id).status_code == 200  # Jira has said that this person may see it
    with weather.blowing():
        for _ in range(ROUNDS):
            before = refused(weather)
            with full(stack, disk):
                stack.eventually(lambda before=before: refused(weather) > before + 3, seconds=180)
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
