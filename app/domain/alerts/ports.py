"""What alert rules need from the store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from app.domain.identifiers import TenantId


@dataclass(frozen=True)
class Signal:
    """Something that was counted."""

    code: str
    endpoint: str
    """The route or job; `audit` for what has an audit entry."""
    tenant: TenantId
    """Only if it was verified, else `HOUSE`."""


class SignalRows(Protocol):
    """Stored counts, and the state of alerts."""

    def add(self, counts: Mapping[Signal, int], *, at: datetime) -> None:
        """Store counts."""

    def sums(
        self,
        codes: Collection[str],
        *,
        endpoints: Collection[str],
        by: Literal["endpoint", "tenant"],
        since: datetime,
        until: datetime,
    ) -> Sequence[tuple[str, int]]:
        """How often, by route or by tenant, after `since` and up to `until`; no endpoints = all of them.

        By tenant only of those that there are: whoever takes over a web process can store any number.
        """

    def audit_backlog(self) -> tuple[int, datetime | None]:
        """How many audit entries of all tenants have no place in their log yet, and since when the oldest waits."""

    def anchor_backlog(self) -> tuple[int, datetime | None]:
        """How many checkpoints of all tenants are not anchored yet, and since when the oldest waits."""

    def claim_alert(self, rule: str, subject: str, *, now: datetime, quiet: timedelta) -> bool:
        """Whether this alert is to be raised now, because nobody raised it within `quiet`."""

    def condense(self, *, before: datetime) -> None:
        """Counts from before that instant become one row per hour, code, route and tenant."""

    def forget(self, *, before: datetime) -> None:
        """Delete counts from before that instant."""
