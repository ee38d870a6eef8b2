"""Entries of Jira's Security tab: what was sent under which number, and what has to be looked at."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import IssueId, TenantId
from app.domain.publishing.ports import Project, Push
from app.domain.publishing.vulnerabilities import next_sequence
from app.domain.tracking.model import Tracking
from app.store.label_tables import SecurityPushRow
from app.store.labels import AT_ONCE, Clocks, clocks_of, first_due, same_issue, tracked
from app.store.tables import ClockEventRow, IssueRow


class SqlPushes:
    """See `app.domain.publishing.ports.PushRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def ask(self, issue: IssueId) -> None:
        """Its entry is to be looked at."""
        self._ask(
            select(IssueRow.issue_id).where(IssueRow.tenant_id == self._tenant, IssueRow.issue_id == issue),
            is_backfill=False,
        )

    def backfill(self) -> None:
        """As if nothing had been sent yet; numbers go on, because Jira may have more of us than we know."""
        self._ask(tracked(self._tenant), is_backfill=True)

    def lease(self, *, now: datetime, until: Callable[[int], datetime], limit: int) -> tuple[Push, ...]:
        """Those that are due, the ones tried least first."""
        reported = (
            select(func.min(ClockEventRow.at))
            .where(ClockEventRow.tenant_id == IssueRow.tenant_id, ClockEventRow.issue_id == IssueRow.issue_id)
            .scalar_subquery()
        )
        due = (
            select(
                *SecurityPushRow.__table__.columns,
                IssueRow.issue_key,
                IssueRow.project_id,
                func.coalesce(reported, IssueRow.read_at).label("introduced_at"),
            )
            .join(IssueRow, same_issue(SecurityPushRow))
            .where(SecurityPushRow.tenant_id == self._tenant, SecurityPushRow.push_at <= now)
            .order_by(SecurityPushRow.attempts, SecurityPushRow.push_at, SecurityPushRow.issue_id)
        )
        rows = self._connection.execute(due.limit(limit).with_for_update(of=SecurityPushRow, skip_locked=True)).all()
        clocks = clocks_of(self._connection, self._tenant, [row.issue_id for row in rows])
        return tuple(self._leased(row, clocks.get(row.issue_id, ()), now=now, until=until) for row in rows)

    def settle(self, push: Push, *, refused_at: datetime | None) -> None:
        """What Jira took counts in any case; that nothing is due only if it was not asked for meanwhile."""
        unmarked = SecurityPushRow.marks == push.marks
        taken = {} if refused_at is not None else {"pushed": push.pushed, "is_backfill": False}
        self._connection.execute(
            update(SecurityPushRow)
            .where(SecurityPushRow.tenant_id == self._tenant, SecurityPushRow.issue_id == push.issue)
            .values(
                refused_at=refused_at,
                push_at=case((unmarked, None), else_=SecurityPushRow.push_at),
                attempts=0,
                **taken,
            )
        )

    def next_push(self) -> datetime | None:
        """When the first entry is due."""
        return first_due(self._connection, SecurityPushRow.push_at, where=SecurityPushRow.tenant_id == self._tenant)

    def projects(self) -> tuple[Project, ...]:
        """Every project with tracked issues, by key."""
        key = func.max(func.regexp_replace(IssueRow.issue_key, "-[0-9]+$", "")).label("key")
        query = (
            select(IssueRow.project_id, key, func.max(IssueRow.read_at).label("read_at"))
            .where(IssueRow.tenant_id == self._tenant, IssueRow.tracking == Tracking.TRACKED.value)
            .group_by(IssueRow.project_id)
        )
        rows = self._connection.execute(query.order_by("key")).all()
        return tuple(Project(row.project_id, row.key, row.read_at.astimezone(UTC)) for row in rows)

    def _ask(self, issues: Select[int], *, is_backfill: bool) -> None:
        found = issues.subquery()
        given = (self._tenant, found.c[0], AT_ONCE, 1, 0, 0, is_backfill)
        rows = select(*(each if each is found.c[0] else literal(each) for each in given)).order_by(found.c[0])
        names = ["tenant_id", "issue_id", "push_at", "marks", "attempts", "sequence", "is_backfill"]
        again = {"push_at": AT_ONCE, "marks": SecurityPushRow.marks + 1, "attempts": 0}
        if is_backfill:
            again |= {"is_backfill": True, "pushed": None, "refused_at": None}
        inserting = upsert(SecurityPushRow).from_select(names, rows)
        self._connection.execute(inserting.on_conflict_do_update(index_elements=["tenant_id", "issue_id"], set_=again))

    def _leased(
        self, row: Row[*tuple[Any, ...]], clocks: Clocks, *, now: datetime, until: Callable[[int], datetime]
    ) -> Push:
        sequence = next_sequence(row.sequence, now=now)
        self._connection.execute(
            update(SecurityPushRow)
            .where(SecurityPushRow.tenant_id == self._tenant, SecurityPushRow.issue_id == row.issue_id)
            .values(push_at=until(row.attempts), attempts=row.attempts + 1, sequence=sequence)
        )
        return Push(
            issue=IssueId(row.issue_id),
            key=row.issue_key,
            project=row.project_id,
            introduced_at=row.introduced_at,
            clocks=clocks,
            marks=row.marks,
            is_backfill=row.is_backfill,
            sequence=sequence,
            pushed=row.pushed,
        )
