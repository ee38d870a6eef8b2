"""The tables of how a tenant's issues are followed: what was chosen, how far runs are, what was replaced."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import plain
from app.store.db import UTC, Base, tenant_key
from app.store.personal_kinds import EVENT_DATA


class FollowingSettingsRow(Base):
    """One version of what a tenant chose; none is ever changed."""

    __tablename__ = "following_settings"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        CheckConstraint("version > 0", name="version"),
        # names of fields, statuses and projects: how a site works, nobody in it
        {"schema": "app", "info": plain("document")},
    )

    tenant_id: Mapped[int] = tenant_key()
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    made_at: Mapped[datetime] = mapped_column(UTC)


class UnmappedRow(Base):
    """A status, resolution or priority that was met and of which nobody has said what it means."""

    __tablename__ = "unmapped_values"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        {"schema": "app", "info": plain("kind", "name")},
    )

    tenant_id: Mapped[int] = tenant_key()
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    issue_id: Mapped[int] = mapped_column(BigInteger)
    met_at: Mapped[datetime] = mapped_column(UTC)


class RunRow(Base):
    """An import or a reconciliation at the place that it has reached."""

    __tablename__ = "runs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        CheckConstraint("kind IN ('import', 'reconciliation')", name="kind"),
        {"schema": "app", "info": plain("kind", "cause", "phase", "page_token", "counts", "problem", "last")},
    )

    tenant_id: Mapped[int] = tenant_key()
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    cause: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(UTC)
    configuration: Mapped[int]
    page_token: Mapped[str | None] = mapped_column(Text)
    after_issue: Mapped[int] = mapped_column(BigInteger)
    window_minutes: Mapped[int | None]
    confirm_before: Mapped[datetime | None] = mapped_column(UTC)
    started_at: Mapped[datetime | None] = mapped_column(UTC)
    advanced_at: Mapped[datetime | None] = mapped_column(UTC)
    finished_at: Mapped[datetime | None] = mapped_column(UTC)
    covered_at: Mapped[datetime | None] = mapped_column(UTC)
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    problem: Mapped[str | None] = mapped_column(Text)
    last: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class SupersededEventRow(Base):
    """A fact about a clock that another replaced: its place in Jira says something else, or is read otherwise."""

    __tablename__ = "superseded_events"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "issue_id"], ["app.issues.tenant_id", "app.issues.issue_id"]),
        {"schema": "app", "info": plain("source", "kind")},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    superseded_at: Mapped[datetime] = mapped_column(UTC, primary_key=True)
    at: Mapped[datetime] = mapped_column(UTC)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, info=EVENT_DATA)
    recorded_at: Mapped[datetime] = mapped_column(UTC)
