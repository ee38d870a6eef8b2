"""The tables of who is told of which clock, and what was told."""

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import Erase, Kind, Personal, personal, plain
from app.domain.sentences import Sentence
from app.store.db import UTC, Base, tenant_key

_LINK = Personal(
    Kind.PSEUDONYM,
    purpose=Sentence("to know a link again that was given to one person, without keeping the link"),
    retention=Sentence("until the link is revoked, replaced or its recipient goes"),
    erase=Erase.WITH_TENANT,
)
_LABEL = Personal(
    Kind.FREE_TEXT,
    purpose=Sentence("what an administrator calls somebody who is told of deadlines"),
    retention=Sentence("until that recipient is removed"),
    erase=Erase.WITH_TENANT,
)
_OWNER = Personal(
    Kind.ACCOUNT_ID,
    purpose=Sentence("whose calendar it is: Jira is asked what that person may see"),
    retention=Sentence("until they end it"),
    erase=Erase.ROW,
    since="made_at",
)


class LinkRow(Base):
    """Hash of the token in a link → tenant and what it is for."""

    __tablename__ = "links"
    __table_args__ = (
        CheckConstraint("kind IN ('unsubscribe', 'calendar')", name="kind"),
        Index("ix_links_subject", "tenant_id", "subject"),
        {"schema": "registry", "info": plain("kind")},
    )

    token_sha256: Mapped[bytes] = mapped_column(primary_key=True, info=personal(_LINK))
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("registry.tenants.tenant_id"))
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[UUID]
    made_at: Mapped[datetime] = mapped_column(UTC)


class RecipientRow(Base):
    """Somebody who is told. The address is sealed, elsewhere."""

    __tablename__ = "recipients"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        CheckConstraint("medium IN ('mail', 'jira_comment')", name="medium"),
        CheckConstraint("rhythm IN ('each_run', 'daily', 'weekly')", name="rhythm"),
        CheckConstraint("standing IN ('active', 'refused', 'unsubscribed')", name="standing"),
        CheckConstraint("(quiet_begins IS NULL) = (quiet_ends IS NULL)", name="quiet"),
        {"schema": "app", "info": plain("medium", "zone", "rhythm", "standing")},
    )

    tenant_id: Mapped[int] = tenant_key()
    recipient_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(Text, info=personal(_LABEL))
    medium: Mapped[str] = mapped_column(Text)
    projects: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    severities: Mapped[list[str]] = mapped_column(ARRAY(Text))
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    zone: Mapped[str] = mapped_column(Text)
    quiet_begins: Mapped[time | None]
    quiet_ends: Mapped[time | None]
    rhythm: Mapped[str] = mapped_column(Text)
    is_overseer: Mapped[bool]
    added_at: Mapped[datetime] = mapped_column(UTC)
    standing: Mapped[str] = mapped_column(Text)
    told_at: Mapped[datetime | None] = mapped_column(UTC)


class ToldRow(Base):
    """The newest threshold that was told of a cycle.

    It does not hang on the bounds: those are derived, may go and come back, and nothing would be told twice for that.
    """

    __tablename__ = "told_clocks"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "issue_id"], ["app.issues.tenant_id", "app.issues.issue_id"]),
        {"schema": "app", "info": plain("promise")},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    promise: Mapped[str] = mapped_column(Text, primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    threshold: Mapped[int]
    told_at: Mapped[datetime] = mapped_column(UTC)
    paused_seconds: Mapped[int] = mapped_column(BigInteger)


class ToldCountRow(Base):
    """How many recipients were told of a threshold of a cycle by one medium, the last time that it was told.

    Counts, because whoever may see the issue is shown them, and because they outlive the recipients: nobody's name.
    """

    __tablename__ = "told_counts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "issue_id"], ["app.issues.tenant_id", "app.issues.issue_id"]),
        CheckConstraint("medium IN ('mail', 'jira_comment')", name="medium"),
        {"schema": "app", "info": plain("promise", "medium")},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    promise: Mapped[str] = mapped_column(Text, primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    threshold: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    medium: Mapped[str] = mapped_column(Text, primary_key=True)
    noted_at: Mapped[datetime] = mapped_column(UTC)
    recipients: Mapped[int]
    told_at: Mapped[datetime] = mapped_column(UTC)


class NoticeRow(Base):
    """A notice that waits for a recipient, by itself or in a digest that is being sent."""

    __tablename__ = "notices"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "recipient_id"],
            ["app.recipients.tenant_id", "app.recipients.recipient_id"],
            ondelete="CASCADE",
        ),
        Index("ix_notices_digest", "tenant_id", "digest_id"),
        {"schema": "app", "info": plain("promise")},
    )

    tenant_id: Mapped[int] = tenant_key()
    recipient_id: Mapped[UUID] = mapped_column(primary_key=True)
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    promise: Mapped[str] = mapped_column(Text, primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    threshold: Mapped[int]
    is_urgent: Mapped[bool]
    digest_id: Mapped[UUID | None]
    noted_at: Mapped[datetime | None] = mapped_column(UTC)
    """None = by a version that did not say so."""


class DigestRow(Base):
    """A message that was begun and of which is not known yet that it went out."""

    __tablename__ = "digests"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "recipient_id"],
            ["app.recipients.tenant_id", "app.recipients.recipient_id"],
            ondelete="CASCADE",
        ),
        Index("ix_digests_recipient", "tenant_id", "recipient_id"),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    digest_id: Mapped[UUID] = mapped_column(primary_key=True)
    recipient_id: Mapped[UUID]
    leased_until: Mapped[datetime] = mapped_column(UTC)
    attempts: Mapped[int]


class FeedRow(Base):
    """Who has a calendar feed. The account id is personal data: it is here so that Jira can be asked what they see."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        Index("uq_calendar_feeds_account", "tenant_id", "account_id", unique=True),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    feed_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(Text, info=personal(_OWNER))
    made_at: Mapped[datetime] = mapped_column(UTC)
