"""Which thresholds were crossed and told, and what waits for whom."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.clocks.model import Bounds, Outcome, Severity
from app.domain.identifiers import IssueId, ProjectId, TenantId
from app.domain.notices.model import REMINDED, ClockName, Digest, Notice, RecipientId, Threshold, Told, WatchedClock
from app.store.notice_tables import DigestRow, NoticeRow, ToldCountRow, ToldRow
from app.store.tables import ClockBoundsRow, IssueRow

_BOUND = func.coalesce(ClockBoundsRow.due_at, ClockBoundsRow.due_before)
_CYCLE = (ClockBoundsRow.issue_id, ClockBoundsRow.promise, ClockBoundsRow.cycle)
_WATCHED = (
    select(
        ClockBoundsRow.__table__,
        IssueRow.issue_key,
        IssueRow.project_id,
        ToldRow.threshold,
        ToldRow.told_at,
        ToldRow.paused_seconds.label("told_paused_seconds"),
    )
    .join(IssueRow, and_(IssueRow.tenant_id == ClockBoundsRow.tenant_id, IssueRow.issue_id == ClockBoundsRow.issue_id))
    .outerjoin(
        ToldRow,
        and_(
            ToldRow.tenant_id == ClockBoundsRow.tenant_id,
            ToldRow.issue_id == ClockBoundsRow.issue_id,
            ToldRow.promise == ClockBoundsRow.promise,
            ToldRow.cycle == ClockBoundsRow.cycle,
        ),
    )
)
_OPEN = and_(func.num_nulls(ClockBoundsRow.stopped_at, ClockBoundsRow.outcome) == 2, _BOUND.is_not(None))
"""Not as IS NULL: the index of open clocks by due instant would offer itself, to look up one of them by its key."""
_OF_NOTICE = and_(
    ClockBoundsRow.tenant_id == NoticeRow.tenant_id,
    ClockBoundsRow.issue_id == NoticeRow.issue_id,
    ClockBoundsRow.promise == NoticeRow.promise,
    ClockBoundsRow.cycle == NoticeRow.cycle,
)

_IN_DIGEST = NoticeRow.digest_id == DigestRow.digest_id


class SqlNotices:
    """See `app.domain.notices.ports.NoticeRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def page_clocks(self, *, after: ClockName | None, limit: int) -> tuple[WatchedClock, ...]:
        """The next clocks that run and have a bound, in order of name."""
        query = self._watched(paused=False)
        if after is not None:
            query = query.where(tuple_(*_CYCLE) > tuple_(after.issue, after.promise, after.cycle))
        return self._clocks(query.order_by(*_CYCLE).limit(limit))

    def nearest_clocks(self, *, limit: int) -> tuple[WatchedClock, ...]:
        """Those that have not ended, the earliest bound first."""
        return self._clocks(self._watched(paused=True).order_by(_BOUND, *_CYCLE).limit(limit))

    def mark_told(self, notices: Sequence[Notice], *, now: datetime) -> frozenset[ClockName]:
        """Of these clocks those that nobody else has marked since they were read."""
        return frozenset(notice.clock.name for notice in notices if self._mark(notice, now))

    def put(self, recipient: RecipientId, notices: Sequence[Notice], *, now: datetime) -> None:
        """They wait for that recipient, each in place of an older one of its cycle."""
        rows = [
            {
                "tenant_id": self._tenant,
                "recipient_id": recipient,
                "issue_id": notice.clock.name.issue,
                "promise": notice.clock.name.promise,
                "cycle": notice.clock.name.cycle,
                "threshold": notice.threshold,
                "is_urgent": notice.is_urgent,
                # Out of a digest that is just being sent: when that is settled, this one has not been told.
                "digest_id": None,
                "noted_at": now,
            }
            for notice in notices
        ]
        if rows:
            inserting = upsert(NoticeRow)
            newer = {name: inserting.excluded[name] for name in ("threshold", "is_urgent", "digest_id", "noted_at")}
            keys = [NoticeRow.tenant_id, NoticeRow.recipient_id, NoticeRow.issue_id, NoticeRow.promise, NoticeRow.cycle]
            self._connection.execute(inserting.on_conflict_do_update(index_elements=keys, set_=newer), rows)

    def claim(
        self, recipient: RecipientId, *, only_urgent: bool, at_most: int | None, now: datetime, until: datetime
    ) -> tuple[UUID, int] | None:
        """A digest that nobody else works on before `until`, and which attempt it is."""
        again = self._claim_again(recipient, only_urgent=only_urgent, now=now, until=until)
        if again is not None:
            return again
        own = self._of(recipient) & NoticeRow.digest_id.is_(None)
        self._connection.execute(delete(NoticeRow).where(own, ~_clock_with(_OPEN)))
        waiting = own & _clock_with(ClockBoundsRow.paused_since.is_(None))
        if only_urgent:
            waiting &= NoticeRow.is_urgent
        digest = uuid4()
        taking = update(NoticeRow).values(digest_id=digest)
        if at_most is None:
            taken = self._connection.execute(taking.where(waiting)).rowcount
        else:
            key = tuple_(NoticeRow.issue_id, NoticeRow.promise, NoticeRow.cycle)
            some = select(NoticeRow.issue_id, NoticeRow.promise, NoticeRow.cycle).where(waiting).limit(at_most)
            taken = self._connection.execute(taking.where(own, key.in_(some.with_for_update()))).rowcount
        if not taken:
            return None
        self._connection.execute(
            insert(DigestRow).values(
                tenant_id=self._tenant, digest_id=digest, recipient_id=recipient, leased_until=until, attempts=1
            )
        )
        return digest, 1

    def clocks_of(self, digest: UUID, *, limit: int) -> tuple[int, tuple[WatchedClock, ...]]:
        """How many notices there are in it, and the clocks of the most urgent of them."""
        own = and_(NoticeRow.tenant_id == self._tenant, NoticeRow.digest_id == digest)
        total = self._connection.execute(select(func.count()).select_from(NoticeRow).where(own)).scalar_one()
        # One by one, by key: see `_clock_with`.
        clock = self._watched(paused=False).where(_OF_NOTICE).correlate(NoticeRow).offset(0).lateral()
        query = select(clock).select_from(NoticeRow).join(clock, true()).where(own)
        bound = func.coalesce(clock.c.due_at, clock.c.due_before)
        return total, self._clocks(query.order_by(bound, clock.c.issue_id, clock.c.promise).limit(limit))

    def count_told(self, digest: Digest, *, at: datetime) -> None:
        """One more for each of its clocks; where a threshold was crossed again, the count begins anew."""
        names = [(clock.name.issue, clock.name.promise, clock.name.cycle) for clock in digest.clocks]
        name = (NoticeRow.issue_id, NoticeRow.promise, NoticeRow.cycle)
        medium, told_at = literal(digest.recipient.medium.value), literal(at, ToldCountRow.told_at.type)
        threshold, noted_at = func.least(NoticeRow.threshold, REMINDED), func.coalesce(NoticeRow.noted_at, told_at)
        told = select(NoticeRow.tenant_id, *name, threshold, medium, noted_at, literal(1), told_at).where(
            NoticeRow.tenant_id == self._tenant, NoticeRow.digest_id == digest.digest, tuple_(*name).in_(names)
        )
        table = ToldCountRow.__table__
        counting = upsert(ToldCountRow).from_select(table.columns.keys(), told)
        was, now_is = ToldCountRow, counting.excluded
        more = case((was.noted_at == now_is.noted_at, was.recipients + 1), else_=1)
        counted = counting.on_conflict_do_update(
            index_elements=table.primary_key,
            set_={"noted_at": now_is.noted_at, "recipients": more, "told_at": now_is.told_at},
            where=was.noted_at <= now_is.noted_at,
        )
        self._connection.execute(counted)

    def settle(self, digest: UUID) -> None:
        """It has been told, or nobody is to be told of it."""
        for table in (NoticeRow, DigestRow):
            self._connection.execute(delete(table).where(table.tenant_id == self._tenant, table.digest_id == digest))

    def postpone(self, digest: UUID, *, until: datetime) -> None:
        """It is tried again, not before that instant."""
        self._connection.execute(
            update(DigestRow)
            .where(DigestRow.tenant_id == self._tenant, DigestRow.digest_id == digest)
            .values(leased_until=until)
        )

    def discard(self, recipient: RecipientId) -> None:
        """Nothing waits for them any more."""
        self._connection.execute(delete(NoticeRow).where(self._of(recipient)))
        self._connection.execute(
            delete(DigestRow).where(DigestRow.tenant_id == self._tenant, DigestRow.recipient_id == recipient)
        )

    def count_waiting(self) -> int:
        """How many recipients something waits for."""
        query = select(func.count(NoticeRow.recipient_id.distinct())).where(NoticeRow.tenant_id == self._tenant)
        return self._connection.execute(query).scalar_one()

    def _claim_again(
        self, recipient: RecipientId, *, only_urgent: bool, now: datetime, until: datetime
    ) -> tuple[UUID, int] | None:
        """A digest whose sender was killed, or could not send it."""
        over = select(DigestRow.digest_id).where(
            DigestRow.tenant_id == self._tenant, DigestRow.recipient_id == recipient, DigestRow.leased_until <= now
        )
        if only_urgent:
            over = over.where(exists().where(self._of(recipient), _IN_DIGEST, NoticeRow.is_urgent))
        leasing = (
            update(DigestRow)
            .where(
                DigestRow.tenant_id == self._tenant,
                DigestRow.digest_id.in_(over.limit(1).with_for_update(skip_locked=True)),
            )
            .values(leased_until=until, attempts=DigestRow.attempts + 1)
            .returning(DigestRow.digest_id, DigestRow.attempts)
        )
        found = self._connection.execute(leasing).first()
        if found is None:
            return None
        # What is paused meanwhile waits for its end outside; what has ended is not told and goes when it is settled.
        paused = _clock_with(ClockBoundsRow.paused_since.is_not(None))
        own = and_(NoticeRow.tenant_id == self._tenant, NoticeRow.digest_id == found.digest_id)
        self._connection.execute(update(NoticeRow).where(own, paused).values(digest_id=None))
        self._connection.execute(delete(NoticeRow).where(own, ~_clock_with(_OPEN)))
        return found.digest_id, found.attempts

    def _mark(self, notice: Notice, now: datetime) -> bool:
        name, told = notice.clock.name, notice.clock.told
        values = {
            "threshold": notice.threshold,
            "told_at": now,
            "paused_seconds": notice.clock.bounds.paused_seconds,
        }
        marking = upsert(ToldRow).values(
            tenant_id=self._tenant, issue_id=name.issue, promise=name.promise, cycle=name.cycle, **values
        )
        if told is None:
            marked = marking.on_conflict_do_nothing()
        else:
            marked = marking.on_conflict_do_update(
                index_elements=[ToldRow.tenant_id, ToldRow.issue_id, ToldRow.promise, ToldRow.cycle],
                set_=values,
                where=and_(ToldRow.told_at == told.at, ToldRow.threshold == told.threshold),
            )
        return self._connection.execute(marked.returning(ToldRow.cycle)).first() is not None

    def _of(self, recipient: RecipientId) -> Any:  # noqa: ANN401  an SQL expression
        return and_(NoticeRow.tenant_id == self._tenant, NoticeRow.recipient_id == recipient)

    def _watched(self, *, paused: bool) -> Select[Any]:
        query = _WATCHED.where(ClockBoundsRow.tenant_id == self._tenant, _OPEN)
        return query if paused else query.where(ClockBoundsRow.paused_since.is_(None))

    def _clocks(self, query: Select[Any]) -> tuple[WatchedClock, ...]:
        return tuple(_clock(row) for row in self._connection.execute(query))


def _clock_with(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the clock of a notice is so, looked up one by one by its key.

    OFFSET keeps PostgreSQL from making a join of it: in a flood, which is what these queries have to stand, its
    statistics are from before, and the join that it then chooses takes minutes.
    """
    return select(literal(1)).where(_OF_NOTICE, condition).correlate(NoticeRow).offset(0).exists()


def _clock(row: Row[*tuple[Any, ...]]) -> WatchedClock:
    told = None
    if row.told_at is not None:
        told = Told(Threshold(row.threshold), row.told_at.astimezone(UTC), row.told_paused_seconds)
    return WatchedClock(
        name=ClockName(IssueId(row.issue_id), row.promise, row.cycle),
        key=row.issue_key,
        project=ProjectId(row.project_id),
        bounds=_bounds(row),
        silent_before=_utc(row.silent_before),
        told=told,
    )


def _bounds(row: Row[*tuple[Any, ...]]) -> Bounds:
    return Bounds(
        cycle=row.cycle,
        severity=None if row.severity is None else Severity(row.severity),
        started_at=_utc(row.started_at),
        due_at=_utc(row.due_at),
        due_date=row.due_date,
        due_before=_utc(row.due_before),
        at_risk_at=_utc(row.at_risk_at),
        paused_since=_utc(row.paused_since),
        paused_seconds=row.paused_seconds,
        stopped_at=_utc(row.stopped_at),
        outcome=None if row.outcome is None else Outcome(row.outcome),
    )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
