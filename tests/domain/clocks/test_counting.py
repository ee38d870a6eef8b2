from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.clocks.counting import (
    CalendarTooShort,
    UnknownCalendar,
    add_months,
    add_working_days,
    count,
    end_of_day,
    give_back,
    is_working_day,
    next_full_hour,
    next_working_day,
    same_local_time,
)
from app.domain.clocks.model import Calendar
from app.domain.clocks.rule import Mode, Term, Unit

NONE = Calendar("none", frozenset(), "0" * 64)
ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia"]

instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  limits
zones = st.sampled_from(ZONES).map(ZoneInfo)


def term(mode, unit=Unit.DAYS, amount=1, **data):
    return Term(mode=mode, clause="§1", source="x", unit=unit, amount=amount, **data)


@settings(deadline=None)  # a loaded machine is no wrong date
@given(instants, st.integers(0, 400), zones)
def test_a_date_bound_is_the_first_instant_of_the_following_local_day(start, days, zone):
    day = start.astimezone(zone).date() + timedelta(days=days)
    due = end_of_day(day, zone)
    assert due.at.astimezone(zone).date() > day
    assert (due.at - timedelta(microseconds=1)).astimezone(zone).date() <= day


def test_a_day_that_a_zone_skipped_ends_when_the_next_one_begins():
    apia = ZoneInfo("Pacific/Apia")
    assert end_of_day(date(2011, 12, 30), apia).at == end_of_day(date(2011, 12, 29), apia).at
    assert end_of_day(date(2011, 12, 29), apia).at == datetime(2011, 12, 30, 10, tzinfo=UTC)


@settings(deadline=None)  # a loaded machine is no wrong date
@given(instants, st.integers(0, 400), zones)
def test_wall_time_is_the_same_local_time_or_later_by_a_gap(start, days, zone):
    local = start.astimezone(zone).replace(tzinfo=None)
    found = same_local_time(start, days, zone=zone).astimezone(zone).replace(tzinfo=None)
    assert timedelta(0) <= found - (local + timedelta(days=days)) <= timedelta(days=1)


@settings(deadline=None)  # a loaded machine is no wrong date
@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 30))
def test_working_days_are_counted_one_by_one(day, number):
    found = add_working_days(day, number, calendar=NONE)
    between = [day + timedelta(days=n) for n in range(1, (found - day).days + 1)]
    assert sum(is_working_day(each, NONE) for each in between) == number
    assert is_working_day(found, NONE)


@settings(deadline=None)  # a loaded machine is no wrong date
@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 40))
def test_a_month_ends_on_its_day_number_or_the_last_day_and_then_on_a_working_day(day, months):
    found = add_months(day, months)
    assert (found.year - day.year) * 12 + found.month - day.month == months
    assert found.day == day.day or (found.day < day.day and (found + timedelta(days=1)).day == 1)
    assert timedelta(0) <= next_working_day(found, NONE) - found <= timedelta(days=2)
    assert is_working_day(next_working_day(found, NONE), NONE)


def test_the_hour_of_the_event_is_not_counted_even_when_it_has_just_begun():
    assert next_full_hour(datetime(2026, 11, 20, 10, tzinfo=UTC), UTC) == datetime(2026, 11, 20, 11, tzinfo=UTC)
    kathmandu = ZoneInfo("Asia/Kathmandu")
    found = next_full_hour(datetime(2026, 11, 20, 10, tzinfo=UTC), kathmandu)
    assert found == datetime(2026, 11, 20, 10, 15, tzinfo=UTC)


FRIDAY = datetime(2026, 11, 6, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mode", "unit", "days_paused", "due", "moved"),
    [
        (Mode.DATE_EOD, Unit.DAYS, 3, date(2026, 11, 7), date(2026, 11, 10)),
        (Mode.BUSINESS_DAYS, Unit.BUSINESS_DAYS, 3, date(2026, 11, 9), date(2026, 11, 10)),
        (Mode.MONTHS, Unit.MONTHS, 8, date(2026, 12, 7), date(2026, 12, 14)),
    ],
)
def test_a_pause_over_a_weekend_gives_back_what_the_mode_counts(mode, unit, days_paused, due, moved):
    rule, calendars = term(mode, unit, calendar="none"), {"none": NONE}
    found = count(rule, 1, start=FRIDAY, calendars=calendars)
    until = FRIDAY + timedelta(days=days_paused)
    assert found.day == due
    assert give_back(rule, found, since=FRIDAY, until=until, calendars=calendars).day == moved


def test_a_fixed_date_is_moved_by_no_pause():
    rule = Term(mode=Mode.FIXED_DATE, clause="§1", source="x", fixed_on=date(2026, 11, 9))
    found = count(rule, 0, start=FRIDAY, calendars={})
    assert give_back(rule, found, since=FRIDAY, until=FRIDAY + timedelta(days=9), calendars={}) == found


def test_a_calendar_that_is_missing_or_too_short_is_named():
    rule = term(Mode.BUSINESS_DAYS, Unit.BUSINESS_DAYS, 5, calendar="de_he")
    start = datetime(2026, 12, 30, tzinfo=UTC)
    with pytest.raises(UnknownCalendar, match="de_he"):
        count(rule, 5, start=start, calendars={})
    short = Calendar("de_he", frozenset(), "0" * 64, range(2026, 2027))
    with pytest.raises(CalendarTooShort, match="2027"):
        count(rule, 5, start=start, calendars={"de_he": short})
