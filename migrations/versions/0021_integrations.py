"""Our own grants at others, the first of them Atlassian's, under which accounts are reported."""

import sqlalchemy as sa
from alembic import op

from app.store.row_security import protect

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Make the table; it is empty until somebody connects."""
    op.create_table(
        "integrations",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.Column("attempt_version", sa.Integer(), nullable=False),
        sa.Column("attempt_sha256", sa.LargeBinary()),
        sa.Column("attempt_stage", sa.Text()),
        sa.Column("attempt_expires_at", sa.DateTime(timezone=True)),
        sa.Column("redirect_uri", sa.Text()),
        sa.Column("access_version", sa.Integer(), nullable=False),
        sa.Column("refresh_version", sa.Integer(), nullable=False),
        sa.Column("scopes", sa.Text()),
        sa.Column("access_expires_at", sa.DateTime(timezone=True)),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("waits_until", sa.DateTime(timezone=True)),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("disconnected_at", sa.DateTime(timezone=True)),
        sa.Column("erased_secrets", sa.Integer(), nullable=False),
        sa.Column("receipt", sa.Text()),
        sa.CheckConstraint(
            "state IN ('not connected', 'connected', 'needs reconnecting', 'disconnecting', 'disconnected')",
            name="ck_integrations_state",
        ),
        sa.CheckConstraint(
            "attempt_stage IN ('asked', 'answered', 'exchanging')", name="ck_integrations_attempt_stage"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_integrations_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "integration", name="pk_integrations"),
        schema="app",
    )
    for statement in protect("integrations"):
        op.execute(statement)
