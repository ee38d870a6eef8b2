"""What a message says: key, severity, due, link and no more of an issue; each moment in the reader's own zone."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.clocks.model import Bounds, Severity
from app.domain.clocks.state import is_late
from app.domain.notices.model import BREACHED, HALF, WatchedClock
from app.domain.notices.rules import newest_crossing

_ODD = re.compile(r"[^\x21-\x7e]+")
_SECOND, _MINUTE, _HOUR, _DAY = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))


def key_of(clock: WatchedClock) -> str:
    """The issue's key. It becomes part of headers and addresses, so that nothing but its own signs may be in it."""
    return _ODD.sub("", clock.key)


def severity_of(bounds: Bounds) -> str:
    """`High`; a clock without one has the same time at every severity."""
    level = bounds.severity
    return "Not rated" if level is None or level is Severity.NONE else level.value.capitalize()


def due_words(bounds: Bounds, *, now: datetime) -> str:
    """`due in 2 days`, `overdue for 5 hours`: one unit, rounded towards zero."""
    bound = bounds.due_at or bounds.due_before or now
    return f"overdue for {_length(now - bound)}" if is_late(bounds, now) else f"due in {_length(bound - now)}"


def moment_words(bounds: Bounds, zone: str) -> str:
    """The bound itself: a date as it was promised, an instant by the clock of that zone."""
    if bounds.due_date is not None:
        return f"{bounds.due_date:%a} {bounds.due_date.day} {bounds.due_date:%b %Y}"
    bound = bounds.due_at or bounds.due_before
    local = (bound or datetime.min.replace(tzinfo=UTC)).astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def link_to(clock: WatchedClock, site_url: str) -> str:
    """Where the issue is, for people."""
    return f"{site_url}/browse/{key_of(clock)}"


def subject_of(clocks: Sequence[WatchedClock], total: int, *, now: datetime) -> str:
    """`[Pledge] SEC-12 High: due in 2 days`; of several how many there are."""
    if total == 1:
        bounds = clocks[0].bounds
        return f"[Pledge] {key_of(clocks[0])} {severity_of(bounds)}: {due_words(bounds, now=now)}"
    late = sum(is_late(clock.bounds, now) for clock in clocks)
    if late == total:
        return f"[Pledge] {total} deadlines overdue"
    # The most urgent are listed: where all that are listed are late, others may be.
    or_more = " or more" if late == len(clocks) else ""
    return f"[Pledge] {total} deadlines" + (f", {late}{or_more} overdue" if late else " coming up")


def text_of(clocks: Sequence[WatchedClock], total: int, *, site_url: str, zone: str, now: datetime) -> str:
    """The paragraphs of a digest."""
    parts = ["\n".join(_paragraph(clock, site_url=site_url, zone=zone, now=now)) for clock in clocks]
    if total > len(clocks):
        parts.append(f"And {total - len(clocks)} more: Pledge at {site_url} lists them.")
    return "\n\n".join(parts) + "\n"


def comment_of(clock: WatchedClock, *, zone: str) -> str:
    """What stands under the issue itself."""
    bounds = clock.bounds
    return f"{severity_of(bounds)}, {_title(clock.name.promise)}: overdue since {moment_words(bounds, zone)}."


def summary_of(sent: int, waiting: int) -> tuple[str, str]:
    """Subject and text for those who oversee: a run had more messages than may be sent."""
    subject = f"[Pledge] {sent} messages sent, {waiting} people wait"
    text = (
        f"Pledge sent {sent} messages in one run, which is the most that it sends at once. Deadlines of {waiting}\n"
        "people are still to be told, in the next runs; nothing is lost. If you did not expect so many, look at who\n"
        "is told (the recipients of Pledge) and at what changed: a policy, a severity field, an import.\n"
    )
    return subject, text


def footer_of(site_url: str, unsubscribe_url: str) -> str:
    """Why this came, and how it ends."""
    return (
        f"\n-- \nAn administrator of {site_url} has Pledge send this to you.\n"
        f"Not any more: {unsubscribe_url}\n"
    )  # fmt: skip


def _paragraph(clock: WatchedClock, *, site_url: str, zone: str, now: datetime) -> tuple[str, ...]:
    bounds = clock.bounds
    return (
        f"{key_of(clock)}  {severity_of(bounds)}: {due_words(bounds, now=now)} ({moment_words(bounds, zone)})",
        f"  {_title(clock.name.promise)}: {_why(clock, now=now)}.",
        f"  {link_to(clock, site_url)}",
    )


def _why(clock: WatchedClock, *, now: datetime) -> str:
    crossed = newest_crossing(clock.bounds, now=now)
    if crossed is None or crossed.threshold >= BREACHED:
        return "the deadline has passed"
    return "half of the time has passed" if crossed.threshold == HALF else "the deadline is at risk"


def _title(promise: str) -> str:
    words = promise.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _length(length: timedelta) -> str:
    for unit, name, least in ((_DAY, "day", 2 * _DAY), (_HOUR, "hour", 2 * _HOUR), (_MINUTE, "minute", _MINUTE)):
        if length >= least:
            count = length // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"
