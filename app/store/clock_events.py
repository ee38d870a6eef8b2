"""Clock events as rows: kind, instant and source are columns, the rest of a fact is one JSON object.

Compatibility law: keys are only added, never renamed; an absent key means the default of `Event`.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from app.domain.clocks.model import Event, EventKind, Severity

_TEXTS = ("actor", "reason", "clause", "channel", "role", "evidence")
_MICROSECOND = timedelta(microseconds=1)
"""What an instant is counted in: a granted time of less would come back as none, which is no event."""


def encode(event: Event) -> dict[str, str | int]:
    """What the columns do not hold."""
    data: dict[str, str | int] = {name: value for name in _TEXTS if (value := getattr(event, name)) is not None}
    if event.severity is not None:
        data["severity"] = event.severity.value
    if event.until is not None:
        data["until"] = event.until.isoformat()
    if event.added is not None:
        data["added_microseconds"] = event.added // _MICROSECOND
    return data


def decode(*, kind: str, at: datetime, source: str, data: Mapping[str, Any]) -> Event:
    """The event that was stored."""
    severity, until, added = data.get("severity"), data.get("until"), data.get("added_microseconds")
    return Event(
        kind=EventKind(kind),
        at=at,
        source=source,
        severity=None if severity is None else Severity(severity),
        until=None if until is None else date.fromisoformat(until),
        added=None if added is None else added * _MICROSECOND,
        **{name: data[name] for name in _TEXTS if name in data},
    )
