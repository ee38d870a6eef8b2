"""What backups need from the world: rows out, rows in, a sealed file, and a ledger outside the database."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from app.domain.backup.erasures import AccountErased, TenantErased
from app.domain.backup.model import AuditMark, Head, LedgerMark, Table
from app.domain.identifiers import TenantId


class SealedOutput(Protocol):
    """A file that is encrypted as it is written."""

    def write(self, data: bytes) -> None:
        """More of it."""

    def end(self) -> None:
        """That was all; without this the file is one that was cut off."""


class SealedInput(Protocol):
    """Such a file, read: what comes out was authenticated, in its order."""

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; raises `BackupRefused`."""

    def rest(self) -> Iterator[bytes]:
        """Everything that is left, to the end; raises `BackupRefused`, so that nothing is good before it is over."""

    def end(self) -> None:
        """Raises `BackupRefused` if that was not all."""


class Source(Protocol):
    """One snapshot of a database: all that is read from it is as of one instant."""

    head: Head

    def read(self, table: Table, write: Callable[[bytes], None]) -> int:
        """Hand over every row in PostgreSQL's text format, in blocks; returns how many rows."""

    def sequences(self) -> Mapping[str, int]:
        """The next value of each; read last, so that none is given out twice."""

    def audit(self) -> AuditMark:
        """How far the audit log is anchored; raises `LogBroken`."""


class Loading(Protocol):
    """One transaction that fills an empty schema; nothing of it stays unless it is kept."""

    def load(self, table: Table, blocks: Iterable[bytes]) -> int:
        """Every row; returns how many. Raises `BackupRefused` where the schema has another such table."""

    def keep(self, sequences: Mapping[str, int]) -> None:
        """Set the sequences, and let go."""


class Target(Protocol):
    """A database that is restored into, as its owner."""

    def refuse_unless_empty(self) -> None:
        """Raises `DatabaseNotEmpty`, `DatabaseUnavailable`."""

    def knows(self, schema: str) -> bool:
        """Whether this code has that migration."""

    def migrate(self, schema: str | None) -> str:
        """Make the schema as of that migration, or the newest one; grants nothing."""

    def loading(self) -> AbstractContextManager[Loading]:
        """The transaction."""

    def clear(self) -> None:
        """Leave nothing of what `migrate` made."""

    def skip_ids(self) -> None:
        """Leave out the ids that may have been given out since the instant that the database was brought back to."""

    def close_to_app(self) -> None:
        """Take from its processes the right to use the database, until `open_to_app`."""

    def open_to_app(self) -> None:
        """Grant: from now on processes of the app can use it, and not before."""


class ErasureLedger(Protocol):
    """What was erased, kept outside the database and its backups: ids and instants, and no account id that can be read.

    Only grows. Whoever confirms an erasure records it first.
    """

    def record(self, erased: TenantErased | AccountErased) -> None:
        """Keep that; returns when the disk has it. Raises `OSError`, `LedgerUnfit`."""

    def mark(self) -> LedgerMark:
        """How far it is; begins one where there is none. Raises `OSError`, `LedgerUnfit`."""

    def refuse_unless_follows(self, mark: LedgerMark) -> None:
        """Raises `LedgerUnfit` unless it is the ledger that was there then, with all that it had."""

    def tenants(self) -> Iterator[TenantErased]:
        """Every tenant's erasure."""

    def accounts(self, *, since: datetime) -> Mapping[tuple[TenantId, datetime], Callable[[str], bool]]:
        """By tenant and the instant it began: whether an account was erased of it since then."""
