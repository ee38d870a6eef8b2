"""A run through a tenant's issues: the import, or the hourly reconciliation with what webhooks missed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.clocks.model import instant_text


class RunKind(StrEnum):
    """What a run is for. One of each kind is kept per tenant: the one under way, else the last."""

    IMPORT = "import"
    """Everything that counts is read, and everything that was known is read again."""
    RECONCILIATION = "reconciliation"
    """What changed since the last run is read, and what is known is looked at."""


class Cause(StrEnum):
    """Why it was asked for."""

    INSTALLED = "installed"
    RETURNED = "returned"
    SETTINGS = "settings"
    ASKED = "asked"
    HOURLY = "hourly"


class Phase(StrEnum):
    """How far it is."""

    WAITING = "waiting"
    SEARCHING = "searching"
    """What Jira finds is read, page by page."""
    CONFIRMING = "confirming"
    """What was known before, and was not found, is looked at."""
    DONE = "done"
    FAILED = "failed"


_ENDED = frozenset({Phase.DONE, Phase.FAILED})


@dataclass(frozen=True)
class Counts:
    """What a run came upon, issue by issue."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    """To another key or project; counted among `updated` too."""
    gone: int = 0
    """Tracked, and Jira shows it no longer: flagged, never met."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """By reason."""

    def __add__(self, other: "Counts") -> "Counts":
        reasons = sorted({*self.skipped, *other.skipped})
        return Counts(
            created=self.created + other.created,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            moved=self.moved + other.moved,
            gone=self.gone + other.gone,
            skipped={name: self.skipped.get(name, 0) + other.skipped.get(name, 0) for name in reasons},
        )

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "moved": self.moved,
            "gone": self.gone,
            "skipped": dict(self.skipped),
        }


@dataclass(frozen=True)
class Run:
    """One run, at the place that it has reached: whoever goes on with it begins there."""

    kind: RunKind
    cause: Cause
    asked_at: datetime
    """Tells one run from the next: work for an older one has no place to write to."""
    phase: Phase = Phase.WAITING
    configuration: int = 0
    """Version of the configuration under which it searches."""
    page_token: str | None = None
    """Of the next page of the search."""
    after_issue: int = 0
    """The last issue that was looked at."""
    window_minutes: int | None = None
    """How far back a reconciliation searches."""
    confirm_before: datetime | None = None
    """Known issues that were read before this instant are looked at."""
    started_at: datetime | None = None
    advanced_at: datetime | None = None
    finished_at: datetime | None = None
    counts: Counts = field(default_factory=Counts)
    problem: str | None = None
    """Why it failed, in words for the administrator."""
    covered_at: datetime | None = None
    """What changed before this instant was read by the last run of this kind that was done."""
    last: Mapping[str, Any] | None = None
    """The last one that ended, as JSON."""

    @property
    def is_unfinished(self) -> bool:
        """Whether it waits or is under way."""
        return self.phase not in _ENDED

    def begun(
        self, *, configuration: int, window_minutes: int | None, confirm_before: datetime, now: datetime
    ) -> "Run":
        """From the beginning, which may be another one, under that configuration."""
        return replace(
            self,
            phase=Phase.SEARCHING,
            configuration=configuration,
            window_minutes=window_minutes,
            confirm_before=confirm_before,
            page_token=None,
            after_issue=0,
            started_at=self.started_at or now,
            advanced_at=now,
            problem=None,
        )

    def ended(self, phase: Phase, *, now: datetime, problem: str | None = None) -> "Run":
        """Done or failed."""
        over = replace(self, phase=phase, finished_at=now, advanced_at=now, page_token=None, problem=problem)
        covered = self.started_at if phase is Phase.DONE else self.covered_at
        return replace(over, covered_at=covered, last=over.summary())

    def summary(self) -> dict[str, Any]:
        """What people are told of it."""
        return {
            "kind": self.kind.value,
            "cause": self.cause.value,
            "phase": self.phase.value,
            "configuration": self.configuration,
            "started_at": _text(self.started_at),
            "advanced_at": _text(self.advanced_at),
            "finished_at": _text(self.finished_at),
            **self.counts.to_json(),
            "problem": self.problem,
        }


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)
