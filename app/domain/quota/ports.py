"""What the quota needs from the store."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from app.domain.identifiers import TenantId
from app.domain.quota.model import Account


class QuotaRows(Protocol):
    """One account per tenant that was ever at work, and that of all together under `HOUSE`."""

    def hold(self, tenant: TenantId, *, hour: datetime) -> tuple[Account, Account]:
        """The accounts of all together and of that tenant; nobody else changes them until this transaction ends."""

    def account(self, tenant: TenantId, *, hour: datetime) -> Account:
        """That tenant's account; one that is not known has had nothing."""

    def wanted_by_needier(self, own: Account, *, hour: datetime, since: datetime, now: datetime) -> int:
        """What those asked for last who have asked since then, have had less than `own`, and need not wait for Jira."""

    def spend(self, tenants: Collection[TenantId], points: int, *, hour: datetime) -> None:
        """Count points for each of them; those of an earlier hour are forgotten."""

    def note_need(self, tenant: TenantId, *, wanted: int, is_refused: bool, now: datetime) -> None:
        """Remember that it asked, for how much, and whether it has to wait."""

    def raise_spent(self, points: int, *, hour: datetime) -> None:
        """All together have spent at least so much."""

    def stop(self, tenant: TenantId, *, until: datetime, reason: str | None, people: bool) -> None:
        """Jira is not to be asked before that instant; an earlier instruction that is longer stays."""

    def stopped_people(self, *, now: datetime) -> Mapping[TenantId, datetime]:
        """Until when calls that people wait for are not made, by tenant."""

    def waiting(self, *, now: datetime, since: datetime) -> Sequence[Account]:
        """Tenants that Jira told to wait, and those that were refused points since then; what they used is left out."""


class CallBudget(Protocol):
    """Of one process: the one who may call Jira."""

    def share(self, now: datetime) -> None:
        """Tell the other processes what people's calls have cost, and learn whom Jira told to wait."""

    def wind_up(self, seconds: float) -> None:
        """This process ends: after so many seconds its jobs call Jira no more."""
