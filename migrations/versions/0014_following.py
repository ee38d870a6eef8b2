"""What a tenant chose to be followed, how far the runs through its issues are, and facts that others replaced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store.row_security import protect

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make them; every issue that is there was read as everybody's are."""
    op.add_column("issues", sa.Column("configuration", sa.Integer(), nullable=False, server_default="0"), schema="app")
    op.add_column("issues", sa.Column("missing", postgresql.JSONB(), nullable=True), schema="app")
    op.create_table(
        "following_settings",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name="version"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_following_settings_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "version", name="pk_following_settings"),
        schema="app",
    )
    op.create_table(
        "unmapped_values",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_unmapped_values_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "name", name="pk_unmapped_values"),
        schema="app",
    )
    op.create_table(
        "runs",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("page_token", sa.Text(), nullable=True),
        sa.Column("after_issue", sa.BigInteger(), nullable=False),
        sa.Column("window_minutes", sa.Integer(), nullable=True),
        sa.Column("confirm_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("advanced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("covered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("last", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint("kind IN ('import', 'reconciliation')", name="kind"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_runs_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "kind", name="pk_runs"),
        schema="app",
    )
    op.create_table(
        "superseded_events",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "issue_id"],
            ["app.issues.tenant_id", "app.issues.issue_id"],
            name="fk_superseded_events_tenant_id_issue_id",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "issue_id", "source", "kind", "superseded_at", name="pk_superseded_events"
        ),
        schema="app",
    )
    for table in ("following_settings", "unmapped_values", "runs", "superseded_events"):
        for statement in protect(table):
            op.execute(statement)
