"""Which issues have clocks, and which facts Jira's changelog holds about them.

The facts are derived from the whole changelog each time, under ids that Jira gave (`jira:changelog:10023`): so a
webhook that arrives twice, late or out of order ends in the same facts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from app.domain.clocks.model import Event, EventKind, Severity, instant_text
from app.domain.sentences import Sentence
from app.domain.tracking.model import Change, IssueSnapshot, SeverityReading, Status, Unmapped
from app.domain.tracking.severity import PRIORITIES, read_severity

CREATED = "jira:created"
_EMPTY_VECTOR = Sentence("the field of the CVSS vector (%(field_id)s) is empty")
_NO_VECTOR = Sentence("the field of the CVSS vector (%(field_id)s) does not hold a CVSS v3 vector")
_EMPTY_SCORE = Sentence("the field of the CVSS score (%(field_id)s) is empty")
_NO_SCORE = Sentence("the field of the CVSS score (%(field_id)s) does not hold a score from 0.0 to 10.0")
_NO_PRIORITY = Sentence("the priority is empty")
_NO_LEVEL = Sentence("no level is given for the priority %(name)s")
_NOT_LOOKED = Sentence("no field and no priority is read for it")
LACKS = (_NO_PRIORITY, _NOT_LOOKED, _NO_LEVEL, _NO_VECTOR, _EMPTY_VECTOR, _NO_SCORE, _EMPTY_SCORE)
"""Why no severity can be read, of which the English text is stored."""


@dataclass(frozen=True)
class TrackingRule:
    """Tracked is an issue with one of the labels or of one of the types; compared without regard to case."""

    labels: frozenset[str] = frozenset({"security", "vulnerability"})
    issue_types: frozenset[str] = frozenset({"vulnerability", "security vulnerability", "ecoscanner vulnerability"})
    fixed_resolutions: frozenset[str] = frozenset({"done", "fixed", "resolved"})
    other_resolutions: frozenset[str] = frozenset(
        {"won't do", "won't fix", "wontfix", "duplicate", "cannot reproduce", "incomplete", "declined", "rejected"}
        | {"known error", "hardware failure", "software failure", "not a bug", "invalid", "by design"}
    )
    """Those of Jira and its templates that end an issue without a fix."""
    pausing: Mapping[str, str] = field(default_factory=dict)
    """Status, by id or name in lower case, to the reason for which the clock pauses in it."""
    priorities: Mapping[str, Severity] = field(default_factory=lambda: PRIORITIES)
    """Name in lower case to level."""

    def matches(self, *, issue_type: str, labels: Iterable[str]) -> bool:
        """Whether such an issue has clocks."""
        if issue_type.strip().lower() in self.issue_types:
            return True
        return any(label.strip().lower() in self.labels for label in labels)

    def counts_as_fixed(self, resolution: str) -> bool:
        """Whether that resolution meets a promise."""
        return resolution.strip().lower() in self.fixed_resolutions

    def counts_as_other(self, resolution: str) -> bool:
        """Whether that resolution cancels the clock; one that neither meets nor cancels lets it run, and is told."""
        return resolution.strip().lower() in self.other_resolutions

    def pause_in(self, status: Status | None) -> str | None:
        """The reason for which the clock pauses in that status, if it does."""
        if status is None:
            return None
        return self.pausing.get(status.id) or self.pausing.get(status.name.strip().lower())


def severity_now(snapshot: IssueSnapshot, rule: TrackingRule) -> SeverityReading | None:
    """The severity that the issue's fields say at the moment."""
    return read_severity(
        vector=snapshot.cvss_vector,
        score=snapshot.cvss_score,
        priority=snapshot.priority,
        priorities=rule.priorities,
    )


def missing_of(snapshot: IssueSnapshot, rule: TrackingRule) -> tuple[str, ...]:
    """Why no severity can be read; no value of a text field is repeated."""
    if severity_now(snapshot, rule) is not None:
        return ()
    looked = [
        _lack(snapshot.vector_field, snapshot.cvss_vector, empty=_EMPTY_VECTOR, otherwise=_NO_VECTOR),
        _lack(snapshot.score_field, snapshot.cvss_score, empty=_EMPTY_SCORE, otherwise=_NO_SCORE),
    ]
    if rule.priorities:
        name = snapshot.priority
        looked.append(_NO_PRIORITY if name is None else Sentence(_NO_LEVEL, name=repr(name)))
    return tuple(lack for lack in looked if lack) or (_NOT_LOOKED,)


def _lack(field_id: str | None, value: str | None, *, empty: Sentence, otherwise: Sentence) -> Sentence | None:
    return None if field_id is None else Sentence(empty if value is None else otherwise, field_id=field_id)


def unmapped_of(snapshot: IssueSnapshot, rule: TrackingRule) -> tuple[Unmapped, ...]:
    """Every value of the issue and its changelog of which nobody has said what it means."""
    moves = snapshot.changes
    statuses = [snapshot.status, *(side for move in moves for side in (move.left, move.entered))]
    resolutions = {
        snapshot.resolution,
        *(side for m in moves if m.field == "resolution" for side in (m.before, m.after)),
    }
    found = {("status", status.id) for status in statuses if status is not None and not status.is_known}
    found |= {
        ("resolution", name)
        for name in resolutions - {None}
        if name and not rule.counts_as_fixed(name) and not rule.counts_as_other(name)
    }
    if snapshot.priority and rule.priorities and severity_now(snapshot, rule) is None:
        found.add(("priority", snapshot.priority))
    return tuple(Unmapped(kind, name, snapshot.issue) for kind, name in sorted(found))


def facts_of(snapshot: IssueSnapshot, rule: TrackingRule) -> tuple[Event, ...]:
    """Every clock event that the issue's creation and changelog tell, in order."""
    events = [_reported(snapshot)]
    events += _severities(snapshot, rule)
    events += _pauses(snapshot, rule)
    events += _endings(snapshot, rule)
    return tuple(sorted(events, key=Event.order))


def _reported(snapshot: IssueSnapshot) -> Event:
    if snapshot.reported_at is None:
        return Event(kind=EventKind.REPORTED, at=snapshot.created_at, source=CREATED)
    # The field can be set anew: each value is a fact of its own, and the one that was read last counts.
    source = f"jira:{snapshot.reported_field}:{instant_text(snapshot.reported_at)}"
    return Event(kind=EventKind.REPORTED, at=snapshot.reported_at, source=source)


def _pauses(snapshot: IssueSnapshot, rule: TrackingRule) -> Iterator[Event]:
    """Into and out of the statuses in which the clock pauses; where they follow each other for one reason, no break."""
    if not rule.pausing:
        return
    moves = [change for change in snapshot.changes if change.field == "status"]
    reason = rule.pause_in(moves[0].left if moves else snapshot.status)
    if reason is not None:
        yield Event(kind=EventKind.PAUSED, at=snapshot.created_at, source=CREATED, reason=reason)
    for changelog_id, items in groupby(moves, key=lambda change: change.id):
        last = list(items)[-1]
        was, reason = reason, rule.pause_in(last.entered)
        source = f"jira:changelog:{changelog_id}"
        if was is not None and was != reason:
            yield Event(kind=EventKind.RESUMED, at=last.at, source=source, reason=was)
        if reason is not None and was != reason:
            yield Event(kind=EventKind.PAUSED, at=last.at, source=source, reason=reason)


def _severities(snapshot: IssueSnapshot, rule: TrackingRule) -> Iterator[Event]:
    """One event for the level at creation, one for each change that moved it to another level."""
    fields = {"priority": snapshot.priority}
    if snapshot.vector_field:
        fields[snapshot.vector_field] = snapshot.cvss_vector
    if snapshot.score_field:
        fields[snapshot.score_field] = snapshot.cvss_score
    changes = [change for change in snapshot.changes if change.field in fields]
    for change in reversed(changes):
        fields[change.field] = change.before
    level = _level(snapshot, fields, rule)
    if level is not None:
        yield Event(kind=EventKind.SEVERITY_SET, at=snapshot.created_at, source=CREATED, severity=level)
    for changelog_id, items in groupby(changes, key=lambda change: change.id):
        at = snapshot.created_at
        for item in items:
            fields[item.field] = item.after
            at = item.at
        was, level = level, _level(snapshot, fields, rule)
        if level is not None and level is not was:
            source = f"jira:changelog:{changelog_id}"
            yield Event(kind=EventKind.SEVERITY_SET, at=at, source=source, severity=level)


def _level(snapshot: IssueSnapshot, fields: dict[str, str | None], rule: TrackingRule) -> Severity | None:
    reading = read_severity(
        vector=fields.get(snapshot.vector_field or ""),
        score=fields.get(snapshot.score_field or ""),
        priority=fields["priority"],
        priorities=rule.priorities,
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
        yield from _ending(resolution or "", rule, at=at, source="jira:resolutiondate")
    for changelog_id, items in groupby(moves, key=lambda change: change.id):
        for item in items:
            at = item.at
            is_done = _is_done(item.after) if item.field == "status" else is_done
            resolution = item.after if item.field == "resolution" else resolution
        was_ended, is_ended = is_ended, is_done and resolution is not None
        source = f"jira:changelog:{changelog_id}"
        if is_ended and not was_ended:
            yield from _ending(resolution or "", rule, at=at, source=source)
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


def _ending(resolution: str, rule: TrackingRule, *, at: datetime, source: str) -> Iterator[Event]:
    """How the cycle ends; not at all by a resolution of which nobody has said what it means: it is told instead."""
    if rule.counts_as_fixed(resolution):
        yield Event(kind=EventKind.FIXED, at=at, source=source)
    elif rule.counts_as_other(resolution):
        yield Event(kind=EventKind.CANCELLED, at=at, source=source, reason=resolution, actor="jira")
