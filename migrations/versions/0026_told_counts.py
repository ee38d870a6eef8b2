"""How many recipients were told of which threshold of a clock, and when what waits was noted."""

import sqlalchemy as sa
from alembic import op

from app.store.row_security import protect

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Make it, empty: of what went out before nobody knows any more whom it was about."""
    op.add_column("notices", sa.Column("noted_at", sa.DateTime(timezone=True), nullable=True), schema="app")
    op.create_table(
        "told_counts",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("promise", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("threshold", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("medium", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("medium IN ('mail', 'jira_comment')", name="ck_told_counts_medium"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "issue_id"],
            ["app.issues.tenant_id", "app.issues.issue_id"],
            name="fk_told_counts_tenant_id_issue_id",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "issue_id", "promise", "cycle", "threshold", "medium", name="pk_told_counts"
        ),
        schema="app",
    )
    for statement in protect("told_counts"):
        op.execute(statement)
