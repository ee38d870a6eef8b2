"""What leaving needs from the store; each is a part of the unit of work."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.audit.entry import Action
from app.domain.identifiers import TenantId
from app.domain.installations.model import ForgeRegistered, Registered
from app.domain.privacy.model import (
    Counts,
    Departure,
    ExportedTable,
    ExportRecord,
    Inventory,
    Link,
    ReceiptLink,
    Staying,
)


class Departures(Protocol):
    """Who has left: global rows, because they outlive the tenant."""

    def unnoticed(self) -> tuple[TenantId, ...]:
        """Tenants without an active installation of which nobody noted yet that they left."""

    def forget_returned(self) -> int:
        """Tenants that came back in time have not left; returns how many."""

    def note(self, departure: Departure) -> None:
        """That tenant has left."""

    def find(self, tenant: TenantId) -> Departure | None:
        """What was noted of it."""

    def hold(self, tenant: TenantId) -> Departure | None:
        """As `find`, and nobody else moves that erasure until this transaction ends."""

    def save(self, departure: Departure) -> None:
        """How far it is."""

    def receipt_of(self, tenant: TenantId) -> str | None:
        """The signed note that says that it is gone; None until it is."""

    def due(self, now: datetime) -> tuple[TenantId, ...]:
        """Tenants whose erasure is due and that have no receipt yet."""

    def list_all(self) -> tuple[Departure, ...]:
        """Every one, in order of tenant."""

    def lock_registrations(self, tenant: TenantId) -> tuple[Sequence[Registered], Sequence[ForgeRegistered]]:
        """Whatever leads to that tenant; no install decides about any of it until this transaction ends."""


class TenantErasure(Protocol):
    """Deletes what this transaction's tenant has; row security sees to it that it is nobody else's."""

    def last_access(self) -> datetime | None:
        """When the last installation of this tenant was uninstalled; None where one was not."""

    def inventory(self) -> Inventory:
        """What there is; reads every table of the tenant."""

    def sever(self) -> Counts:
        """Delete what leads to the tenant, its keys and whatever is sealed with them, and its waiting jobs."""

    def delete_some(self, limit: int) -> Counts:
        """Up to so many rows, children before parents; empty once nothing is left but the tenant itself."""

    def delete_last(self) -> Counts:
        """What was added meanwhile, and the tenant's own row: from then on no row of any table can refer to it."""

    def stays(self) -> tuple[Staying, ...]:
        """What is left on purpose."""

    def entries(self, actions: Collection[Action]) -> tuple[UUID, ...]:
        """The audit entries of these actions, the oldest first."""


class TenantExport(Protocol):
    """Reads and writes this transaction's tenant table by table, whatever tables there are."""

    @property
    def schema(self) -> str:
        """The version of the tables."""

    def tables(self) -> tuple[ExportedTable, ...]:
        """In an order in which they can be read in."""

    def left_out(self) -> Mapping[str, str]:
        """Tables that no export holds, and why."""

    def lines(self, table: str) -> Iterator[str]:
        """Each row as a JSON object, in constant memory, always in the same order."""

    def occupied(self) -> tuple[str, ...]:
        """The tables that have what nobody could read from Jira again: what was chosen, decided or asked for."""

    def make_room(self) -> None:
        """Delete what was read from Jira, and let nobody add to it until this transaction ends."""

    def insert(self, table: str, columns: Sequence[str], *, lines: Sequence[str]) -> None:
        """Rows as JSON objects, of which only these columns are looked at; raises `RowsRefused`."""


class ExportRows(Protocol):
    """The exports of this transaction's tenant that were asked for."""

    def add(self, record: ExportRecord) -> None:
        """A new one."""

    def find(self, export: UUID) -> ExportRecord | None:
        """One."""

    def save(self, record: ExportRecord) -> None:
        """How far it is."""

    def save_running(self, record: ExportRecord) -> None:
        """The same, unless another one took its place meanwhile."""

    def list_all(self) -> tuple[ExportRecord, ...]:
        """Every one, the newest first."""


class ExportLinks(Protocol):
    """The links to exports: global, because nobody is known who follows one."""

    def add(self, link: Link) -> None:
        """A new one."""

    def find(self, token_sha256: bytes) -> Link | None:
        """The link of the token with that hash."""

    def note_sent(self, token_sha256: bytes, *, first: int, end: int) -> int | None:
        """These bytes were sent; returns how many were sent without a gap from the first on, None if it is gone."""

    def forget_of(self, tenant: TenantId) -> None:
        """No link leads to exports of that tenant any more."""

    def forget_expired(self, now: datetime) -> None:
        """Nor any that has expired."""


class ReceiptLinkRows(Protocol):
    """The links to receipts of deletions: global, because they outlive the tenant."""

    def keep(self, link: ReceiptLink) -> None:
        """In place of the one that this tenant has had."""

    def find(self, token_sha256: bytes) -> ReceiptLink | None:
        """The link of the token with that hash."""

    def forget_expired(self, now: datetime) -> None:
        """Those whose time is over lead nowhere any more."""
