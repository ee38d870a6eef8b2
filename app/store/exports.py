"""Exports that were asked for, and the links to them, as rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, case, delete, func, insert, select, update

from app.domain.identifiers import TenantId
from app.domain.privacy.model import ExportRecord, ExportState, Link
from app.store.privacy_tables import ExportLinkRow, ExportRow

_LISTED = 100


class SqlExports:
    """See `app.domain.privacy.rows.ExportRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, record: ExportRecord) -> None:
        """One row."""
        self._connection.execute(insert(ExportRow).values(tenant_id=self._tenant, **_values(record)))

    def find(self, export: UUID) -> ExportRecord | None:
        """One."""
        query = select(ExportRow.__table__).where(ExportRow.tenant_id == self._tenant, ExportRow.export_id == export)
        found = self._connection.execute(query).first()
        return None if found is None else _record_of(found)

    def save(self, record: ExportRecord) -> None:
        """Everything of it."""
        self._save(record)

    def save_running(self, record: ExportRecord) -> None:
        """Unless it was ended meanwhile."""
        self._save(record, ExportRow.state == ExportState.RUNNING.value)

    def list_all(self) -> tuple[ExportRecord, ...]:
        """The newest first, a hundred at most."""
        query = select(ExportRow.__table__).where(ExportRow.tenant_id == self._tenant)
        found = self._connection.execute(query.order_by(ExportRow.asked_at.desc()).limit(_LISTED))
        return tuple(map(_record_of, found))

    def _save(self, record: ExportRecord, *only: Any) -> None:  # noqa: ANN401  conditions
        is_row = (ExportRow.tenant_id == self._tenant, ExportRow.export_id == record.export, *only)
        self._connection.execute(update(ExportRow).where(*is_row).values(_values(record)))


class SqlExportLinks:
    """See `app.domain.privacy.rows.ExportLinks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, link: Link) -> None:
        """One row."""
        values = {"token_sha256": link.token_sha256, "tenant_id": link.tenant, "export_id": link.export}
        adding = insert(ExportLinkRow).values(**values, expires_at=link.expires_at, sent_bytes=0)
        self._connection.execute(adding)

    def find(self, token_sha256: bytes) -> Link | None:
        """By the hash: who compares hashes, tells nobody by his haste how much of a token was right."""
        query = select(ExportLinkRow.__table__).where(ExportLinkRow.token_sha256 == token_sha256)
        row = self._connection.execute(query).first()
        return None if row is None else Link(row.token_sha256, TenantId(row.tenant_id), row.export_id, row.expires_at)

    def note_sent(self, token_sha256: bytes, *, first: int, end: int) -> int | None:
        """What begins after a gap is not counted."""
        sent = ExportLinkRow.sent_bytes
        noting = (
            update(ExportLinkRow)
            .where(ExportLinkRow.token_sha256 == token_sha256)
            .values(sent_bytes=case((sent >= first, func.greatest(sent, end)), else_=sent))
            .returning(sent)
        )
        return self._connection.execute(noting).scalar()

    def forget_of(self, tenant: TenantId) -> None:
        """Every one."""
        self._connection.execute(delete(ExportLinkRow).where(ExportLinkRow.tenant_id == tenant))

    def forget_expired(self, now: datetime) -> None:
        """Of every tenant."""
        self._connection.execute(delete(ExportLinkRow).where(ExportLinkRow.expires_at <= now))


def _values(record: ExportRecord) -> dict[str, Any]:
    return {
        "export_id": record.export,
        "asked_at": record.asked_at,
        "expires_at": record.expires_at,
        "state": record.state.value,
        "rows": record.rows,
        "size_bytes": record.size_bytes,
        "sha256": record.sha256,
    }


def _record_of(row: Row[*tuple[Any, ...]]) -> ExportRecord:
    return ExportRecord(
        export=row.export_id,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        state=ExportState(row.state),
        rows=row.rows,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
    )
