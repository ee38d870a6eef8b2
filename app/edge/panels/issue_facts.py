"""What the panel tells of an issue besides its clocks: tickets elsewhere, versions, requests, explanations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from app.domain.clocks.engine import facts_of
from app.domain.clocks.model import Event, EventKind
from app.domain.tracking.model import FixVersion

_ANSWERS = frozenset({EventKind.EXTENDED, EventKind.EXTENSION_REFUSED, EventKind.FIXED, EventKind.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class TicketLine:
    """A ticket of Atlassian's Marketplace Security project, as it was reported last. `due`: None = it names none."""

    ticket: str
    status: str | None
    due: date | datetime | None

    @property
    def is_instant(self) -> bool:
        """Whether the date has a time of day."""
        return isinstance(self.due, datetime)


@dataclass(frozen=True, kw_only=True)
class VersionLine:
    """A version in which the issue is to be fixed. `is_held_up`: it is not out, and the fix is not there."""

    name: str
    is_released: bool
    is_held_up: bool


def tickets_of(events: Iterable[Event]) -> tuple[TicketLine, ...]:
    """Each ticket once, the one that was reported last first."""
    newest = {fact.ticket: fact for fact in facts_of(events) if fact.kind is EventKind.EXTERNAL_BOUND}
    told = sorted(newest.values(), key=Event.order, reverse=True)
    return tuple(
        TicketLine(ticket=fact.ticket or "", status=fact.reason, due=fact.until_at or fact.until) for fact in told
    )


def versions_of(versions: Iterable[FixVersion], *, is_open: bool) -> tuple[VersionLine, ...]:
    """As Jira names them. `is_open`: whether a clock of the issue has not ended."""
    return tuple(
        VersionLine(name=each.name, is_released=each.is_released, is_held_up=is_open and not each.is_released)
        for each in versions
    )


def asked_for_more(events: Iterable[Event]) -> datetime | None:
    """When an extension was asked for that nobody has answered yet."""
    asked = None
    for fact in facts_of(events):
        if fact.kind is EventKind.EXTENSION_REQUESTED:
            asked = fact.at
        elif fact.kind in _ANSWERS:
            asked = None
    return asked


def explanations(events: Iterable[Event]) -> Mapping[int, str]:
    """What was said last of why a promise was not kept, by cycle."""
    cycle, said = 1, {}
    for fact in facts_of(events):
        if fact.kind is EventKind.REOPENED:
            cycle += 1
        elif fact.kind is EventKind.EXPLAINED:
            said[cycle] = fact.reason or ""
    return said
