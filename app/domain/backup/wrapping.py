"""Any file, sealed as backups are: for base backups and the write-ahead log of a server that recovers to an instant."""

from collections.abc import Iterator
from typing import Protocol

from app.domain.backup.ports import SealedInput, SealedOutput

_BYTES = 256 * 1024


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many; none at the end."""


def seal_all(file: Readable, output: SealedOutput) -> None:
    """To its end."""
    for block in _blocks(file):
        output.write(block)
    output.end()


def holds(source: SealedInput, file: Readable) -> bool:
    """Whether that file was sealed there; raises `BackupRefused` where it is no sealed file."""
    sealed = source.rest()
    left = b""
    for block in _blocks(file):
        while len(left) < len(block) and (more := next(sealed, b"")):
            left += more
        if left[: len(block)] != block:
            return False
        left = left[len(block) :]
    return not left and next(sealed, b"") == b""


def _blocks(file: Readable) -> Iterator[bytes]:
    while block := file.read(_BYTES):
        yield block
