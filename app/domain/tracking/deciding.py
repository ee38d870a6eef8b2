"""Whether a decision fits the promise and what holds at its instant; a refusal says precisely why not.

A decision is tried against every clock of the issue and stands if one of them takes it: the engine leaves it out for
the others, and says so in the reasons.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.clocks import wording
from app.domain.clocks.counting import Calendars
from app.domain.clocks.deadline import extension_refusal
from app.domain.clocks.engine import Standing, bounds_of, departure_of, facts_of, standing
from app.domain.clocks.model import Event, EventKind, instant_text
from app.domain.clocks.rule import Rule
from app.domain.clocks.state import BREACHES, is_late, state_of
from app.domain.promises.shelf import InForce
from app.domain.sentences import Sentence
from app.domain.tracking.decision import DecisionRefused


@dataclass(frozen=True)
class Tried:
    """A decision before one clock, as it stood at that instant."""

    event: Event
    before: Sequence[Event]
    later: Sequence[Event]
    rule: Rule
    stands: Standing
    calendars: Calendars
    policy: str


def check_decision(event: Event, *, known: Iterable[Event], force: InForce, now: datetime) -> None:
    """Return if it fits; raises `DecisionRefused`. `known` are the facts about the issue so far."""
    facts = facts_of(known)
    check_instant_of(event, facts, now=now)
    check_tracked(event, facts)
    before = [fact for fact in facts if fact.order() < event.order()]
    later = facts[len(before) :]
    refusals = []
    for rule in force.issue_clocks:
        stands = standing(rule, before, calendars=force.calendars)
        tried = Tried(event, before, later, rule, stands, force.calendars, force.policy.name)
        refusal = _CHECKS.get(event.kind, _anything)(tried)
        if refusal is None:
            return
        refusals.append(refusal)
    if refusals:
        raise DecisionRefused(*dict.fromkeys(refusals))


def check_instant_of(event: Event, facts: Iterable[Event], *, now: datetime) -> None:
    """Nothing is decided in the future, nor before there was anything to decide about."""
    if event.at > now:
        raise DecisionRefused(Sentence("at: %(at)s lies in the future", at=instant_text(event.at)))
    reported = next((fact for fact in facts if fact.kind is EventKind.REPORTED), None)
    if reported is not None and event.at < reported.at:
        instants = {"at": instant_text(event.at), "reported": instant_text(reported.at)}
        raise DecisionRefused(Sentence("at: %(at)s lies before the report, %(reported)s", **instants))


def check_tracked(event: Event, facts: Iterable[Event]) -> None:
    """Who has left is tracked again before anything else is decided; who has not cannot come back."""
    left = departure_of(facts)
    if event.kind is EventKind.TRACKED:
        if left is None or event.order() < left.order():
            raise DecisionRefused(Sentence("it is tracked: there is nothing to take back"))
    elif left is not None:
        raise DecisionRefused(
            Sentence(
                "it left tracking at %(at)s by %(actor)s: %(reason)s; record `tracked` first",
                at=instant_text(left.at),
                actor=left.actor,
                reason=left.reason,
            )
        )


def _anything(tried: Tried) -> Sentence | None:
    return None


def _while_open(tried: Tried) -> Sentence | None:
    if tried.stands.is_open:
        return None
    return Sentence("the clock of %(promise)s does not run at that instant", promise=tried.rule.promise)


def _triaged(tried: Tried) -> Sentence | None:
    done = next((fact for fact in tried.before if fact.kind is EventKind.TRIAGED), None)
    return None if done is None else Sentence("it was triaged at %(at)s already", at=instant_text(done.at))


def _severity_set(tried: Tried) -> Sentence | None:
    level = tried.stands.severity
    if level is not tried.event.severity:
        return None
    return Sentence("its severity is %(level)s at that instant already", level=level)


def _paused(tried: Tried) -> Sentence | None:
    allowed, reason = tried.rule.choices.pauses, tried.event.reason or ""
    if not allowed:
        names = {"promise": tried.rule.promise, "policy": tried.policy}
        return Sentence("%(promise)s of the policy %(policy)s allows no pause", **names)
    if reason not in allowed and "*" not in allowed:
        return Sentence(
            "%(reason)r is no reason for which %(promise)s may pause: %(allowed)s",
            reason=reason,
            promise=tried.rule.promise,
            allowed=", ".join(allowed),
        )
    if reason in tried.stands.pauses or _is_paused_next(reason, tried.later):
        return Sentence("it is paused for %(reason)r already", reason=reason)
    bounds = tried.stands.bounds
    if tried.stands.is_open and bounds is not None and not tried.stands.pauses and is_late(bounds, tried.event.at):
        bound = wording.bound_text(bounds)
        return Sentence("its bound has passed (%(bound)s): a breach is not paused away", bound=bound)
    return _while_open(tried)


def _is_paused_next(reason: str, later: Sequence[Event]) -> bool:
    """Whether a pause for that reason follows before it ends: two would need two resumptions, and one is recorded."""
    ends = (fact for fact in later if fact.kind is EventKind.RESUMED and fact.reason in {None, reason})
    end = next(ends, None)
    begins = (fact for fact in later if fact.kind is EventKind.PAUSED and fact.reason == reason)
    begin = next(begins, None)
    return begin is not None and (end is None or begin.order() < end.order())


def _resumed(tried: Tried) -> Sentence | None:
    pauses, reason = tried.stands.pauses, tried.event.reason
    if not pauses:
        return Sentence("the clock of %(promise)s is not paused at that instant", promise=tried.rule.promise)
    if reason is not None and reason not in pauses:
        known = ", ".join(map(repr, sorted(pauses)))
        return Sentence("it is not paused for %(reason)r but for %(known)s", reason=reason, known=known)
    return None


def _extended(tried: Tried) -> Sentence | None:
    refusal = _while_open(tried) or extension_refusal(tried.rule.choices, tried.event)
    if refusal is not None:
        return refusal
    after = bounds_of(tried.rule, [*tried.before, tried.event], calendars=tried.calendars)[-1]
    if tried.stands.bounds is not None and _due(after) == _due(tried.stands.bounds):
        bound = wording.bound_text(after)
        return Sentence("it moves nothing (%(bound)s): an extension never shortens", bound=bound)
    return None


def _due(bounds: object) -> tuple[object, ...]:
    return tuple(getattr(bounds, name) for name in ("due_at", "due_before"))


def _extension_refused(tried: Tried) -> Sentence | None:
    answers = [fact.kind for fact in tried.before if fact.kind in _ABOUT_EXTENSIONS]
    is_asked = bool(answers) and answers[-1] is EventKind.EXTENSION_REQUESTED
    return None if is_asked else Sentence("no request for an extension is open at that instant")


_ABOUT_EXTENSIONS = frozenset({EventKind.EXTENSION_REQUESTED, EventKind.EXTENDED, EventKind.EXTENSION_REFUSED})


def _explained(tried: Tried) -> Sentence | None:
    bounds = tried.stands.bounds
    is_breached = bounds is not None and state_of(bounds, now=tried.event.at) in BREACHES
    if is_breached:
        return None
    return Sentence(
        "%(promise)s was not broken at that instant: there is nothing to explain", promise=tried.rule.promise
    )


def _reopened(tried: Tried) -> Sentence | None:
    if not tried.stands.is_open:
        return None
    return Sentence("the clock of %(promise)s runs at that instant", promise=tried.rule.promise)


_CHECKS: Mapping[EventKind, Callable[[Tried], Sentence | None]] = {
    EventKind.TRIAGED: _triaged,
    EventKind.SEVERITY_SET: _severity_set,
    EventKind.PAUSED: _paused,
    EventKind.RESUMED: _resumed,
    EventKind.EXTENSION_REQUESTED: _while_open,
    EventKind.EXTENDED: _extended,
    EventKind.EXTENSION_REFUSED: _extension_refused,
    EventKind.EXPLAINED: _explained,
    EventKind.FIXED: _while_open,
    EventKind.CANCELLED: _while_open,
    EventKind.REOPENED: _reopened,
}
