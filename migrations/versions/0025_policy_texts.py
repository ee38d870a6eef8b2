"""The policies that sites have written for themselves, and which of them is in force."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store.row_security import protect

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Make it, empty: every site is served under a policy that is at hand."""
    op.add_column("tenants", sa.Column("policy_sha256", sa.Text(), nullable=True), schema="app")
    op.create_table(
        "policy_texts",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("texts", postgresql.JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name="version"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_policy_texts_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "sha256", name="pk_policy_texts"),
        sa.UniqueConstraint("tenant_id", "version", name="uq_policy_texts_tenant_id_version"),
        schema="app",
    )
    for statement in protect("policy_texts"):
        op.execute(statement)
