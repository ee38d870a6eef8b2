"""The links by which whoever asked for the deletion of everything of a site gets its receipt."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Make it, empty: whoever asked before gets the receipt from the operator."""
    op.create_table(
        "receipt_links",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["registry.tenants.tenant_id"], name="fk_receipt_links_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_receipt_links"),
        sa.UniqueConstraint("token_sha256", name="uq_receipt_links_token_sha256"),
        schema="registry",
    )
