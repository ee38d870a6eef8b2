"""Client key to tenant, state and secret version: readable before a tenant is known."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.execute(CreateSequence(sa.Sequence("installation_ids", schema="registry")))
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenants"),
        schema="registry",
    )
    op.create_table(
        "connect_installations",
        sa.Column("client_key", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("installation_id", sa.BigInteger(), nullable=False),
        sa.Column("site_url", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("previous_accepted_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('active', 'uninstalled', 'suspended')", name="ck_connect_installations_state"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["registry.tenants.tenant_id"], name="fk_connect_installations_tenant_id"
        ),
        sa.PrimaryKeyConstraint("client_key", name="pk_connect_installations"),
        sa.UniqueConstraint("installation_id", name="uq_connect_installations_installation_id"),
        schema="registry",
    )
    op.create_index(
        "ix_connect_installations_tenant_id", "connect_installations", ["tenant_id"], unique=False, schema="registry"
    )
    op.create_index(
        "uq_connect_installations_active_site",
        "connect_installations",
        ["site_url"],
        unique=True,
        schema="registry",
        postgresql_where="state = 'active'",
    )
