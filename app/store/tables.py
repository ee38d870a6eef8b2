"""Every table of `registry` and `app`. In `app` each begins with the tenant, and every foreign key carries it."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    Sequence,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.privacy.register import Erase, Kind, Personal, personal, plain
from app.domain.sentences import Sentence
from app.store import audit_tables as _audit_tables  # noqa: F401  who imports this module has every table
from app.store import following_tables as _following_tables  # noqa: F401  the same
from app.store import integration_tables as _integration_tables  # noqa: F401  the same
from app.store import label_tables as _label_tables  # noqa: F401  the same
from app.store import metric_tables as _metric_tables  # noqa: F401  the same
from app.store import notice_tables as _notice_tables  # noqa: F401  the same
from app.store import people_tables as _people_tables  # noqa: F401  the same
from app.store import policy_tables as _policy_tables  # noqa: F401  the same
from app.store import privacy_tables as _privacy_tables  # noqa: F401  the same
from app.store import quota_tables as _quota_tables  # noqa: F401  the same
from app.store import view_tables as _view_tables  # noqa: F401  the same
from app.store.db import UTC, Base, tenant_key
from app.store.personal_kinds import ACTOR, EVENT_DATA, WORDS

INSTALLATION_IDS = Sequence("installation_ids", schema="registry", metadata=Base.metadata)


class RegistryTenant(Base):
    """A tenant's existence: its id and nothing about it."""

    __tablename__ = "tenants"
    __table_args__ = ({"schema": "registry"},)

    tenant_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UTC)


class RegistryConnect(Base):
    """Client key → tenant. The site URL is here because "one active installation per site" spans tenants."""

    __tablename__ = "connect_installations"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'uninstalled', 'suspended')", name="state"),
        Index(
            "uq_connect_installations_active_site",
            "site_url",
            unique=True,
            postgresql_where="state = 'active'",
        ),
        {
            "schema": "registry",
            "info": plain("client_key", "site_url", "state", "forge_installation", "applied_token_sha256"),
        },
    )

    client_key: Mapped[str] = mapped_column(Text, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("registry.tenants.tenant_id"), index=True)
    installation_id: Mapped[int] = mapped_column(BigInteger, INSTALLATION_IDS, unique=True)
    site_url: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    secret_version: Mapped[int]
    previous_accepted_until: Mapped[datetime | None] = mapped_column(UTC)
    applied_at: Mapped[datetime] = mapped_column(UTC)
    forge_installation: Mapped[str | None] = mapped_column(Text, index=True)
    linked_at: Mapped[datetime | None] = mapped_column(UTC)
    retired_at: Mapped[datetime | None] = mapped_column(UTC)
    applied_token_sha256: Mapped[bytes | None]


class RegistryForge(Base):
    """Forge installation → tenant. Cloud id and environment are here because a reinstall is found by them."""

    __tablename__ = "forge_installations"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'uninstalled', 'suspended')", name="state"),
        Index("ix_forge_installations_site", "cloud_id", "environment"),
        {"schema": "registry", "info": plain("forge_installation", "cloud_id", "environment", "state", "app_version")},
    )

    forge_installation: Mapped[str] = mapped_column(Text, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("registry.tenants.tenant_id"), index=True)
    installation_id: Mapped[int] = mapped_column(BigInteger, INSTALLATION_IDS, unique=True)
    cloud_id: Mapped[str] = mapped_column(Text)
    environment: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(UTC)
    app_version: Mapped[str | None] = mapped_column(Text)
    left_tenant: Mapped[int | None] = mapped_column(BigInteger)


class RegistryContact(Base):
    """A Forge installation that has called, and of which could not be told yet whose it is."""

    __tablename__ = "forge_contacts"
    __table_args__ = (
        CheckConstraint("waits_for IN ('token', 'jira')", name="waits_for"),
        {"schema": "registry", "info": plain("forge_installation", "cloud_id", "waits_for")},
    )

    forge_installation: Mapped[str] = mapped_column(Text, primary_key=True)
    cloud_id: Mapped[str] = mapped_column(Text)
    waits_for: Mapped[str] = mapped_column(Text)
    first_at: Mapped[datetime] = mapped_column(UTC)
    last_at: Mapped[datetime] = mapped_column(UTC)


class RegistryKeyProof(Base):
    """A key-encryption key under which data keys were wrapped, and what shows whether it is still the same key."""

    __tablename__ = "key_proofs"
    __table_args__ = ({"schema": "registry", "info": plain("kek_id", "purpose", "wrapped")},)

    kek_id: Mapped[str] = mapped_column(Text, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes]
    first_used_at: Mapped[datetime] = mapped_column(UTC)


class TenantRow(Base):
    """One Jira site and what was chosen for it."""

    __tablename__ = "tenants"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["registry.tenants.tenant_id"]),
        {"schema": "app", "info": plain("cloud_id", "region", "policy", "policy_sha256")},
    )

    tenant_id: Mapped[int] = tenant_key()
    cloud_id: Mapped[str | None] = mapped_column(Text)
    region: Mapped[str] = mapped_column(Text)
    policy: Mapped[str] = mapped_column(Text)
    policy_sha256: Mapped[str | None] = mapped_column(Text)
    """Of the site's own text of that policy, where one is in force."""
    current_installation: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UTC)


class InstallationRow(Base):
    """One trust relation of a tenant."""

    __tablename__ = "installations"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        {"schema": "app", "info": plain("client_key", "base_url", "display_url", "product_type")},
    )

    tenant_id: Mapped[int] = tenant_key()
    installation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    client_key: Mapped[str | None] = mapped_column(Text)
    base_url: Mapped[str] = mapped_column(Text)
    display_url: Mapped[str] = mapped_column(Text)
    product_type: Mapped[str] = mapped_column(Text)
    enabled_hint: Mapped[bool | None]
    installed_at: Mapped[datetime] = mapped_column(UTC)
    uninstalled_at: Mapped[datetime | None] = mapped_column(UTC)


class DataKeyRow(Base):
    """A data key, wrapped. Destroying the row makes everything sealed with it unreadable, backups included."""

    __tablename__ = "data_keys"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        {"schema": "app", "info": plain("purpose", "kek_id", "wrapped")},
    )

    tenant_id: Mapped[int] = tenant_key()
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    kek_id: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(UTC)


_SEALED = Personal(
    Kind.SEALED,
    purpose=Sentence("secrets of installations, and the addresses of those who are told of deadlines"),
    retention=Sentence("until the installation or the recipient goes"),
    erase=Erase.WITH_TENANT,
)


class SealedRow(Base):
    """An envelope."""

    __tablename__ = "sealed_secrets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "purpose", "key_id"],
            ["app.data_keys.tenant_id", "app.data_keys.purpose", "app.data_keys.key_id"],
        ),
        {"schema": "app", "info": plain("purpose", "row_id")},
    )

    tenant_id: Mapped[int] = tenant_key()
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    row_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_id: Mapped[UUID]
    envelope: Mapped[bytes] = mapped_column(info=personal(_SEALED))


class ForgeTokenRow(Base):
    """When the sealed system token of a Forge installation came and until when it is good; the version seals it."""

    __tablename__ = "forge_tokens"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "installation_id"], ["app.installations.tenant_id", "app.installations.installation_id"]
        ),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    installation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(UTC)
    expires_at: Mapped[datetime] = mapped_column(UTC)


class IssueRow(Base):
    """What was last read of an issue; no text of it, no people."""

    __tablename__ = "issues"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        Index("ix_issues_key", "tenant_id", "issue_key"),
        Index(
            "ix_issues_restricted",
            "tenant_id",
            "project_id",
            "issue_id",
            postgresql_where="tracking = 'tracked' AND restricted IS NOT FALSE",
        ),
        CheckConstraint("tracking IN ('tracked', 'not_tracked')", name="tracking"),
        {
            "schema": "app",
            "info": plain(
                "issue_key", "tracking", "severity_level", "severity_source", "cvss_vector", "missing", "fix_versions"
            ),
        },
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    issue_key: Mapped[str] = mapped_column(Text)
    project_id: Mapped[int] = mapped_column(BigInteger)
    tracking: Mapped[str] = mapped_column(Text)
    severity_level: Mapped[str | None] = mapped_column(Text)
    severity_source: Mapped[str | None] = mapped_column(Text)
    cvss_score: Mapped[Decimal | None] = mapped_column(Numeric(3, 1))
    cvss_vector: Mapped[str | None] = mapped_column(Text)
    hidden_since: Mapped[datetime | None] = mapped_column(UTC)
    read_at: Mapped[datetime] = mapped_column(UTC)
    configuration: Mapped[int] = mapped_column(server_default="0")
    missing: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    restricted: Mapped[bool | None]
    fix_versions: Mapped[list[tuple[str, bool]] | None] = mapped_column(JSONB(none_as_null=True))


class ClockEventRow(Base):
    """A fact about a clock; append only."""

    __tablename__ = "clock_events"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "issue_id"], ["app.issues.tenant_id", "app.issues.issue_id"]),
        # Most facts are Jira's and name nobody: whom the others name is found without reading them all.
        Index(
            "ix_clock_events_actor",
            "tenant_id",
            text("(data ->> 'actor')"),
            postgresql_where=text("(data ->> 'actor') IS NOT NULL"),
        ),
        {"schema": "app", "info": plain("source", "kind")},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(UTC)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, info=EVENT_DATA)
    recorded_at: Mapped[datetime] = mapped_column(UTC)


ENDED = "(stopped_at IS NOT NULL)"
# Not `coalesce`, which PostgreSQL takes for leaky: under row security it would not be looked up in an index. Of the
# two a cycle has one at most.
BOUND = "LEAST(due_at, due_before, 'infinity'::timestamp with time zone)"
LATE = "(due_at < stopped_at OR due_at IS NULL AND due_before <= stopped_at)"
_LIST_ORDER = (text(ENDED), text(BOUND), "issue_id", "promise", "cycle")
"""Clocks that have not ended, then those that have, each by the bound; those without one come last."""


class ClockBoundsRow(Base):
    """The derived bounds of one cycle, for search; never the state, which time changes without a write."""

    __tablename__ = "clock_bounds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "issue_id"], ["app.issues.tenant_id", "app.issues.issue_id"]),
        Index("ix_clock_bounds_due", "tenant_id", "due_at", postgresql_where="stopped_at IS NULL"),
        Index("ix_clock_bounds_list", "tenant_id", *_LIST_ORDER),
        Index("ix_clock_bounds_ended", "tenant_id", "stopped_at", postgresql_where="stopped_at IS NOT NULL"),
        Index(
            "ix_clock_bounds_ended_of_project",
            "tenant_id",
            "project_id",
            "stopped_at",
            postgresql_where="stopped_at IS NOT NULL",
        ),
        Index("ix_clock_bounds_list_of_project", "tenant_id", "project_id", *_LIST_ORDER),
        # Few of those that have ended: without it, to find the newest of them all others would be looked at.
        Index("ix_clock_bounds_late", "tenant_id", *_LIST_ORDER, postgresql_where=LATE),
        {"schema": "app", "info": plain("promise", "policy", "severity", "outcome", "calendar_sha256")},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    promise: Mapped[str] = mapped_column(Text, primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    policy: Mapped[str] = mapped_column(Text)
    severity: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UTC)
    due_at: Mapped[datetime | None] = mapped_column(UTC)
    due_date: Mapped[date | None]
    due_before: Mapped[datetime | None] = mapped_column(UTC)
    at_risk_at: Mapped[datetime | None] = mapped_column(UTC)
    paused_since: Mapped[datetime | None] = mapped_column(UTC)
    paused_seconds: Mapped[int] = mapped_column(BigInteger)
    overrun_at: Mapped[datetime | None] = mapped_column(UTC)
    stopped_at: Mapped[datetime | None] = mapped_column(UTC)
    outcome: Mapped[str | None] = mapped_column(Text)
    cancelled_reason: Mapped[str | None] = mapped_column(Text, info=personal(WORDS))
    cancelled_by: Mapped[str | None] = mapped_column(Text, info=personal(replace(ACTOR, since=None)))
    calendar_sha256: Mapped[str | None] = mapped_column(Text)
    silent_before: Mapped[datetime | None] = mapped_column(UTC)
    project_id: Mapped[int | None] = mapped_column(BigInteger)


class RecomputationRow(Base):
    """How far making all bounds of a tenant anew has come; gone when it is done."""

    __tablename__ = "recomputations"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        {"schema": "app", "info": plain("policy")},
    )

    tenant_id: Mapped[int] = tenant_key()
    policy: Mapped[str] = mapped_column(Text)
    after_issue: Mapped[int] = mapped_column(BigInteger)
    begun_at: Mapped[datetime] = mapped_column(UTC)


class DeliveryRow(Base):
    """A webhook that was acknowledged: issue, instant and delivery id, never the body."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        Index("ix_webhook_deliveries_received", "tenant_id", "received_at"),
        {"schema": "app", "info": plain("delivery_id")},
    )

    tenant_id: Mapped[int] = tenant_key()
    delivery_id: Mapped[str] = mapped_column(Text, primary_key=True)
    issue_id: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(UTC)


class PendingReadRow(Base):
    """An issue that has to be read from Jira; asking again while it waits moves `asked_at`."""

    __tablename__ = "pending_reads"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"]),
        Index("ix_pending_reads_due", "tenant_id", "due_at"),
        {"schema": "app"},
    )

    tenant_id: Mapped[int] = tenant_key()
    issue_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    asked_at: Mapped[datetime] = mapped_column(UTC)
    due_at: Mapped[datetime] = mapped_column(UTC)
    attempts: Mapped[int]
