"""Named holiday lists, from the pinned `holidays` library, with the hash of each list.

The library's lists change between versions and disagree with other libraries (California's in 2026, for one), so the
hash stands beside each date that was computed with a list, and the same list can be told from another later.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import holidays

from app.domain.clocks.model import Calendar


@dataclass(frozen=True, slots=True)
class HolidayList:
    """Which list a policy means by a name: ISO 3166-1 country and, if any, its subdivision."""

    name: str
    country: str
    subdivision: str | None = None
    source: str | None = None
    """Where the list comes from, with its version."""
    dated: date | None = None
    """As of when it was chosen."""


class UnknownHolidayList(LookupError):
    """The library has no list for that country and subdivision."""


def calendar_from(holiday_list: HolidayList, *, years: range) -> Calendar:
    """The list written out for `years`, observed days included; raises `UnknownHolidayList`.

    A year more on each side is asked for, because a holiday may be observed in the year before its own.
    """
    wider = range(years.start - 1, years.stop + 1)
    try:
        found = holidays.country_holidays(
            holiday_list.country, subdiv=holiday_list.subdivision, years=wider, observed=True
        )
    except NotImplementedError as error:
        raise UnknownHolidayList(f"{holiday_list.country} {holiday_list.subdivision or ''}".strip()) from error
    days = frozenset(day for day in found if day.year in years)
    return Calendar(holiday_list.name, days, list_sha256(days), years)


def calendars_from(lists: Iterable[HolidayList], *, years: range) -> dict[str, Calendar]:
    """The calendars by name, as the engine takes them."""
    return {each.name: calendar_from(each, years=years) for each in lists}


def list_sha256(days: Iterable[date]) -> str:
    """SHA-256 of the days in ISO form, sorted, one per line."""
    return hashlib.sha256("\n".join(sorted(day.isoformat() for day in days)).encode()).hexdigest()
