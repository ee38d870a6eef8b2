"""The facts about an issue as its panel tells them: by cycle, newest first; people are `you` or `somebody else`.

The account id of who decided is personal data. It stands in the fact and nowhere on the page: the reader is told
whether it was he, and by which id the decision is found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from app.domain.clocks.engine import facts_of
from app.domain.clocks.model import Event, EventKind
from app.domain.clocks.wording import due_named
from app.domain.privacy.accounts import is_account_id
from app.domain.tracking.decision import AMS, Via
from app.edge.panels import wording
from app.edge.panels.sayings import said
from app.edge.translation import gettext as _
from app.edge.translation import mark

_FORM: Final = f"{Via.FORM}:"
_REPORT: Final = f"{AMS}:"
_DECIDED: Final = tuple(f"{via}:" for via in Via)

_SAID: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        EventKind.REPORTED: mark("Reported"),
        EventKind.TRIAGED: mark("Triaged"),
        EventKind.PAUSED: mark("Paused"),
        EventKind.RESUMED: mark("Runs again"),
        EventKind.EXTENSION_REQUESTED: mark("Extension requested"),
        EventKind.EXTENDED: mark("Extended"),
        EventKind.EXTENSION_REFUSED: mark("Extension refused"),
        EventKind.EXPLAINED: mark("Lateness explained"),
        EventKind.FIXED: mark("Fixed"),
        EventKind.REOPENED: mark("Reopened"),
        EventKind.CANCELLED: mark("Ended without a fix"),
        EventKind.UNTRACKED: mark("Left tracking"),
        EventKind.TRACKED: mark("Tracked again"),
    }
)


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """One fact. `who`, `note`: None where nothing is known, or was said."""

    at: datetime
    text: str
    who: str | None
    note: str | None
    source: str


@dataclass(frozen=True, kw_only=True)
class HistoryCycle:
    """What happened in one cycle, newest first."""

    number: int
    lines: tuple[HistoryLine, ...]


def is_decision(fact: Event) -> bool:
    """Whether somebody decided it here; else it was read in Jira or in a ticket elsewhere."""
    return fact.source.startswith(_DECIDED)


def without_ids(text: str | None, facts: Iterable[Event], *, reader: str | None) -> str | None:
    """The text, in the reader's language, with the account ids of those who decided by a form replaced by words."""
    for actor in {fact.actor for fact in facts if fact.actor and _is_of_person(fact)}:
        text = None if text is None else text.replace(actor, _(_person(actor, reader)))
    return text


def history_of(events: Iterable[Event], *, reader: str | None) -> tuple[HistoryCycle, ...]:
    """Every fact by cycle, the newest first. `reader`: the account id of whoever looks."""
    facts = facts_of(events)
    cycles: list[list[HistoryLine]] = [[]]
    for fact in facts:
        if fact.kind is EventKind.REOPENED:
            cycles.append([])
        cycles[-1].append(_line(fact, reader))
    numbered = [
        HistoryCycle(number=number, lines=tuple(reversed(lines))) for number, lines in enumerate(cycles, start=1)
    ]
    return tuple(reversed(numbered))


def _line(fact: Event, reader: str | None) -> HistoryLine:
    return HistoryLine(
        at=fact.at,
        text=_text(fact),
        who=_who(fact, reader),
        note="; ".join(filter(None, (wording.reason_words(fact.reason), fact.clause, fact.evidence))) or None,
        source=wording.source_words(fact.source),
    )


def _text(fact: Event) -> str:
    if fact.kind is EventKind.SEVERITY_SET:
        return _("Severity set to %(level)s", level=wording.severity_text(fact.severity))
    if fact.kind is EventKind.EXTERNAL_BOUND:
        return _("%(ticket)s names %(date)s", ticket=fact.ticket, date=said(due_named(fact)))
    if fact.kind is EventKind.EXTENDED:
        return _extended(fact)
    return _(_SAID[fact.kind]) if fact.kind in _SAID else wording.title_of(fact.kind)


def _extended(fact: Event) -> str:
    if fact.until is not None:
        return _("Extended to %(day)s", day=wording.date_words(fact.until))
    seconds = 0 if fact.added is None else int(fact.added.total_seconds())
    return _("Extended by %(time)s", time=wording.duration_text(seconds))


def _who(fact: Event, reader: str | None) -> str | None:
    if fact.actor is None or fact.actor == "jira":
        return None
    return _(_person(fact.actor, reader)) if _is_of_person(fact) else fact.actor


def _is_of_person(fact: Event) -> bool:
    """Whether its actor is an account id: of every form, and of a report about a ticket that came by one."""
    return fact.source.startswith(_FORM) or (fact.source.startswith(_REPORT) and is_account_id(fact.actor or ""))


def _person(actor: str, reader: str | None) -> str:
    return mark("you") if actor == reader else mark("somebody else")
