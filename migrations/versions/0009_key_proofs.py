"""What shows whether a key-encryption key is still the one that wrapped data keys."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make it; empty until the next data key is wrapped."""
    op.create_table(
        "key_proofs",
        sa.Column("kek_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kek_id", name="pk_key_proofs"),
        schema="registry",
    )
