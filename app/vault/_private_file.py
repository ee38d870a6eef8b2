"""Reading a file that holds a key: nobody else may be able to read it, or to put another one in its place."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from app.vault._cipher import Plain

OTHERS = stat.S_IRWXO
GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private_file(
    path: Path, unusable: Callable[..., Exception], *, most_bytes: int, closed_to: int = GROUP_AND_OTHERS
) -> Plain:
    """All of it. What is wrong is raised as `unusable(path, why)`, with `fix=` where its own is not the best one.

    What is looked at is what was opened: between two looks at a path somebody could put another file there.
    """
    try:
        # non-blocking, so that a pipe in the file's place does not hold up the start
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _refuse(path, os.fstat(descriptor), unusable, most_bytes=most_bytes, closed_to=closed_to)
            return Plain(os.read(descriptor, most_bytes))
        finally:
            os.close(descriptor)
    except FileNotFoundError as fault:
        raise unusable(path, "does not exist") from fault
    except OSError as fault:
        raise unusable(path, f"cannot be read ({fault.strerror})") from fault


def _refuse(
    path: Path, facts: os.stat_result, unusable: Callable[..., Exception], *, most_bytes: int, closed_to: int
) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise unusable(path, "is not a file")
    if facts.st_mode & closed_to:
        mode = f"{stat.S_IMODE(facts.st_mode):04o}"
        raise unusable(path, f"is open to other users (mode {mode})", fix=f"Run `chmod 600 {path}`.")
    if facts.st_uid not in (0, os.geteuid()):
        raise unusable(path, "belongs to another user, who can replace it", fix=f"Run `chown {os.geteuid()} {path}`.")
    if facts.st_size >= most_bytes:
        raise unusable(path, "is larger than any such file")
