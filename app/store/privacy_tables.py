"""The tables of leaving: who has left, what was exported, and who asked for what."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db import UTC, Base


class DepartureRow(Base):
    """A tenant that has left: instants and counts, and the receipt once it is erased. It outlives the tenant."""

    __tablename__ = "departures"
    __table_args__ = (
        CheckConstraint("asked_by IN ('retention', 'operator', 'request')", name="asked_by"),
        {"schema": "registry"},
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
