"""What people keep of lists, what was met too late, and in which version an issue is to be fixed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store.row_security import protect

revision = "0026"
down_revision = "0023"


def upgrade() -> None:
    """Make the table, empty, and the column: of an issue that was read before it nothing is known until it is read."""
    op.create_table(
        "saved_views",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("view_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_saved_views_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "view_id", name="pk_saved_views"),
        schema="app",
    )
    op.create_index(
        "uq_saved_views_name", "saved_views", ["tenant_id", "account_id", "name"], unique=True, schema="app"
    )
    for statement in protect("saved_views"):
        op.execute(statement)
    op.execute(
        "CREATE INDEX ix_clock_bounds_late ON app.clock_bounds (tenant_id, (stopped_at IS NOT NULL), "
        "(LEAST(due_at, due_before, 'infinity'::timestamptz)), issue_id, promise, cycle) "
        "WHERE (due_at < stopped_at OR due_at IS NULL AND due_before <= stopped_at)"
    )
    op.add_column("issues", sa.Column("fix_versions", postgresql.JSONB(), nullable=True), schema="app")
