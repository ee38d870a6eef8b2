"""The Merkle log of each tenant's audit entries, its signed checkpoints, and the tree of all of them for the anchor."""

import sqlalchemy as sa
from alembic import op

from app.store.row_security import protect

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make them; nothing that yesterday's code reads or writes is taken away.

    Entries from before, and those of yesterday's code, have no place in the log: `pledge audit adopt` lets them in.
    """
    op.add_column("audit_entries", sa.Column("commitment", sa.LargeBinary()), schema="app")
    op.create_table(
        "audit_persons",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "entry_id"],
            ["app.audit_entries.tenant_id", "app.audit_entries.entry_id"],
            name="fk_audit_persons_tenant_id_entry_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "entry_id", name="pk_audit_persons"),
        schema="app",
    )
    op.create_index("ix_audit_persons_subject", "audit_persons", ["tenant_id", "subject"], schema="app")
    op.create_table(
        "audit_leaves",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_audit_leaves_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "position", name="pk_audit_leaves"),
        schema="app",
    )
    op.create_index("ix_audit_leaves_entry", "audit_leaves", ["tenant_id", "entry_id"], schema="app")
    op.create_table(
        "audit_checkpoints",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_audit_checkpoints_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "size", name="pk_audit_checkpoints"),
        schema="app",
    )
    for table in ("audit_persons", "audit_leaves", "audit_checkpoints"):
        for statement in protect(table):
            op.execute(statement)
    _global_tables()


def _global_tables() -> None:
    op.create_table(
        "audit_waiting",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "at", "entry_id", name="pk_audit_waiting"),
        schema="registry",
    )
    op.create_table(
        "audit_anchor_leaves",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_anchor_leaves"),
        schema="registry",
    )
    op.create_index("ix_audit_anchor_leaves_tenant", "audit_anchor_leaves", ["tenant_id", "size"], schema="registry")
    op.create_table(
        "audit_anchor_heads",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_audit_anchor_heads"),
        schema="registry",
    )
