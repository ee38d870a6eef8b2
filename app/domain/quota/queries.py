"""How the quota stands, for operators and metrics."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import Database
from app.domain.quota.model import AT_WORK, hour_of


@dataclass(frozen=True)
class Waiting:
    """A tenant whose background work waits."""

    tenant: TenantId
    until: datetime | None
    """None: until there are points again."""
    reason: str | None
    """Jira's, where it gave one."""


@dataclass(frozen=True)
class Standing:
    """Points are of the present hour; `left` is never negative."""

    points_per_hour: int
    left: int
    resets_at: datetime
    stopped_until: datetime | None
    """All tenants' background work, because Jira said that the whole app has spent its points."""
    waiting: tuple[Waiting, ...]


@dataclass(frozen=True)
class QuotaStanding:
    """How the quota of all tenants stands."""

    database: Database
    points_per_hour: int

    def at(self, now: datetime) -> Standing:
        """By what all processes have told so far; raises `DatabaseUnavailable`."""
        hour = hour_of(now)
        with self.database.begin() as uow:
            house = uow.quota.account(HOUSE, hour=hour)
            accounts = uow.quota.waiting(now=now, since=now - AT_WORK)
        return Standing(
            points_per_hour=self.points_per_hour,
            left=max(0, self.points_per_hour - house.used),
            resets_at=hour + timedelta(hours=1),
            stopped_until=_future(house.background_until, now),
            waiting=tuple(
                Waiting(each.tenant, until, each.reason if until else None)
                for each in accounts
                for until in [_future(each.background_until, now)]
            ),
        )


def _future(at: datetime | None, now: datetime) -> datetime | None:
    return at if at is not None and at > now else None
