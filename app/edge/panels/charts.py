"""Charts as templates see them: positions are in percent and pixels, so that nothing is calculated in a template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate

from app.domain.clocks.model import Severity
from app.edge.panels import wording
from app.edge.panels.wording import Lozenge
from app.edge.translation import gettext as _

HEIGHT = 160
"""Of the bars, in pixels."""
WEEKS = 12
_DAY = timedelta(days=1)
_ORDER = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.NONE, None)
_STEPS = (1, 2, 4, 7, 12)
"""From how many on a day is the next darker."""


@dataclass(frozen=True)
class HeatDay:
    """One day of the calendar. `shade`: 0 (nothing is due) to 5."""

    day: date
    number: int
    shade: int
    url: str
    is_past: bool
    is_today: bool
    is_weekend: bool


@dataclass(frozen=True)
class Segment:
    """Part of a bar: `level` names its colour, `y` and `height` are pixels from the top."""

    level: str
    title: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One week. `x` in percent of the width; `is_labelled`: there is room for its date under it."""

    day: date
    x: float
    total: int
    segments: tuple[Segment, ...]
    numbers: tuple[int, ...]
    """As `BurnDown.levels`."""
    is_labelled: bool


@dataclass(frozen=True)
class BurnDown:
    """How many clocks were open, week by week and by severity; the last bar is now."""

    bars: tuple[Bar, ...]
    levels: tuple[tuple[str, Lozenge], ...]
    """Names of colours, with the severity that each stands for; worst first, only those that occur."""
    width: float
    top: int
    """What the highest line stands for."""


def heat_weeks(days: Mapping[date, int], *, today: date, urls: Mapping[date, str]) -> tuple[tuple[HeatDay, ...], ...]:
    """The weeks from this one on, Monday first. `urls`: where the list of each day is."""
    monday = today - today.weekday() * _DAY
    return tuple(
        tuple(_heat_day(monday + (week * 7 + weekday) * _DAY, days, today=today, urls=urls) for weekday in range(7))
        for week in range(WEEKS)
    )


def heat_days(today: date) -> tuple[date, ...]:
    """Every day of those weeks."""
    monday = today - today.weekday() * _DAY
    return tuple(monday + number * _DAY for number in range(7 * WEEKS))


def burn_down(weeks: Sequence[Mapping[Severity | None, int]], *, now: datetime) -> BurnDown:
    """The chart of these counts, the last of which is now."""
    levels = tuple(level for level in _ORDER if any(week.get(level) for week in weeks))
    top = _round_up(max((sum(week.values()) for week in weeks), default=0))
    step = 100 / max(len(weeks), 1)
    bars = tuple(
        Bar(
            day=(now - timedelta(weeks=len(weeks) - 1 - place)).date(),
            x=round(place * step + step * 0.15, 2),
            total=sum(week.values()),
            segments=_segments(week, levels, top=top),
            numbers=tuple(week.get(level, 0) for level in levels),
            is_labelled=(len(weeks) - 1 - place) % 4 == 0,
        )
        for place, week in enumerate(weeks)
    )
    named = tuple((level or "unset", wording.severity_lozenge(level)) for level in levels)
    return BurnDown(bars, named, round(step * 0.7, 2), top)


def _segments(
    week: Mapping[Severity | None, int], levels: Sequence[Severity | None], *, top: int
) -> tuple[Segment, ...]:
    heights = [week.get(level, 0) * HEIGHT / top for level in levels]
    tops = accumulate(heights, initial=HEIGHT - sum(heights))
    return tuple(
        Segment(
            level or "unset",
            f"{_(wording.severity_lozenge(level).text)}: {week.get(level, 0)}",
            round(y, 2),
            round(height, 2),
        )
        for level, height, y in zip(levels, heights, tops, strict=False)
        if height
    )


def _round_up(number: int) -> int:
    """The next number that reads well on an axis."""
    size = 1
    while True:
        for leading in (1, 2, 5):
            if number <= leading * size:
                return leading * size
        size *= 10


def _heat_day(day: date, days: Mapping[date, int], *, today: date, urls: Mapping[date, str]) -> HeatDay:
    number = days.get(day, 0)
    shade = sum(number >= step for step in _STEPS)
    return HeatDay(day, number, shade, urls[day], day < today, day == today, day.weekday() > 4)
