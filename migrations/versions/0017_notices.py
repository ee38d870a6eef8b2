"""Who is told of which clock, what was told, what waits, links that were sent out, and calendar feeds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store.row_security import protect

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "links",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('unsubscribe', 'calendar')", name="ck_links_kind"),
        sa.ForeignKeyConstraint(["tenant_id"], ["registry.tenants.tenant_id"], name="fk_links_tenant_id"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_links"),
        schema="registry",
    )
    op.create_index("ix_links_subject", "links", ["tenant_id", "subject"], schema="registry")
    _recipients()
    _what_was_told()
    op.create_table(
        "calendar_feeds",
        _tenant(),
        sa.Column("feed_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_calendar_feeds_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "feed_id", name="pk_calendar_feeds"),
        schema="app",
    )
    op.create_index(
        "uq_calendar_feeds_account", "calendar_feeds", ["tenant_id", "account_id"], unique=True, schema="app"
    )
    for table in ("recipients", "told_clocks", "notices", "digests", "calendar_feeds"):
        for statement in protect(table):
            op.execute(statement)


def _recipients() -> None:
    op.create_table(
        "recipients",
        _tenant(),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("medium", sa.Text(), nullable=False),
        sa.Column("projects", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("severities", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("quiet_begins", sa.Time(), nullable=True),
        sa.Column("quiet_ends", sa.Time(), nullable=True),
        sa.Column("rhythm", sa.Text(), nullable=False),
        sa.Column("is_overseer", sa.Boolean(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("medium IN ('mail', 'jira_comment')", name="ck_recipients_medium"),
        sa.CheckConstraint("rhythm IN ('each_run', 'daily', 'weekly')", name="ck_recipients_rhythm"),
        sa.CheckConstraint("standing IN ('active', 'refused', 'unsubscribed')", name="ck_recipients_standing"),
        sa.CheckConstraint("(quiet_begins IS NULL) = (quiet_ends IS NULL)", name="ck_recipients_quiet"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_recipients_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "recipient_id", name="pk_recipients"),
        schema="app",
    )


def _what_was_told() -> None:
    op.create_table(
        "told_clocks",
        _tenant(),
        *_threshold(),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_seconds", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "issue_id"],
            ["app.issues.tenant_id", "app.issues.issue_id"],
            name="fk_told_clocks_tenant_id_issue_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "issue_id", "promise", "cycle", name="pk_told_clocks"),
        schema="app",
    )
    op.create_table(
        "notices",
        _tenant(),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        *_threshold(),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("digest_id", sa.Uuid(), nullable=True),
        _of_recipient("notices"),
        sa.PrimaryKeyConstraint("tenant_id", "recipient_id", "issue_id", "promise", "cycle", name="pk_notices"),
        schema="app",
    )
    op.create_index("ix_notices_digest", "notices", ["tenant_id", "digest_id"], schema="app")
    op.create_table(
        "digests",
        _tenant(),
        sa.Column("digest_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _of_recipient("digests"),
        sa.PrimaryKeyConstraint("tenant_id", "digest_id", name="pk_digests"),
        schema="app",
    )
    op.create_index("ix_digests_recipient", "digests", ["tenant_id", "recipient_id"], schema="app")


def _of_recipient(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "recipient_id"],
        ["app.recipients.tenant_id", "app.recipients.recipient_id"],
        name=f"fk_{table}_tenant_id_recipient_id",
        ondelete="CASCADE",
    )


def _tenant() -> sa.Column[int]:
    return sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False)


def _threshold() -> tuple[sa.Column[int] | sa.Column[str], ...]:
    return (
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("promise", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
    )
