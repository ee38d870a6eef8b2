"""The tables of leaving: who has left, what was exported, and who asked for what."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import Erase, Kind, Personal, personal, plain
from app.domain.sentences import Sentence
from app.store.db import UTC, Base, tenant_key

_ASKED_ABOUT = Personal(
    Kind.ACCOUNT_ID,
    purpose=Sentence("whose data a request is about"),
    retention=Sentence("until the request is fulfilled"),
    erase=Erase.VALUE,
    since="received_at",
)
_ASKED = Personal(
    Kind.FREE_TEXT,
    purpose=Sentence("how a request for a person's data was dealt with: what an authority asks for"),
    retention=Sentence("as long as the tenant"),
    erase=Erase.WITH_TENANT,
)
_LINK = Personal(
    Kind.PSEUDONYM,
    purpose=Sentence("to know a link again that was given to one person, without keeping the link"),
    retention=Sentence("until the file is fetched, or a week"),
    erase=Erase.WITH_TENANT,
)


class DepartureRow(Base):
    """A tenant that has left: instants and counts, and the receipt once it is erased. It outlives the tenant."""

    __tablename__ = "departures"
    __table_args__ = (
        CheckConstraint("asked_by IN ('retention', 'operator', 'request')", name="asked_by"),
        {"schema": "registry", "info": plain("asked_by", "counts", "receipt")},
    )

    tenant_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("registry.tenants.tenant_id"), primary_key=True, autoincrement=False
    )
    left_at: Mapped[datetime] = mapped_column(UTC)
    due_at: Mapped[datetime] = mapped_column(UTC)
    asked_by: Mapped[str] = mapped_column(Text)
    begun_at: Mapped[datetime | None] = mapped_column(UTC)
    erased_at: Mapped[datetime | None] = mapped_column(UTC)
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    receipt: Mapped[str | None] = mapped_column(Text)


class RequestRow(Base):
    """A request for a person's or the tenant's data. The account id goes once it is fulfilled."""

    __tablename__ = "privacy_requests"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        CheckConstraint("kind IN ('erasure', 'access')", name="kind"),
        {"schema": "app", "info": plain("kind", "filed_by", "receipt")},
    )

    tenant_id: Mapped[int] = tenant_key()
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    account: Mapped[str | None] = mapped_column(Text, info=personal(_ASKED_ABOUT))
    filed_by: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UTC)
    verified_at: Mapped[datetime | None] = mapped_column(UTC)
    verified_by: Mapped[str | None] = mapped_column(Text, info=personal(_ASKED))
    verified_how: Mapped[str | None] = mapped_column(Text, info=personal(_ASKED))
    extended_at: Mapped[datetime | None] = mapped_column(UTC)
    extended_months: Mapped[int | None]
    extension_reason: Mapped[str | None] = mapped_column(Text, info=personal(_ASKED))
    refused_at: Mapped[datetime | None] = mapped_column(UTC)
    refusal: Mapped[str | None] = mapped_column(Text, info=personal(_ASKED))
    fulfilled_at: Mapped[datetime | None] = mapped_column(UTC)
    receipt: Mapped[str | None] = mapped_column(Text)


class ExportRow(Base):
    """An export that an administrator of the site asked for; the file itself lies beside the database."""

    __tablename__ = "exports"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        Index("ix_exports_asked", "tenant_id", "asked_at"),
        CheckConstraint("state IN ('waiting', 'running', 'ready', 'taken', 'expired')", name="state"),
        {"schema": "app", "info": plain("state", "sha256")},
    )

    tenant_id: Mapped[int] = tenant_key()
    export_id: Mapped[UUID] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(UTC)
    expires_at: Mapped[datetime] = mapped_column(UTC)
    state: Mapped[str] = mapped_column(Text)
    rows: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None]


class ExportLinkRow(Base):
    """The hash of a link's token, and to which export it leads; global, because nobody is known who follows it."""

    __tablename__ = "export_links"
    __table_args__ = ({"schema": "registry"},)

    token_sha256: Mapped[bytes] = mapped_column(primary_key=True, info=personal(_LINK))
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("registry.tenants.tenant_id"), index=True)
    export_id: Mapped[UUID]
    expires_at: Mapped[datetime] = mapped_column(UTC)
    sent_bytes: Mapped[int] = mapped_column(BigInteger)


class ReceiptLinkRow(Base):
    """The hash of the token of a link that leads to a tenant's receipt: a random number of nobody's. It outlives the
    tenant, and is gone when it expires."""

    __tablename__ = "receipt_links"
    __table_args__ = ({"schema": "registry", "info": plain("token_sha256")},)

    tenant_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("registry.tenants.tenant_id"), primary_key=True, autoincrement=False
    )
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    request_id: Mapped[UUID]
    asked_at: Mapped[datetime] = mapped_column(UTC)
    expires_at: Mapped[datetime] = mapped_column(UTC)
