"""Reading many issues of a Jira at once: what `outbound` implements for imports and reconciliations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.identifiers import IssueId
from app.domain.ports import SiteAccess
from app.domain.tracking.jql import Jql
from app.domain.tracking.model import FieldChoice, IssueSnapshot, Vocabulary


class PageTokenExpired(Exception):
    """Jira no longer knows this page of a search: it has to begin again."""


@dataclass(frozen=True)
class FoundPage:
    """One page of a search."""

    issues: tuple[IssueId, ...]
    next_token: str | None
    """None on the last page."""


@dataclass(frozen=True)
class IssueSign:
    """What tells whether an issue has to be read again."""

    issue: IssueId
    key: str
    project: int
    updated_at: datetime


@dataclass(frozen=True)
class BulkRead:
    """Many issues, read at once."""

    snapshots: tuple[IssueSnapshot, ...]
    hidden: tuple[IssueId, ...]
    """Asked for and not shown: deleted, or no longer to be seen by the app."""
    unreadable: tuple[IssueId, ...]
    """Shown in a form that cannot be read."""


class BulkJiraSites(Protocol):
    """Reading Jira as the app, many issues at a time; every method raises `JiraUnavailable`."""

    def find_issues(self, site: SiteAccess, jql: str, *, page_token: str | None, limit: int) -> FoundPage:
        """One page of the ids that match; raises `PageTokenExpired`, `JqlRefused`."""

    def is_within(self, site: SiteAccess, jql: Jql, issue: IssueId) -> bool:
        """Whether that issue matches now; raises `JqlRefused`."""

    def read_issues(self, site: SiteAccess, issues: Sequence[IssueId], choice: FieldChoice) -> BulkRead:
        """Fields and changelogs of at most a hundred issues."""

    def look_at(self, site: SiteAccess, issues: Sequence[IssueId]) -> tuple[IssueSign, ...]:
        """Those of at most a hundred issues that Jira shows."""

    def issue_types(self, site: SiteAccess) -> Mapping[int, str]:
        """Issue types by id."""

    def display_url(self, site: SiteAccess) -> str:
        """Where people reach it, as the site says of itself; raises `IssueHidden` where it does not tell the app."""

    def vocabulary(self, site: SiteAccess) -> Vocabulary:
        """What this site calls things."""

    def check_jql(self, site: SiteAccess, jql: Jql) -> None:
        """Return if Jira understands it; raises `JqlRefused`."""
