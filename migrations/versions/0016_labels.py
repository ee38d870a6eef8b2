"""What is written into Jira: labels of issues, entries of the Security tab, and where publication began."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.store.row_security import protect

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make them; they fill by themselves, because nothing has been published for any tenant yet."""
    op.create_table(
        "publications",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("installation_id", sa.BigInteger(), nullable=False),
        sa.Column("tab_linked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tab_refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_publications_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_publications"),
        schema="app",
    )
    _create("issue_labels", "look", sa.Column("property", JSONB(), nullable=True), sa.Column("lozenge", JSONB()))
    _create(
        "security_pushes",
        "push",
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("is_backfill", sa.Boolean(), nullable=False),
        sa.Column("pushed", JSONB(), nullable=True),
    )
    for table in ("publications", "issue_labels", "security_pushes"):
        for statement in protect(table):
            op.execute(statement)


def _create(table: str, verb: str, *columns: "sa.Column[object]") -> None:
    """A table with a row per issue that is due at `{verb}_at`."""
    op.create_table(
        table,
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(f"{verb}_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("marks", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        *columns,
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "issue_id"],
            ["app.issues.tenant_id", "app.issues.issue_id"],
            name=f"fk_{table}_tenant_id_issue_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "issue_id", name=f"pk_{table}"),
        schema="app",
    )
    due = sa.text(f"{verb}_at IS NOT NULL")
    op.create_index(f"ix_{table}_{verb}", table, ["tenant_id", f"{verb}_at"], schema="app", postgresql_where=due)
