"""Many issues in one transaction: what imports and reconciliations read and write."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.clocks.model import Event
from app.domain.identifiers import IssueId, TenantId
from app.domain.tracking.deriving import Derived
from app.domain.tracking.model import IssueRecord, Tracking
from app.store import labels
from app.store.clock_events import decode, event_row
from app.store.following_tables import SupersededEventRow
from app.store.issues import FIND_ISSUE, is_no_newer, issue_columns, record_of
from app.store.tables import ClockEventRow, IssueRow


class SqlIssueBatches:
    """See `app.domain.tracking.ports.IssueBatches`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def hold_many(self, issues: Sequence[IssueId]) -> Mapping[IssueId, IssueRecord]:
        """Those that are known; nobody else changes them until this transaction ends."""
        query = FIND_ISSUE.where(IssueRow.tenant_id == self._tenant, IssueRow.issue_id.in_(issues))
        # In order of id, so that two who hold several never wait for each other.
        held = query.order_by(IssueRow.issue_id).with_for_update(of=IssueRow)
        return {record.issue: record for record in map(record_of, self._connection.execute(held))}

    def save_many(self, derived: Sequence[Derived], now: datetime) -> None:
        """Store what reads came to; facts that they replace are kept apart as what they were."""
        if not derived:
            return
        ordered = sorted(derived, key=lambda each: each.record.issue)
        self._save_issues([each.record for each in ordered])
        gone = [(each.record.issue, event) for each in ordered for event in each.superseded]
        self._supersede(gone, now)
        rows = [
            event_row(event, tenant=self._tenant, issue=each.record.issue, recorded_at=now)
            for each in ordered
            for event in each.record.events
        ]
        if rows:
            self._connection.execute(upsert(ClockEventRow).on_conflict_do_nothing(), rows)
        labels.revive(self._connection, self._tenant, [each.record.issue for each in ordered])

    def events_of(self, issues: Sequence[IssueId]) -> Mapping[IssueId, tuple[Event, ...]]:
        """The stored clock events of each."""
        query = select(
            ClockEventRow.issue_id, ClockEventRow.kind, ClockEventRow.at, ClockEventRow.source, ClockEventRow.data
        ).where(ClockEventRow.tenant_id == self._tenant, ClockEventRow.issue_id.in_(issues))
        found: dict[IssueId, list[Event]] = {issue: [] for issue in issues}
        for row in self._connection.execute(query):
            event = decode(kind=row.kind, at=row.at.astimezone(UTC), source=row.source, data=row.data)
            found[IssueId(row.issue_id)].append(event)
        return {issue: tuple(events) for issue, events in found.items()}

    def page_tracked(self, *, after: int, read_before: datetime, limit: int) -> tuple[IssueRecord, ...]:
        """The next tracked issues in order of id that Jira shows and that were read before that instant."""
        query = FIND_ISSUE.where(self._is_shown, IssueRow.issue_id > after, IssueRow.read_at < read_before)
        rows = self._connection.execute(query.order_by(IssueRow.issue_id).limit(limit))
        return tuple(map(record_of, rows))

    def count_tracked(self) -> int:
        """How many there are."""
        found = self._connection.execute(select(func.count()).select_from(IssueRow).where(self._is_tracked))
        return int(found.scalar_one())

    def confirm_before(self, most: int, *, otherwise: datetime) -> datetime:
        """The instant before which at most so many tracked issues were read; `otherwise` where there are fewer."""
        query = select(IssueRow.read_at).where(self._is_shown).order_by(IssueRow.read_at).offset(most).limit(1)
        found = self._connection.execute(query).scalar()
        return otherwise if found is None else found

    def confirm(self, issues: Sequence[IssueId], now: datetime) -> None:
        """What is known of these is what Jira shows now."""
        if issues:
            confirming = update(IssueRow).where(self._is_shown, IssueRow.issue_id.in_(issues), is_no_newer(now))
            self._connection.execute(confirming.values(read_at=now))

    def hide(self, issues: Sequence[IssueId], now: datetime) -> tuple[IssueId, ...]:
        """Flag the tracked ones among these; returns those that were not flagged before."""
        hiding = (
            update(IssueRow)
            .where(self._is_tracked, IssueRow.issue_id.in_(issues), IssueRow.hidden_since.is_(None))
            .values(hidden_since=now)
            .returning(IssueRow.issue_id)
        )
        return tuple(sorted(IssueId(row.issue_id) for row in self._connection.execute(hiding)))

    @property
    def _is_tracked(self) -> Any:  # noqa: ANN401  a condition of SQLAlchemy's
        return and_(IssueRow.tenant_id == self._tenant, IssueRow.tracking == Tracking.TRACKED.value)

    @property
    def _is_shown(self) -> Any:  # noqa: ANN401  a condition of SQLAlchemy's
        return and_(self._is_tracked, IssueRow.hidden_since.is_(None))

    def _save_issues(self, records: Sequence[IssueRecord]) -> None:
        rows = [{"tenant_id": self._tenant, "issue_id": each.issue, **issue_columns(each)} for each in records]
        saving = upsert(IssueRow)
        self._connection.execute(
            saving.on_conflict_do_update(
                index_elements=[IssueRow.tenant_id, IssueRow.issue_id],
                set_={name: saving.excluded[name] for name in issue_columns(records[0])},
                # A reader that was held up must not put back what a later one has replaced.
                where=is_no_newer(saving.excluded.read_at),
            ),
            rows,
        )

    def _supersede(self, gone: Sequence[tuple[IssueId, Event]], now: datetime) -> None:
        if not gone:
            return
        place = tuple_(ClockEventRow.issue_id, ClockEventRow.source, ClockEventRow.kind)
        keys = [(issue, event.source, event.kind.value) for issue, event in gone]
        taken = (
            delete(ClockEventRow)
            .where(ClockEventRow.tenant_id == self._tenant, place.in_(keys))
            .returning(*ClockEventRow.__table__.columns)
        )
        rows = [{**row, "superseded_at": now} for row in self._connection.execute(taken).mappings()]
        if rows:
            self._connection.execute(upsert(SupersededEventRow).on_conflict_do_nothing(), rows)
