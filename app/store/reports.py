"""When accounts are to be reported, and what was answered: by digest, across tenants."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy import update as changing

from app.domain.identifiers import TenantId
from app.domain.privacy.ports import Cycle, Due, Sent, Standing
from app.store.people_tables import AccountHolderRow, AccountReportRow, ReportCycleRow, ReportLogRow

BATCH = 90
_STATE = {name: literal(name, Text, literal_execute=True) for name in ("open", "closed", "set_aside")}
"""Written out in the query: with a value that comes later the planner cannot know that a partial index is meant."""
_LONGEST_WAIT_SECONDS = 6 * 3600
_TEXT_KEPT = 64
_REFUSED = ("malformed", "unauthorized", "forbidden", "slow down", "unavailable", "odd")


class SqlReports:
    """See `app.domain.privacy.ports.ReportRows`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def cycle(self) -> Cycle:
        """The one row."""
        row = self._connection.execute(select(ReportCycleRow.__table__)).one()
        return Cycle(
            period=timedelta(seconds=row.period_seconds),
            period_text=row.period_text,
            waits_until=row.waits_until,
            waits_for=row.waits_for,
            failures=row.failures,
            listed_at=row.listed_at,
            told_at=row.told_at,
            pass_number=row.pass_number,
            pass_started_at=row.pass_started_at,
        )

    def save_period(self, period: timedelta, text: str) -> None:
        """Each account is reported once in this time from now on."""
        self._save(period_seconds=int(period.total_seconds()), period_text=text[:_TEXT_KEPT])

    def reschedule(self, period: timedelta, *, limit: int) -> int:
        """Accounts that were reported are due that long afterwards."""
        due_at = AccountReportRow.reported_at + period
        other = (
            select(AccountReportRow.digest)
            .where(AccountReportRow.state == _STATE["open"], AccountReportRow.due_at != due_at)
            .limit(limit)
        )
        # In slices: all of them at once would take longer than a statement may.
        return self._connection.execute(
            changing(AccountReportRow).where(AccountReportRow.digest.in_(other)).values(due_at=due_at)
        ).rowcount

    def wait(self, until: datetime | None, *, reason: str | None, failures: int) -> None:
        """Nobody asks before that instant."""
        self._save(waits_until=until, waits_for=reason, failures=failures)

    def save_listed(self, now: datetime) -> None:
        """Every tenant's accounts were listed; with the first list the first pass begins."""
        began = case((ReportCycleRow.listed_at.is_(None), now), else_=ReportCycleRow.pass_started_at)
        self._save(listed_at=now, pass_started_at=began)

    def save_told(self, at: datetime | None) -> None:
        """Somebody was told that reports are late, or all is well again."""
        self._save(told_at=at)

    def next_tenant(self, *, after: TenantId, now: datetime, also_new: bool) -> TenantId | None:
        """The next tenant through which accounts are due."""
        query = select(AccountReportRow.tenant_id).where(
            _is_due(now, also_new=also_new), AccountReportRow.tenant_id > after
        )
        found = self._connection.execute(query.order_by(AccountReportRow.tenant_id).limit(1)).scalar_one_or_none()
        return None if found is None else TenantId(found)

    def lease(
        self,
        lease: UUID,
        *,
        after: Due | None,
        only: TenantId | None,
        now: datetime,
        until: datetime,
        also_new: bool,
        held_since: datetime | None,
    ) -> tuple[Due, ...]:
        """Up to 90 accounts that are due."""
        # Not by the pair, which no index gives in order: every lease would sort all that is left.
        order = (AccountReportRow.tenant_id, AccountReportRow.digest)
        query = select(AccountReportRow.digest, AccountReportRow.due_at).where(_is_due(now, also_new=also_new))
        if after is not None:
            query = query.where(tuple_(*order) > tuple_(literal(after.tenant), literal(after.digest)))
        if only is not None:
            query = query.where(AccountReportRow.tenant_id == only)
        found = self._connection.execute(query.order_by(*order).limit(BATCH).with_for_update(skip_locked=True)).all()
        if not found or (len(found) < BATCH and held_since is not None and all(r.due_at > held_since for r in found)):
            return ()
        oldest = (
            select(func.min(AccountHolderRow.stored_at))
            .where(AccountHolderRow.digest == AccountReportRow.digest)
            .scalar_subquery()
        )
        taken = self._connection.execute(
            changing(AccountReportRow)
            .where(AccountReportRow.digest.in_([row.digest for row in found]))
            .values(lease=lease, leased_until=until)
            .returning(AccountReportRow.digest, AccountReportRow.tenant_id, oldest.label("stored_at"))
        )
        # Without a holder it was erased a moment ago, and is nobody's to report.
        due = [Due(row.digest, TenantId(row.tenant_id), row.stored_at) for row in taken if row.stored_at is not None]
        return tuple(sorted(due, key=lambda one: (one.tenant, one.digest)))

    def renew(self, lease: UUID, digests: Collection[bytes], *, until: datetime) -> frozenset[bytes]:
        """Keep these for longer; returns those that are still ours."""
        kept = changing(AccountReportRow).where(_is_ours(lease, digests)).values(leased_until=until)
        return frozenset(self._connection.execute(kept.returning(AccountReportRow.digest)).scalars())

    def settle(
        self,
        lease: UUID,
        digests: Collection[bytes],
        *,
        closed: Collection[bytes],
        updated: Collection[bytes],
        now: datetime,
        due_at: datetime,
    ) -> None:
        """They are reported, and due again then; those that were closed never again."""
        free = {"lease": None, "leased_until": None, "attempts": 0, "reported_at": now, "due_at": due_at}
        for part, answer in (
            (set(digests) - set(closed) - set(updated), {}),
            (set(closed), {"state": "closed", "answered_at": now}),
            (set(updated), {"answered_at": now}),
        ):
            if part:
                self._connection.execute(
                    changing(AccountReportRow).where(_is_ours(lease, part)).values(**free, **answer)
                )

    def release(self, lease: UUID, *, until: datetime | None, failed: bool, now: datetime) -> None:
        """Give back what is left of that lease."""
        values: dict[str, Any] = {"lease": None, "leased_until": until}
        if failed:
            wait = func.least(60 * func.power(2, func.least(AccountReportRow.attempts, 20)), _LONGEST_WAIT_SECONDS)
            # Not all at the same instant again: what one of them met, all of them would meet again.
            jittered = wait * (0.75 + 0.5 * func.random())
            values |= {
                "attempts": AccountReportRow.attempts + 1,
                "leased_until": literal(now) + jittered * text("interval '1 second'"),
            }
        self._connection.execute(changing(AccountReportRow).where(AccountReportRow.lease == lease).values(**values))

    def set_aside(self, lease: UUID, digests: Collection[bytes], *, reason: str) -> None:
        """Never ask about these again."""
        aside = {"state": "set_aside", "reason": reason, "lease": None, "leased_until": None}
        self._connection.execute(changing(AccountReportRow).where(_is_ours(lease, digests)).values(**aside))

    def answered(self, *, after: tuple[TenantId, bytes] | None, limit: int) -> Sequence[tuple[TenantId, bytes, bool]]:
        """Accounts whose answer is still to be acted on, by tenant that holds them."""
        place = tuple_(AccountHolderRow.tenant_id, AccountHolderRow.digest)
        query = (
            select(AccountHolderRow.tenant_id, AccountReportRow.digest, AccountReportRow.state)
            .join(AccountReportRow, AccountReportRow.digest == AccountHolderRow.digest)
            .where(AccountReportRow.answered_at.is_not(None))
            .order_by(AccountHolderRow.tenant_id, AccountHolderRow.digest)
        )
        if after is not None:
            query = query.where(place > tuple_(literal(after[0]), literal(after[1])))
        found = self._connection.execute(query.limit(limit))
        return [(TenantId(row.tenant_id), row.digest, row.state == "closed") for row in found]

    def finish(self, until: datetime) -> None:
        """What was answered until that instant is done."""
        is_held = select(AccountHolderRow.digest).where(AccountHolderRow.digest == AccountReportRow.digest).exists()
        self._connection.execute(
            changing(AccountReportRow)
            .where(AccountReportRow.answered_at <= until, or_(AccountReportRow.state != _STATE["closed"], ~is_held))
            .values(answered_at=None)
        )

    def record(self, sent: Sent) -> None:
        """One more line of evidence."""
        answer = sent.answer
        text = None if answer.period_text is None else answer.period_text[:_TEXT_KEPT]
        values = {
            "at": sent.at,
            "tenant_id": sent.tenant,
            "accounts": sent.accounts,
            "status": answer.status,
            "outcome": answer.outcome.value if not answer.why else f"{answer.outcome.value}: {answer.why}",
            "closed": len(answer.closed),
            "updated": len(answer.updated),
            "period_text": text,
        }
        self._connection.execute(insert(ReportLogRow).values(**values))

    def oldest(self) -> tuple[datetime | None, datetime | None]:
        """The ends of two partial indexes."""
        due = select(func.min(AccountReportRow.due_at)).where(AccountReportRow.state == _STATE["open"])
        is_unerased = (AccountReportRow.state == _STATE["closed"]) & AccountReportRow.answered_at.is_not(None)
        unerased = select(func.min(AccountReportRow.answered_at)).where(is_unerased)
        return self._connection.execute(due).scalar_one(), self._connection.execute(unerased).scalar_one()

    def standing(self, *, now: datetime) -> Standing:
        """How far the reports are."""
        is_open, is_closed = AccountReportRow.state == _STATE["open"], AccountReportRow.state == _STATE["closed"]
        is_due = and_(is_open, AccountReportRow.due_at <= now)
        unerased = and_(is_closed, AccountReportRow.answered_at.is_not(None))
        held = select(func.count()).select_from(AccountReportRow)
        row: Row[*tuple[Any, ...]] = self._connection.execute(
            select(
                func.count().filter(~is_closed).label("accounts"),
                func.count().filter(is_due).label("due"),
                func.count().filter(is_open, AccountReportRow.attempts > 0).label("waiting"),
                func.count().filter(AccountReportRow.state == _STATE["set_aside"]).label("set_aside"),
                func.count().filter(unerased).label("unerased"),
                func.min(AccountReportRow.due_at).filter(is_open).label("oldest_due"),
                func.min(AccountReportRow.answered_at).filter(is_closed).label("oldest_unerased"),
            )
        ).one()
        left = self._connection.execute(held.where(self._is_left())).scalar_one()
        return Standing(
            accounts=row.accounts,
            due=row.due,
            waiting=row.waiting,
            set_aside=row.set_aside,
            closed_unerased=row.unerased,
            oldest_due=row.oldest_due,
            oldest_unerased=row.oldest_unerased,
            pass_left=left,
        )

    def pass_left(self) -> bool:
        """Whether an account that was there when the pass began is not reported yet."""
        query = select(AccountReportRow.digest).where(self._is_left()).limit(1)
        return self._connection.execute(query).first() is not None

    def begin_pass(self, now: datetime) -> Mapping[str, int]:
        """The pass is over, the next begins."""
        began = select(ReportCycleRow.pass_started_at).scalar_subquery()
        is_refused = or_(*(ReportLogRow.outcome.startswith(word) for word in _REFUSED))
        sums = {
            "requests": func.count(),
            "refused": func.count().filter(is_refused),
            "accounts": func.coalesce(func.sum(ReportLogRow.accounts).filter(~is_refused), 0),
            "closed": func.coalesce(func.sum(ReportLogRow.closed), 0),
            "updated": func.coalesce(func.sum(ReportLogRow.updated), 0),
        }
        query = select(*(total.label(name) for name, total in sums.items())).where(ReportLogRow.at > began)
        totals = {name: int(total) for name, total in self._connection.execute(query).mappings().one().items()}
        self._save(pass_number=ReportCycleRow.pass_number + 1, pass_started_at=now)
        return totals

    def sent(self, limit: int, *, through: TenantId | None = None) -> Sequence[Mapping[str, object]]:
        """The newest lines of evidence."""
        query = select(ReportLogRow.__table__).order_by(ReportLogRow.report_id.desc()).limit(limit)
        if through is not None:
            query = query.where(ReportLogRow.tenant_id == through)
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def forget_sent(self, before: datetime) -> None:
        """Evidence from before that instant is not kept."""
        self._connection.execute(delete(ReportLogRow).where(ReportLogRow.at < before))

    def _save(self, **values: object) -> None:
        self._connection.execute(changing(ReportCycleRow).where(ReportCycleRow.cycle_id == 1).values(**values))

    @staticmethod
    def _is_left() -> ColumnElement[bool]:
        began = select(ReportCycleRow.pass_started_at).scalar_subquery()
        is_unreported = or_(AccountReportRow.reported_at.is_(None), AccountReportRow.reported_at <= began)
        return and_(AccountReportRow.state == _STATE["open"], AccountReportRow.listed_at <= began, is_unreported)


def _is_due(now: datetime, *, also_new: bool) -> ColumnElement[bool]:
    is_due: ColumnElement[bool] = AccountReportRow.due_at <= now
    if also_new:
        is_due = or_(is_due, AccountReportRow.reported_at.is_(None))
    is_free = or_(AccountReportRow.leased_until.is_(None), AccountReportRow.leased_until <= now)
    return and_(AccountReportRow.state == _STATE["open"], is_due, is_free)


def _is_ours(lease: UUID, digests: Collection[bytes]) -> ColumnElement[bool]:
    return and_(AccountReportRow.lease == lease, AccountReportRow.digest.in_(digests))
