"""What is inside a sealed backup: blocks, each with its length before it.

Format law of `pledge-backup-1`: four bytes length, big-endian, then so many bytes. First the head, a JSON object; then
for each table of the head, in its order, the blocks of its rows (PostgreSQL's text format of COPY, UTF-8, UTC) and an
empty block; last the foot, a JSON object with rows, bytes and SHA-256 per table. Nothing follows it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from app.domain.backup.model import (
    BackupRefused,
    Head,
    LedgerMark,
    Manifest,
    Table,
    TableFacts,
    foot_json,
    head_of,
    manifest_of,
)
from app.domain.backup.ports import SealedInput, SealedOutput, Source

_LENGTH_BYTES = 4
_LARGEST_BLOCK_BYTES = 64 * 1024 * 1024

Load = Callable[[Table, Iterable[bytes]], int]
Progress = Callable[[str], None]


def write_backup(source: Source, output: SealedOutput, *, ledger: LedgerMark, progress: Progress) -> Manifest:
    """Everything of that snapshot; returns what was written. In constant memory."""
    _write_json(output, source.head.to_json())
    facts: dict[str, TableFacts] = {}
    for table in source.head.tables:
        counted = _Counted(output, progress=progress, name=table.name)
        rows = source.read(table, counted.write)
        _write_block(output, b"")
        facts[table.name] = counted.facts(rows)
    manifest = Manifest(source.head, facts, source.sequences(), source.audit(), ledger)
    _write_json(output, foot_json(manifest))
    output.end()
    return manifest


def read_head(source: SealedInput) -> Head:
    """What comes first; raises `BackupRefused`."""
    return head_of(_read_json(source))


def read_tables(source: SealedInput, head: Head, *, load: Load, progress: Progress) -> Manifest:
    """Hand every table to `load`, and compare what it got with what was written; raises `BackupRefused`.

    Nothing is good before this returns: the last bytes of the file may say that it is not.
    """
    found: dict[str, TableFacts] = {}
    for table in head.tables:
        counted = _Counted(None, progress=progress, name=table.name)
        rows = load(table, counted.through(_blocks(source)))
        found[table.name] = counted.facts(rows)
    manifest = manifest_of(head, _read_json(source))
    source.end()
    for name, facts in found.items():
        if manifest.tables.get(name) != facts:
            raise BackupRefused(f"holds other rows of {name} than were written")
    return manifest


def count_rows(_: Table, blocks: Iterable[bytes]) -> int:
    """The `Load` that loads nothing: in COPY's text format each line is a row, and a newline within one is escaped."""
    return sum(block.count(b"\n") for block in blocks)


class _Counted:
    """Counts and hashes the bytes of one table on their way."""

    def __init__(self, output: SealedOutput | None, *, progress: Progress, name: str) -> None:
        self._output, self._progress, self._name = output, progress, name
        self._hash, self._bytes = hashlib.sha256(), 0

    def write(self, block: bytes) -> None:
        if self._output is not None:
            _write_block(self._output, block)
        self._hash.update(block)
        self._bytes += len(block)
        self._progress(f"{self._name}: {self._bytes >> 20} MiB")

    def through(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.write(block)
            yield block

    def facts(self, rows: int) -> TableFacts:
        return TableFacts(rows=rows, bytes=self._bytes, sha256=self._hash.hexdigest())


def _blocks(source: SealedInput) -> Iterator[bytes]:
    while block := _read_block(source):
        yield block


def _write_json(output: SealedOutput, document: dict[str, Any]) -> None:
    _write_block(output, json.dumps(document, ensure_ascii=False).encode())


def _read_json(source: SealedInput) -> dict[str, Any]:
    try:
        document = json.loads(_read_block(source))
    except ValueError as fault:
        raise BackupRefused("has a part that is not JSON") from fault
    if not isinstance(document, dict):
        raise BackupRefused("has a part that is no JSON object")
    return document


def _write_block(output: SealedOutput, block: bytes) -> None:
    output.write(len(block).to_bytes(_LENGTH_BYTES, "big"))
    output.write(block)


def _read_block(source: SealedInput) -> bytes:
    length = int.from_bytes(source.read(_LENGTH_BYTES), "big")
    if length > _LARGEST_BLOCK_BYTES:
        raise BackupRefused("has a block that is too large to be ours")
    return source.read(length)
