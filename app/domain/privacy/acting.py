"""Listing whose data is held, and acting on what Atlassian said of them: tenant by tenant, safe to repeat."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import TenantId
from app.domain.keys.queries import each_tenant
from app.domain.ports import Database
from app.domain.privacy.erasing import Erasing

_PAGE = 500
_SLICE = 10_000


@dataclass(frozen=True)
class Acting:
    """What a run of the reports does beside reporting."""

    database: Database
    erasing: Erasing

    def list_accounts(self, *, period: timedelta, now: datetime) -> int:
        """Find out which accounts each tenant holds, as the register says; returns how many, each tenant's own."""
        listed = 0
        for tenant in each_tenant(self.database):
            with self.database.begin(tenant) as uow:
                listed += uow.people.list_held(period=period, now=now)
                uow.commit(because=Bookkeeping.ACCOUNTS_LISTED)
        return listed

    def follow_period(self) -> None:
        """After Atlassian has named another period, accounts that were reported before are due by that one too."""
        moved = _SLICE
        while moved == _SLICE:
            with self.database.begin() as uow:
                moved = uow.reports.reschedule(uow.reports.cycle().period, limit=_SLICE)
                uow.commit(because=Bookkeeping.ACCOUNTS_LISTED)

    def act(self, *, now: datetime) -> None:
        """Erase closed accounts from every tenant that holds them; what is held of updated ones is fresh from now on.

        Of an updated account nothing is out of date but the instant: no part of a profile is kept, and the id stays.
        """
        after: tuple[TenantId, bytes] | None = None
        while True:
            with self.database.begin() as uow:
                page = uow.reports.answered(after=after, limit=_PAGE)
            if not page:
                break
            for tenant, of_tenant in groupby(page, key=lambda one: one[0]):
                answers = {digest: is_closed for _, digest, is_closed in of_tenant}
                self._erase(tenant, [digest for digest, is_closed in answers.items() if is_closed])
                self._refresh(tenant, [digest for digest, is_closed in answers.items() if not is_closed], now=now)
            after = page[-1][:2]
        if after is not None:
            with self.database.begin() as uow:
                uow.reports.finish(now)
                uow.commit(because=Bookkeeping.ACCOUNTS_REFRESHED)

    def _erase(self, tenant: TenantId, digests: list[bytes]) -> None:
        if not digests:
            return
        with self.database.begin(tenant) as uow:
            accounts = uow.people.accounts(digests).values()
        self.erasing.erase(tenant, accounts, actor="system", reason="account_closed")

    def _refresh(self, tenant: TenantId, digests: list[bytes], *, now: datetime) -> None:
        if not digests:
            return
        with self.database.begin(tenant) as uow:
            uow.people.refresh(digests, now)
            uow.commit(because=Bookkeeping.ACCOUNTS_REFRESHED)
