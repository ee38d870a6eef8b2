"""Webhooks that were acknowledged, and issues that have to be read."""

import sqlalchemy as sa
from alembic import op

from app.store.row_security import protect

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "webhook_deliveries",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_webhook_deliveries_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", name="pk_webhook_deliveries"),
        schema="app",
    )
    op.create_index(
        "ix_webhook_deliveries_received", "webhook_deliveries", ["tenant_id", "received_at"], unique=False, schema="app"
    )
    for statement in protect("webhook_deliveries"):
        op.execute(statement)
    op.create_table(
        "pending_reads",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_pending_reads_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "issue_id", name="pk_pending_reads"),
        schema="app",
    )
    op.create_index("ix_pending_reads_due", "pending_reads", ["tenant_id", "due_at"], unique=False, schema="app")
    for statement in protect("pending_reads"):
        op.execute(statement)
