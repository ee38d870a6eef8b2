"""The tables of what is written into Jira."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import plain
from app.store.db import UTC, Base, tenant_key


class PublicationRow(Base):
    """Through which installation a tenant's labels are published; gone when that installation is removed."""

    __tablename__ = "publications"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]), {"schema": "app"})

    tenant_id: Mapped[int] = tenant_key()
    installation_id: Mapped[int] = mapped_column(BigInteger)
    tab_linked_at: Mapped[datetime | None] = mapped_column(UTC)
    tab_refused_at: Mapped[datetime | None] = mapped_column(UTC)
    rests_until: Mapped[datetime | None] = mapped_column(UTC)


class IssueLabelRow(Base):
    """What an issue was last marked with, and when its label may be another. No row = never looked at."""

    __tablename__ = "issue_labels"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "issue_id"], ["app.issues.tenant_id", "app.issues.issue_id"]),
        Index("ix_issue_labels_look", "tenant_id", "look_at", postgresql_where="look_at IS NOT NULL"),
        {"schema": "app", "info": plain("property", "lozenge")},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    look_at: Mapped[datetime | None] = mapped_column(UTC)
    marks: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int]
    property: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    lozenge: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    refused_at: Mapped[datetime | None] = mapped_column(UTC)


class SecurityPushRow(Base):
    """What Jira's Security tab shows of an issue, under which number, and whether that has to be looked at."""

    __tablename__ = "security_pushes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "issue_id"], ["app.issues.tenant_id", "app.issues.issue_id"]),
        Index("ix_security_pushes_push", "tenant_id", "push_at", postgresql_where="push_at IS NOT NULL"),
        {"schema": "app", "info": plain("pushed")},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    push_at: Mapped[datetime | None] = mapped_column(UTC)
    marks: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int]
    sequence: Mapped[int] = mapped_column(BigInteger)
    is_backfill: Mapped[bool]
    pushed: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    refused_at: Mapped[datetime | None] = mapped_column(UTC)
