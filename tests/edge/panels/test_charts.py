"""Charts: every bar is as high as its number, and every day is where a calendar has it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Severity
from app.edge.panels import charts

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WEEKS = st.lists(
    st.dictionaries(st.none() | st.sampled_from(Severity), st.integers(0, 20_000)), min_size=13, max_size=13
)


@given(WEEKS)
def test_bars_stand_on_the_ground_one_above_the_other_and_as_high_as_their_numbers(weeks):
    chart = charts.burn_down(weeks, now=NOW)
    assert chart.top >= max(bar.total for bar in chart.bars)
    for week, bar in zip(weeks, chart.bars, strict=True):
        assert bar.total == sum(week.values()) == sum(bar.numbers)
        assert sum(part.height for part in bar.segments) == pytest.approx(bar.total * 160 / chart.top, abs=0.05)
        for above, below in zip(bar.segments, bar.segments[1:], strict=False):
            assert above.y + above.height == pytest.approx(below.y, abs=0.02)
        if bar.segments:
            assert bar.segments[-1].y + bar.segments[-1].height == pytest.approx(160, abs=0.02)
        assert bar.x >= 0
        assert bar.x + chart.width <= 100


def test_severities_are_named_worst_first_and_only_where_they_occur():
    weeks = [{Severity.LOW: 1, None: 2, Severity.HIGH: 0}] * 13
    chart = charts.burn_down(weeks, now=NOW)
    assert [level for level, _ in chart.levels] == ["low", "unset"]
    assert chart.bars[-1].day == NOW.date()
    assert chart.bars[0].day == NOW.date() - timedelta(weeks=12)


@given(st.dates(date(2020, 1, 1), date(2090, 1, 1)), st.integers(0, 100))
def test_twelve_weeks_from_this_monday_on(today, number):
    urls = {day: f"/{day}" for day in charts.heat_days(today)}
    weeks = charts.heat_weeks({today: number}, today=today, urls=urls)
    assert [day.day for week in weeks for day in week] == list(urls)
    assert {week[0].day.weekday() for week in weeks} == {0}
    [this] = [day for week in weeks for day in week if day.is_today]
    assert (this.day, this.number, this.is_past) == (today, number, False)
    assert (this.shade > 0) is (number > 0)
    assert this.is_weekend is (today.weekday() > 4)


def test_more_is_darker():
    urls = dict.fromkeys(charts.heat_days(NOW.date()), "/")
    shades = [charts.heat_weeks({NOW.date(): n}, today=NOW.date(), urls=urls)[0][6].shade for n in range(20)]
    assert shades == sorted(shades)
    assert set(shades) == set(range(6))
