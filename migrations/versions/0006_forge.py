"""Forge installations beside Connect ones: id to tenant, and the age of their system tokens."""

import sqlalchemy as sa
from alembic import op

from app.store.row_security import protect

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make them; nothing that yesterday's code reads or writes is taken away."""
    op.create_table(
        "forge_installations",
        sa.Column("forge_installation", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("installation_id", sa.BigInteger(), nullable=False),
        sa.Column("cloud_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('active', 'uninstalled', 'suspended')", name="state"),
        sa.ForeignKeyConstraint(["tenant_id"], ["registry.tenants.tenant_id"], name="fk_forge_installations_tenant_id"),
        sa.PrimaryKeyConstraint("forge_installation", name="pk_forge_installations"),
        sa.UniqueConstraint("installation_id", name="uq_forge_installations_installation_id"),
        schema="registry",
    )
    op.create_index(
        "ix_forge_installations_site", "forge_installations", ["cloud_id", "environment"], schema="registry"
    )
    op.create_index("ix_forge_installations_tenant_id", "forge_installations", ["tenant_id"], schema="registry")
    op.add_column("connect_installations", sa.Column("forge_installation", sa.Text()), schema="registry")
    op.create_index(
        "ix_connect_installations_forge_installation",
        "connect_installations",
        ["forge_installation"],
        schema="registry",
    )
    op.alter_column("installations", "client_key", nullable=True, schema="app")
    op.create_table(
        "forge_tokens",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("installation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "installation_id"],
            ["app.installations.tenant_id", "app.installations.installation_id"],
            name="fk_forge_tokens_tenant_id_installation_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "installation_id", name="pk_forge_tokens"),
        schema="app",
    )
    for statement in protect("forge_tokens"):
        op.execute(statement)
