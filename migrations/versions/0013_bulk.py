"""Where a recomputation of all bounds of a tenant stands, and what lists of clocks are found by."""

import sqlalchemy as sa
from alembic import op

from app.store.row_security import protect

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make them; the project of a bound is filled in by the next recomputation, which is asked for by itself."""
    op.create_table(
        "recomputations",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("after_issue", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_recomputations_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_recomputations"),
        schema="app",
    )
    for statement in protect("recomputations"):
        op.execute(statement)
    op.add_column("clock_bounds", sa.Column("project_id", sa.BigInteger(), nullable=True), schema="app")
    # Not `coalesce`, which PostgreSQL takes for leaky: under row security it would not be looked up in an index.
    bound = "LEAST(due_at, due_before, 'infinity'::timestamp with time zone)"
    order = f"(stopped_at IS NOT NULL), {bound}, issue_id, promise, cycle"
    op.execute(f"CREATE INDEX ix_clock_bounds_list ON app.clock_bounds (tenant_id, {order})")
    op.execute(f"CREATE INDEX ix_clock_bounds_list_of_project ON app.clock_bounds (tenant_id, project_id, {order})")
