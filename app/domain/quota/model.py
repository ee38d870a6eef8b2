"""Whose turn it is: the rule by which the points of an hour are given out, as plain arithmetic.

Jira lets one app spend so many points an hour over all its tenants (65,000 in its first tier), anew at each full hour.

* People who look at something come first: they are counted, never refused for want of points. The last
  `KEPT_FOR_PEOPLE` of the hour is theirs alone.
* Background work gets half of the rest at once, and the other half evenly over the hour: whoever begins late in the
  hour finds something, however much was spent before.
* Of several tenants the one that has had least in this hour goes first: a tenant gets points only as far as enough is
  left for what every other tenant asked for last that is at work and has had less. So a tenant alone may use all there
  is, and no tenant, however busy, keeps another from having as much as it has itself.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.identifiers import TenantId
from app.domain.instants import is_ahead

KEPT_FOR_PEOPLE = 0.1
AT_ONCE = 0.5
AT_WORK = timedelta(minutes=2)
"""A tenant that has asked within this time is at work; it is longer than any wait for points but that for the hour."""
_SHORTEST_SECONDS, _LONGEST_SECONDS = 5, 60
_HOUR_SECONDS = 3600


@dataclass(frozen=True)
class Account:
    """What one tenant, or under `HOUSE` all together, has had in the present hour, and what Jira told it."""

    tenant: TenantId
    used: int = 0
    background_until: datetime | None = None
    """Jira said not to come back before; None or past = nothing is in the way."""
    reason: str | None = None
    """In Jira's words, where it gave one."""


@dataclass(frozen=True)
class Need:
    """What a process asks for on behalf of one tenant."""

    least: int
    """Points of the call that is about to be made."""
    wanted: int
    """As much as it could use soon; at least `least`."""


@dataclass(frozen=True)
class Verdict:
    """Points, or how long to wait for some."""

    points: int
    wait_seconds: int = 0


def hour_of(at: datetime) -> datetime:
    """The full hour (UTC) with which the present quota began."""
    return at.replace(minute=0, second=0, microsecond=0)


def seconds_left(at: datetime) -> int:
    """Until the next quota begins, at least one."""
    return max(1, math.ceil((hour_of(at) + timedelta(hours=1) - at).total_seconds()))


def let_out(limit: int, at: datetime) -> int:
    """How many of the hour's points may have been spent by this instant when background work asks for more."""
    elapsed = (at - hour_of(at)).total_seconds() / _HOUR_SECONDS
    return int(limit * (1 - KEPT_FOR_PEOPLE) * (AT_ONCE + (1 - AT_ONCE) * elapsed))


def judge(need: Need, *, spent: int, kept_for_others: int, limit: int, at: datetime) -> Verdict:
    """What background work gets when all together have `spent` so much.

    `kept_for_others`: what those asked for last that are at work and have had less than the one who asks.
    """
    room = let_out(limit, at) - spent - kept_for_others
    if room >= need.least:
        return Verdict(points=min(need.wanted, room))
    per_second = limit * (1 - KEPT_FOR_PEOPLE) * (1 - AT_ONCE) / _HOUR_SECONDS
    seconds = min(max(math.ceil((need.least - room) / per_second), _SHORTEST_SECONDS), _LONGEST_SECONDS)
    if spent >= let_out(limit, hour_of(at) + timedelta(hours=1, microseconds=-1)):
        seconds = seconds_left(at)
    return Verdict(points=0, wait_seconds=seconds)


def wait_of(*untils: datetime | None, at: datetime) -> int:
    """Seconds until the last of these instants that can be believed; 0 if all are past."""
    last = max((until for until in untils if until is not None and is_ahead(until, of=at)), default=at)
    return max(0, math.ceil((last - at).total_seconds()))
