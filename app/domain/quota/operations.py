"""The quota as all processes share it: points are taken in chunks, and what Jira told one holds for all.

It is kept in the database because everything else that processes share is there: Redis is optional, and a quota that
each process keeps for itself is none. A chunk lets a process make many calls for one round trip; what a killed process
had taken and not spent is lost for that hour, and that is all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import Database, TurnAwaited
from app.domain.quota.model import AT_WORK, Account, Need, Verdict, hour_of, judge, wait_of


@dataclass(frozen=True)
class Quota:
    """Points and instructions of all tenants."""

    database: Database
    points_per_hour: int

    def look(self, tenant: TenantId, *, now: datetime) -> None:
        """Return if nothing that Jira said is in the way of that tenant's background work; raises `TurnAwaited`."""
        with self.database.begin() as uow:
            hour = hour_of(now)
            _refuse_stopped(uow.quota.account(HOUSE, hour=hour), uow.quota.account(tenant, hour=hour), now=now)

    def take(self, tenant: TenantId, need: Need, *, owed: int, now: datetime) -> int:
        """Points for background work of that tenant, at least `need.least`; raises `TurnAwaited`.

        `owed`: what its last calls cost more than was taken for them; counted in any case.
        """
        with self.database.begin() as uow:
            hour = hour_of(now)
            house, own = uow.quota.hold(tenant, hour=hour)
            stopped = wait_of(house.background_until, own.background_until, at=now)
            verdict = Verdict(0, stopped)
            if not stopped:
                kept = uow.quota.wanted_by_needier(own, hour=hour, since=now - AT_WORK, now=now)
                verdict = judge(need, spent=house.used, kept_for_others=kept, limit=self.points_per_hour, at=now)
                uow.quota.note_need(tenant, wanted=need.wanted, is_refused=not verdict.points, now=now)
            if verdict.points or owed:
                uow.quota.spend((HOUSE, tenant), verdict.points + owed, hour=hour)
            uow.commit(because=Bookkeeping.QUOTA_SHARED)
        if not verdict.points:
            raise TurnAwaited(verdict.wait_seconds)
        return verdict.points

    def stop(self, tenant: TenantId, *, until: datetime, reason: str | None, people: bool) -> None:
        """Jira said not to come back before `until`; under `HOUSE` that holds for every tenant."""
        with self.database.begin() as uow:
            uow.quota.stop(tenant, until=until, reason=reason, people=people)
            uow.commit(because=Bookkeeping.QUOTA_SHARED)

    def share(self, *, people_spent: int, spent_by_jira: int, now: datetime) -> Mapping[TenantId, datetime]:
        """Count what people's calls have cost, and at least what Jira counts; returns who may not ask for people."""
        with self.database.begin() as uow:
            stopped = uow.quota.stopped_people(now=now)
            if people_spent or spent_by_jira:
                hour = hour_of(now)
                uow.quota.spend([HOUSE], people_spent, hour=hour)
                uow.quota.raise_spent(spent_by_jira, hour=hour)
                uow.commit(because=Bookkeeping.QUOTA_SHARED)
            return stopped


def _refuse_stopped(*accounts: Account, now: datetime) -> None:
    seconds = wait_of(*(account.background_until for account in accounts), at=now)
    if seconds:
        raise TurnAwaited(seconds)
