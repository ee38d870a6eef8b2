"""Small file systems that nobody else sees, and how they get full.

To mount one takes root on Linux. It is in a mount namespace that only this process and what it starts can see, and that
ends with them.
"""

import ctypes
import os
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress

from tests.conftest import require

CLONE_NEWNS, MS_PRIVATE_BELOW, MNT_DETACH = 0x0002_0000, 0x4_4000, 2
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(kind, folder, *, flags=0, options=b""):
    """Raises `OSError` with what the kernel says."""
    if LIBC.mount(b"none", os.fsencode(folder), kind, flags, options):
        raise OSError(ctypes.get_errno(), f"mount on {folder}")


@contextmanager
def small_disk(folder, *, size_mb):
    """What is in the folder, and what comes into it while the block runs, lies on a small file system of its own."""
    if os.geteuid() != 0 or LIBC.unshare(CLONE_NEWNS):
        require("root", "a small file system can be mounted, and seen by nobody else, by root on Linux only")
    mount(b"", "/", flags=MS_PRIVATE_BELOW)
    with tempfile.TemporaryDirectory() as kept:
        subprocess.run(["cp", "-a", f"{folder}/.", kept], check=True)
        mount(b"tmpfs", folder, options=b"size=%dm" % size_mb)
        subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
    try:
        yield folder
    finally:
        LIBC.umount2(os.fsencode(folder), MNT_DETACH)


@contextmanager
def full(disk):
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
