"""The file of a backup: it gets its name when it is complete and on the disk, and never replaces another one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, mode 0600, at that path only once the block has ended well. Raises `FileExistsError`, `OSError`."""
    if path.exists():
        raise FileExistsError(f"{path} exists; a backup replaces nothing")
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def existing_file(path: Path | None) -> Iterator[BinaryIO]:
    """That file, to be read; None is standard input."""
    if path is None:
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file
