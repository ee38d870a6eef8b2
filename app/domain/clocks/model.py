"""What a clock is made of: facts that came in, and the bounds and reasons that come out."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

_NO_OFFSET = timedelta(0)
_LAST_YEAR = 2999  # an instant near the end of the calendar would overflow as soon as days are added to it


class Severity(StrEnum):
    """The five bands of CVSS v3.1 section 5 and v4.0 section 6 (FIRST); `none` starts no clock."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


SEVERITY_RANK = {level: rank for rank, level in enumerate(reversed(Severity))}
"""none 0, low 1 … critical 4."""


class NotAScore(ValueError):
    """A CVSS score lies between 0.0 and 10.0."""


def severity_of(score: Decimal, *, zero_is_low: bool = False) -> Severity:
    """The band of a CVSS base score: critical from 9.0, high from 7.0, medium from 4.0, low above 0.0.

    FIRST calls 0.0 none; the row of Atlassian's policy reads "< 4.0", which taken literally has 0.0 in low:
    `zero_is_low` takes it so. Raises `NotAScore`.
    """
    if not 0 <= score <= 10:
        raise NotAScore(f"{score} is not between 0.0 and 10.0")
    for least, level in _BANDS:
        if score >= least:
            return level
    return Severity.LOW if score > 0 or zero_is_low else Severity.NONE


_BANDS = ((9, Severity.CRITICAL), (7, Severity.HIGH), (4, Severity.MEDIUM))


class State(StrEnum):
    """What a clock says at one instant. Never stored: time changes it without a write."""

    AWAITING_TRIAGE = "awaiting_triage"
    RUNNING = "running"
    AT_RISK = "at_risk"
    PAUSED = "paused"
    BREACHED = "breached"
    MET = "met"
    MET_LATE = "met_late"
    NO_DEADLINE = "no_deadline"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How a cycle ended; whether `met` was in time follows from `stopped_at` and the bound."""

    MET = "met"
    CANCELLED = "cancelled"


class EventKind(StrEnum):
    """What happened to a subject. In the order in which facts of one and the same instant are read."""

    # facts that can start a clock; which one does is a setting of the rule
    PUBLISHED = "published"
    DETECTED = "detected"
    REPORTED = "reported"
    VERIFIED = "verified"
    TRIAGED = "triaged"
    CONFIRMED = "confirmed"
    SUSPECTED = "suspected"
    AWARE = "aware"
    PATCH_AVAILABLE = "patch_available"
    REQUESTED = "requested"
    CLOSED = "closed"
    PLANNED = "planned"
    # facts that move a running clock
    SEVERITY_SET = "severity_set"
    EXTERNAL_BOUND = "external_bound"
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENSION_REQUESTED = "extension_requested"
    EXTENDED = "extended"
    EXTENSION_REFUSED = "extension_refused"
    EXPLAINED = "explained"
    """Why a promise was not kept: told to whoever reads, and moves nothing."""
    # facts that stop a clock; which one does is a setting of the rule
    ACKNOWLEDGED = "acknowledged"
    OPENED = "opened"
    NOTIFIED = "notified"
    UPDATED = "updated"
    ANSWERED = "answered"
    REVIEWED = "reviewed"
    ERASED = "erased"
    COMPLETED = "completed"
    FIXED = "fixed"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    # decisions whether the subject has clocks at all
    UNTRACKED = "untracked"
    TRACKED = "tracked"


EVENT_RANK = {kind: rank for rank, kind in enumerate(EventKind)}
_DECISIONS = frozenset({EventKind.CANCELLED, EventKind.UNTRACKED, EventKind.TRACKED})
"""Kinds that say nothing without who decided it and why."""


class NotAnInstant(ValueError):
    """An instant must say its offset, be in UTC and lie before the year 3000."""


class IncompleteEvent(ValueError):
    """The fact lacks what its kind needs, for example the level of `severity_set`."""


def check_instant(at: datetime) -> None:
    """Let an aware UTC instant pass; raise `NotAnInstant` on any other.

    In Python arithmetic on an aware instant of another zone is wall-clock arithmetic: wrong twice a year.
    """
    if at.utcoffset() != _NO_OFFSET or at.year > _LAST_YEAR:
        raise NotAnInstant(f"{at.isoformat()} is not an instant in UTC before the year {_LAST_YEAR + 1}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact about a subject, append-only. Same kind and source = the same fact told twice.

    A fact is believed with the instant at which it happened, not with that of its arrival, so that late,
    repeated and reordered deliveries end in the same bounds.
    """

    kind: EventKind
    at: datetime
    source: str
    """Where it is recorded, for example `jira:changelog:10023`."""
    actor: str | None = None
    severity: Severity | None = None
    """The level, of `severity_set`."""
    reason: str | None = None
    """Of `paused` and `resumed` the name that the rule allows (say, a status); of others why, in words.

    Of `external_bound` the status in which the ticket is.
    """
    clause: str | None = None
    """What the actor relied on, of `paused`, `extended`, `cancelled`."""
    channel: str | None = None
    """How a finding came, of `reported`: `bug_bounty` findings wait for triage first."""
    until: date | None = None
    """The granted date, of `extended` by fixed date; the date that the ticket names, of `external_bound`."""
    until_at: datetime | None = None
    """The same of `external_bound` as an instant, which is in time. With neither, the ticket names none any more."""
    added: timedelta | None = None
    """The granted time, of `extended` by added time."""
    role: str | None = None
    """In which role the actor granted, of `extended`; in which the owner of the ticket decides, of `external_bound`."""
    evidence: str | None = None
    """Where the decision can be read, of `extended` and what others decide."""
    ticket: str | None = None
    """Whose date it is, of `external_bound`: the key of an issue elsewhere. Of `extended` the only one it is for."""

    def __post_init__(self) -> None:
        check_instant(self.at)
        if self.kind is EventKind.SEVERITY_SET and self.severity is None:
            raise IncompleteEvent(f"{self.source}: severity_set needs a level")
        if self.kind in _DECISIONS and (self.actor is None or self.reason is None):
            raise IncompleteEvent(f"{self.source}: {self.kind} needs an actor and a reason")
        if self.kind is EventKind.EXTENDED:
            self._check_extension()
        if self.kind is EventKind.EXTERNAL_BOUND:
            self._check_external()

    def _check_extension(self) -> None:
        if (self.until is None) == (self.added is None):
            raise IncompleteEvent(f"{self.source}: extended needs either a date or an added time")
        if self.added is not None and self.added <= _NO_OFFSET:
            raise IncompleteEvent(f"{self.source}: extended needs a positive time")
        self._check_until()

    def _check_external(self) -> None:
        if self.ticket is None or (self.until is not None and self.until_at is not None):
            raise IncompleteEvent(f"{self.source}: external_bound needs a ticket, and names a date or an instant")
        if self.until_at is not None:
            check_instant(self.until_at)
        self._check_until()

    def _check_until(self) -> None:
        if self.until is not None and self.until.year > _LAST_YEAR:
            raise NotAnInstant(f"{self.source}: {self.until} is not before the year {_LAST_YEAR + 1}")

    def order(self) -> tuple[datetime, int, int, str]:
        """The key of the total order: instant, then kind, then source with 9 before 10."""
        return self.at, EVENT_RANK[self.kind], len(self.source), self.source


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days on which nobody works, besides Saturdays and Sundays."""

    name: str
    days: frozenset[date]
    sha256: str
    """Of the list, kept beside each date computed with it: holiday lists change between library versions."""
    years: range | None = None
    """The years that the list covers; None means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is stored of one cycle of a clock: flat, and independent of now.

    An instant clock has `due_at`, inclusive. A date clock has `due_date` and `due_before`, the first instant
    that is too late. A rule whose due instant is itself too late has only `due_before`. While a pause is open
    the bound is that of the instant at which it began; it moves on when the pause ends.
    """

    cycle: int
    severity: Severity | None = None
    started_at: datetime | None = None
    due_at: datetime | None = None
    due_date: date | None = None
    due_before: datetime | None = None
    at_risk_at: datetime | None = None
    paused_since: datetime | None = None
    paused_seconds: int = 0
    overrun_at: datetime | None = None
    """The first instant that is too late in spite of the open pause: nothing of ours moves a date of somebody else."""
    stopped_at: datetime | None = None
    outcome: Outcome | None = None
    cancelled_reason: str | None = None
    cancelled_by: str | None = None
    calendar_sha256: str | None = None
    """Of the holiday list behind `due_date`, if one was used."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the derivation of a bound."""

    clause: str
    rule: str
    """The rule applied, short: `high = 28 days, elapsed`."""
    source: str
    """Where rule or fact can be read: an address, or the source of the event."""
    at: datetime
    text: str
    """The step in one sentence, with its result."""

    def to_json(self) -> dict[str, str]:
        """The shape of `why` in the API."""
        return {
            "clause": self.clause,
            "rule": self.rule,
            "source": self.source,
            "at": instant_text(self.at),
            "text": self.text,
        }


def instant_text(at: datetime) -> str:
    """RFC 3339 in UTC with Z, as everywhere in the API."""
    return at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
