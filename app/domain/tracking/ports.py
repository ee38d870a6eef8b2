"""Rows about how a tenant's issues are followed, counted and looked at; `store` implements them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from app.domain.clocks.model import Event
from app.domain.identifiers import AccountId, IssueId
from app.domain.promises.model import OwnPolicy
from app.domain.tracking.configuration import FollowingConfiguration
from app.domain.tracking.deriving import Derived
from app.domain.tracking.model import IssueRecord, Unmapped
from app.domain.tracking.runs import Cause, Run, RunKind


class FollowingRows(Protocol):
    """What a tenant chose, what nobody has said the meaning of, and how far runs are."""

    def configuration(self) -> FollowingConfiguration:
        """The newest version; version 0 where nobody has chosen."""

    def add_configuration(self, configuration: FollowingConfiguration, now: datetime) -> bool:
        """Store it under its version; False where somebody else has stored that one."""

    def note_unmapped(self, values: Sequence[Unmapped], now: datetime) -> None:
        """Remember values that were met and mean nothing to us."""

    def list_unmapped(self) -> tuple[Unmapped, ...]:
        """Those that were met, in order of kind and name."""

    def forget_unmapped(self) -> None:
        """None was met: everything is about to be read again."""

    def ask_run(self, kind: RunKind, cause: Cause, *, now: datetime) -> None:
        """A run of that kind begins anew."""

    def ask_import(self, *, returned: bool, now: datetime) -> None:
        """An import begins anew, because the site installed us, or came back."""

    def find_run(self, kind: RunKind) -> Run | None:
        """The one under way, else the last."""

    def save_run(self, run: Run) -> bool:
        """The place that it has reached; False where it was asked for anew meanwhile."""


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """One version of a site's own policy."""

    ref: OwnPolicy
    version: int
    made_at: datetime


class PolicyTextRows(Protocol):
    """The policies that a tenant has written for itself. None is changed, and none goes but with the tenant."""

    def versions(self) -> tuple[StoredPolicy, ...]:
        """Every version, the newest first."""

    def next_version(self) -> int:
        """The number of the next one."""

    def texts(self, sha256: str) -> Mapping[str, str] | None:
        """Its text and those of all that it extends, by policy name."""

    def add(self, policy: StoredPolicy, texts: Mapping[str, str]) -> bool:
        """Store it; False where there is one of that version already."""


class IssueBatches(Protocol):
    """Many issues in one transaction."""

    def hold_many(self, issues: Sequence[IssueId]) -> Mapping[IssueId, IssueRecord]:
        """Those that are known; nobody else changes them until this transaction ends."""

    def save_many(self, derived: Sequence[Derived], now: datetime) -> None:
        """Store what reads came to; facts that they replace are kept apart as what they were."""

    def events_of(self, issues: Sequence[IssueId]) -> Mapping[IssueId, tuple[Event, ...]]:
        """The stored clock events of each."""

    def page_tracked(self, *, after: int, read_before: datetime, limit: int) -> tuple[IssueRecord, ...]:
        """The next tracked issues in order of id that Jira shows and that were read before that instant."""

    def confirm_before(self, most: int, *, otherwise: datetime) -> datetime:
        """The instant before which at most so many of them were read; `otherwise` where there are fewer."""

    def confirm(self, issues: Sequence[IssueId], now: datetime) -> None:
        """What is known of these is what Jira shows now."""

    def count_tracked(self) -> int:
        """How many there are."""

    def hide(self, issues: Sequence[IssueId], now: datetime) -> tuple[IssueId, ...]:
        """Jira does not show these: flag the tracked ones among them; returns those that were not flagged before."""


class SavedView(NamedTuple):
    """One view. `query`: filters and columns as parameters of an address."""

    view: UUID
    name: str
    query: str


class ViewRows(Protocol):
    """Views of the people of one tenant; each question names whose."""

    def of(self, account: AccountId) -> Sequence[SavedView]:
        """Every view of that person, by name."""

    def save(self, account: AccountId, view: SavedView, *, now: datetime) -> None:
        """In place of what that person has under this name."""

    def remove(self, account: AccountId, view: UUID) -> bool:
        """Whether that person had it."""
