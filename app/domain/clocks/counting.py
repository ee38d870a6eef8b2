"""The date arithmetic of each mode. Integers and calendars only: no float ever touches an instant."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple, Protocol

from app.domain.clocks.model import Calendar
from app.domain.clocks.rule import UNIT_TIME, Mode, Term, Unit

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_SATURDAY = 5

Calendars = Mapping[str, Calendar]


class Due(NamedTuple):
    """A bound: `at` is the last instant in time or, where there is a `day`, the first one after that day."""

    at: datetime
    day: date | None = None
    counted_to: date | None = None
    """Of months: the day before it moved to a working day, from which a pause counts on."""


class UnknownCalendar(LookupError):
    """The rule names a calendar that is not at hand."""


class CalendarTooShort(LookupError):
    """The holiday list does not cover a year that the count runs through."""


def calendar_of(term: Term, calendars: Calendars) -> Calendar | None:
    """The calendar that the term names, or None if it names none; raises `UnknownCalendar`."""
    if term.calendar is None:
        return None
    try:
        return calendars[term.calendar]
    except KeyError as error:
        raise UnknownCalendar(term.calendar) from error


def is_working_day(day: date, calendar: Calendar | None) -> bool:
    """Monday to Friday and not in the list; raises `CalendarTooShort`."""
    if day.weekday() >= _SATURDAY:
        return False
    if calendar is None:
        return True
    if calendar.years is not None and day.year not in calendar.years:
        raise CalendarTooShort(f"{calendar.name} does not cover {day.year}")
    return day not in calendar.days


def end_of_day(day: date, zone: tzinfo) -> Due:
    """The bound of a whole local day: the first instant of the following one.

    Where that midnight is skipped, the offset before the gap gives the instant of the change itself; where
    it comes twice, the first counts.
    """
    return Due(datetime.combine(day + _DAY, time(), zone).astimezone(UTC), day)


def same_local_time(start: datetime, days: int, *, zone: tzinfo) -> datetime:
    """The same wall-clock time `days` later.

    A skipped time moves on by the gap; of a doubled one the first counts.
    """
    local = start.astimezone(zone).replace(fold=0) + days * _DAY
    return local.astimezone(UTC)


def add_working_days(day: date, count: int, *, calendar: Calendar | None) -> date:
    """The `count`-th working day after `day`, which itself is day 0 whatever the hour."""
    while count:
        day += _DAY
        if is_working_day(day, calendar):
            count -= 1
    return day


def add_months(day: date, months: int) -> date:
    """The same day number `months` later, or the last day of a shorter month (Regulation 1182/71 art. 3(2)(c))."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def next_working_day(day: date, calendar: Calendar | None) -> date:
    """`day` itself, or the first one after it on which somebody works (Regulation 1182/71 art. 3(4))."""
    while not is_working_day(day, calendar):
        day += _DAY
    return day


def next_full_hour(start: datetime, zone: tzinfo) -> datetime:
    """Regulation 1182/71 art. 3(1): the hour in which the event falls is not counted.

    Local hours, because some offsets have minutes.
    """
    # the part of the hour is taken off in UTC, because a local hour may be doubled
    local = start.astimezone(zone)
    return start - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond) + _HOUR


def _count_elapsed(start: datetime, amount: int, *, term: Term, calendar: Calendar | None) -> Due:
    return Due(start + UNIT_TIME[term.unit] * amount)


def _days(term: Term, amount: int) -> int:
    return amount * 7 if term.unit is Unit.WEEKS else amount


def _count_wall(start: datetime, amount: int, *, term: Term, calendar: Calendar | None) -> Due:
    return Due(same_local_time(start, _days(term, amount), zone=term.zone_info))


def _count_date(start: datetime, amount: int, *, term: Term, calendar: Calendar | None) -> Due:
    zone = term.zone_info
    return end_of_day(start.astimezone(zone).date() + _days(term, amount) * _DAY, zone)


def _count_business_days(start: datetime, amount: int, *, term: Term, calendar: Calendar | None) -> Due:
    zone = term.zone_info
    return end_of_day(add_working_days(start.astimezone(zone).date(), amount, calendar=calendar), zone)


def _count_months(start: datetime, amount: int, *, term: Term, calendar: Calendar | None) -> Due:
    return _end_of_month(add_months(start.astimezone(term.zone_info).date(), amount), term=term, calendar=calendar)


def _end_of_month(counted_to: date, *, term: Term, calendar: Calendar | None) -> Due:
    due = end_of_day(next_working_day(counted_to, calendar), term.zone_info)
    return due._replace(counted_to=counted_to)


def _count_reg1182(start: datetime, amount: int, *, term: Term, calendar: Calendar | None) -> Due:
    return Due(next_full_hour(start, term.zone_info) + amount * _HOUR)


class _Counts(Protocol):
    def __call__(self, start: datetime, amount: int, *, term: Term, calendar: Calendar | None) -> Due: ...


_COUNT: dict[Mode, _Counts] = {
    Mode.ELAPSED: _count_elapsed,
    Mode.WALL: _count_wall,
    Mode.DATE_EOD: _count_date,
    Mode.BUSINESS_DAYS: _count_business_days,
    Mode.MONTHS: _count_months,
    Mode.REG1182_HOURS: _count_reg1182,
}


def count(term: Term, amount: int, *, start: datetime, calendars: Calendars) -> Due:
    """The bound that `amount` (in the term's unit) gives from `start`.

    Raises `UnknownCalendar` and `CalendarTooShort`.
    """
    if term.fixed_on is not None:
        return end_of_day(term.fixed_on, term.zone_info)
    calendar = calendar_of(term, calendars) if term.calendar is not None else None
    return _COUNT[term.mode](start, amount, term=term, calendar=calendar)


def give_back(term: Term, due: Due, *, since: datetime, until: datetime, calendars: Calendars) -> Due:
    """`due` moved by the time between two instants, in what the mode counts.

    Instants move by the time itself; dates by the local days that began in between, business days by those of
    them that are working days, so that a pause over a weekend gives no longer week. A fixed date stays.
    """
    if term.fixed_on is not None:
        return due
    if due.day is None:
        return Due(due.at + (until - since))
    zone = term.zone_info
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    calendar = calendar_of(term, calendars)
    if term.mode is Mode.BUSINESS_DAYS:
        worked = sum(is_working_day(first + n * _DAY, calendar) for n in range(1, (last - first).days + 1))
        return end_of_day(add_working_days(due.day, worked, calendar=calendar), zone)
    if due.counted_to is not None:
        return _end_of_month(due.counted_to + (last - first), term=term, calendar=calendar)
    return end_of_day(due.day + (last - first), zone)
