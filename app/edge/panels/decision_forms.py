"""The forms by which people decide about a clock: what each says, asks for and, once tried, would do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

from app.domain.clocks.model import Bounds, EventKind
from app.domain.clocks.wording import bound_text
from app.domain.tracking.ams import STATUSES
from app.domain.tracking.decision import AMS, DecisionFault
from app.domain.tracking.possible import TRIAGE, Possible
from app.edge.panels import wording
from app.edge.panels.cvss_words import METRICS, letters_of
from app.edge.panels.sayings import said
from app.edge.panels.wording import Lozenge
from app.edge.translation import gettext as _
from app.edge.translation import mark

ANY_REASON: Final = "*"


Standing = Literal["forms", "review", "recorded", "not_permitted", "unconfirmed"]
"""`forms`: to be filled in. `review`: the one form that was tried, with what it would do, to be recorded as it is.
`recorded`: done. `not_permitted`: the reader may see and not decide. `unconfirmed`: Jira could not be asked.
"""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One value to choose."""

    value: str
    text: str
    more: str = ""
    """What it means."""

    @property
    def words(self) -> str:
        """To be read."""
        return f"{_(self.text)}: {_(self.more)}" if self.more else _(self.text)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One thing to fill in: chosen from `options` where there are any, else written."""

    name: str
    label: str
    options: tuple[Option, ...] = ()
    is_required: bool = False
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class DecisionForm:
    """One form. `id`: of the decision, made with the form, so that sending it twice decides once."""

    kind: str
    id: str
    title: str
    does: str
    """What happens when it is recorded, and what does not."""
    fields: tuple[Field, ...]
    is_open: bool = False

    def filled(self, given: Mapping[str, str]) -> "DecisionForm":
        """The same, open, with what was written in it."""
        fields = tuple(replace(field, value=given.get(field.name, "")) for field in self.fields)
        return replace(self, fields=fields, id=given.get("id", self.id), is_open=True)


@dataclass(frozen=True, kw_only=True)
class ClockMove:
    """What becomes of one clock. `before`, `after`: a bound in words, with its instants as such."""

    title: str
    lozenge: Lozenge
    due_text: str
    before: tuple[str | datetime, ...]
    after: tuple[str | datetime, ...]

    @property
    def is_moved(self) -> bool:
        """Whether the bound is another."""
        return self.before != self.after


@dataclass(frozen=True, kw_only=True)
class DecisionsView:
    """What stands where decisions are taken: `issue_decisions.html`."""

    standing: Standing
    url: str
    forms: tuple[DecisionForm, ...] = ()
    refusal: str | None = None
    """Why what was sent does not stand."""
    score: str | None = None
    """The score that the server has computed, in words."""
    moves: tuple[ClockMove, ...] = ()
    trace_id: str | None = None


_REASON: Final = Field(name="reason", label=mark("Why"))
_EVIDENCE: Final = Field(name="evidence", label=mark("Where it can be read (optional)"))

_TITLES: Final[Mapping[str, tuple[str, str, tuple[Field, ...]]]] = MappingProxyType(
    {
        TRIAGE: (
            mark("Triage: say how severe it is"),
            mark(
                "Pledge computes the CVSS 3.1 score, and the date is counted anew from the severity that it gives. "
                "Fields in Jira stay as they are; a later change there counts again."
            ),
            (
                *(
                    Field(
                        name=metric.letters,
                        label=metric.name,
                        options=tuple(
                            Option(value=value.letter, text=value.name, more=value.meaning) for value in metric.values
                        ),
                        is_required=True,
                    )
                    for metric in METRICS
                ),
                replace(_REASON, label=mark("Why (optional)")),
            ),
        ),
        EventKind.PAUSED: (
            mark("Pause the clock"),
            mark(
                "The time left stands still from now until somebody resumes it. The pause, its reason and who decided "
                "stay in the history."
            ),
            (
                replace(_REASON, is_required=True),
                Field(name="clause", label=mark("Clause that allows it (optional)")),
                _EVIDENCE,
            ),
        ),
        EventKind.RESUMED: (
            mark("Resume the clock"),
            mark("The clock runs again from now, and the date moves by the time that it stood still."),
            (),
        ),
        EventKind.EXTENSION_REQUESTED: (
            mark("Request an extension"),
            mark("Records that more time was asked for. The date stays until an extension is granted."),
            (replace(_REASON, is_required=True), _EVIDENCE),
        ),
        AMS: (
            mark("Link the AMS ticket"),
            mark(
                "Records what the ticket in Atlassian's Marketplace Security project says now. Its date binds where it "
                "is the earlier one; a status that grants or refuses an extension does so here too."
            ),
            (
                Field(name="ticket", label=mark("Ticket, for example AMS-123"), is_required=True),
                Field(
                    name="status",
                    label=mark("Its status"),
                    options=tuple(Option(value=status, text=status) for status in STATUSES),
                    is_required=True,
                ),
                Field(name="due", label=mark("Date that it names, for example 2026-12-20 (optional)")),
                _EVIDENCE,
            ),
        ),
        EventKind.EXPLAINED: (
            mark("Explain why it was late"),
            mark("Everybody who may see this clock reads the explanation. It moves nothing, and the breach stays one."),
            (replace(_REASON, is_required=True), _EVIDENCE),
        ),
        EventKind.FIXED: (
            mark("Mark as fixed"),
            mark(
                "The clock ends now, in time or late. The issue in Jira is not closed by it. The cycle stays in "
                "the history: reopening begins another."
            ),
            (replace(_REASON, label=mark("Fixed in which version (optional)")), _EVIDENCE),
        ),
        EventKind.CANCELLED: (
            mark("Not affected"),
            mark(
                "The clock ends now without a fix, for the reason that a VEX statement gives. It does not count as a "
                "promise met; reopening begins another cycle."
            ),
            (
                Field(
                    name="reason",
                    label=mark("Why the product is not affected"),
                    options=tuple(Option(value=name, text=text) for name, text in wording.JUSTIFICATIONS.items()),
                    is_required=True,
                ),
                _EVIDENCE,
            ),
        ),
        EventKind.REOPENED: (
            mark("Reopen"),
            mark("A new cycle begins now; the one that ended stays in the history as it was."),
            (replace(_REASON, is_required=True),),
        ),
    }
)


def form_of(kind: str, *, now_is: Possible, decision_id: str, vector: str | None) -> DecisionForm:
    """The form of that kind, empty but for the vector that is known; raises `KeyError` for a kind that has none."""
    title, does, fields = _TITLES[kind]
    if kind == TRIAGE:
        known = letters_of(vector)
        fields = tuple(replace(each, value=known.get(each.name, "")) for each in fields)
    if kind == EventKind.PAUSED and ANY_REASON not in now_is.pause_reasons:
        options = tuple(Option(value=reason, text=reason) for reason in now_is.pause_reasons)
        fields = tuple(replace(each, options=options) if each.name == "reason" else each for each in fields)
    return DecisionForm(kind=kind, id=decision_id, title=title, does=does, fields=fields)


def field_names(kind: str) -> frozenset[str]:
    """What the form of that kind asks for."""
    return frozenset(field.name for field in _TITLES[kind][2])


def kinds_of(possible: Collection[str]) -> tuple[str, ...]:
    """Those that have a form, in the order in which they are shown."""
    return tuple(kind for kind in _TITLES if kind in possible)


def refusal_words(fault: DecisionFault) -> str:
    """Why a decision does not stand, as a sentence."""
    text = "; ".join(map(said, fault.why))
    return f"{text[:1].upper()}{text[1:]}."


def moved_words(bounds: Bounds | None) -> tuple[str | datetime, ...]:
    """A bound in the words of the engine, with its instants taken out."""
    return wording.with_instants(_("no clock") if bounds is None else said(bound_text(bounds)))
