"""Deadlines as an iCalendar stream (RFC 5545): escaped, folded, and the same event under the same name each time.

A feed is the whole truth at the moment: what is not in it any more is gone from the calendar of who subscribes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

_LONGEST_LINE = 75
"""Octets, without the line break (§3.1)."""
_NEVER_IN_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Controls but for tab and line feed (§3.1), and what UTF-8 cannot carry."""


@dataclass(frozen=True)
class Event:
    """One deadline."""

    uid: UUID
    summary: str
    url: str
    due: datetime | date
    """An instant (aware), or a day for a promise that is kept by the end of it."""


def render(events: Sequence[Event], *, name: str, host: str, now: datetime) -> bytes:
    """The stream. `host` makes names of events ours; `now` is when it was made (DTSTAMP of what has no METHOD)."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Pledge//Deadlines//EN", "CALSCALE:GREGORIAN"]
    lines += [f"X-WR-CALNAME:{escaped(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H"]
    for event in events:
        lines += _event(event, host=host, now=now)
    lines.append("END:VCALENDAR")
    return b"".join(folded(line) for line in lines)


def escaped(text: str) -> str:
    """A value of type TEXT (§3.3.11)."""
    clean = _NEVER_IN_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return clean.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def folded(line: str) -> bytes:
    """A content line of at most 75 octets each, never cut inside a letter; with its line break (§3.1)."""
    parts, part = [], b""
    for letter in line:
        encoded = letter.encode()
        if len(part) + len(encoded) > _LONGEST_LINE:
            parts.append(part)
            part = b" "
        part += encoded
    return b"\r\n".join([*parts, part]) + b"\r\n"


def _event(event: Event, *, host: str, now: datetime) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{event.uid}@{host}"
    yield f"DTSTAMP:{_instant(now)}"
    if isinstance(event.due, datetime):
        yield f"DTSTART:{_instant(event.due)}"
    else:
        yield f"DTSTART;VALUE=DATE:{event.due:%Y%m%d}"
    yield f"SUMMARY:{escaped(event.summary)}"
    yield f"URL:{event.url}"
    # It takes up nobody's time.
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
