"""What each tenant, and under 0 all together, has had of Jira's points in an hour, and what Jira told them to wait."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make it, with the account of all together."""
    op.create_table(
        "jira_quota",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("wanted", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("background_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("people_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_jira_quota"),
        schema="registry",
    )
    op.execute("INSERT INTO registry.jira_quota (tenant_id) VALUES (0)")
