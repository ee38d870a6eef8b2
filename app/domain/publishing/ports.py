"""What publishing needs of the database, and the values that go with it; implemented by `store`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from app.domain.clocks.model import Bounds
from app.domain.identifiers import InstallationId, IssueId


@dataclass(frozen=True)
class Look:
    """An issue whose label has to be looked at; `marks` tells this request for it from the next."""

    issue: IssueId
    is_hidden: bool
    """Jira does not show it to us at the moment."""
    clocks: tuple[tuple[str, Bounds], ...]
    marks: int
    property: Mapping[str, Any] | None
    """What was written last; None = nothing yet."""
    lozenge: Mapping[str, Any] | None


@dataclass(frozen=True)
class Push:
    """An issue whose entry on the Security tab has to be looked at."""

    issue: IssueId
    key: str
    project: int
    introduced_at: datetime
    clocks: tuple[tuple[str, Bounds], ...]
    marks: int
    is_backfill: bool
    sequence: int
    """The number of this attempt, higher than that of any before."""
    pushed: Mapping[str, Any] | None
    """What Jira took last."""


@dataclass(frozen=True)
class Publication:
    """Through which installation everything was asked to be published, and since when the Security tab is ours."""

    installation: InstallationId
    tab_linked_at: datetime | None = None
    tab_refused_at: datetime | None = None
    """When the host last said that it does not offer it to us."""
    rests_until: datetime | None = None
    """Jira asked for rest."""


@dataclass(frozen=True)
class Project:
    """A Jira project with tracked issues; its key is all that we know of its name."""

    project: int
    key: str
    read_at: datetime


class LabelRows(Protocol):
    """What issues of this tenant are marked with in Jira, and what is still to be written."""

    def mark(self, issues: Sequence[IssueId]) -> None:
        """Their bounds changed: look at their labels at once, again if that is under way."""

    def mark_all(self) -> None:
        """As if nothing had been written yet: every tracked issue is due."""

    def lease(self, *, now: datetime, until: Callable[[int], datetime]) -> Look | None:
        """Of the labels that are due the one tried least, then the oldest; it is due again at `until(attempts)`."""

    def settle(
        self,
        look: Look,
        *,
        written: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None],
        next_at: datetime | None,
        refused_at: datetime | None = None,
    ) -> None:
        """Property and lozenge are as `written`; due again at `next_at`, or at once if it was marked meanwhile."""

    def next_look(self) -> datetime | None:
        """When the first label is due."""

    def counts(self) -> Mapping[str, int]:
        """How many labels are `labels`, `labels_waiting`, `labels_refused`; the same of `entries`."""

    def publication(self) -> Publication | None:
        """What this tenant's publication began with."""

    def save_publication(self, publication: Publication) -> None:
        """Insert or replace it."""


class PushRows(Protocol):
    """What the Security tab of this tenant shows, and what is still to be sent."""

    def ask(self, issue: IssueId) -> None:
        """Look at its entry at once, again if that is under way."""

    def backfill(self) -> None:
        """As if nothing had been sent yet: every tracked issue is due."""

    def lease(self, *, now: datetime, until: Callable[[int], datetime], limit: int) -> tuple[Push, ...]:
        """Those that are due, each with a number of its own; they are due again at `until(attempts)`."""

    def settle(self, push: Push, *, refused_at: datetime | None) -> None:
        """Jira has `push.pushed`; with `refused_at` it refused it, and has what it had."""

    def next_push(self) -> datetime | None:
        """When the first entry is due."""

    def projects(self) -> tuple[Project, ...]:
        """Every project with tracked issues, by key."""


@dataclass(frozen=True)
class PushAnswer:
    """What Jira said to entries, each by its id."""

    accepted: frozenset[str]
    failed: frozenset[str]
    unknown_associations: int
    """Of those that were accepted, how many name an issue that Jira does not find."""
