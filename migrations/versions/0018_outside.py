"""When a paused clock is too late all the same: a due date that somebody else set is moved by no pause."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add it; no fact from before names such a date, so that no bound from before has one."""
    op.add_column("clock_bounds", sa.Column("overrun_at", sa.DateTime(timezone=True), nullable=True), schema="app")
