"""The anchor as a file that only grows: one JSON line per signed note.

What it is worth depends on where it is: on a disk that the database's administrator cannot write to, append-only by
its file system (`chattr +a`) or by its store, it shows what no signature can: that a log was cut or made again.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class AnchorFile:
    """See `app.domain.audit.ports.Anchor`. Several processes may append; each line goes in one write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, note: str) -> None:
        """Returns when the disk has it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # A line that a power cut left half written stays alone on its line.
            size = os.fstat(descriptor).st_size
            gap = b"" if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n" else b"\n"
            line = gap + json.dumps({"note": note}, ensure_ascii=False).encode() + b"\n"
            if os.write(descriptor, line) != len(line):
                raise OSError(f"{self._path}: the note was not written as a whole")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_back(self) -> Iterator[str]:
        """What is there at the moment of the call; a line that is none of ours comes as it is."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return iter(())
        return _notes(file, os.fstat(file.fileno()).st_size)


def _notes(file: BinaryIO, end: int) -> Iterator[str]:
    torn = b""
    with file:
        while file.tell() < end:
            line = file.readline(end - file.tell())
            if torn and not line.startswith(torn):
                yield torn.decode(errors="replace")
            note = _note(line)
            # What was torn was written once more, right after.
            torn = b"" if note is not None else line.rstrip(b"\n")
            if note is not None:
                yield note
    if torn:
        yield torn.decode(errors="replace")


def _note(line: bytes) -> str | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    note = document.get("note") if isinstance(document, dict) else None
    return note if isinstance(note, str) else None
