"""The tables of the audit log, of its anchor, and of what alert rules count."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import Erase, Kind, Personal, personal, plain
from app.domain.sentences import Sentence
from app.store.db import UTC, Base, tenant_key

_EXISTED = ["registry.tenants.tenant_id"]
"""The log of a tenant outlives the tenant's own row in `app`, so it hangs on the id that stays for good."""


class SignalRow(Base):
    """How often something happened in a few seconds, later in an hour; codes and ids only."""

    __tablename__ = "signals"
    __table_args__ = (
        # Otherwise whoever takes over a web process could unsay counts by adding negative ones.
        CheckConstraint("count > 0", name="count"),
        Index("ix_signals_code_at", "code", "at"),
        {"schema": "registry", "info": plain("code", "endpoint")},
    )

    signal_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTC)
    code: Mapped[str] = mapped_column(Text)
    endpoint: Mapped[str] = mapped_column(Text)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int] = mapped_column(BigInteger)


class AlertRow(Base):
    """When an alert about a subject was raised last; the alerts themselves are audit entries."""

    __tablename__ = "alerts"
    __table_args__ = ({"schema": "registry", "info": plain("rule", "subject")},)

    rule: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    raised_at: Mapped[datetime] = mapped_column(UTC)


class AuditRow(Base):
    """One audit entry; insert only."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], _EXISTED),
        {"schema": "app", "info": plain("action", "actor", "target", "detail", "leaf_hash", "commitment")},
    )

    tenant_id: Mapped[int] = tenant_key()
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UTC)
    action: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    leaf_hash: Mapped[bytes]
    commitment: Mapped[bytes | None]


_PERSON = Personal(
    Kind.SEALED,
    purpose=Sentence("whom an audit entry is about; the entry itself holds a salted commitment to it"),
    retention=Sentence("as long as the tenant's log, or until the person is erased"),
    erase=Erase.KEY,
)


class AuditPersonRow(Base):
    """The personal part of an audit entry; deleting it changes no proof."""

    __tablename__ = "audit_persons"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "entry_id"], ["app.audit_entries.tenant_id", "app.audit_entries.entry_id"]),
        Index("ix_audit_persons_subject", "tenant_id", "subject"),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[UUID]
    salt: Mapped[bytes] = mapped_column(info=personal(_PERSON))
    sealed: Mapped[bytes] = mapped_column(info=personal(_PERSON))


class AuditWaitingRow(Base):
    """An entry that has no place in the log yet. Global, so that the sequencer finds them without a walk over tenants.

    With the hash, so that an entry that is deleted before it has its place is found missing nevertheless.
    """

    __tablename__ = "audit_waiting"
    __table_args__ = ({"schema": "registry", "info": plain("leaf_hash")},)

    tenant_id: Mapped[int] = tenant_key()
    at: Mapped[datetime] = mapped_column(UTC, primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    leaf_hash: Mapped[bytes]


class AuditLeafRow(Base):
    """A leaf of the tenant's Merkle log; insert only."""

    __tablename__ = "audit_leaves"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], _EXISTED),
        # not unique: an entry that is there twice is a finding, and must not stop the log
        Index("ix_audit_leaves_entry", "tenant_id", "entry_id"),
        {"schema": "app", "info": plain("leaf_hash")},
    )

    tenant_id: Mapped[int] = tenant_key()
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[UUID]
    leaf_hash: Mapped[bytes]


class AuditCheckpointRow(Base):
    """A signed checkpoint, and the roots of complete subtrees from which the log is continued; insert only."""

    __tablename__ = "audit_checkpoints"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], _EXISTED),
        {"schema": "app", "info": plain("note", "frontier")},
    )

    tenant_id: Mapped[int] = tenant_key()
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    frontier: Mapped[bytes]


class AnchorLeafRow(Base):
    """A tenant's checkpoint as a leaf of the tree of all of them, whose checkpoints go outside; insert only."""

    __tablename__ = "audit_anchor_leaves"
    __table_args__ = (
        Index("ix_audit_anchor_leaves_tenant", "tenant_id", "size"),
        {"schema": "registry", "info": plain("leaf_hash")},
    )

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    leaf_hash: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(UTC)


class AnchorHeadRow(Base):
    """How far that tree was anchored, and from what it is continued; insert only."""

    __tablename__ = "audit_anchor_heads"
    __table_args__ = ({"schema": "registry", "info": plain("frontier")},)

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    frontier: Mapped[bytes]
