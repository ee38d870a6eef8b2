"""The table of metrics: names and numbers, of no person and of no tenant."""

from datetime import datetime

from sqlalchemy import Double, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import plain
from app.store.db import UTC, Base


class MetricRow(Base):
    """One series of the cell; `labels` as in the exposition format. No index but the key: it changes often."""

    __tablename__ = "metrics"
    __table_args__ = ({"schema": "registry", "info": plain("name", "labels")},)

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    labels: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[float] = mapped_column(Double)
    at: Mapped[datetime] = mapped_column(UTC)
