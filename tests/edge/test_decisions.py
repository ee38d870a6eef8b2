"""A fact as the API shows it."""

from datetime import UTC, date, datetime, timedelta

from app.domain.clocks.model import Event, EventKind, Severity
from app.edge.decisions import event_json

AT = datetime(2026, 2, 12, 9, tzinfo=UTC)


def test_every_field_of_a_fact_is_shown():
    """One that is added to `Event` and forgotten here would be decided by and not seen."""
    texts = {name: name for name in ("source", "actor", "reason", "clause", "channel", "role", "evidence", "ticket")}
    asked = Event(
        kind=EventKind.EXTENSION_REQUESTED,
        at=AT,
        severity=Severity.LOW,
        until=date(2026, 3, 1),
        until_at=AT,
        added=timedelta(days=2),
        **texts,
    )
    shown = event_json(asked)
    assert shown == texts | {
        "kind": "extension_requested",
        "at": "2026-02-12T09:00:00Z",
        "severity": "low",
        "until": "2026-03-01",
        "until_at": "2026-02-12T09:00:00Z",
        "added_seconds": 172800,
    }
    assert {name.removesuffix("_seconds") for name in shown} == set(Event.__dataclass_fields__)


def test_what_a_fact_does_not_say_is_left_out():
    fixed = Event(kind=EventKind.FIXED, at=AT, source="form:1")
    assert event_json(fixed) == {"kind": "fixed", "at": "2026-02-12T09:00:00Z", "source": "form:1"}
