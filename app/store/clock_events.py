"""Clock events as rows: kind, instant and source are columns, the rest of a fact is one JSON object.

Compatibility law: keys are only added, never renamed; an absent key means the default of `Event`.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.identifiers import IssueId, TenantId

_TEXTS = ("actor", "reason", "clause", "channel", "role", "evidence", "ticket")
KINDS = {kind.value: kind for kind in EventKind}
_MICROSECOND = timedelta(microseconds=1)
"""What an instant is counted in: a granted time of less would come back as none, which is no event."""


def encode(event: Event) -> dict[str, str | int]:
    """What the columns do not hold."""
    data: dict[str, str | int] = {name: value for name in _TEXTS if (value := getattr(event, name)) is not None}
    if event.severity is not None:
        data["severity"] = event.severity.value
    if event.until is not None:
        data["until"] = event.until.isoformat()
    if event.until_at is not None:
        data["until_at"] = event.until_at.isoformat()
    if event.added is not None:
        data["added_microseconds"] = event.added // _MICROSECOND
    return data


def decode(*, kind: str, at: datetime, source: str, data: Mapping[str, Any]) -> Event:
    """The event that was stored."""
    return Event(kind=KINDS[kind], at=at, source=source, **fields_of(data))


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Event` that `encode` put there."""
    fields: dict[str, Any] = {name: data[name] for name in _TEXTS if name in data}
    if (severity := data.get("severity")) is not None:
        fields["severity"] = Severity(severity)
    if (until := data.get("until")) is not None:
        fields["until"] = date.fromisoformat(until)
    if (until_at := data.get("until_at")) is not None:
        fields["until_at"] = datetime.fromisoformat(until_at)
    if (added := data.get("added_microseconds")) is not None:
        fields["added"] = added * _MICROSECOND
    return fields


def event_row(event: Event, *, tenant: TenantId, issue: IssueId, recorded_at: datetime) -> dict[str, Any]:
    """The row of `app.clock_events` that stores it."""
    return {
        "tenant_id": tenant,
        "issue_id": issue,
        "source": event.source,
        "kind": event.kind.value,
        "at": event.at,
        "data": encode(event),
        "recorded_at": recorded_at,
    }
