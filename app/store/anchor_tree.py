"""The tree of all tenants' checkpoints, and who waits: global, ids, sizes and hashes only."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, text, union

from app.domain.audit.merkle import CompactRange
from app.domain.audit.model import AnchorLeaf
from app.domain.identifiers import TenantId
from app.store.audit_log import restored
from app.store.audit_tables import AnchorHeadRow, AnchorLeafRow, AuditWaitingRow
from app.store.tables import RegistryTenant

_FETCHED = 2000
_LEAD = text("SELECT pg_try_advisory_xact_lock(hashtextextended('pledge.audit', 0))")


class SqlAnchorTree:
    """See `app.domain.audit.ports.AnchorTree`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lead(self) -> bool:
        """By a lock that ends with the transaction, and with a process that dies."""
        return bool(self._connection.execute(_LEAD).scalar_one())

    def waiting_tenants(self) -> tuple[TenantId, ...]:
        """The one that waits longest first."""
        query = (
            select(AuditWaitingRow.tenant_id)
            .group_by(AuditWaitingRow.tenant_id)
            .order_by(func.min(AuditWaitingRow.at), AuditWaitingRow.tenant_id)
        )
        return tuple(map(TenantId, self._connection.execute(query).scalars()))

    def tenants(self) -> tuple[TenantId, ...]:
        """In order of id, also one that is only in the tree: it had a log."""
        every = union(select(RegistryTenant.tenant_id), select(AnchorLeafRow.tenant_id)).subquery()
        found = self._connection.execute(select(every.c.tenant_id).order_by(every.c.tenant_id)).scalars()
        return tuple(map(TenantId, found))

    def add(self, tenant: TenantId, size: int, *, leaf: bytes, now: datetime) -> None:
        """At the end; only the leader calls this."""
        end = select(func.coalesce(func.max(AnchorLeafRow.position) + 1, 0)).scalar_subquery()
        values = {"position": end, "tenant_id": tenant, "size": size, "leaf_hash": leaf, "at": now}
        self._connection.execute(insert(AnchorLeafRow).values(**values))

    def head(self) -> CompactRange:
        """Raises `LogBroken`."""
        query = select(AnchorHeadRow.size, AnchorHeadRow.frontier).order_by(AnchorHeadRow.size.desc()).limit(1)
        newest = self._connection.execute(query).first()
        return CompactRange() if newest is None else restored(newest.size, newest.frontier)

    def leaves(self, first: int) -> Iterator[AnchorLeaf]:
        """In order of position."""
        query = select(AnchorLeafRow).order_by(AnchorLeafRow.position).limit(_FETCHED)
        while rows := self._connection.execute(query.where(AnchorLeafRow.position >= first)).all():
            for row in rows:
                yield AnchorLeaf(row.position, TenantId(row.tenant_id), row.size, row.leaf_hash, row.at)
            first = rows[-1].position + 1

    def save_head(self, head: CompactRange) -> None:
        """So far it is anchored."""
        self._connection.execute(insert(AnchorHeadRow).values(size=head.size, frontier=head.frontier()))
