"""The table of the policies that sites have written for themselves."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import plain
from app.store.db import UTC, Base, tenant_key


class PolicyTextRow(Base):
    """One version of a site's own policy, with the texts that it extends as they were; none is ever changed."""

    __tablename__ = "policy_texts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        UniqueConstraint("tenant_id", "version"),
        CheckConstraint("version > 0", name="version"),
        # numbers of days, and what vendors have published
        {"schema": "app", "info": plain("sha256", "base", "texts")},
    )

    tenant_id: Mapped[int] = tenant_key()
    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int]
    base: Mapped[str] = mapped_column(Text)
    texts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    made_at: Mapped[datetime] = mapped_column(UTC)
