"""The audit log of one tenant for those who look at it: without the personal parts, which this role may not read."""

from typing import Any

from sqlalchemy import Connection, Row, Select, select

from app.domain.audit.model import EntryFilter, Leaf, SeenEntry, SeenPage, StoredCheckpoint, StoredEntry
from app.domain.identifiers import AccountId, TenantId
from app.store.audit_tables import AuditCheckpointRow, AuditLeafRow, AuditPersonRow, AuditRow
from app.store.people_tables import AuditSubjectRow

_ENTRY = (
    AuditRow.at,
    AuditRow.action,
    AuditRow.actor,
    AuditRow.target,
    AuditRow.detail,
    AuditRow.leaf_hash.label("stored_leaf"),
    AuditRow.commitment,
)


class SqlSeenLog:
    """See `app.domain.audit.looking.SeenLog`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def newest(self, wanted: EntryFilter, *, before: int | None, limit: int, window: int) -> SeenPage:
        """Newest first, among the `window` entries that come before that index."""
        leaves = self._leaves().order_by(AuditLeafRow.position.desc()).limit(window)
        if before is not None:
            leaves = leaves.where(AuditLeafRow.position < before)
        rows = self._connection.execute(self._entries(leaves, wanted).limit(limit)).all()
        found = tuple(map(_seen, rows))
        if len(found) == limit:
            return SeenPage(found, found[-1].index)
        ends = leaves.subquery("ends")
        last = self._connection.execute(select(ends.c.position).order_by(ends.c.position).limit(1)).scalar()
        return SeenPage(found, last if last else None)

    def walk(self, first: int, limit: int) -> tuple[SeenEntry, ...]:
        """In order of index."""
        page = self._leaves().where(AuditLeafRow.position >= first).order_by(AuditLeafRow.position).limit(limit)
        leaves = page.subquery("leaves")
        query = (
            select(leaves, *_ENTRY)
            .outerjoin(AuditRow, (AuditRow.tenant_id == self._tenant) & (AuditRow.entry_id == leaves.c.entry_id))
            .order_by(leaves.c.position)
        )
        return tuple(map(_seen, self._connection.execute(query)))

    def checkpoint(self) -> StoredCheckpoint | None:
        """The newest."""
        query = (
            select(AuditCheckpointRow.size, AuditCheckpointRow.note, AuditCheckpointRow.frontier)
            .where(AuditCheckpointRow.tenant_id == self._tenant)
            .order_by(AuditCheckpointRow.size.desc())
            .limit(1)
        )
        newest = self._connection.execute(query).first()
        return None if newest is None else StoredCheckpoint(newest.size, newest.note, newest.frontier)

    def _leaves(self) -> Select[int, Any, bytes]:
        return select(AuditLeafRow.position, AuditLeafRow.entry_id, AuditLeafRow.leaf_hash).where(
            AuditLeafRow.tenant_id == self._tenant
        )

    def _entries(self, leaves: Select[int, Any, bytes], wanted: EntryFilter) -> Select[*tuple[Any, ...]]:
        near = leaves.subquery("leaves")
        query = (
            select(near, *_ENTRY, AuditSubjectRow.account_id)
            .join(AuditRow, (AuditRow.tenant_id == self._tenant) & (AuditRow.entry_id == near.c.entry_id))
            .outerjoin(
                AuditPersonRow,
                (AuditPersonRow.tenant_id == self._tenant) & (AuditPersonRow.entry_id == near.c.entry_id),
            )
            .outerjoin(
                AuditSubjectRow,
                (AuditSubjectRow.tenant_id == self._tenant) & (AuditSubjectRow.subject == AuditPersonRow.subject),
            )
            .order_by(near.c.position.desc())
        )
        if wanted.action is not None:
            query = query.where(AuditRow.action == wanted.action)
        if wanted.since is not None:
            query = query.where(AuditRow.at >= wanted.since)
        if wanted.until is not None:
            query = query.where(AuditRow.at < wanted.until)
        return query


def _seen(row: Row[*tuple[Any, ...]]) -> SeenEntry:
    account = getattr(row, "account_id", None)
    stored = None
    if row.stored_leaf is not None:
        stored = StoredEntry(
            entry=row.entry_id,
            at=row.at,
            action=row.action,
            actor=row.actor,
            target=row.target,
            detail=row.detail,
            leaf=row.stored_leaf,
            commitment=row.commitment,
            person=None,
        )
    leaf = Leaf(row.entry_id, row.leaf_hash)
    return SeenEntry(row.position, leaf, stored, None if account is None else AccountId(account))
