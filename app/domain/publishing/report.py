"""How much was published, and for how long something that is being published is nobody else's."""

from dataclasses import astuple, dataclass
from datetime import timedelta

_FIRST_LEASE_SECONDS = 60
_LONGEST_LEASE_SECONDS = 3600


@dataclass(frozen=True)
class Report:
    """How much one slice did."""

    looked_at: int = 0
    written: int = 0
    """Properties and lozenges, each one request."""
    refused: int = 0
    """Issues that Jira hides or does not let us write to: tried again when their label changes or they are read."""
    pushed: int = 0
    failed: int = 0
    """Entries of the Security tab that Jira refused: tried again when they change."""
    unknown_associations: int = 0

    def __add__(self, other: "Report") -> "Report":
        return Report(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def lease_of(tries: int) -> timedelta:
    """How long nobody else begins what was begun that often before; longer each time, up to an hour."""
    return timedelta(seconds=min(_FIRST_LEASE_SECONDS * 2 ** min(tries, 10), _LONGEST_LEASE_SECONDS))
