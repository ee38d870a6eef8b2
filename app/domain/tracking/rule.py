"""Which issues have clocks, and which facts Jira's changelog holds about them.

The facts are derived from the whole changelog each time, under ids that Jira gave (`jira:changelog:10023`): so a
webhook that arrives twice, late or out of order ends in the same facts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.tracking.model import Change, IssueSnapshot, SeverityReading
from app.domain.tracking.severity import read_severity


@dataclass(frozen=True)
class TrackingRule:
    """Tracked is an issue with one of the labels or of one of the types; compared without regard to case."""

    labels: frozenset[str] = frozenset({"security", "vulnerability"})
    issue_types: frozenset[str] = frozenset({"vulnerability", "security vulnerability", "ecoscanner vulnerability"})
    fixed_resolutions: frozenset[str] = frozenset({"done", "fixed", "resolved"})

    def matches(self, *, issue_type: str, labels: Iterable[str]) -> bool:
        """Whether such an issue has clocks."""
        if issue_type.strip().lower() in self.issue_types:
            return True
        return any(label.strip().lower() in self.labels for label in labels)

    def counts_as_fixed(self, resolution: str) -> bool:
        """Whether that resolution meets a promise; with any other the clock is cancelled."""
        return resolution.strip().lower() in self.fixed_resolutions


def severity_now(snapshot: IssueSnapshot) -> SeverityReading | None:
    """The severity that the issue's fields say at the moment."""
    return read_severity(vector=snapshot.cvss_vector, score=snapshot.cvss_score, priority=snapshot.priority)


def facts_of(snapshot: IssueSnapshot, rule: TrackingRule) -> tuple[Event, ...]:
    """Every clock event that the issue's creation and changelog tell, in order."""
    events = [Event(kind=EventKind.REPORTED, at=snapshot.created_at, source="jira:created")]
    events += _severities(snapshot)
    events += _endings(snapshot, rule)
    return tuple(sorted(events, key=Event.order))


def _severities(snapshot: IssueSnapshot) -> Iterator[Event]:
    """One event for the level at creation, one for each change that moved it to another level."""
    fields = {"priority": snapshot.priority}
    if snapshot.vector_field:
        fields[snapshot.vector_field] = snapshot.cvss_vector
    if snapshot.score_field:
        fields[snapshot.score_field] = snapshot.cvss_score
    changes = [change for change in snapshot.changes if change.field in fields]
    for change in reversed(changes):
        fields[change.field] = change.before
    level = _level(snapshot, fields)
    if level is not None:
        yield Event(kind=EventKind.SEVERITY_SET, at=snapshot.created_at, source="jira:created", severity=level)
    for changelog_id, items in groupby(changes, key=lambda change: change.id):
        at = snapshot.created_at
        for item in items:
            fields[item.field] = item.after
            at = item.at
        was, level = level, _level(snapshot, fields)
        if level is not None and level is not was:
            source = f"jira:changelog:{changelog_id}"
            yield Event(kind=EventKind.SEVERITY_SET, at=at, source=source, severity=level)


def _level(snapshot: IssueSnapshot, fields: dict[str, str | None]) -> Severity | None:
    reading = read_severity(
        vector=fields.get(snapshot.vector_field or ""),
        score=fields.get(snapshot.score_field or ""),
        priority=fields["priority"],
    )
    return None if reading is None else reading.level


def _endings(snapshot: IssueSnapshot, rule: TrackingRule) -> Iterator[Event]:
    """A cycle ends when the status is done and there is a resolution; it ends once, and begins again with neither.

    Some workflows set a resolution early or forget to clear it, so both are followed through the changelog. Where it
    tells of no status at all, the resolution alone is followed, as long as that agrees with the status of now.
    """
    moves = [change for change in snapshot.changes if change.field in {"status", "resolution"}]
    is_done, resolution = _at_creation(snapshot, moves)
    # An issue that came resolved and was opened later counts from its creation all the same.
    is_ended = is_done and resolution is not None and not moves
    if is_ended:
        # Created or imported as resolved: the changelog does not tell when, the field does.
        at = snapshot.resolved_at or snapshot.created_at
        yield _ending(resolution or "", rule, at=at, source="jira:resolutiondate")
    for changelog_id, items in groupby(moves, key=lambda change: change.id):
        for item in items:
            at = item.at
            is_done = _is_done(item.after) if item.field == "status" else is_done
            resolution = item.after if item.field == "resolution" else resolution
        was_ended, is_ended = is_ended, is_done and resolution is not None
        source = f"jira:changelog:{changelog_id}"
        if is_ended and not was_ended:
            yield _ending(resolution or "", rule, at=at, source=source)
        elif was_ended and not is_ended:
            yield Event(kind=EventKind.REOPENED, at=at, source=source)


def _at_creation(snapshot: IssueSnapshot, moves: list[Change]) -> tuple[bool, str | None]:
    """Status (is it done) and resolution before the first change."""
    status = next((change for change in moves if change.field == "status"), None)
    resolution = next((change for change in moves if change.field == "resolution"), None)
    agrees = snapshot.status_is_done or snapshot.resolution is None
    return (
        (agrees if resolution else snapshot.status_is_done) if status is None else _is_done(status.before),
        snapshot.resolution if resolution is None else resolution.before,
    )


def _is_done(category: str | None) -> bool:
    return (category or "").lower() == "done"


def _ending(resolution: str, rule: TrackingRule, *, at: datetime, source: str) -> Event:
    if rule.counts_as_fixed(resolution):
        return Event(kind=EventKind.FIXED, at=at, source=source)
    return Event(kind=EventKind.CANCELLED, at=at, source=source, reason=resolution, actor="jira")
