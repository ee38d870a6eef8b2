"""Which accounts are held, when each is reported to Atlassian, and the names of persons in audit logs."""

import sqlalchemy as sa
from alembic import op

from app.store.row_security import protect

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Make them; the first run of the reports fills them from what is stored."""
    op.create_index(
        "ix_clock_events_actor",
        "clock_events",
        ["tenant_id", sa.text("(data ->> 'actor')")],
        postgresql_where=sa.text("(data ->> 'actor') IS NOT NULL"),
        schema="app",
    )
    _make_people()
    _make_reports()
    _make_cycle()


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _tenant() -> sa.Column[int]:
    return sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False)


def _make_people() -> None:
    op.create_table(
        "people",
        _tenant(),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _instant("stored_at"),
        _instant("refreshed_at", nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_people_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", name="pk_people"),
        schema="app",
    )
    op.create_index("uq_people_digest", "people", ["tenant_id", "digest"], unique=True, schema="app")
    op.create_table(
        "audit_subjects",
        _tenant(),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        _instant("stored_at"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.tenants.tenant_id"], name="fk_audit_subjects_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", name="pk_audit_subjects"),
        schema="app",
    )
    for statement in (*protect("people"), *protect("audit_subjects")):
        op.execute(statement)


def _make_reports() -> None:
    op.create_table(
        "account_holders",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _tenant(),
        _instant("stored_at"),
        sa.PrimaryKeyConstraint("digest", "tenant_id", name="pk_account_holders"),
        schema="registry",
    )
    op.create_index("ix_account_holders_tenant", "account_holders", ["tenant_id", "digest"], schema="registry")
    op.create_table(
        "account_reports",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        _instant("listed_at"),
        _instant("due_at"),
        _instant("reported_at", nullable=True),
        sa.Column("lease", sa.Uuid(), nullable=True),
        _instant("leased_until", nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        _instant("answered_at", nullable=True),
        sa.CheckConstraint("state IN ('open', 'closed', 'set_aside')", name="state"),
        sa.PrimaryKeyConstraint("digest", name="pk_account_reports"),
        schema="registry",
    )
    is_open, is_answered = sa.text("state = 'open'"), sa.text("answered_at IS NOT NULL")
    is_leased = sa.text("lease IS NOT NULL")
    for name, columns, which in (
        ("ix_account_reports_due", ["tenant_id", "digest"], is_open),
        ("ix_account_reports_due_at", ["due_at"], is_open),
        ("ix_account_reports_lease", ["lease"], is_leased),
        ("ix_account_reports_answered", ["answered_at"], is_answered),
    ):
        op.create_index(name, "account_reports", columns, postgresql_where=which, schema="registry")


def _make_cycle() -> None:
    op.create_table(
        "report_cycle",
        sa.Column("cycle_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("period_seconds", sa.Integer(), nullable=False),
        sa.Column("period_text", sa.Text(), nullable=True),
        _instant("waits_until", nullable=True),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        _instant("listed_at", nullable=True),
        _instant("told_at", nullable=True),
        sa.Column("pass_number", sa.Integer(), nullable=False),
        _instant("pass_started_at"),
        sa.CheckConstraint("cycle_id = 1", name="one"),
        sa.PrimaryKeyConstraint("cycle_id", name="pk_report_cycle"),
        schema="registry",
    )
    op.execute(
        "INSERT INTO registry.report_cycle (cycle_id, period_seconds, failures, pass_number, pass_started_at)"
        " VALUES (1, 604800, 0, 1, now())"
    )
    op.create_table(
        "report_log",
        sa.Column("report_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _instant("at"),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("period_text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("report_id", name="pk_report_log"),
        schema="registry",
    )
    op.create_index("ix_report_log_at", "report_log", ["at"], schema="registry")
