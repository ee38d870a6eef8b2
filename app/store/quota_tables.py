"""The table of Jira's quota."""

from datetime import datetime

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import plain
from app.store.db import UTC, Base, tenant_key


class QuotaRow(Base):
    """One account; that of tenant 0 counts for all together. No index but the key: it is short, and changes often.

    `used` and `wanted` are points; `used` belongs to `hour`.
    """

    __tablename__ = "jira_quota"
    __table_args__ = ({"schema": "registry", "info": plain("reason")},)

    tenant_id: Mapped[int] = tenant_key()
    hour: Mapped[datetime | None] = mapped_column(UTC)
    used: Mapped[int] = mapped_column(BigInteger, server_default="0")
    wanted: Mapped[int] = mapped_column(BigInteger, server_default="0")
    asked_at: Mapped[datetime | None] = mapped_column(UTC)
    refused_at: Mapped[datetime | None] = mapped_column(UTC)
    background_until: Mapped[datetime | None] = mapped_column(UTC)
    people_until: Mapped[datetime | None] = mapped_column(UTC)
    reason: Mapped[str | None] = mapped_column(Text)
