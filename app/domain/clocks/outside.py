"""Due dates that somebody else names for the same finding: absolute, moved by nothing of ours; the tighter binds.

Atlassian's Marketplace Security project (AMS) keeps such a date, "Remediation Due Date", and an extension that it
grants replaces it: https://developer.atlassian.com/platform/marketplace/vulnerability-tracking-more-info/
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.domain.clocks.counting import Due, end_of_day
from app.domain.clocks.model import Event

_NEXT = timedelta(microseconds=1)
"""Instants are kept to the microsecond: the first one after a last one that is in time."""


class Named(NamedTuple):
    """The date that one ticket names at the moment."""

    due: Due
    event: Event
    """The `external_bound` that named it."""


class OutsideBounds:
    """What each ticket says while the facts are read, oldest first."""

    __slots__ = ("_zone", "by_ticket")

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        """In which a date ends: that of the promise, because the tickets name none."""
        self.by_ticket: dict[str | None, Named] = {}
        """What is named at the moment."""

    def tell(self, event: Event) -> None:
        """Take an `external_bound`: it replaces what the same ticket said before, or withdraws it."""
        if event.until is not None:
            self.by_ticket[event.ticket] = Named(end_of_day(event.until, self._zone), event)
        elif event.until_at is not None:
            self.by_ticket[event.ticket] = Named(Due(event.until_at), event)
        else:
            self.by_ticket.pop(event.ticket, None)

    def extend(self, event: Event) -> None:
        """A granted extension replaces the dates that were set in the role that grants; it never shortens."""
        for ticket, (due, named) in self.by_ticket.items():
            if named.role == event.role and event.ticket in {None, ticket}:
                self.by_ticket[ticket] = Named(extended(due, event, zone=self._zone), named)

    def due(self) -> Due | None:
        """The tightest."""
        return min((each.due for each in self.by_ticket.values()), key=_instant, default=None)

    def too_late_at(self, *, due_inclusive: bool) -> datetime | None:
        """The first instant past the tightest one."""
        due = self.due()
        if due is None:
            return None
        return due.at + _NEXT if due.day is None and due_inclusive else due.at


def extended(due: Due, event: Event, *, zone: ZoneInfo) -> Due:
    """A bound after an extension, which never shortens: a granted date before the bound leaves the bound."""
    if event.until is not None:
        return max(due, end_of_day(event.until, zone), key=_instant)
    added = event.added or timedelta()
    return Due(due.at + added) if due.day is None else end_of_day(due.day + timedelta(days=added.days), zone)


def _instant(due: Due) -> datetime:
    return due.at
