"""What metrics need from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from app.domain.identifiers import TenantId


class Series(NamedTuple):
    """One line of a scrape: a metric with its labels as the exposition format writes them."""

    name: str
    labels: str = ""


@dataclass(frozen=True)
class JobStanding:
    """Jobs of one name in one state."""

    name: str
    state: str
    """`todo`, `later`, `doing`, `failed`."""
    count: int
    oldest: datetime | None
    """Since when the oldest could have run."""


@dataclass(frozen=True)
class Backlog:
    """What one tenant waits for."""

    events: int
    """Stored, and not covered by a read of their issue."""
    issues: int
    """To be read."""
    oldest: datetime | None
    recomputing_since: datetime | None


class MetricRows(Protocol):
    """Numbers by series."""

    def add(self, counts: Mapping[Series, float], *, at: datetime) -> None:
        """Add to what is there."""

    def put(self, values: Mapping[Series, float], *, at: datetime) -> None:
        """In place of what is there."""

    def stored(self) -> Mapping[Series, float]:
        """All of them."""

    def claim(self, *, now: datetime, every: timedelta) -> bool:
        """Whether to measure now, because nobody has within `every`."""

    def jobs(self, *, now: datetime) -> Sequence[JobStanding]:
        """The queue by name and state."""

    def tenants_at_work(self, limit: int) -> Sequence[TenantId]:
        """Those for whom a job reads issues or makes bounds anew, or waits to; the longest waiting first."""

    def backlog(self, tenant: TenantId) -> Backlog:
        """Of the tenant that was entered."""

    def alerts(self) -> Mapping[str, datetime]:
        """When an alert of each rule was last raised."""
