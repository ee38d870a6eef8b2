"""Issues as we know them: what Jira says, what we keep, what is still to be read."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.clocks.model import Event, Severity
from app.domain.identifiers import IssueId


class Tracking(StrEnum):
    """Whether an issue has clocks."""

    TRACKED = "tracked"
    NOT_TRACKED = "not_tracked"
    UNKNOWN = "unknown"
    """Not read yet."""


@dataclass(frozen=True)
class SeverityReading:
    """How severe an issue is, and where that was read."""

    level: Severity
    score: Decimal | None
    """CVSS base score, 0.0 to 10.0."""
    vector: str | None
    source: str
    """`field` (a CVSS vector or score) or `priority`."""


@dataclass(frozen=True)
class Change:
    """One item of an issue's changelog."""

    id: int
    at: datetime
    field: str
    """The field's id, for example `priority` or `customfield_10050`."""
    before: str | None
    after: str | None
    """Of `status` the key of its category (`done`), of every other field what people read."""


@dataclass(frozen=True)
class IssueSnapshot:
    """An issue as Jira shows it to the app at one instant; no texts, no people."""

    issue: IssueId
    key: str
    project: int
    issue_type: str
    labels: frozenset[str]
    priority: str | None
    status_is_done: bool
    resolution: str | None
    resolved_at: datetime | None
    created_at: datetime
    cvss_vector: str | None
    cvss_score: str | None
    vector_field: str | None
    """Id of the custom field that holds a CVSS vector, where the site has one."""
    score_field: str | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class IssueRecord:
    """An issue as we keep it."""

    issue: IssueId
    key: str
    project: int
    tracking: Tracking
    severity: SeverityReading | None
    hidden_since: datetime | None
    """When Jira first refused to show it (404 or 403): flagged, never met."""
    read_at: datetime
    events: tuple[Event, ...]
    read_asked_at: datetime | None = None
    """Since when a newer read is waiting; None = this is the newest we were told of."""


@dataclass(frozen=True)
class PendingRead:
    """An issue that has to be read; `asked_at` tells one request for it from the next."""

    issue: IssueId
    asked_at: datetime
    due_at: datetime
    attempts: int
    """How often it was begun before."""
