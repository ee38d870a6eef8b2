"""Counts for alert rules, when alerts were raised, and the audit log of our own house."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "signals",
        sa.Column("signal_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("count > 0", name="count"),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signals"),
        schema="registry",
    )
    op.create_index("ix_signals_code_at", "signals", ["code", "at"], schema="registry")
    op.create_table(
        "alerts",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rule", "subject", name="pk_alerts"),
        schema="registry",
    )
    # What concerns no tenant stands in the log of tenant 0, which is ours.
    op.execute("SELECT set_config('app.tenant', '0', true)")
    op.execute("INSERT INTO registry.tenants (tenant_id, created_at) OVERRIDING SYSTEM VALUE VALUES (0, now())")
    op.execute(
        "INSERT INTO app.tenants (tenant_id, region, policy, current_installation, created_at)"
        " VALUES (0, 'global', 'atlassian-marketplace', 0, now())"
    )
