"""The move from Connect to Forge: since when, until when, who waits, and which version of the app a site runs."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add columns and a table; nothing that yesterday's code reads or writes is taken away."""
    op.add_column("connect_installations", sa.Column("linked_at", sa.DateTime(timezone=True)), schema="registry")
    op.add_column("connect_installations", sa.Column("retired_at", sa.DateTime(timezone=True)), schema="registry")
    op.add_column("forge_installations", sa.Column("app_version", sa.Text()), schema="registry")
    op.add_column("forge_installations", sa.Column("left_tenant", sa.BigInteger()), schema="registry")
    op.create_table(
        "forge_contacts",
        sa.Column("forge_installation", sa.Text(), nullable=False),
        sa.Column("cloud_id", sa.Text(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("waits_for IN ('token', 'jira')", name="ck_forge_contacts_waits_for"),
        sa.PrimaryKeyConstraint("forge_installation", name="pk_forge_contacts"),
        schema="registry",
    )
