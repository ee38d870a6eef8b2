"""Issues, the facts about their clocks, derived bounds, deliveries and pending reads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.clocks.model import Bounds, Event, Severity
from app.domain.identifiers import IssueId, TenantId
from app.domain.instants import FURTHEST_AHEAD
from app.domain.tracking.model import FixVersion, IssueRecord, PendingRead, SeverityReading, Tracking
from app.store import labels
from app.store.clock_events import decode, event_row
from app.store.tables import ClockEventRow, DeliveryRow, IssueRow, PendingReadRow

_EVENTS = (
    select(
        func.jsonb_agg(
            func.jsonb_build_array(
                ClockEventRow.kind,
                # As microseconds: text of an instant would depend on a session setting.
                func.floor(func.extract("epoch", ClockEventRow.at) * literal_column("1000000")),
                ClockEventRow.source,
                ClockEventRow.data,
            )
        )
    )
    .where(ClockEventRow.tenant_id == IssueRow.tenant_id, ClockEventRow.issue_id == IssueRow.issue_id)
    .scalar_subquery()
)
_HIDDEN_AT_ONCE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FIND_ISSUE = select(
    *(column for column in IssueRow.__table__.columns if column.name != "tenant_id"),
    PendingReadRow.asked_at,
    _EVENTS.label("events"),
).outerjoin(
    PendingReadRow,
    (PendingReadRow.tenant_id == IssueRow.tenant_id) & (PendingReadRow.issue_id == IssueRow.issue_id),
)
"""One query for everything that a view of an issue shows."""

_PENDING = select(PendingReadRow.issue_id, PendingReadRow.asked_at, PendingReadRow.due_at, PendingReadRow.attempts)


def by_id_or_key(tenant: TenantId, id_or_key: IssueId | str) -> Select[Any]:
    """`FIND_ISSUE` of one issue; the tenant is named too: for statistics, and as a second belt."""
    query = FIND_ISSUE.where(IssueRow.tenant_id == tenant)
    if isinstance(id_or_key, str):
        # A key is reused when its issue is deleted or moved away: what was read last is what Jira means by it.
        return query.where(IssueRow.issue_key == id_or_key).order_by(IssueRow.read_at.desc()).limit(1)
    return query.where(IssueRow.issue_id == id_or_key)


class SqlIssues:
    """See `app.domain.ports.IssueRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def find(self, issue: IssueId | str) -> IssueRecord | None:
        """The stored issue with its clock events, by id or key."""
        return read_issue(self._connection, self._tenant, issue)

    def is_tracked(self, issue: IssueId) -> bool:
        """Whether that issue has clocks."""
        query = select(IssueRow.tracking).where(IssueRow.tenant_id == self._tenant, IssueRow.issue_id == issue)
        return self._connection.execute(query).scalar() == Tracking.TRACKED.value

    def hold_decisions(self) -> None:
        """Decisions about issues of this tenant are taken one after the other."""
        # Not by a row: the web may change none of an issue. Not by issue: an import would hold thousands of locks.
        name = {"name": f"pledge.decisions {self._tenant}"}
        self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 3))"), name)

    def save(self, record: IssueRecord, now: datetime) -> None:
        """Insert or update the issue; events already known stay as they are."""
        values = issue_columns(record)
        self._connection.execute(
            upsert(IssueRow)
            .values(tenant_id=self._tenant, issue_id=record.issue, **values)
            .on_conflict_do_update(
                index_elements=[IssueRow.tenant_id, IssueRow.issue_id],
                set_=values,
                # A reader that was held up must not put back what a later one has replaced.
                where=is_no_newer(record.read_at),
            )
        )
        self.add_events(record.issue, record.events, now)
        if record.hidden_since is None:
            labels.revive(self._connection, self._tenant, [record.issue])

    def add_events(self, issue: IssueId, events: Sequence[Event], now: datetime) -> None:
        """Store facts about that issue; those already known stay as they are."""
        if events:
            rows = [event_row(event, tenant=self._tenant, issue=issue, recorded_at=now) for event in events]
            self._connection.execute(upsert(ClockEventRow).on_conflict_do_nothing(), rows)

    def events(self, issue: IssueId) -> tuple[Event, ...]:
        """Every stored clock event of that issue."""
        query = select(ClockEventRow.kind, ClockEventRow.at, ClockEventRow.source, ClockEventRow.data).where(
            ClockEventRow.tenant_id == self._tenant, ClockEventRow.issue_id == issue
        )
        return tuple(
            decode(kind=row.kind, at=row.at.astimezone(UTC), source=row.source, data=row.data)
            for row in self._connection.execute(query)
        )

    def list_hidden(self) -> tuple[IssueId, ...]:
        """Tracked issues that Jira hides from us; those not looked at for longest, some hundreds at most."""
        query = select(IssueRow.issue_id).where(IssueRow.tenant_id == self._tenant, IssueRow.hidden_since.is_not(None))
        found = self._connection.execute(query.order_by(IssueRow.read_at).limit(_HIDDEN_AT_ONCE)).scalars()
        return tuple(IssueId(issue) for issue in found)

    def list_followed(self) -> tuple[IssueId, ...]:
        """Every tracked issue, and every one that is still to be read."""
        tracked = select(IssueRow.issue_id).where(
            IssueRow.tenant_id == self._tenant, IssueRow.tracking == Tracking.TRACKED.value
        )
        pending = select(PendingReadRow.issue_id).where(PendingReadRow.tenant_id == self._tenant)
        found = self._connection.execute(union(tracked, pending).order_by("issue_id")).scalars()
        return tuple(IssueId(issue) for issue in found)

    def each_tracked(self, *, limit: int | None = None) -> Iterator[IssueRecord]:
        """Every tracked issue, by id, in constant memory; the first `limit` of them where one is given."""
        query = FIND_ISSUE.where(IssueRow.tenant_id == self._tenant, IssueRow.tracking == Tracking.TRACKED.value)
        first = query.order_by(IssueRow.issue_id).limit(limit)
        rows = self._connection.execute(first.execution_options(yield_per=500))
        yield from map(record_of, rows)

    def accept_delivery(self, delivery: str, *, issue: IssueId, now: datetime) -> bool:
        """Store a webhook once; False when that delivery is already here."""
        inserting = upsert(DeliveryRow).values(
            tenant_id=self._tenant, delivery_id=delivery, issue_id=issue, received_at=now
        )
        # Not by `rowcount`, which is not kept for an insert: each webhook would be acknowledged and forgotten.
        accepted = inserting.on_conflict_do_nothing().returning(DeliveryRow.delivery_id)
        return self._connection.execute(accepted).first() is not None

    def ask_read(self, issue: IssueId, *, now: datetime) -> None:
        """The issue changed: it has to be read at once, again if a read of it is under way."""
        values = {"asked_at": now, "due_at": now, "attempts": 0}
        self._connection.execute(
            upsert(PendingReadRow)
            .values(tenant_id=self._tenant, issue_id=issue, **values)
            .on_conflict_do_update(index_elements=[PendingReadRow.tenant_id, PendingReadRow.issue_id], set_=values)
        )

    def ask_first_read(self, issue: IssueId, *, now: datetime) -> None:
        """The issue has to be read, unless that is asked for already."""
        asking = upsert(PendingReadRow).values(
            tenant_id=self._tenant, issue_id=issue, asked_at=now, due_at=now, attempts=0
        )
        self._connection.execute(asking.on_conflict_do_nothing())

    def lease_pending(self, *, now: datetime, until: Callable[[int], datetime]) -> PendingRead | None:
        """Of the reads that are due the one tried least, then the oldest; what a wrong clock has put off is due."""
        is_due = or_(PendingReadRow.due_at <= now, PendingReadRow.due_at > now + FURTHEST_AHEAD)
        found = self._connection.execute(
            _PENDING.where(PendingReadRow.tenant_id == self._tenant, is_due)
            .order_by(PendingReadRow.attempts, PendingReadRow.due_at)
            .limit(1)
            .with_for_update()
        ).first()
        if found is None:
            return None
        read = _pending(found)
        self._connection.execute(
            update(PendingReadRow)
            .where(PendingReadRow.tenant_id == self._tenant, PendingReadRow.issue_id == read.issue)
            .values(due_at=until(read.attempts), attempts=read.attempts + 1)
        )
        return read

    def settle_read(self, read: PendingRead) -> None:
        """The read is done, unless it was asked for again meanwhile."""
        self._connection.execute(
            delete(PendingReadRow).where(
                PendingReadRow.tenant_id == self._tenant,
                PendingReadRow.issue_id == read.issue,
                PendingReadRow.asked_at == read.asked_at,
            )
        )

    def next_pending(self) -> PendingRead | None:
        """The read that is due first."""
        query = _PENDING.where(PendingReadRow.tenant_id == self._tenant).order_by(PendingReadRow.due_at).limit(1)
        found = self._connection.execute(query).first()
        return None if found is None else _pending(found)

    def purge_deliveries(self, before: datetime) -> int:
        """Forget deliveries received before that instant."""
        purging = delete(DeliveryRow).where(DeliveryRow.tenant_id == self._tenant, DeliveryRow.received_at < before)
        return self._connection.execute(purging).rowcount


def is_no_newer(read_at: Any) -> ColumnElement[bool]:  # noqa: ANN401  an instant, or a column of them
    """What is stored was read no later, or was dated by a clock that was wrong."""
    return or_(IssueRow.read_at <= read_at, IssueRow.read_at > read_at + FURTHEST_AHEAD)


def issue_columns(record: IssueRecord) -> dict[str, Any]:
    """The columns of an issue but its key; its events are rows of their own."""
    severity = record.severity
    return {
        "issue_key": record.key,
        "project_id": record.project,
        "tracking": record.tracking.value,
        "severity_level": None if severity is None else severity.level.value,
        "severity_source": None if severity is None else severity.source,
        "cvss_score": None if severity is None else severity.score,
        "cvss_vector": None if severity is None else severity.vector,
        "hidden_since": record.hidden_since,
        "read_at": record.read_at,
        "configuration": record.configuration,
        "missing": list(record.missing) or None,
        "restricted": record.is_restricted,
        "fix_versions": [[version.name, version.is_released] for version in record.fix_versions] or None,
    }


def _pending(row: Row[int, datetime, datetime, int]) -> PendingRead:
    return PendingRead(IssueId(row.issue_id), row.asked_at, row.due_at, row.attempts)


def _columns(bounds: Bounds) -> dict[str, Any]:
    return {name: value for name, value in asdict(bounds).items() if name != "cycle"}


def read_issue(connection: Connection, tenant: TenantId, id_or_key: IssueId | str) -> IssueRecord | None:
    """The stored issue with its clock events."""
    row = connection.execute(by_id_or_key(tenant, id_or_key)).first()
    return None if row is None else record_of(row)


def record_of(row: Row[*tuple[Any, ...]]) -> IssueRecord:
    """The issue in a row of `FIND_ISSUE`."""
    severity = None
    if row.severity_level is not None:
        severity = SeverityReading(Severity(row.severity_level), row.cvss_score, row.cvss_vector, row.severity_source)
    return IssueRecord(
        issue=IssueId(row.issue_id),
        key=row.issue_key,
        project=row.project_id,
        tracking=Tracking(row.tracking),
        severity=severity,
        hidden_since=row.hidden_since,
        read_at=row.read_at,
        events=tuple(_event(*parts) for parts in row.events or ()),
        read_asked_at=row.asked_at,
        configuration=row.configuration,
        missing=tuple(row.missing or ()),
        is_restricted=row.restricted,
        fix_versions=versions_of(row.fix_versions),
    )


def versions_of(stored: list[tuple[str, bool]] | None) -> tuple[FixVersion, ...]:
    """The versions in the column that holds them."""
    return tuple(FixVersion(name, is_released) for name, is_released in stored or ())


def _event(kind: str, at_microseconds: int, source: str, data: dict[str, Any]) -> Event:
    at = _EPOCH + timedelta(microseconds=at_microseconds)
    return decode(kind=kind, at=at, source=source, data=data)
