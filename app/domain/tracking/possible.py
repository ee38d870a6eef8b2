"""Which decisions about an issue can be taken now: what forms are offered for. Whether one stands is tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.clocks.engine import Standing, departure_of, facts_of, standing
from app.domain.clocks.model import EventKind, Severity
from app.domain.clocks.rule import Rule
from app.domain.clocks.state import BREACHES, is_late, state_of
from app.domain.promises.shelf import InForce
from app.domain.sentences import Sentence
from app.domain.tracking.decision import AMS, Decision, DecisionMalformed, DecisionRefused, Via, read_decision
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.severity import read_severity

TRIAGE = "triage"
"""The kind of a form that says how severe an issue is: recorded as `severity_set` and, the first time, `triaged`."""


@dataclass(frozen=True, kw_only=True)
class Possible:
    """What can be decided; `pause_reasons`: those that the policy allows, `*` for any."""

    kinds: frozenset[str] = frozenset()
    pause_reasons: tuple[str, ...] = ()
    severity: Severity | None = None
    is_triaged: bool = False
    sources: frozenset[str] = frozenset()
    """Of the facts so far."""


def possible(record: IssueRecord, force: InForce, *, now: datetime) -> Possible:
    """What can be decided at `now`: nothing of an issue that is not tracked, or has left by a decision."""
    facts = facts_of(record.events)
    if record.tracking is not Tracking.TRACKED or departure_of(facts) is not None:
        return Possible()
    clocks = [(rule, standing(rule, facts, calendars=force.calendars)) for rule in force.issue_clocks]
    return Possible(
        kinds=frozenset(_kinds(clocks, now)),
        pause_reasons=tuple(dict.fromkeys(reason for rule, _ in clocks for reason in rule.choices.pauses)),
        severity=next((stands.severity for _, stands in clocks), None),
        is_triaged=any(fact.kind is EventKind.TRIAGED for fact in facts),
        sources=frozenset(fact.source for fact in facts),
    )


def _kinds(clocks: list[tuple[Rule, Standing]], now: datetime) -> set[str]:
    kinds: set[str] = set()
    if any(stands.is_open for _, stands in clocks):
        kinds |= {TRIAGE, AMS, EventKind.EXTENSION_REQUESTED, EventKind.FIXED, EventKind.CANCELLED}
    if any(stands.bounds is not None and state_of(stands.bounds, now=now) in BREACHES for _, stands in clocks):
        kinds.add(EventKind.EXPLAINED)
    if any(rule.choices.pauses and _may_pause(stands, now) for rule, stands in clocks):
        kinds.add(EventKind.PAUSED)
    if any(stands.pauses for _, stands in clocks):
        kinds.add(EventKind.RESUMED)
    if any(not stands.is_open for _, stands in clocks):
        kinds.add(EventKind.REOPENED)
    return kinds


def _may_pause(stands: Standing, now: datetime) -> bool:
    """A breach is not paused away, and what stands still is not paused once more."""
    return stands.is_open and not stands.pauses and (stands.bounds is None or not is_late(stands.bounds, now))


def triage(vector: str, given: Mapping[str, object], *, now_is: Possible) -> tuple[Decision, ...]:
    """The decisions that a triage is; `given` has `id` and may have `reason`.

    Raises `DecisionMalformed`, and `DecisionRefused` where it tells nothing new.
    """
    reading = read_severity(vector=vector, score=None, priority=None)
    if reading is None:
        raise DecisionMalformed(Sentence("vector: is not a vector of CVSS 3.1"))
    told = {"evidence": vector} | {name: given[name] for name in ("reason",) if given.get(name)}
    first, second = given.get("id"), f"{given.get('id')}-triaged"
    decisions = []
    # what was recorded by this very form is handed in again, to be recognised
    if reading.level is not now_is.severity or f"{Via.FORM}:{first}" in now_is.sources:
        decisions.append({"kind": EventKind.SEVERITY_SET, "id": first, "severity": reading.level} | told)
    if not now_is.is_triaged or f"{Via.FORM}:{second}" in now_is.sources:
        decisions.append({"kind": EventKind.TRIAGED, "id": second} | told)
    if not decisions:
        raise DecisionRefused(Sentence("it was triaged already, and its severity is %(level)s", level=reading.level))
    return tuple(map(read_decision, decisions))
