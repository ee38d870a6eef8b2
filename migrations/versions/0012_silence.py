"""Until when nobody is told of a bound: imports and recomputations move bounds into the past by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add it; bounds that are there already were all derived from what Jira said at the time."""
    op.add_column("clock_bounds", sa.Column("silent_before", sa.DateTime(timezone=True), nullable=True), schema="app")
