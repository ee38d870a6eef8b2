"""What people decide about the clocks of an issue, as they hand it in: by form, by command, by file.

Texts come in, a `Decision` or every fault at once comes out; nothing is guessed. `KINDS` has which fields a kind takes.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.clocks.model import EventKind, Severity, check_instant
from app.domain.identifiers import AccountId
from app.domain.sentences import Sentence

AMS = "ams"
"""The kind of a report about a ticket of Atlassian's Marketplace Security project; every other kind is an event's."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TICKET = re.compile(r"[A-Z][A-Z0-9_]{0,99}-[1-9][0-9]{0,17}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_TEXT = 1000
_MOST_DAYS = 3660
NO_DATE = "none"
"""As `due`: the ticket names no date any more."""


class DecisionFault(ValueError):
    """A decision that is not recorded; `why` is written for whoever handed it in."""

    def __init__(self, *why: Sentence) -> None:
        super().__init__("; ".join(why))
        self.why = why


class DecisionMalformed(DecisionFault):
    """A field is missing, unknown or has not its documented form."""


class DecisionRefused(DecisionFault):
    """It does not fit the promise or what holds at that instant."""


class DecisionReused(DecisionFault):
    """Its id is that of another decision about this issue."""


class Via(StrEnum):
    """The way by which it was handed in."""

    FORM = "form"
    COMMAND = "command"
    CSV = "csv"


@dataclass(frozen=True)
class Author:
    """Who hands a decision in."""

    via: Via
    name: str
    """The account id of a person of the site, personal data that only the clock event keeps; or the operator's word."""
    kind: str
    """For the audit log, which names no people in the clear: `person` or `operator`."""

    @property
    def account(self) -> AccountId | None:
        """Of a person of the site."""
        return AccountId(self.name) if self.via is Via.FORM and self.name else None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision; which fields are filled depends on its kind."""

    id: str
    """Given by whoever hands it in: the same id twice about an issue is the same decision."""
    kind: str
    """`ams`, or the value of an `EventKind`."""
    at: datetime | None = None
    """When it was taken; None = when it is handed in."""
    severity: Severity | None = None
    reason: str | None = None
    clause: str | None = None
    until: date | None = None
    added: timedelta | None = None
    role: str | None = None
    evidence: str | None = None
    ticket: str | None = None
    status: str | None = None
    due: date | None = None
    due_given: bool = False
    """Whether `due` says something; an AMS report that leaves it out leaves their date as it is."""


@dataclass(frozen=True)
class Fields:
    """Which fields a kind needs, and which it may have besides `id`, `kind` and `at`."""

    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


def _fields(needs: str = "", may: str = "") -> Fields:
    return Fields(frozenset(needs.split()), frozenset(may.split()))


KINDS: Mapping[str, Fields] = {
    EventKind.TRIAGED: _fields(may="reason evidence"),
    EventKind.SEVERITY_SET: _fields("severity", may="reason evidence"),
    EventKind.PAUSED: _fields("reason", may="clause evidence"),
    EventKind.RESUMED: _fields(may="reason evidence"),
    EventKind.EXTENSION_REQUESTED: _fields(may="reason evidence"),
    EventKind.EXTENDED: _fields("reason role", may="until added_days clause evidence ticket"),
    EventKind.EXTENSION_REFUSED: _fields("reason", may="role evidence ticket"),
    EventKind.EXPLAINED: _fields("reason", may="evidence"),
    EventKind.FIXED: _fields(may="reason evidence"),
    EventKind.REOPENED: _fields("reason", may="evidence"),
    EventKind.CANCELLED: _fields("reason", may="clause evidence"),
    EventKind.UNTRACKED: _fields("reason", may="clause evidence"),
    EventKind.TRACKED: _fields("reason", may="evidence"),
    AMS: _fields("ticket status", may="due evidence"),
}
"""Every kind that can be recorded. Who decided is never a field: it is whoever hands it in."""


def read_decision(given: Mapping[str, object]) -> Decision:
    """The decision that these fields say; an absent field and a null are the same, but for `due`.

    Raises `DecisionMalformed` with all that is wrong, field by field.
    """
    kind = given.get("kind")
    fields = KINDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise DecisionMalformed(_about("kind", Sentence("is not one of %(known)s", known=", ".join(KINDS))))
    known = fields.needs | fields.may | {"id", "kind", "at"}
    unknown = [name for name in given if name not in known and given[name] is not None]
    faults = [_about(name, Sentence("is not a field of %(kind)s", kind=kind)) for name in unknown]
    values: dict[str, Any] = {}
    for name in sorted(known - {"kind"}):
        try:
            values |= _read(name, given)
        except DecisionMalformed as fault:
            faults += [_about(name, why) for why in fault.why]
    absent = (name for name in sorted(fields.needs | {"id"}) if given.get(name) is None)
    faults += [_about(name, Sentence("is missing")) for name in absent]
    if kind == EventKind.EXTENDED and (given.get("until") is None) == (given.get("added_days") is None):
        faults.append(_about("until", Sentence("give either until or added_days")))
    if faults:
        raise DecisionMalformed(*faults)
    return Decision(kind=str(kind), **values)


def _about(field: str, fault: Sentence) -> Sentence:
    return Sentence("%(field)s: %(fault)s", field=field, fault=fault)


def _read(name: str, given: Mapping[str, object]) -> dict[str, object]:
    value = given.get(name)
    if name == "due":
        is_none = value is None or value == NO_DATE
        return {"due": None if is_none else _day(value), "due_given": name in given}
    if value is None:
        return {}
    if name == "added_days":
        return {"added": _days(value)}
    return {name: _READ.get(name, _text)(value)}


def _matching(form: re.Pattern[str], otherwise: Sentence) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise DecisionMalformed(otherwise)
        return value

    return read


def _text(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > _LONGEST_TEXT:
        raise DecisionMalformed(Sentence("is not a text of 1 to %(most)s characters", most=_LONGEST_TEXT))
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        raise DecisionMalformed(Sentence("has characters that are no text, for example a line break"))
    return text


def _instant(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
        at = at.astimezone(UTC) if at.tzinfo is not None else at
        check_instant(at)
    except (ValueError, OverflowError) as fault:
        raise DecisionMalformed(Sentence("is not an instant with its zone, like 2026-02-12T09:00:00Z")) from fault
    return at


def _day(value: object) -> date:
    try:
        day = date.fromisoformat(value if isinstance(value, str) and _DATE.fullmatch(value) else "")
        check_instant(datetime(day.year, day.month, day.day, tzinfo=UTC))
    except ValueError as fault:
        raise DecisionMalformed(Sentence("is not a date before the year 3000, like 2026-02-12")) from fault
    return day


def _days(value: object) -> timedelta:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_DAYS:
        raise DecisionMalformed(Sentence("is not a whole number from 1 to %(most)s", most=_MOST_DAYS))
    return timedelta(days=value)


def _level(value: object) -> Severity:
    if not isinstance(value, str) or value.lower() not in set(Severity):
        raise DecisionMalformed(Sentence("is not one of %(known)s", known=", ".join(Severity)))
    return Severity(value.lower())


_READ: Mapping[str, Callable[[object], object]] = {
    "id": _matching(_ID, Sentence("is not 1 to 100 letters, digits, dots, dashes and underscores")),
    "at": _instant,
    "until": _day,
    "severity": _level,
    "ticket": _matching(_TICKET, Sentence("is not an issue key like AMS-123")),
}
