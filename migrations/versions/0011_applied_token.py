"""The token of the last `installed`, by its hash: the same one is not applied again with another body."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add it; unknown for what was applied before."""
    op.add_column(
        "connect_installations", sa.Column("applied_token_sha256", sa.LargeBinary(), nullable=True), schema="registry"
    )
