"""The audit log of one tenant: entries as they are written, and the leaves and checkpoints of its Merkle log."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, exists, func, insert, select, tuple_
from sqlalchemy.exc import IntegrityError

from app.domain.audit.entry import AuditEvent, PersonalPart, commitment_to, leaf_hash
from app.domain.audit.merkle import CompactRange
from app.domain.audit.model import Leaf, LogBroken, LoggedEntry, StoredCheckpoint, StoredEntry, StoredPerson, Waiting
from app.domain.identifiers import TenantId
from app.store.audit_tables import (
    AnchorLeafRow,
    AuditCheckpointRow,
    AuditLeafRow,
    AuditPersonRow,
    AuditRow,
    AuditWaitingRow,
)

_SALT_BYTES = 16
_TOLD = 500
_FETCHED = 2000
_ENTRY = (
    AuditRow.at,
    AuditRow.action,
    AuditRow.actor,
    AuditRow.target,
    AuditRow.detail,
    AuditRow.leaf_hash.label("stored_leaf"),
    AuditRow.commitment,
    AuditPersonRow.salt,
    AuditPersonRow.sealed,
)


class SqlAuditLog:
    """See `app.domain.audit.ports.TenantLog`. Every query names the tenant too, as a second belt."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def record(self, event: AuditEvent, *, now: datetime) -> None:
        """Write an entry, which waits for its place from now on: one statement, no lock that another writer needs."""
        entry, person = uuid4(), event.person
        salt = os.urandom(_SALT_BYTES)
        commitment = None if person is None else commitment_to(person.sealed, salt=salt)
        leaf = leaf_hash(event, tenant=self._tenant, entry=entry, at=now, commitment=commitment)
        written = insert(AuditRow).values(
            tenant_id=self._tenant,
            entry_id=entry,
            at=now,
            action=event.action,
            actor=event.actor,
            target=event.target,
            detail=dict(event.detail),
            leaf_hash=leaf,
            commitment=commitment,
        )
        waiting = insert(AuditWaitingRow).values(tenant_id=self._tenant, at=now, entry_id=entry, leaf_hash=leaf)
        self._connection.execute(waiting.add_cte(written.cte("written")))
        if person is not None:
            self._record_person(person, entry, salt=salt)

    def _record_person(self, person: PersonalPart, entry: UUID, *, salt: bytes) -> None:
        values = {"entry_id": entry, "subject": person.subject, "salt": salt, "sealed": person.sealed}
        self._connection.execute(insert(AuditPersonRow).values(tenant_id=self._tenant, **values))

    def take_waiting(self, limit: int) -> tuple[Leaf, ...]:
        """The oldest, in order of instant and id, whenever they were committed."""
        key = (AuditWaitingRow.at, AuditWaitingRow.entry_id)
        slice_ = (
            select(*key).where(AuditWaitingRow.tenant_id == self._tenant).order_by(*key).limit(limit).subquery("slice")
        )
        taken = (
            delete(AuditWaitingRow)
            .where(
                AuditWaitingRow.tenant_id == self._tenant,
                AuditWaitingRow.at == slice_.c.at,
                AuditWaitingRow.entry_id == slice_.c.entry_id,
            )
            .returning(AuditWaitingRow.at, AuditWaitingRow.entry_id, AuditWaitingRow.leaf_hash)
        )
        rows = sorted(self._connection.execute(taken), key=lambda row: (row.at, row.entry_id))
        return tuple(Leaf(row.entry_id, row.leaf_hash) for row in rows)

    def append(self, first: int, leaves: Sequence[Leaf]) -> None:
        """Raises `LogBroken` where a leaf has that place already."""
        rows = [
            {"tenant_id": self._tenant, "position": index, "entry_id": leaf.entry, "leaf_hash": leaf.leaf}
            for index, leaf in enumerate(leaves, start=first)
        ]
        try:
            self._connection.execute(insert(AuditLeafRow), rows)
        except IntegrityError as failure:
            raise LogBroken(LogBroken.__doc__) from failure

    def head(self) -> CompactRange:
        """From the newest checkpoint; raises `LogBroken`."""
        newest = self.newest_checkpoint()
        return CompactRange() if newest is None else restored(newest.size, newest.frontier)

    def save_checkpoint(self, note: str, head: CompactRange) -> None:
        """Raises `LogBroken` where there is one of that size."""
        values = {"tenant_id": self._tenant, "size": head.size, "note": note, "frontier": head.frontier()}
        try:
            self._connection.execute(insert(AuditCheckpointRow).values(**values))
        except IntegrityError as failure:
            raise LogBroken(LogBroken.__doc__) from failure

    def newest_checkpoint(self) -> StoredCheckpoint | None:
        """The largest one."""
        newest = self._connection.execute(self._checkpoints().order_by(AuditCheckpointRow.size.desc()).limit(1)).first()
        return None if newest is None else StoredCheckpoint(newest.size, newest.note, newest.frontier)

    def checkpoints(self, after: int, until: int) -> Mapping[int, StoredCheckpoint]:
        """By size."""
        query = self._checkpoints().where(AuditCheckpointRow.size > after, AuditCheckpointRow.size <= until)
        rows = self._connection.execute(query)
        return {row.size: StoredCheckpoint(row.size, row.note, row.frontier) for row in rows}

    def _checkpoints(self) -> Select[int, str, bytes]:
        return select(AuditCheckpointRow.size, AuditCheckpointRow.note, AuditCheckpointRow.frontier).where(
            AuditCheckpointRow.tenant_id == self._tenant
        )

    def anchored(self, after: int, until: int) -> Mapping[int, bytes]:
        """By size."""
        query = select(AnchorLeafRow.size, AnchorLeafRow.leaf_hash).where(
            AnchorLeafRow.tenant_id == self._tenant, AnchorLeafRow.size > after, AnchorLeafRow.size <= until
        )
        return {row.size: row.leaf_hash for row in self._connection.execute(query)}

    def largest(self) -> int:
        """Of checkpoints and of anchored ones."""
        signed = select(func.coalesce(func.max(AuditCheckpointRow.size), 0)).where(
            AuditCheckpointRow.tenant_id == self._tenant
        )
        anchored = select(func.coalesce(func.max(AnchorLeafRow.size), 0)).where(AnchorLeafRow.tenant_id == self._tenant)
        return max(self._connection.execute(query).scalar_one() for query in (signed, anchored))

    def page(self, first: int, limit: int) -> tuple[LoggedEntry, ...]:
        """In order of index."""
        # The page first: joined as a whole, every page would cost as much as the whole log.
        leaves = (
            select(AuditLeafRow)
            .where(AuditLeafRow.tenant_id == self._tenant, AuditLeafRow.position >= first)
            .order_by(AuditLeafRow.position)
            .limit(limit)
            .subquery("leaves")
        )
        query = (
            select(leaves.c.position, leaves.c.entry_id, leaves.c.leaf_hash, *_ENTRY)
            .outerjoin(AuditRow, _of(AuditRow, leaves.c))
            .outerjoin(AuditPersonRow, _of(AuditPersonRow, leaves.c))
            .order_by(leaves.c.position)
        )
        rows = self._connection.execute(query)
        return tuple(LoggedEntry(row.position, Leaf(row.entry_id, row.leaf_hash), _stored(row)) for row in rows)

    def leaf_hashes(self, size: int) -> Iterator[bytes]:
        """In order of index."""
        for first in range(0, size, _FETCHED):
            query = (
                select(AuditLeafRow.leaf_hash)
                .where(
                    AuditLeafRow.tenant_id == self._tenant,
                    AuditLeafRow.position >= first,
                    AuditLeafRow.position < min(first + _FETCHED, size),
                )
                .order_by(AuditLeafRow.position)
            )
            yield from self._connection.execute(query).scalars()

    def index_of(self, entry: UUID) -> int | None:
        """The first place of that entry."""
        query = select(func.min(AuditLeafRow.position)).where(
            AuditLeafRow.tenant_id == self._tenant, AuditLeafRow.entry_id == entry
        )
        return self._connection.execute(query).scalar_one()

    def waiting(self) -> Iterator[Waiting]:
        """The oldest first, in constant memory."""
        key = tuple_(AuditWaitingRow.at, AuditWaitingRow.entry_id)
        page = select(AuditWaitingRow).where(AuditWaitingRow.tenant_id == self._tenant).order_by(key).limit(_FETCHED)
        while True:
            waiting = page.subquery("waiting")
            query = (
                select(waiting.c.at.label("since"), waiting.c.entry_id, waiting.c.leaf_hash, *_ENTRY)
                .outerjoin(AuditRow, _of(AuditRow, waiting.c))
                .outerjoin(AuditPersonRow, _of(AuditPersonRow, waiting.c))
                .order_by(waiting.c.at, waiting.c.entry_id)
            )
            rows = self._connection.execute(query).all()
            yield from (Waiting(row.since, Leaf(row.entry_id, row.leaf_hash), _stored(row)) for row in rows)
            if len(rows) < _FETCHED:
                return
            page = page.where(key > (rows[-1].since, rows[-1].entry_id))

    def strays(self) -> tuple[UUID, ...]:
        """Entries without leaf that wait for none."""
        query = select(AuditRow.entry_id).where(self._is_stray()).order_by(AuditRow.entry_id)
        return tuple(self._connection.execute(query.limit(_TOLD)).scalars())

    def adopt(self) -> int:
        """With the hash that they have: what it is worth, verifying tells."""
        columns = (AuditRow.tenant_id, AuditRow.at, AuditRow.entry_id, AuditRow.leaf_hash)
        names = [column.key for column in columns]
        adopted = insert(AuditWaitingRow).from_select(names, select(*columns).where(self._is_stray()))
        rows = adopted.returning(AuditWaitingRow.entry_id).cte("adopted")
        return self._connection.execute(select(func.count()).select_from(rows)).scalar_one()

    def _is_stray(self) -> ColumnElement[bool]:
        logged = exists().where(AuditLeafRow.tenant_id == self._tenant, _of(AuditLeafRow, AuditRow))
        waits = exists().where(AuditWaitingRow.tenant_id == self._tenant, _of(AuditWaitingRow, AuditRow))
        return (AuditRow.tenant_id == self._tenant) & ~logged & ~waits

    def duplicates(self) -> tuple[UUID, ...]:
        """Entries with more than one leaf."""
        query = (
            select(AuditLeafRow.entry_id)
            .where(AuditLeafRow.tenant_id == self._tenant)
            .group_by(AuditLeafRow.entry_id)
            .having(func.count() > 1)
            .order_by(AuditLeafRow.entry_id)
        )
        return tuple(self._connection.execute(query.limit(_TOLD)).scalars())

    def forget_person(self, subject: UUID) -> int:
        """Data and salt; what is left is a commitment to nothing."""
        forgotten = delete(AuditPersonRow).where(
            AuditPersonRow.tenant_id == self._tenant, AuditPersonRow.subject == subject
        )
        return self._connection.execute(forgotten).rowcount


def restored(size: int, frontier: bytes) -> CompactRange:
    """The compact range of a stored head; raises `LogBroken`."""
    try:
        return CompactRange.restored(size, frontier)
    except ValueError as fault:
        raise LogBroken(LogBroken.__doc__) from fault


def _of(row: Any, other: Any) -> Any:  # noqa: ANN401  any two tables with tenant and entry, and a condition
    return (row.tenant_id == other.tenant_id) & (row.entry_id == other.entry_id)


def _stored(row: Row[*tuple[Any, ...]]) -> StoredEntry | None:
    if row.stored_leaf is None:
        return None
    return StoredEntry(
        entry=row.entry_id,
        at=row.at,
        action=row.action,
        actor=row.actor,
        target=row.target,
        detail=row.detail,
        leaf=row.stored_leaf,
        commitment=row.commitment,
        person=None if row.salt is None else StoredPerson(row.salt, row.sealed),
    )
