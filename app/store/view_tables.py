"""The table of what people keep of lists."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import Erase, Kind, Personal, personal
from app.domain.sentences import Sentence
from app.store.db import UTC, Base, tenant_key

_OWNER = Personal(
    Kind.ACCOUNT_ID,
    purpose=Sentence("whose view it is: nobody else is shown it"),
    retention=Sentence("until they forget it"),
    erase=Erase.ROW,
    since="saved_at",
)
_WORDS = Personal(
    Kind.FREE_TEXT,
    purpose=Sentence("what its owner calls it, and what they filter by"),
    retention=Sentence("until they forget it"),
    erase=Erase.WITH_ACCOUNT,
)


class ViewRow(Base):
    """Filters and columns of a list, under the name that its owner gave them."""

    __tablename__ = "saved_views"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        Index("uq_saved_views_name", "tenant_id", "account_id", "name", unique=True),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    view_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(Text, info=personal(_OWNER))
    name: Mapped[str] = mapped_column(Text, info=personal(_WORDS))
    query: Mapped[str] = mapped_column(Text, info=personal(_WORDS))
    saved_at: Mapped[datetime] = mapped_column(UTC)
