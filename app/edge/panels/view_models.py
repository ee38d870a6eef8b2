"""What templates see, and nothing else: frozen values made from facts by whoever answers the request.

Instants are aware UTC. Nothing here reads a clock: `remaining_seconds` and `state` come from the clock engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from app.domain.clocks.model import Severity, State, Step
from app.domain.clocks.state import BREACHES
from app.edge.assets import Assets
from app.edge.panels import cvss_words, wording
from app.edge.panels.cvss_words import MetricLine
from app.edge.panels.history import HistoryCycle
from app.edge.panels.issue_facts import TicketLine, VersionLine
from app.edge.panels.sayings import said
from app.edge.panels.told import ToldView
from app.edge.panels.wording import Advice, Lozenge, RefusalText
from app.edge.translation import gettext as _
from app.edge.translation import language, mark

Standing = Literal["tracked", "not_tracked", "unknown", "unconfirmed", "refused"]
"""`unconfirmed`: Jira could not be asked whether this user may see the issue. `refused`: Jira said no."""

_ENDED = frozenset({State.MET, State.MET_LATE, State.CANCELLED})
_SEVERITY_SOURCES = {
    "field": mark("from the CVSS field in Jira"),
    "priority": mark("from the priority in Jira"),
    "decision": mark("decided here"),
}
_SOON_SECONDS = 2 * 24 * 60 * 60  # from here on the due text changes by the hour or the minute


class LeakingPanel(ValueError):
    """A panel that is not tracked and confirmed must not carry facts about the issue."""


@dataclass(frozen=True, kw_only=True)
class SeverityLine:
    """How severe, and who says so. `level` None: not set.

    `source`: `field` (a CVSS field), `priority`, or `decision` (decided here, and newer than what Jira says).
    """

    level: Severity | None
    cvss: float | None = None
    version: str | None = None
    """Of CVSS, for example `3.1`."""
    vector: str | None = None
    source: str | None = None

    @property
    def lozenge(self) -> Lozenge:
        """Level with its own shape."""
        return wording.severity_lozenge(self.level)

    @property
    def score_text(self) -> str | None:
        """`CVSS 8.1`, always with one decimal, as the scores are published."""
        return None if self.cvss is None else f"CVSS {self.cvss:.1f}"

    @property
    def source_text(self) -> str | None:
        """Where the level was taken from, in words."""
        said = _SEVERITY_SOURCES.get(self.source or "")
        return None if said is None else _(said)

    @property
    def metrics(self) -> tuple[MetricLine, ...]:
        """The vector in words; empty where there is none."""
        return cvss_words.explained(self.vector)


@dataclass(frozen=True, kw_only=True)
class WhyStep:
    """One step of the derivation of a due date. `source`: an address, with a note after it, or a record in Jira."""

    clause: str
    rule: str
    source: str
    at: datetime
    text: str

    @property
    def link(self) -> str | None:
        """The source as a link, only if it is https: a `javascript:` address would survive HTML escaping."""
        return self.source.partition(" ")[0] if self.source.startswith("https://") else None

    @property
    def source_text(self) -> str:
        """The source in words; beside a link what else is to be said of it, such as the day it was read."""
        return self.source.partition(" ")[2] if self.link else wording.source_words(self.source)

    @property
    def parts(self) -> tuple[str | datetime, ...]:
        """The text, with its instants as such."""
        return wording.with_instants(self.text)


def why_step(step: Step, *, name: Callable[[str], str | None]) -> WhyStep:
    """A step in the reader's language. `name`: takes the ids of people out of a text."""
    text = name(said(step.text)) or ""
    return WhyStep(clause=step.clause, rule=said(step.rule), source=step.source, at=step.at, text=text)


@dataclass(frozen=True, kw_only=True)
class ClockView:
    """One cycle of one promise. Instant clocks have `due_at` (inclusive), date clocks `due_date`.

    `due_before`: the first instant that is too late. `reason`, `actor`: why it stands still or was cancelled, in
    words to be shown.
    """

    promise: str
    cycle: int
    state: State
    started_at: datetime | None = None
    due_at: datetime | None = None
    due_date: date | None = None
    due_before: datetime | None = None
    remaining_seconds: int | None = None
    paused_seconds: int = 0
    paused_since: datetime | None = None
    stopped_at: datetime | None = None
    reason: str | None = None
    actor: str | None = None
    why: tuple[WhyStep, ...] = ()
    zone: str = "UTC"
    """In which the policy counts."""
    explanation: str | None = None
    """Why it was late, as somebody who may decide has said."""
    told: ToldView | None = None
    """Who was told that it is at risk or overdue; None in any other state."""

    @property
    def title(self) -> str:
        """The promise for people, with its cycle from the second on."""
        title = wording.title_of(self.promise)
        return title if self.cycle == 1 else _("%(title)s, cycle %(cycle)s", title=title, cycle=self.cycle)

    @property
    def lozenge(self) -> Lozenge:
        """The state with its own shape."""
        return wording.STATE_LOZENGES[self.state]

    @property
    def due_text(self) -> str:
        """`due in 27 d`."""
        return wording.due_text(self.state, self.remaining_seconds)

    @property
    def paused_text(self) -> str | None:
        """How long the clock has stood still in all, if it has."""
        return wording.duration_text(self.paused_seconds) if self.paused_seconds else None

    @property
    def progress_percent(self) -> int | None:
        """How much of the time is used, rounded down; past 100 when overdue. None without a bound."""
        bound = self.due_at or self.due_before
        if bound is None or self.started_at is None or self.remaining_seconds is None:
            return None
        allotted_seconds = int((bound - self.started_at).total_seconds()) - self.paused_seconds
        if allotted_seconds <= 0:
            return None
        return max(0, (allotted_seconds - self.remaining_seconds) * 100 // allotted_seconds)

    @property
    def progress_scale(self) -> int:
        """What the width of the bar stands for, in percent; four times the time is as far as it goes."""
        return max(100, min(self.progress_percent or 0, 400))

    @property
    def was_due(self) -> bool:
        """Whether the date is told as one that has been."""
        return self.is_ended or self.state is State.BREACHED

    @property
    def policy_time(self) -> str | None:
        """The due instant in the zone of the policy; a date says itself where it ends."""
        due = None if self.due_date else self.due_at or self.due_before
        return None if due is None else wording.zoned_words(due, self.zone)

    @property
    def policy_place(self) -> str:
        """The zone of the policy, for people."""
        return wording.place_of(self.zone)

    @property
    def advice(self) -> Advice | None:
        """What the state means for whoever reads it."""
        return wording.ADVICE.get(self.state)

    @property
    def is_unexplained(self) -> bool:
        """Whether the promise was not kept, and nobody has said why."""
        return self.state in BREACHES and not self.explanation

    @property
    def is_ended(self) -> bool:
        """Whether time no longer changes this clock."""
        return self.state in _ENDED


@dataclass(frozen=True, kw_only=True)
class PolicyLine:
    """Which text was applied; the hash is of the policy file as loaded."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class IssuePanel:
    """The issue panel: one fragment, `issue_panel.html`.

    `fragment_url`: where a fresh one is. `clocks`: the newest cycle of each, the most urgent first; `earlier`: the
    cycles before. `missing`: why Jira says no severity. `decide_url`: where the forms are, for whoever may have them.
    `asked_at`: when an extension was asked for that is not decided.
    `as_of`: when Jira was last read; `stale`: later tries failed.
    `gone`: Jira answers 404 or 403 to the app; the clocks are kept. `read_only`: the licence has lapsed.
    `trace_id`: of a failure on the way.
    Raises `LeakingPanel` when facts are given for a reader who is not cleared to see them.
    """

    standing: Standing
    issue_key: str
    fragment_url: str
    severity: SeverityLine | None = None
    clocks: tuple[ClockView, ...] = ()
    earlier: tuple[ClockView, ...] = ()
    history: tuple[HistoryCycle, ...] = ()
    missing: tuple[str, ...] = ()
    tickets: tuple[TicketLine, ...] = ()
    versions: tuple[VersionLine, ...] = ()
    asked_at: datetime | None = None
    policy: PolicyLine | None = None
    decide_url: str | None = None
    as_of: datetime | None = None
    stale: bool = False
    gone: bool = False
    read_only: bool = False
    trace_id: str | None = None

    def __post_init__(self) -> None:
        facts = (
            *(self.severity, self.clocks, self.earlier, self.history, self.missing, self.policy, self.decide_url),
            *(self.as_of, self.stale, self.gone, self.tickets, self.versions, self.asked_at),
        )
        if self.standing in ("unconfirmed", "refused", "unknown") and any(facts):
            raise LeakingPanel(f"a panel that is {self.standing} carries facts about the issue")

    @property
    def severity_lozenge(self) -> Lozenge:
        """Of the issue, set or not."""
        return self.severity.lozenge if self.severity else wording.SEVERITY_UNSET

    @property
    def advice(self) -> Advice | None:
        """What the state of the most urgent clock means."""
        return self.clocks[0].advice if self.clocks else None

    @property
    def announcement(self) -> str:
        """What a screen reader is told when it changes: states, never the countdown."""
        states = ", ".join(f"{clock.title}: {_(clock.lozenge.text)}" for clock in self.clocks)
        return f"{self.issue_key}. {_(self.severity_lozenge.text)}. {states}" if states else ""

    @property
    def refresh_seconds(self) -> int:
        """How often the shown panel asks for a fresh one, as long as it can be seen."""
        if self.standing == "unknown":
            return 3
        if self.standing == "unconfirmed":
            return 30
        soon = any(
            clock.remaining_seconds is not None and not clock.is_ended and abs(clock.remaining_seconds) < _SOON_SECONDS
            for clock in self.clocks
        )
        return 60 if soon else 900


@dataclass(frozen=True, kw_only=True)
class PageShell:
    """The page around a fragment. `host_script_url` comes from the settings, never from the request."""

    title: str
    host_script_url: str
    assets: Assets
    language: str = field(default_factory=language)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A page that is not there: `refusal.html`. The trace id is the one of the problem and of the log."""

    status: int
    trace_id: str

    @property
    def words(self) -> RefusalText:
        """Title, explanation and advice."""
        return wording.refusal_text(self.status)
