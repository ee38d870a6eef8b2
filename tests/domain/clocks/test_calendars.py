import hashlib
import json
from datetime import date
from pathlib import Path

import pytest

from app.domain.clocks.calendars import HolidayList, UnknownHolidayList, calendar_from, calendars_from, list_sha256

GIVEN = json.loads((Path(__file__).parents[2] / "vectors" / "clock_cases.json").read_text())["calendars"]


@pytest.mark.parametrize(
    ("name", "country", "subdivision", "years"),
    [("us_federal", "US", None, range(2026, 2029)), ("de_he", "DE", "HE", range(2026, 2028))],
)
def test_the_library_agrees_with_the_lists_written_out_on_every_working_weekday(name, country, subdivision, years):
    found = calendar_from(HolidayList(name, country, subdivision), years=years)
    given = {date.fromisoformat(day) for day in GIVEN[name]}
    assert {day for day in found.days if day.weekday() < 5} == {
        day for day in given if day.weekday() < 5 and day.year in years
    }


def test_a_holiday_observed_in_the_year_before_its_own_is_there():
    found = calendar_from(HolidayList("us", "US"), years=range(2027, 2028))
    assert date(2027, 12, 31) in found.days


def test_the_hash_is_of_the_list_and_changes_with_it():
    days = [date(2026, 12, 25), date(2026, 1, 1)]
    assert list_sha256(days) == hashlib.sha256(b"2026-01-01\n2026-12-25").hexdigest()
    assert list_sha256(reversed(days)) == list_sha256(days) != list_sha256(days[:1])


def test_calendars_come_by_name_and_know_the_years_they_cover():
    found = calendars_from((HolidayList("a", "US"), HolidayList("b", "DE", "HE")), years=range(2026, 2027))
    assert [*found] == ["a", "b"]
    assert {calendar.years for calendar in found.values()} == {range(2026, 2027)}


@pytest.mark.parametrize(("country", "subdivision"), [("XX", None), ("DE", "ZZ")])
def test_a_list_that_the_library_does_not_have_is_refused(country, subdivision):
    with pytest.raises(UnknownHolidayList, match=country):
        calendar_from(HolidayList("x", country, subdivision), years=range(2026, 2027))
