"""Jira's quota as all processes see it: a row per tenant, and one for all together that is held while points are given.

One short transaction at a time gives points; with chunks that is a few a second at most.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute

from app.domain.identifiers import HOUSE, TenantId
from app.domain.instants import FURTHEST_AHEAD
from app.domain.quota.model import Account
from app.store.quota_tables import QuotaRow

_ACCOUNT = (
    QuotaRow.tenant_id,
    QuotaRow.hour,
    QuotaRow.used,
    QuotaRow.background_until,
    QuotaRow.reason,
)


_HOUR = timedelta(hours=1)


class SqlQuota:
    """See `app.domain.quota.ports.QuotaRows`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hold(self, tenant: TenantId, *, hour: datetime) -> tuple[Account, Account]:
        """The accounts of all together and of that tenant, locked in this order by whoever locks both."""
        query = select(*_ACCOUNT).where(QuotaRow.tenant_id.in_((HOUSE, tenant)))
        house, *own = self._connection.execute(query.order_by(QuotaRow.tenant_id).with_for_update())
        return _account_of(house, hour), _account_of(own[0], hour) if own else Account(tenant)

    def account(self, tenant: TenantId, *, hour: datetime) -> Account:
        """That tenant's account."""
        found = self._connection.execute(select(*_ACCOUNT).where(QuotaRow.tenant_id == tenant)).first()
        return Account(tenant) if found is None else _account_of(found, hour)

    def wanted_by_needier(self, own: Account, *, hour: datetime, since: datetime, now: datetime) -> int:
        """The sum of what those asked for last who are at work and have had less."""
        used = case((_is_of(hour), QuotaRow.used), else_=0)
        query = select(func.coalesce(func.sum(QuotaRow.wanted), 0)).where(
            QuotaRow.tenant_id.not_in((HOUSE, own.tenant)),
            QuotaRow.asked_at > since,
            QuotaRow.asked_at <= now + FURTHEST_AHEAD,
            used < own.used,
            or_(QuotaRow.background_until.is_(None), QuotaRow.background_until <= now),
        )
        return int(self._connection.execute(query).scalar_one())

    def spend(self, tenants: Collection[TenantId], points: int, *, hour: datetime) -> None:
        """Count points in that hour; in a later one that a process with another clock has begun already."""
        counted = case((_is_of(hour), QuotaRow.used), else_=0) + points
        latest = case((_is_of(hour), QuotaRow.hour), else_=hour)
        adding = upsert(QuotaRow).values([{"tenant_id": each, "hour": hour, "used": points} for each in tenants])
        self._connection.execute(
            adding.on_conflict_do_update(index_elements=[QuotaRow.tenant_id], set_={"hour": latest, "used": counted})
        )

    def note_need(self, tenant: TenantId, *, wanted: int, is_refused: bool, now: datetime) -> None:
        """Remember what it asked for."""
        values = {"wanted": wanted, "asked_at": now, "refused_at": now if is_refused else None}
        adding = upsert(QuotaRow).values(tenant_id=tenant, **values)
        self._connection.execute(adding.on_conflict_do_update(index_elements=[QuotaRow.tenant_id], set_=values))

    def raise_spent(self, points: int, *, hour: datetime) -> None:
        """All together have spent at least so much."""
        behind = (QuotaRow.tenant_id == HOUSE) & (QuotaRow.hour == hour) & (QuotaRow.used < points)
        self._connection.execute(update(QuotaRow).where(behind).values(used=points))

    def stop(self, tenant: TenantId, *, until: datetime, reason: str | None, people: bool) -> None:
        """Jira is not to be asked before that instant."""
        values = {"background_until": until, "reason": reason} | ({"people_until": until} if people else {})
        later = {name: _later(getattr(QuotaRow, name), until) for name in values if name != "reason"}
        adding = upsert(QuotaRow).values(tenant_id=tenant, **values)
        self._connection.execute(
            adding.on_conflict_do_update(index_elements=[QuotaRow.tenant_id], set_={"reason": reason, **later})
        )

    def stopped_people(self, *, now: datetime) -> Mapping[TenantId, datetime]:
        """Until when calls that people wait for are not made."""
        query = select(QuotaRow.tenant_id, QuotaRow.people_until).where(
            QuotaRow.people_until > now, QuotaRow.people_until <= now + FURTHEST_AHEAD
        )
        return {TenantId(tenant): until for tenant, until in self._connection.execute(query) if until is not None}

    def waiting(self, *, now: datetime, since: datetime) -> Sequence[Account]:
        """Tenants that wait, in order of id."""
        query = (
            select(*_ACCOUNT)
            .where(QuotaRow.tenant_id != HOUSE)
            .where(or_(QuotaRow.background_until > now, QuotaRow.refused_at > since))
            .order_by(QuotaRow.tenant_id)
        )
        return [_account_of(row, None) for row in self._connection.execute(query)]


def _is_of(hour: datetime) -> ColumnElement[bool]:
    """Or of the next, which a process with another clock has begun; a later one is a clock's that was wrong."""
    return QuotaRow.hour.between(hour, hour + _HOUR)


def _later(stored: InstrumentedAttribute[Any], until: datetime) -> ColumnElement[Any]:
    """The later of both, unless only a clock that was wrong can have dated what is stored."""
    return case((stored <= until + FURTHEST_AHEAD, func.greatest(stored, until)), else_=until)


def _account_of(row: Row[*tuple[Any, ...]], hour: datetime | None) -> Account:
    return Account(
        tenant=TenantId(row.tenant_id),
        used=row.used if hour is not None and row.hour is not None and hour <= row.hour <= hour + _HOUR else 0,
        background_until=row.background_until,
        reason=row.reason,
    )
