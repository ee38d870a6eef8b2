"""What was read of issues, the facts about their clocks, and the bounds derived from them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store.row_security import protect

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "issues",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_key", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=False),
        sa.Column("severity_level", sa.Text(), nullable=True),
        sa.Column("severity_source", sa.Text(), nullable=True),
        sa.Column("cvss_score", sa.Numeric(precision=3, scale=1), nullable=True),
        sa.Column("cvss_vector", sa.Text(), nullable=True),
        sa.Column("hidden_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tracking IN ('tracked', 'not_tracked')", name="ck_issues_tracking"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_issues_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "issue_id", name="pk_issues"),
        schema="app",
    )
    op.create_index("ix_issues_key", "issues", ["tenant_id", "issue_key"], unique=False, schema="app")
    for statement in protect("issues"):
        op.execute(statement)
    op.create_table(
        "clock_events",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "issue_id"],
            ["app.issues.tenant_id", "app.issues.issue_id"],
            name="fk_clock_events_tenant_id_issue_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "issue_id", "source", "kind", name="pk_clock_events"),
        schema="app",
    )
    for statement in protect("clock_events"):
        op.execute(statement)
    op.create_table(
        "clock_bounds",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("promise", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("due_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("at_risk_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_seconds", sa.BigInteger(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("cancelled_reason", sa.Text(), nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.Column("calendar_sha256", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "issue_id"],
            ["app.issues.tenant_id", "app.issues.issue_id"],
            name="fk_clock_bounds_tenant_id_issue_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "issue_id", "promise", "cycle", name="pk_clock_bounds"),
        schema="app",
    )
    op.create_index(
        "ix_clock_bounds_due",
        "clock_bounds",
        ["tenant_id", "due_at"],
        unique=False,
        schema="app",
        postgresql_where="stopped_at IS NULL",
    )
    for statement in protect("clock_bounds"):
        op.execute(statement)
