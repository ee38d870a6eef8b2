"""The table of our own grants at others."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import plain
from app.store.db import UTC, Base, tenant_key


class IntegrationRow(Base):
    """How a grant stands, and the attempt to get one; the secrets are sealed elsewhere, by these versions.

    Only the house has a row. Nothing here is of a person: who consented we are not told.
    """

    __tablename__ = "integrations"
    __table_args__ = (
        CheckConstraint(
            "state IN ('not connected', 'connected', 'needs reconnecting', 'disconnecting', 'disconnected')",
            name="state",
        ),
        CheckConstraint("attempt_stage IN ('asked', 'answered', 'exchanging')", name="attempt_stage"),
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        {
            "schema": "app",
            "info": plain(
                "integration",
                "state",
                "attempt_sha256",
                "attempt_stage",
                "redirect_uri",
                "scopes",
                "problem",
                "receipt",
            ),
        },
    )

    tenant_id: Mapped[int] = tenant_key()
    integration: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime | None] = mapped_column(UTC)
    attempt_version: Mapped[int]
    attempt_sha256: Mapped[bytes | None]
    attempt_stage: Mapped[str | None] = mapped_column(Text)
    attempt_expires_at: Mapped[datetime | None] = mapped_column(UTC)
    redirect_uri: Mapped[str | None] = mapped_column(Text)
    access_version: Mapped[int]
    refresh_version: Mapped[int]
    scopes: Mapped[str | None] = mapped_column(Text)
    access_expires_at: Mapped[datetime | None] = mapped_column(UTC)
    leased_until: Mapped[datetime | None] = mapped_column(UTC)
    waits_until: Mapped[datetime | None] = mapped_column(UTC)
    failures: Mapped[int]
    problem: Mapped[str | None] = mapped_column(Text)
    disconnected_at: Mapped[datetime | None] = mapped_column(UTC)
    erased_secrets: Mapped[int]
    receipt: Mapped[str | None] = mapped_column(Text)
