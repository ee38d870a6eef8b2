"""What a backup says of itself, and why one is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.clocks.model import instant_text

FORMAT = "pledge-backup-1"


class BackupRefused(Exception):
    """This is no backup that can be used, and nothing was done with it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the backup is refused: it {why}")


class DatabaseNotEmpty(Exception):
    """The database to restore into has something in it."""

    def __init__(self, found: str) -> None:
        super().__init__(f"the database is not empty ({found}); restore into a new one: CREATE DATABASE … OWNER …")


class MigrationUnderWay(Exception):
    """The schema is being changed at this moment; make the backup again when that is done."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True)
class Table:
    """A table with the columns whose values are kept, in their order."""

    name: str
    """With its schema."""
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TableFacts:
    """What was kept of a table: rows, bytes of PostgreSQL's text format, and their SHA-256."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class LedgerMark:
    """How far a ledger of erasures was: which ledger, and how many erasures it had."""

    ledger: str
    erasures: int


@dataclass(frozen=True)
class AuditMark:
    """How far the audit log was anchored: size and root of the tree of all tenants' checkpoints."""

    size: int
    root: str


@dataclass(frozen=True)
class Head:
    """What is known before the first row: one snapshot, as of one instant."""

    schema: str
    """The migration that the database was at."""
    at: datetime
    """By the clock of the database."""
    server: str
    tables: tuple[Table, ...]
    """Those that others refer to before those that refer."""

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "format": FORMAT,
            "schema": self.schema,
            "at": self.at.isoformat(),
            "server": self.server,
            "tables": [{"name": table.name, "columns": list(table.columns)} for table in self.tables],
        }


@dataclass(frozen=True)
class Manifest:
    """What a whole backup holds."""

    head: Head
    tables: Mapping[str, TableFacts]
    sequences: Mapping[str, int]
    """The next value of each."""
    audit: AuditMark
    ledger: LedgerMark

    @property
    def rows(self) -> int:
        """In all tables."""
        return sum(facts.rows for facts in self.tables.values())

    @property
    def bytes(self) -> int:
        """In all tables, as they were read."""
        return sum(facts.bytes for facts in self.tables.values())

    def to_json(self) -> dict[str, Any]:
        """As it is told."""
        return {
            "format": FORMAT,
            "schema": self.head.schema,
            "at": instant_text(self.head.at),
            "server": self.head.server,
            "rows": self.rows,
            "bytes": self.bytes,
            "tables": {name: vars(facts) for name, facts in self.tables.items()},
            "sequences": dict(self.sequences),
            "audit": vars(self.audit),
            "ledger": vars(self.ledger),
        }


def head_of(document: Mapping[str, Any]) -> Head:
    """What `Head.to_json` wrote; raises `BackupRefused`."""
    if document.get("format") != FORMAT:
        raise BackupRefused(f"has the format {document.get('format')!r}, which this version does not know")
    try:
        return Head(
            schema=str(document["schema"]),
            at=datetime.fromisoformat(document["at"]),
            server=str(document["server"]),
            tables=tuple(Table(table["name"], tuple(table["columns"])) for table in document["tables"]),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise BackupRefused("does not say what is in it") from fault


def foot_json(manifest: Manifest) -> dict[str, Any]:
    """What is known after the last row."""
    return {
        "tables": {name: vars(facts) for name, facts in manifest.tables.items()},
        "sequences": dict(manifest.sequences),
        "audit": vars(manifest.audit),
        "ledger": vars(manifest.ledger),
    }


def manifest_of(head: Head, document: Mapping[str, Any]) -> Manifest:
    """What `foot_json` wrote; raises `BackupRefused`."""
    try:
        return Manifest(
            head=head,
            tables={name: TableFacts(**facts) for name, facts in document["tables"].items()},
            sequences={str(name): int(value) for name, value in document["sequences"].items()},
            audit=AuditMark(**document["audit"]),
            ledger=LedgerMark(**document["ledger"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise BackupRefused("does not say what was in it") from fault
