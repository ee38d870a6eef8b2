"""Erasing again what an old backup brought back, before anybody uses the database it was restored into."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.identifiers import TenantId
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.leaving import Leaving, NoSuchTenant
from app.domain.privacy.model import AskedBy


@dataclass(frozen=True)
class ErasingRestored:
    """See `app.domain.backup.erasures.ErasesAgain`."""

    leaving: Leaving
    erasing: Erasing

    def tenant(self, tenant: TenantId, *, now: datetime) -> bool:
        """By the same steps as the first time, one after the other."""
        try:
            left = self.leaving.leave(tenant, asked_by=AskedBy.OPERATOR, at_once=True, now=now)
        except NoSuchTenant:
            return False
        while left.receipt is None:
            # Nobody can use this database yet, so there is nothing that a step would have to wait for.
            self.leaving.step(tenant, now=max(now, left.due_at))
            left = self.leaving.departure(tenant) or left
        return True

    def accounts(self, tenant: TenantId, is_erased: Callable[[str], bool], *, now: datetime) -> int:
        """Of those whom the columns of the register hold."""
        with self.erasing.database.begin(tenant) as uow:
            found = [account for account in uow.people.held() if is_erased(account)]
        if found:
            self.erasing.erase(tenant, found, actor="system", reason="restored", now=now)
        return len(found)
