"""From what Jira shows of an issue to what is kept of it; pure, so that each way of reading ends in the same."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.clocks.model import Event, EventKind
from app.domain.tracking.model import IssueRecord, IssueSnapshot, Tracking, Unmapped
from app.domain.tracking.rule import TrackingRule, facts_of, missing_of, severity_now, unmapped_of

_ENDINGS = frozenset({EventKind.FIXED, EventKind.CANCELLED})
_DEPENDS_ON_CONFIGURATION = frozenset({EventKind.SEVERITY_SET, EventKind.PAUSED, EventKind.RESUMED})
SOURCE_IN_JIRA = "jira:"
"""How the source of a fact begins that Jira tells."""


@dataclass(frozen=True)
class Reading:
    """How a tenant's issues are read."""

    rule: TrackingRule
    configuration: int = 0
    """Its version."""


@dataclass(frozen=True)
class Derived:
    """What one read of an issue comes to."""

    record: IssueRecord
    superseded: tuple[Event, ...]
    """Stored facts that this read replaces; they are kept elsewhere as what they were."""
    unmapped: tuple[Unmapped, ...]
    is_newly_tracked: bool
    is_changed: bool
    """Whether anything is different from what was known but the instant of the read."""


def derive(
    known: IssueRecord | None, snapshot: IssueSnapshot, *, reading: Reading, belongs: bool, now: datetime
) -> Derived:
    """The record of that issue. `belongs`: whether it is among those that count."""
    was_tracked = known is not None and known.tracking is Tracking.TRACKED
    # Once tracked, an issue leaves only by a recorded decision: taking the label off is none.
    is_tracked = belongs or was_tracked
    facts = facts_of(snapshot, reading.rule) if is_tracked else ()
    record = IssueRecord(
        issue=snapshot.issue,
        key=snapshot.key,
        project=snapshot.project,
        tracking=Tracking.TRACKED if is_tracked else Tracking.NOT_TRACKED,
        severity=severity_now(snapshot, reading.rule),
        hidden_since=None,
        read_at=now,
        events=_news(known, facts),
        configuration=reading.configuration,
        is_restricted=snapshot.is_restricted,
        missing=missing_of(snapshot, reading.rule),
        fix_versions=snapshot.fix_versions,
    )
    superseded = _superseded(known, facts, reading) if is_tracked else ()
    return Derived(
        record=record,
        superseded=superseded,
        unmapped=unmapped_of(snapshot, reading.rule) if is_tracked else (),
        is_newly_tracked=is_tracked and not was_tracked,
        is_changed=known is None or bool(superseded) or _is_changed(known, record),
    )


def _news(known: IssueRecord | None, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """A cycle that ended stays ended as it did, also when other resolutions count as fixed since."""
    ended = {event.source for event in known.events if event.kind in _ENDINGS} if known is not None else set()
    return tuple(event for event in events if event.kind not in _ENDINGS or event.source not in ended)


def _superseded(known: IssueRecord | None, facts: tuple[Event, ...], reading: Reading) -> tuple[Event, ...]:
    """Facts of Jira's that are others now: the reported instant, and under another configuration what it decides."""
    if known is None:
        return ()
    kinds = {EventKind.REPORTED}
    if known.configuration != reading.configuration:
        kinds |= _DEPENDS_ON_CONFIGURATION
    current = set(facts)
    return tuple(
        event
        for event in known.events
        if event.kind in kinds and event.source.startswith(SOURCE_IN_JIRA) and event not in current
    )


def _is_changed(known: IssueRecord, record: IssueRecord) -> bool:
    return _facts(known) != _facts(record) or not set(record.events) <= set(known.events)


def _facts(record: IssueRecord) -> tuple[object, ...]:
    return (
        record.key,
        record.project,
        record.tracking,
        record.severity,
        record.hidden_since,
        record.missing,
        record.is_restricted,
        record.fix_versions,
    )
