"""Which issues have clocks, and which facts Jira's changelog holds about them.

The facts are derived from the whole changelog each time, under ids that Jira gave (`jira:changelog:10023`): so a
webhook that arrives twice, late or out of order ends in the same facts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
    """A resolution ends a cycle, its removal begins the next; the changelog says when."""
    resolved = [change for change in snapshot.changes if change.field == "resolution"]
    if not resolved and snapshot.resolution and snapshot.resolved_at and snapshot.status_is_done:
        # Created or imported as resolved: the changelog does not tell, the field does.
        resolved = [Change(0, snapshot.resolved_at, "resolution", None, snapshot.resolution)]
    was_open = True
    for change in resolved:
        source = f"jira:changelog:{change.id}" if change.id else "jira:resolutiondate"
        if change.after:
            yield _ending(change, source, rule)
        elif not was_open:
            yield Event(kind=EventKind.REOPENED, at=change.at, source=source)
        was_open = not change.after
    if not was_open and not snapshot.status_is_done:
        yield from _reopened_by_status(snapshot, after=resolved[-1])


def _ending(change: Change, source: str, rule: TrackingRule) -> Event:
    resolution = change.after or ""
    if rule.counts_as_fixed(resolution):
        return Event(kind=EventKind.FIXED, at=change.at, source=source)
    return Event(kind=EventKind.CANCELLED, at=change.at, source=source, reason=resolution, actor="jira")


def _reopened_by_status(snapshot: IssueSnapshot, *, after: Change) -> Iterator[Event]:
    """Some workflows leave a status that is done and forget to clear the resolution: work goes on all the same."""
    moves = [c for c in snapshot.changes if c.field == "status" and (c.at, c.id) > (after.at, after.id)]
    if moves:
        yield Event(kind=EventKind.REOPENED, at=moves[-1].at, source=f"jira:changelog:{moves[-1].id}")
