"""Tenants, their installations, sealed secrets and audit entries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store.row_security import protect

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them."""
    op.execute("CREATE SCHEMA app")
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cloud_id", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("current_installation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["registry.tenants.tenant_id"], name="fk_tenants_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenants"),
        schema="app",
    )
    for statement in protect("tenants"):
        op.execute(statement)
    op.create_table(
        "installations",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("installation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_key", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("display_url", sa.Text(), nullable=False),
        sa.Column("product_type", sa.Text(), nullable=False),
        sa.Column("enabled_hint", sa.Boolean(), nullable=True),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uninstalled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_installations_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "installation_id", name="pk_installations"),
        schema="app",
    )
    for statement in protect("installations"):
        op.execute(statement)
    op.create_table(
        "data_keys",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("kek_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_data_keys_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "purpose", "key_id", name="pk_data_keys"),
        schema="app",
    )
    for statement in protect("data_keys"):
        op.execute(statement)
    op.create_table(
        "sealed_secrets",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "purpose", "key_id"],
            ["app.data_keys.tenant_id", "app.data_keys.purpose", "app.data_keys.key_id"],
            name="fk_sealed_secrets_tenant_id_purpose_key_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "purpose", "row_id", "version", name="pk_sealed_secrets"),
        schema="app",
    )
    for statement in protect("sealed_secrets"):
        op.execute(statement)
    op.create_table(
        "audit_entries",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_audit_entries_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "entry_id", name="pk_audit_entries"),
        schema="app",
    )
    for statement in protect("audit_entries"):
        op.execute(statement)
