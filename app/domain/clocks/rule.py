"""What a promise says about time: how much, counted how, and the choices on which tools differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.domain.clocks.model import EventKind, Severity

LONGEST = timedelta(days=36525)


class Mode(StrEnum):
    """How a duration is counted."""

    ELAPSED = "elapsed"
    WALL = "wall"
    DATE_EOD = "date_eod"
    BUSINESS_DAYS = "business_days"
    MONTHS = "months"
    REG1182_HOURS = "reg1182_hours"
    FIXED_DATE = "fixed_date"


class Unit(StrEnum):
    """In what an amount is given."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    BUSINESS_DAYS = "business_days"
    MONTHS = "months"


UNIT_TIME = {
    Unit.SECONDS: timedelta(seconds=1),
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
    Unit.WEEKS: timedelta(weeks=1),
    # only the upper bound is reckoned with these two
    Unit.BUSINESS_DAYS: timedelta(days=1),
    Unit.MONTHS: timedelta(days=31),
}

UNITS_OF_MODE = {
    Mode.ELAPSED: frozenset({Unit.SECONDS, Unit.MINUTES, Unit.HOURS, Unit.DAYS, Unit.WEEKS}),
    Mode.WALL: frozenset({Unit.DAYS, Unit.WEEKS}),
    Mode.DATE_EOD: frozenset({Unit.DAYS, Unit.WEEKS}),
    Mode.BUSINESS_DAYS: frozenset({Unit.BUSINESS_DAYS}),
    Mode.MONTHS: frozenset({Unit.MONTHS}),
    Mode.REG1182_HOURS: frozenset({Unit.HOURS}),
}


class SeverityChange(StrEnum):
    """What a changed severity does to a running clock."""

    MIN_OLD_OR_CHANGE_PLUS_NEW = "min_old_or_change_plus_new"
    FROM_ORIGINAL_START = "from_original_start"
    CHANGE_PLUS_NEW = "change_plus_new"
    KEEP_OLD = "keep_old"


class TableChange(StrEnum):
    """Which clocks follow a newer table: those that start under it, or all."""

    NEW_ONLY = "new_only"
    ALL = "all"


class Reopen(StrEnum):
    """How much time a reopened subject has."""

    RESUME = "resume"
    RESTART = "restart"
    NEVER_STOPPED = "never_stopped"


class ExtensionForm(StrEnum):
    """How an extension may be granted."""

    DATE = "date"
    TIME = "time"


class RuleRefused(ValueError):
    """The rule cannot be counted: the message names the field and the reason."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


@dataclass(frozen=True, slots=True)
class Table:
    """Amounts by severity, in force from a day on."""

    since: date
    amounts: Mapping[Severity, int]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One duration and how to count it. A rule with several is bound by the earliest.

    Raises `RuleRefused` for an amount that is not positive, a unit that the mode cannot count, a missing or
    incomplete table, a mode that needs a calendar without one, and a zone that the tz data do not know.
    """

    mode: Mode
    clause: str
    source: str
    unit: Unit = Unit.DAYS
    amount: int | None = None
    """The same for every severity; otherwise `tables`."""
    tables: tuple[Table, ...] = ()
    """Oldest first; older versions stay, because a clock keeps the table under which it started."""
    zone: str = "UTC"
    calendar: str | None = None
    fixed_on: date | None = None
    zone_info: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "zone_info", _known_zone(self.zone))
        if self.mode is Mode.FIXED_DATE:
            self._check_fixed()
            return
        if self.fixed_on is not None:
            raise RuleRefused("fixed_on", f"{self.mode} counts from the start and has no date of its own")
        if self.unit not in UNITS_OF_MODE[self.mode]:
            raise RuleRefused("unit", f"{self.mode} cannot count {self.unit}")
        if (self.amount is None) == (not self.tables):
            raise RuleRefused("amount", "needs either one amount or a severity table")
        if self.mode is Mode.BUSINESS_DAYS and self.calendar is None:
            raise RuleRefused("calendar", "business days need a named calendar")
        for amount in self._amounts():
            if amount <= 0 or UNIT_TIME[self.unit] * amount > LONGEST:
                raise RuleRefused("amount", f"{amount} {self.unit} is not between 1 second and 100 years")
        self._check_tables()

    def _check_fixed(self) -> None:
        if self.fixed_on is None or self.amount is not None or self.tables:
            raise RuleRefused("fixed_on", "fixed_date needs a date and no amount")

    def _amounts(self) -> list[int]:
        flat = [] if self.amount is None else [self.amount]
        return flat + [amount for table in self.tables for amount in table.amounts.values()]

    def _check_tables(self) -> None:
        needed = set(Severity) - {Severity.NONE}
        for table in self.tables:
            odd = needed ^ set(table.amounts)
            if odd:
                raise RuleRefused("table", f"of {table.since} has a gap or a level too many: {', '.join(sorted(odd))}")
        days = [table.since for table in self.tables]
        if days != sorted(set(days)):
            raise RuleRefused("table", "each version needs a day of its own, oldest first")


def _known_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise RuleRefused("zone", f"{name!r} is not a time zone of the tz database") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The settings on which tools differ. Defaults are the reading of Atlassian's Security Bug Fix Policy.

    Where that policy publishes no rule the default never gives more time than has been promised once:
    a raised severity shortens, a reopened finding resumes, a breach is neither paused nor reopened away.
    """

    on_rise: SeverityChange = SeverityChange.MIN_OLD_OR_CHANGE_PLUS_NEW
    on_fall: SeverityChange = SeverityChange.FROM_ORIGINAL_START
    on_table_change: TableChange = TableChange.NEW_ONLY
    on_reopen: Reopen = Reopen.RESUME
    due_inclusive: bool = True
    zero_is_low: bool = False
    """Whether a score of 0.0 counts as low instead of none (`severity_of`)."""
    triage_channels: tuple[str, ...] = ("bug_bounty",)
    """Findings that come this way start at triage …"""
    triage_days: int = 14
    """… but at most this many days after the report."""
    pauses: tuple[str, ...] = ()
    """Reasons for which the clock may pause; `*` allows any. Empty: it never pauses (AMS states none)."""
    extension_forms: tuple[ExtensionForm, ...] = (ExtensionForm.DATE, ExtensionForm.TIME)
    extension_roles: tuple[str, ...] = ("atlassian",)
    """Who may grant; an extension granted in another role moves nothing."""
    extension_evidence: bool = True
    at_risk_percent: int = 80
    """Of the time given, after which the clock is at risk."""
    at_risk_hours: int | None = None
    """The same as hours before the bound; the earlier of the two binds."""
    alert_days_after_breach: int | None = None
    """How long a breach is told again; None = never stop."""

    def __post_init__(self) -> None:
        if not 1 <= self.at_risk_percent <= 100:
            raise RuleRefused("at_risk_percent", "must lie between 1 and 100")
        if self.at_risk_hours is not None and self.at_risk_hours < 0:
            raise RuleRefused("at_risk_hours", "must not be negative")
        if not 0 <= self.triage_days <= 366:
            raise RuleRefused("triage_days", "must lie between 0 and 366")
        if self.alert_days_after_breach is not None and self.alert_days_after_breach < 0:
            raise RuleRefused("alert_days_after_breach", "must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A promise that has a deadline, ready to be counted."""

    promise: str
    clause: str
    source: str
    terms: tuple[Term, ...]
    """One, or several of which the earliest binds."""
    starts: EventKind = EventKind.REPORTED
    stops: EventKind = EventKind.FIXED
    repeats: bool = False
    """Whether each stop starts the next cycle (reviews, weekly reports)."""
    ends: EventKind | None = None
    """What ends a repeating clock for good."""
    choices: Choices = Choices()
    has_table: bool = field(init=False, repr=False, compare=False)
    has_calendar: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.terms:
            raise RuleRefused("terms", "a clock needs at least one duration")
        if self.starts is self.stops and not self.repeats:
            raise RuleRefused("stops", "what starts a clock cannot stop it, unless it repeats")
        object.__setattr__(self, "has_table", any(term.tables for term in self.terms))
        object.__setattr__(self, "has_calendar", any(term.calendar is not None for term in self.terms))
