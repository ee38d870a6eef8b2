"""The tables that personal data reports need: which accounts are held, by digest where tenants are not apart."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Identity, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import Erase, Kind, Personal, personal, plain
from app.domain.sentences import Sentence
from app.store.db import UTC, Base, tenant_key

_HELD = Personal(
    Kind.ACCOUNT_ID,
    purpose=Sentence("to report each account to Atlassian, as storing any account's data demands"),
    retention=Sentence("as long as any other column of the register holds the account"),
    erase=Erase.ROW,
)
_SUBJECT = Personal(
    Kind.ACCOUNT_ID,
    purpose=Sentence("to find what the audit log says about a person"),
    retention=Sentence("as long as the tenant's log, or until the person is erased"),
    erase=Erase.KEY,
    since="stored_at",
)
_DIGEST = Personal(
    Kind.PSEUDONYM,
    purpose=Sentence(
        "to report an account once, however many tenants hold it, with no account id outside a tenant's rows"
    ),
    retention=Sentence(
        "as long as a tenant holds the account; of a closed account for good, so that it is never asked again"
    ),
    erase=Erase.ROW,
)


class PersonRow(Base):
    """An account whose data this tenant holds somewhere, made from the columns that the register names."""

    __tablename__ = "people"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        Index("uq_people_digest", "tenant_id", "digest", unique=True),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    account_id: Mapped[str] = mapped_column(Text, primary_key=True, info=personal(_HELD))
    digest: Mapped[bytes] = mapped_column(info=personal(replace(_HELD, kind=Kind.PSEUDONYM, erase=Erase.WITH_ACCOUNT)))
    stored_at: Mapped[datetime] = mapped_column(UTC)
    refreshed_at: Mapped[datetime | None] = mapped_column(UTC)


class AuditSubjectRow(Base):
    """Our own random name of a person in this tenant's audit log, which is also the id of that person's data key."""

    __tablename__ = "audit_subjects"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    account_id: Mapped[str] = mapped_column(Text, primary_key=True, info=personal(_SUBJECT))
    subject: Mapped[UUID]
    stored_at: Mapped[datetime] = mapped_column(UTC)


class AccountHolderRow(Base):
    """That a tenant holds an account, and the oldest instant of what it holds. Global: an account is reported once."""

    __tablename__ = "account_holders"
    __table_args__ = (Index("ix_account_holders_tenant", "tenant_id", "digest"), {"schema": "registry"})

    digest: Mapped[bytes] = mapped_column(primary_key=True, info=personal(_DIGEST))
    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    stored_at: Mapped[datetime] = mapped_column(UTC)


class AccountReportRow(Base):
    """When an account is to be reported, and what became of it."""

    __tablename__ = "account_reports"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'closed', 'set_aside')", name="state"),
        Index("ix_account_reports_due", "tenant_id", "digest", postgresql_where="state = 'open'"),
        Index("ix_account_reports_due_at", "due_at", postgresql_where="state = 'open'"),
        Index("ix_account_reports_lease", "lease", postgresql_where="lease IS NOT NULL"),
        Index("ix_account_reports_answered", "answered_at", postgresql_where="answered_at IS NOT NULL"),
        {"schema": "registry", "info": plain("state", "reason")},
    )

    digest: Mapped[bytes] = mapped_column(primary_key=True, info=personal(_DIGEST))
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    listed_at: Mapped[datetime] = mapped_column(UTC)
    due_at: Mapped[datetime] = mapped_column(UTC)
    reported_at: Mapped[datetime | None] = mapped_column(UTC)
    lease: Mapped[UUID | None]
    leased_until: Mapped[datetime | None] = mapped_column(UTC)
    attempts: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(UTC)


class ReportCycleRow(Base):
    """The one row about the cycle: its period, until when nobody asks, and the pass that is under way."""

    __tablename__ = "report_cycle"
    __table_args__ = (
        CheckConstraint("cycle_id = 1", name="one"),
        {"schema": "registry", "info": plain("period_text", "waits_for")},
    )

    cycle_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period_seconds: Mapped[int]
    period_text: Mapped[str | None] = mapped_column(Text)
    waits_until: Mapped[datetime | None] = mapped_column(UTC)
    waits_for: Mapped[str | None] = mapped_column(Text)
    failures: Mapped[int]
    listed_at: Mapped[datetime | None] = mapped_column(UTC)
    told_at: Mapped[datetime | None] = mapped_column(UTC)
    pass_number: Mapped[int]
    pass_started_at: Mapped[datetime] = mapped_column(UTC)


class ReportLogRow(Base):
    """One request to the personal data reporting API: counts and status, nobody's id. The evidence of the cycle."""

    __tablename__ = "report_log"
    __table_args__ = (
        Index("ix_report_log_at", "at"),
        {"schema": "registry", "info": plain("outcome", "period_text")},
    )

    report_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTC)
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    accounts: Mapped[int]
    status: Mapped[int | None]
    outcome: Mapped[str] = mapped_column(Text)
    closed: Mapped[int]
    updated: Mapped[int]
    period_text: Mapped[str | None] = mapped_column(Text)
