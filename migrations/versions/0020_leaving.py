"""Tenants that leave: noted, erased to the last row but their audit log, and able to take everything along."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0012"

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
