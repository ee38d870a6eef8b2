"""A tenant on its way out: since when, by whose word, and what is gone already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.domain.identifiers import TenantId

Counts = Mapping[str, int]
"""Rows by table, `schema.table`."""


class AskedBy(StrEnum):
    """By whose word a tenant is erased."""

    RETENTION = "retention"
    """It uninstalled, and the time for which we keep its data is over."""
    OPERATOR = "operator"
    REQUEST = "request"
    """A request for erasure whose identity was verified."""


@dataclass(frozen=True)
class Departure:
    """That a tenant has left: ids, instants and counts only, so that it can stay for good."""

    tenant: TenantId
    left_at: datetime
    """When its last access ended; for one that a site import took over, when that was noticed."""
    due_at: datetime
    """When its data is erased, unless it comes back before."""
    asked_by: AskedBy = AskedBy.RETENTION
    begun_at: datetime | None = None
    """When its keys were destroyed and nothing led to it any more."""
    erased_at: datetime | None = None
    counts: Counts = field(default_factory=dict)
    """What was deleted so far."""
    receipt: str | None = None
    """The signed note that says so."""


@dataclass(frozen=True)
class Staying:
    """Rows that an erasure leaves, with the reason."""

    table: str
    rows: int
    why: str


@dataclass(frozen=True)
class Inventory:
    """What there is of a tenant at the moment: what an erasure would delete, and what it would leave."""

    site: str
    """By which the operator knows it: the host of its site; empty for one that has none any more."""
    goes: Counts
    stays: Sequence[Staying]


@dataclass(frozen=True)
class ExportedTable:
    """One table of an export."""

    name: str
    columns: Sequence[str]
    is_imported: bool
    """Whether it can be read in; else it is only told."""

    @property
    def file(self) -> str:
        """Its name in the archive."""
        return f"{self.name}.jsonl"


class ImportRefused(ValueError):
    """This file is no export of ours, is damaged, or does not fit here."""

    def __init__(self, why: str) -> None:
        super().__init__(f"nothing was imported: {why}")


class RowsRefused(ImportRefused):
    """The database does not take rows of this file."""

    def __init__(self, table: str) -> None:
        super().__init__(f"a row of {table} does not fit into that table")


class ExportState(StrEnum):
    """Where an export is that somebody asked for."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    TAKEN = "taken"
    EXPIRED = "expired"


@dataclass(frozen=True)
class ExportRecord:
    """One of them; the file lies elsewhere."""

    export: UUID
    asked_at: datetime
    expires_at: datetime
    state: ExportState
    rows: int = 0
    """So far, or of the finished one."""
    size_bytes: int = 0
    sha256: bytes | None = None

    def ended(self) -> "ExportRecord":
        """As it is once it has expired."""
        return self if self.state is ExportState.TAKEN else replace(self, state=ExportState.EXPIRED)


@dataclass(frozen=True)
class Link:
    """What is known of the link to an export: not its token."""

    token_sha256: bytes
    tenant: TenantId
    export: UUID
    expires_at: datetime


RECEIPT_LINK_GOOD_FOR = timedelta(days=184)
"""From asking. Three months are the longest that the law gives for the answer (GDPR art. 12(3), with an extension), and
as many are left then to fetch what it came to."""


@dataclass(frozen=True)
class ReceiptLink:
    """What is known of the link to the receipt of a tenant's deletion: not its token, and nothing of who asked."""

    token_sha256: bytes
    tenant: TenantId
    request: UUID
    asked_at: datetime
    expires_at: datetime


def added(counts: Counts, more: Counts) -> dict[str, int]:
    """Both together; tables without rows are left out."""
    names = sorted({*counts, *more})
    total = {name: counts.get(name, 0) + more.get(name, 0) for name in names}
    return {name: count for name, count in total.items() if count}
