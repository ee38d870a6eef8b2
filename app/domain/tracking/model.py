"""Issues as we know them: what Jira says, what we keep, what is still to be read."""

from collections.abc import Mapping
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
class FixVersion:
    """A version in which an issue is to be fixed, or was."""

    name: str
    is_released: bool


@dataclass(frozen=True)
class Status:
    """A status by the id that Jira keeps and the name that people give it."""

    id: str
    name: str
    is_known: bool = True
    """Whether Jira lists it still."""


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
    left: Status | None = None
    entered: Status | None = None
    """Of `status` only."""


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
    status: Status | None = None
    reported_field: str | None = None
    """Id of the custom field that says when the issue was reported, where one was chosen."""
    reported_at: datetime | None = None
    """What it says; None where it says nothing that is an instant or a date."""
    is_restricted: bool = False
    """Whether it has a security level; which one is not kept."""
    fix_versions: tuple[FixVersion, ...] = ()


@dataclass(frozen=True)
class FieldChoice:
    """Which custom fields are read, by id."""

    vector: str | None = "auto"
    score: str | None = "auto"
    """`auto`: the field whose name says CVSS; None: no field."""
    reported: str | None = None


AUTO = "auto"


@dataclass(frozen=True)
class Unmapped:
    """A value that was met while reading, and of which nobody has said what it means."""

    kind: str
    """`status`, `resolution` or `priority`."""
    name: str
    issue: IssueId
    """Where it was met."""


@dataclass(frozen=True)
class Vocabulary:
    """What a site calls things."""

    fields: Mapping[str, str]
    """Type of each field by id: `date`, `datetime`, `string`, `number` …"""
    statuses: frozenset[str]
    resolutions: frozenset[str]
    priorities: frozenset[str]
    """Names in lower case; of statuses the ids too."""


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
    configuration: int = 0
    """Version of the tenant's configuration under which the events were read."""
    is_restricted: bool | None = None
    """Whether it has a security level, so that not all who browse its project see it; None = not known yet."""
    missing: tuple[str, ...] = ()
    """Why no severity can be read, one sentence for each place that was looked at."""
    fix_versions: tuple[FixVersion, ...] = ()
    """As Jira names them, in its order."""


@dataclass(frozen=True)
class PendingRead:
    """An issue that has to be read; `asked_at` tells one request for it from the next."""

    issue: IssueId
    asked_at: datetime
    due_at: datetime
    attempts: int
    """How often it was begun before."""
