"""Keeping what was erased outside the database, and erasing it again from what was restored."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.backup.erasures import AccountErased, ErasesAgain, TenantErased
from app.domain.backup.ports import ErasureLedger
from app.domain.identifiers import AccountId, TenantId
from app.domain.ports import Database, UnitOfWork

MARGIN = timedelta(minutes=5)
"""A person's erasure is recorded before it is committed, and by another clock than the database's: this much earlier
than the backup it may not be in it."""


@dataclass(frozen=True)
class ErasedAgain:
    """What the ledger had to say."""

    tenants: int
    accounts: int


@dataclass(frozen=True)
class Remembering:
    """For whoever erases: what it calls before an erasure is confirmed."""

    ledger: Callable[[], ErasureLedger]
    """Opened when it is needed, which is never in a web process."""
    clock: Callable[[], datetime]

    def tenant(self, uow: UnitOfWork, tenant: TenantId) -> None:
        """All of that tenant is gone; `uow` is of that tenant. Raises `OSError`, `LedgerUnfit`."""
        since = uow.registry.created_at(tenant)
        if since is not None:
            self.ledger().record(TenantErased(tenant, since, self.clock()))

    def accounts(self, uow: UnitOfWork, tenant: TenantId, accounts: Collection[AccountId]) -> None:
        """These people are about to be gone from that tenant. Raises `OSError`, `LedgerUnfit`."""
        since = uow.registry.created_at(tenant)
        if since is not None:
            for account in accounts:
                self.ledger().record(AccountErased(tenant, since, account, self.clock()))


@dataclass(frozen=True)
class ErasingAgain:
    """What was erased after a backup is erased from what was restored of it, before anybody uses that."""

    database: Database
    ledger: ErasureLedger
    again: ErasesAgain

    def run(self, *, since: datetime, now: datetime) -> ErasedAgain:
        """Everything that the ledger names and that is here; raises `LedgerUnfit`, `OSError`."""
        tenants = {
            (each.tenant, each.since) for each in self.ledger.tenants() if self._is_here(each.tenant, each.since)
        }
        people = {
            tenant: is_erased
            for (tenant, began), is_erased in self.ledger.accounts(since=since - MARGIN).items()
            if (tenant, began) not in tenants and self._is_here(tenant, began)
        }
        erased = sum(self.again.tenant(tenant, now=now) for tenant, _ in sorted(tenants))
        gone = sum(self.again.accounts(tenant, people[tenant], now=now) for tenant in sorted(people))
        return ErasedAgain(erased, gone)

    def _is_here(self, tenant: TenantId, since: datetime) -> bool:
        with self.database.begin() as uow:
            return uow.registry.created_at(tenant) == since
