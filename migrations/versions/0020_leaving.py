"""Tenants that leave: noted, erased to the last row but their audit log, and able to take everything along."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store.row_security import protect

revision = "0020"
down_revision = "0019"

_LOG = ("audit_entries", "audit_leaves", "audit_checkpoints")


def upgrade() -> None:
    """Make the tables, and let the audit log of a tenant stand when the tenant's own row is gone."""
    for table in _LOG:
        name = f"fk_{table}_tenant_id"
        # Not validated, which would read the whole log under a lock: the former key has done it, through app.tenants.
        op.execute(
            f"ALTER TABLE app.{table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name}"
            " FOREIGN KEY (tenant_id) REFERENCES registry.tenants (tenant_id) NOT VALID"
        )
    op.create_table(
        "departures",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True)),
        sa.Column("erased_at", sa.DateTime(timezone=True)),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("receipt", sa.Text()),
        sa.CheckConstraint("asked_by IN ('retention', 'operator', 'request')", name="ck_departures_asked_by"),
        sa.ForeignKeyConstraint(["tenant_id"], ["registry.tenants.tenant_id"], name="fk_departures_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_departures"),
        schema="registry",
    )
    _requests()
    _exports()
    for table in ("privacy_requests", "exports"):
        for statement in protect(table):
            op.execute(statement)


def _requests() -> None:
    op.create_table(
        "privacy_requests",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text()),
        sa.Column("filed_by", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True)),
        sa.Column("verified_by", sa.Text()),
        sa.Column("verified_how", sa.Text()),
        sa.Column("extended_at", sa.DateTime(timezone=True)),
        sa.Column("extended_months", sa.Integer()),
        sa.Column("extension_reason", sa.Text()),
        sa.Column("refused_at", sa.DateTime(timezone=True)),
        sa.Column("refusal", sa.Text()),
        sa.Column("fulfilled_at", sa.DateTime(timezone=True)),
        sa.Column("receipt", sa.Text()),
        sa.CheckConstraint("kind IN ('erasure', 'access')", name="ck_privacy_requests_kind"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_privacy_requests_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "request_id", name="pk_privacy_requests"),
        schema="app",
    )


def _exports() -> None:
    op.create_table(
        "exports",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary()),
        sa.CheckConstraint("state IN ('waiting', 'running', 'ready', 'taken', 'expired')", name="ck_exports_state"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_exports_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "export_id", name="pk_exports"),
        schema="app",
    )
    op.create_index("ix_exports_asked", "exports", ["tenant_id", "asked_at"], schema="app")
    op.create_table(
        "export_links",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["registry.tenants.tenant_id"], name="fk_export_links_tenant_id"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_export_links"),
        schema="registry",
    )
    op.create_index("ix_export_links_tenant_id", "export_links", ["tenant_id"], schema="registry")
