"""When who is told: pure functions of stored bounds, what was told before, and now.

Half of the time, at risk (by the policy's own threshold, usually 80 %), breached; then each day for a week, then each
week for as long as it lasts: a breach that nobody mentions any more is one that is forgotten. A policy that sets
`alert_days_after_breach` ends it there, because it says so.

Of all that was crossed only the newest is told: whoever was away does not get a week's messages at once.

A bound moves: by pauses, extensions, another severity. What was told is then told again only where it is crossed once
more, in clock time, which a pause does not move: an extension takes a clock back below half, say. Half and at risk
have to be crossed more than a day later for that, so that a bound which moves by hours says nothing twice; a breach
after an extension is always told.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.clocks.model import Bounds
from app.domain.clocks.state import is_late
from app.domain.notices.model import (
    AT_RISK,
    BREACHED,
    HALF,
    Medium,
    Notice,
    Recipient,
    Rhythm,
    Standing,
    Threshold,
    Told,
    WatchedClock,
)

URGENT_WITHIN = timedelta(hours=72)
"""Whoever has no longer than this from start to bound cannot wait for the morning."""
_DAY = timedelta(days=1)
_DAILY_FOR = 7
_INSTANT = timedelta(microseconds=1)
"""The first instant after an inclusive one."""


@dataclass(frozen=True)
class Crossing:
    """A threshold, and the instant from which it lay behind."""

    threshold: Threshold
    at: datetime


def newest_crossing(bounds: Bounds, *, now: datetime, tell_days: int | None = None) -> Crossing | None:
    """The newest threshold that lies behind at `now`; None before the first, while paused, and once it has ended.

    `tell_days`: for how many days after the breach it is repeated; None = without end.
    """
    bound = bounds.due_at or bounds.due_before
    if bound is None or bounds.started_at is None or bounds.outcome is not None or bounds.stopped_at is not None:
        return None
    if bounds.paused_since is not None:
        return None
    if is_late(bounds, now):
        return _since_breach(bound if bounds.due_at is None else bound + _INSTANT, now=now, tell_days=tell_days)
    at_risk = max(bounds.at_risk_at or bound, bounds.started_at)
    half = max(bound - _given(bounds, bound) / 2, bounds.started_at)
    for threshold, at in ((AT_RISK, at_risk), (HALF, half)):
        if at <= now:
            return Crossing(threshold, at)
    return None


def due_notice(clock: WatchedClock, *, now: datetime, tell_days: int | None = None) -> Notice | None:
    """What is to be told of that clock at `now`, if it was not told before and is not to be passed over in silence."""
    crossed = newest_crossing(clock.bounds, now=now, tell_days=tell_days)
    if crossed is None or (clock.silent_before is not None and crossed.at <= clock.silent_before):
        return None
    if clock.told is not None and not _is_news(crossed, clock.told, paused_seconds=clock.bounds.paused_seconds):
        return None
    return Notice(clock, crossed.threshold, crossed.at, is_urgent=_is_urgent(clock.bounds))


def concerns(recipient: Recipient, notice: Notice, *, told_roles: Collection[str]) -> bool:
    """Whether that recipient is told of it; `told_roles` are those that the policy names for the promise."""
    severity = notice.clock.bounds.severity
    return (
        recipient.standing is Standing.ACTIVE
        and notice.crossed_at > recipient.added_at
        and (not recipient.projects or notice.clock.project in recipient.projects)
        and (not recipient.severities or severity in recipient.severities)
        and (not recipient.roles or not told_roles or not recipient.roles.isdisjoint(told_roles))
        and (recipient.medium is not Medium.JIRA_COMMENT or notice.threshold == BREACHED)
    )


def is_time_for(recipient: Recipient, *, now: datetime) -> bool:
    """Whether a digest may go to them at `now`; what is urgent goes at any time."""
    if recipient.medium is Medium.JIRA_COMMENT:
        return True
    local = now.astimezone(ZoneInfo(recipient.zone))
    quiet = recipient.quiet
    if quiet is not None:
        spans_midnight = quiet.begins > quiet.ends
        after, before = local.time() >= quiet.begins, local.time() < quiet.ends
        if (after or before) if spans_midnight else (after and before):
            return False
    if recipient.told_at is None or recipient.rhythm is Rhythm.EACH_RUN:
        return True
    last = recipient.told_at.astimezone(local.tzinfo).date()
    if recipient.rhythm is Rhythm.DAILY:
        return last < local.date()
    return last.isocalendar()[:2] < local.date().isocalendar()[:2]


def _given(bounds: Bounds, bound: datetime) -> timedelta:
    """The time from start to bound in which the clock runs."""
    started_at = bounds.started_at or bound
    return max(bound - started_at - timedelta(seconds=bounds.paused_seconds), timedelta(0))


def _is_urgent(bounds: Bounds) -> bool:
    bound = bounds.due_at or bounds.due_before
    return bound is not None and _given(bounds, bound) <= URGENT_WITHIN


def _since_breach(breached_at: datetime, *, now: datetime, tell_days: int | None) -> Crossing:
    days = (now - breached_at) // _DAY
    if tell_days is not None:
        days = min(days, tell_days)
    if days > _DAILY_FOR:
        days -= days % 7
    return Crossing(Threshold(BREACHED + days), breached_at + days * _DAY)


def _is_news(crossed: Crossing, told: Told, *, paused_seconds: int) -> bool:
    if crossed.threshold > told.threshold:
        return True
    # In clock time: a pause since then has moved the instant of the crossing, and not how much time is used up.
    crossed_at = crossed.at - timedelta(seconds=paused_seconds - told.paused_seconds)
    return crossed_at > told.at + (_DAY if crossed.threshold < BREACHED else timedelta(0))
