"""Every event comes back from the database as it went in."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.identifiers import IssueId
from app.store.clock_events import decode, encode

# PostgreSQL stores neither NUL nor half a surrogate pair.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
_FIRST, _LAST = datetime(1900, 1, 1), datetime(2999, 12, 31)  # noqa: DTZ001  hypothesis adds the zone itself
INSTANTS = st.datetimes(_FIRST, _LAST, timezones=st.just(UTC))
DECISIONS = [EventKind.CANCELLED, EventKind.UNTRACKED, EventKind.TRACKED]
PLAIN = sorted(set(EventKind) - {EventKind.SEVERITY_SET, EventKind.EXTENDED, EventKind.EXTERNAL_BOUND, *DECISIONS})
ADDED = st.timedeltas(timedelta(microseconds=1), timedelta(days=10_000))
ANYTHING = {
    "at": INSTANTS,
    "source": TEXTS,
    "actor": st.none() | TEXTS,
    "severity": st.none() | st.sampled_from(Severity),
    "reason": st.none() | TEXTS,
    "clause": st.none() | TEXTS,
    "channel": st.none() | TEXTS,
    "role": st.none() | TEXTS,
    "evidence": st.none() | TEXTS,
    "ticket": st.none() | TEXTS,
}


def event(**more):
    return st.builds(Event, **ANYTHING | more)


EVENTS = st.one_of(
    event(kind=st.sampled_from(PLAIN)),
    event(kind=st.sampled_from(PLAIN), until=st.dates(), added=ADDED),
    event(kind=st.just(EventKind.SEVERITY_SET), severity=st.sampled_from(Severity)),
    event(kind=st.sampled_from(DECISIONS), actor=TEXTS, reason=TEXTS),
    event(
        kind=st.just(EventKind.EXTERNAL_BOUND), ticket=TEXTS, until=st.none() | st.dates(max_value=date(2999, 12, 31))
    ),
    event(kind=st.just(EventKind.EXTERNAL_BOUND), ticket=TEXTS, until_at=INSTANTS),
    event(kind=st.just(EventKind.EXTENDED), until=st.dates(max_value=date(2999, 12, 31)), added=st.none()),
    event(kind=st.just(EventKind.EXTENDED), until=st.none(), added=ADDED),
)


@given(EVENTS)
def test_a_decoded_event_is_the_encoded_one(event):
    assert decode(kind=event.kind.value, at=event.at, source=event.source, data=encode(event)) == event


@given(events=st.lists(EVENTS, min_size=1, max_size=5, unique_by=lambda e: (e.kind, e.source)))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_field_survives_the_database(web, worker, tenant, record, now, events):
    """By both ways: as rows, and inside the one query that a view makes. Nothing is committed."""
    with worker.begin(tenant) as uow:
        uow.issues.save(record(events=tuple(events)), now)
        by_rows, by_view = uow.issues.events(IssueId(10001)), uow.issues.find(IssueId(10001)).events
    wanted = sorted(events, key=Event.order)
    assert sorted(by_rows, key=Event.order) == wanted
    assert sorted(by_view, key=Event.order) == wanted


def test_every_field_of_an_event_is_either_a_column_or_encoded():
    """A field added to `Event` and forgotten here would be lost in silence."""
    full = Event(
        kind=EventKind.EXTENDED,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        source="s",
        actor="a",
        severity=Severity.LOW,
        reason="r",
        clause="c",
        channel="h",
        until=None,
        until_at=datetime(2026, 1, 2, tzinfo=UTC),
        added=timedelta(days=1),
        role="o",
        evidence="e",
        ticket="AMS-1",
    )
    columns = {"kind", "at", "source"}
    encoded = set(encode(full)) | {"until"}
    names = {name.removesuffix("_microseconds") for name in encoded}
    assert names | columns == set(Event.__dataclass_fields__)


@pytest.mark.parametrize("data", [{}, {"a_later_key": 1}])
def test_absent_keys_mean_the_defaults_and_unknown_ones_nothing(data):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert decode(kind="fixed", at=at, source="s", data=data) == Event(kind=EventKind.FIXED, at=at, source="s")
