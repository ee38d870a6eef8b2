"""Which issues have a security level, and what ended lately: what pages count without looking at every clock."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add them; of an issue that was read before it is not known, and counts as if it had a level until it is read."""
    op.add_column("issues", sa.Column("restricted", sa.Boolean(), nullable=True), schema="app")
    op.create_index(
        "ix_issues_restricted",
        "issues",
        ["tenant_id", "project_id", "issue_id"],
        schema="app",
        postgresql_where=sa.text("tracking = 'tracked' AND restricted IS NOT FALSE"),
    )
    ended = sa.text("stopped_at IS NOT NULL")
    op.create_index(
        "ix_clock_bounds_ended", "clock_bounds", ["tenant_id", "stopped_at"], schema="app", postgresql_where=ended
    )
    op.create_index(
        "ix_clock_bounds_ended_of_project",
        "clock_bounds",
        ["tenant_id", "project_id", "stopped_at"],
        schema="app",
        postgresql_where=ended,
    )
