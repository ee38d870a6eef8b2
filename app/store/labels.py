"""Labels of issues and entries of the Security tab: what was written into Jira, and what has to be looked at.

Work is taken by moving its instant ahead, in a transaction of its own, and settled under the number of the request for
it: a request that comes meanwhile is another one, so it is never lost.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, case, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute

from app.domain.clocks.model import Bounds, Outcome, Severity
from app.domain.identifiers import InstallationId, IssueId, TenantId
from app.domain.publishing.ports import Look, Publication
from app.domain.tracking.model import Tracking
from app.store.label_tables import IssueLabelRow, PublicationRow, SecurityPushRow
from app.store.tables import ClockBoundsRow, IssueRow

Clocks = tuple[tuple[str, Bounds], ...]
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""Due by any clock."""
_BOUNDS = tuple(
    column for column in ClockBoundsRow.__table__.columns if column.name in {"promise", *Bounds.__dataclass_fields__}
)


def mark(connection: Connection, tenant: TenantId, issues: Sequence[int]) -> None:
    """The bounds of these issues have changed, in this transaction: their labels are to be looked at."""
    wanted = select(IssueRow.issue_id).where(IssueRow.tenant_id == tenant, IssueRow.issue_id.in_(issues))
    _mark(connection, tenant, wanted)


def _mark(connection: Connection, tenant: TenantId, issues: Select[int]) -> None:
    """One statement, however many there are."""
    found = issues.subquery()
    rows = select(literal(tenant), found.c[0], literal(AT_ONCE), literal(1), literal(0)).order_by(found.c[0])
    inserting = upsert(IssueLabelRow).from_select(["tenant_id", "issue_id", "look_at", "marks", "attempts"], rows)
    connection.execute(
        inserting.on_conflict_do_update(
            index_elements=["tenant_id", "issue_id"],
            set_={"look_at": AT_ONCE, "marks": IssueLabelRow.marks + 1, "attempts": 0},
        )
    )


def revive(connection: Connection, tenant: TenantId, issues: Sequence[int]) -> None:
    """Jira shows these issues: what it refused of them may be tried again."""
    connection.execute(
        update(IssueLabelRow)
        .where(
            IssueLabelRow.tenant_id == tenant,
            IssueLabelRow.issue_id.in_(issues),
            IssueLabelRow.refused_at.is_not(None),
        )
        .values(look_at=AT_ONCE, marks=IssueLabelRow.marks + 1)
    )


def forget_publication(connection: Connection, tenant: TenantId) -> None:
    """An installation was removed: whatever comes after it begins anew."""
    connection.execute(delete(PublicationRow).where(PublicationRow.tenant_id == tenant))


def clocks_of(connection: Connection, tenant: TenantId, issues: Sequence[int]) -> Mapping[int, Clocks]:
    """The stored bounds of these issues, by issue."""
    query = select(ClockBoundsRow.issue_id, *_BOUNDS).where(
        ClockBoundsRow.tenant_id == tenant, ClockBoundsRow.issue_id.in_(issues)
    )
    found: dict[int, list[tuple[str, Bounds]]] = {}
    for row in connection.execute(query.order_by(ClockBoundsRow.promise, ClockBoundsRow.cycle)).mappings():
        found.setdefault(row["issue_id"], []).append((row["promise"], _bounds(row)))
    return {issue: tuple(clocks) for issue, clocks in found.items()}


class SqlLabels:
    """See `app.domain.publishing.ports.LabelRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def mark(self, issues: Sequence[IssueId]) -> None:
        """Their labels are to be looked at."""
        mark(self._connection, self._tenant, issues)

    def mark_all(self) -> None:
        """As if nothing had been written yet."""
        self._connection.execute(
            update(IssueLabelRow)
            .where(IssueLabelRow.tenant_id == self._tenant)
            .values(property=None, lozenge=None, refused_at=None)
        )
        _mark(self._connection, self._tenant, tracked(self._tenant))

    def lease(self, *, now: datetime, until: Callable[[int], datetime]) -> Look | None:
        """Of the labels that are due the one tried least, then the oldest."""
        due = (
            select(*IssueLabelRow.__table__.columns, IssueRow.hidden_since)
            .join(IssueRow, same_issue(IssueLabelRow))
            .where(IssueLabelRow.tenant_id == self._tenant, IssueLabelRow.look_at <= now)
            .order_by(IssueLabelRow.attempts, IssueLabelRow.look_at, IssueLabelRow.issue_id)
        )
        row = self._connection.execute(due.limit(1).with_for_update(of=IssueLabelRow, skip_locked=True)).first()
        if row is None:
            return None
        self._connection.execute(
            update(IssueLabelRow)
            .where(IssueLabelRow.tenant_id == self._tenant, IssueLabelRow.issue_id == row.issue_id)
            .values(look_at=until(row.attempts), attempts=row.attempts + 1)
        )
        return Look(
            issue=IssueId(row.issue_id),
            is_hidden=row.hidden_since is not None,
            clocks=clocks_of(self._connection, self._tenant, [row.issue_id]).get(row.issue_id, ()),
            marks=row.marks,
            property=row.property,
            lozenge=row.lozenge,
        )

    def settle(
        self,
        look: Look,
        *,
        written: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None],
        next_at: datetime | None,
        refused_at: datetime | None = None,
    ) -> None:
        """What was written counts in any case; when to look again only if the issue was not marked meanwhile."""
        unmarked = IssueLabelRow.marks == look.marks
        self._connection.execute(
            update(IssueLabelRow)
            .where(IssueLabelRow.tenant_id == self._tenant, IssueLabelRow.issue_id == look.issue)
            .values(
                property=written[0],
                lozenge=written[1],
                refused_at=refused_at,
                look_at=case((unmarked, next_at), else_=IssueLabelRow.look_at),
                attempts=0,
            )
        )

    def next_look(self) -> datetime | None:
        """When the first label is due."""
        return first_due(self._connection, IssueLabelRow.look_at, where=IssueLabelRow.tenant_id == self._tenant)

    def counts(self) -> Mapping[str, int]:
        """How many there are, wait at once, and were refused."""
        counted: dict[str, int] = {}
        for name, row, due in (
            ("labels", IssueLabelRow, IssueLabelRow.look_at),
            ("entries", SecurityPushRow, SecurityPushRow.push_at),
        ):
            query = select(
                func.count(), func.count().filter(due == AT_ONCE), func.count().filter(row.refused_at.is_not(None))
            ).where(row.tenant_id == self._tenant)
            there, waiting, refused = self._connection.execute(query).one()
            counted |= {name: there, f"{name}_waiting": waiting, f"{name}_refused": refused}
        return counted

    def publication(self) -> Publication | None:
        """Where publication began."""
        query = select(*PublicationRow.__table__.columns).where(PublicationRow.tenant_id == self._tenant)
        row = self._connection.execute(query).first()
        if row is None:
            return None
        return Publication(InstallationId(row.installation_id), row.tab_linked_at, row.tab_refused_at, row.rests_until)

    def save_publication(self, publication: Publication) -> None:
        """Insert or replace it."""
        values = {
            "installation_id": publication.installation,
            "tab_linked_at": publication.tab_linked_at,
            "tab_refused_at": publication.tab_refused_at,
            "rests_until": publication.rests_until,
        }
        inserting = upsert(PublicationRow).values(tenant_id=self._tenant, **values)
        self._connection.execute(inserting.on_conflict_do_update(index_elements=["tenant_id"], set_=values))


def same_issue(row: type[IssueLabelRow | SecurityPushRow]) -> ColumnElement[bool]:
    """The issue of such a row."""
    return (IssueRow.tenant_id == row.tenant_id) & (IssueRow.issue_id == row.issue_id)


def tracked(tenant: TenantId) -> Select[int]:
    """The ids of every tracked issue."""
    return select(IssueRow.issue_id).where(IssueRow.tenant_id == tenant, IssueRow.tracking == Tracking.TRACKED.value)


def first_due(
    connection: Connection, due: InstrumentedAttribute[datetime | None], *, where: ColumnElement[bool]
) -> datetime | None:
    """The earliest of these instants."""
    found: datetime | None = connection.execute(select(func.min(due)).where(where)).scalar()
    return found


def _bounds(row: RowMapping) -> Bounds:
    values: dict[str, Any] = {name: row[name] for name in Bounds.__dataclass_fields__}
    for name, value in values.items():
        if isinstance(value, datetime):
            values[name] = value.astimezone(UTC)
    values["severity"] = None if row["severity"] is None else Severity(row["severity"])
    values["outcome"] = None if row["outcome"] is None else Outcome(row["outcome"])
    return Bounds(**values)
