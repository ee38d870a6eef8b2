"""Erasing once more from a database that was restored from before an erasure, by the same steps as the first time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.identifiers import TenantId
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.leaving import Leaving, NoSuchTenant
from app.domain.privacy.model import AskedBy


@dataclass(frozen=True)
class Again:
    """See `app.domain.backup.erasures.ErasesAgain`."""

    leaving: Leaving
    erasing: Erasing

    def tenant(self, tenant: TenantId, *, now: datetime) -> bool:
        """To its receipt. Where a token of its last lifecycle event is still good, its access ends now, and a worker
        erases the rest within the hour: see `Leaving`."""
        try:
            self.leaving.leave(tenant, asked_by=AskedBy.OPERATOR, at_once=True, now=now)
        except NoSuchTenant:
            return False
        while self.leaving.step(tenant, now=now):
            pass
        return True

    def accounts(self, tenant: TenantId, is_erased: Callable[[str], bool], *, now: datetime) -> int:
        """Whoever of the accounts in this tenant's columns is among them."""
        with self.erasing.database.begin(tenant) as uow:
            found = [account for account in uow.people.held() if is_erased(account)]
        if found:
            self.erasing.erase(tenant, found, actor="system", reason="restored")
        return len(found)
