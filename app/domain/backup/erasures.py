"""What was erased is not to come back with an old backup: what the ledger says, and who reads it.

An id alone does not name a tenant for ever: after a restore numbers could be given anew. So every line names the
instant at which the tenant began as well, and both have to agree before anything is erased again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.identifiers import AccountId, TenantId


class LedgerUnfit(Exception):
    """The ledger of erasures cannot be relied on."""


@dataclass(frozen=True)
class TenantErased:
    """All of a tenant was erased."""

    tenant: TenantId
    since: datetime
    """When that tenant began: `registry.tenants.created_at`."""
    at: datetime


@dataclass(frozen=True)
class AccountErased:
    """A person was erased from a tenant."""

    tenant: TenantId
    since: datetime
    account: AccountId
    """Kept as a salted hash only."""
    at: datetime


class ErasesAgain(Protocol):
    """What erases, in a database that was restored and that nobody uses yet; each call is safe to repeat."""

    def tenant(self, tenant: TenantId, *, now: datetime) -> bool:
        """To the last row, with its keys; returns whether there was anything."""

    def accounts(self, tenant: TenantId, is_erased: Callable[[str], bool], *, now: datetime) -> int:
        """Whoever of the accounts that this tenant holds is among them; returns how many."""
