"""The accounts of the quota without a database: for properties over many hours. The store is compared with it."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.identifiers import HOUSE
from app.domain.instants import FURTHEST_AHEAD
from app.domain.quota.model import Account


@dataclass
class Row:
    hour: datetime | None = None
    used: int = 0
    wanted: int = 0
    asked_at: datetime | None = None
    refused_at: datetime | None = None
    background_until: datetime | None = None
    people_until: datetime | None = None
    reason: str | None = None

    def used_in(self, hour):
        return self.used if self.is_of(hour) else 0

    def is_of(self, hour):
        """Or of the next, by a clock that is a little ahead."""
        return hour is not None and self.hour is not None and hour <= self.hour <= hour + timedelta(hours=1)


class QuotaInMemory:
    """See `app.domain.quota.ports.QuotaRows`."""

    def __init__(self):
        self.rows = {HOUSE: Row()}

    def hold(self, tenant, *, hour):
        return self.account(HOUSE, hour=hour), self.account(tenant, hour=hour)

    def account(self, tenant, *, hour):
        row = self.rows.get(tenant, Row())
        return Account(tenant, row.used_in(hour), row.background_until, row.reason)

    def wanted_by_needier(self, own, *, hour, since, now):
        return sum(
            row.wanted
            for tenant, row in self.rows.items()
            if tenant not in {HOUSE, own.tenant}
            and row.asked_at is not None
            and since < row.asked_at <= now + FURTHEST_AHEAD
            and row.used_in(hour) < own.used
            and (row.background_until is None or row.background_until <= now)
        )

    def spend(self, tenants, points, *, hour):
        for tenant in tenants:
            row = self.rows.setdefault(tenant, Row())
            row.used = row.used_in(hour) + points
            row.hour = row.hour if row.is_of(hour) else hour

    def note_need(self, tenant, *, wanted, is_refused, now):
        row = self.rows.setdefault(tenant, Row())
        row.wanted, row.asked_at, row.refused_at = wanted, now, now if is_refused else None

    def raise_spent(self, points, *, hour):
        if self.rows[HOUSE].hour == hour:
            self.rows[HOUSE].used = max(self.rows[HOUSE].used, points)

    def stop(self, tenant, *, until, reason, people):
        row = self.rows.setdefault(tenant, Row())
        row.reason = reason
        row.background_until = later(row.background_until, until)
        if people:
            row.people_until = later(row.people_until, until)

    def stopped_people(self, *, now):
        return {
            tenant: row.people_until
            for tenant, row in self.rows.items()
            if row.people_until is not None and now < row.people_until <= now + FURTHEST_AHEAD
        }

    def waiting(self, *, now, since):
        return [
            replace(self.account(tenant, hour=None), used=0)
            for tenant, row in sorted(self.rows.items())
            if tenant != HOUSE
            and (
                (row.background_until is not None and row.background_until > now)
                or (row.refused_at is not None and row.refused_at > since)
            )
        ]


def later(stored, until):
    return max(stored, until) if stored is not None and stored <= until + FURTHEST_AHEAD else until


class DatabaseInMemory:
    """As much of a database as the quota needs; everything is committed."""

    def __init__(self):
        self.quota = QuotaInMemory()

    @contextmanager
    def begin(self):
        yield self

    def commit(self, *, because):
        pass
