"""The sentences of `why`. Each says which rule was applied to which fact, and what came of it."""

from datetime import datetime, timedelta

from app.domain.clocks.deadline import Deadline
from app.domain.clocks.model import Bounds, Event, EventKind, Outcome, Severity, Step, instant_text
from app.domain.clocks.rule import Mode, Rule, Term, Unit
from app.domain.clocks.state import is_late, remaining_seconds, state_of
from app.domain.sentences import Sentence


def bound_text(bounds: Bounds) -> Sentence:
    """The bound in words, with its kind: inclusive instant, date, or exclusive instant."""
    if bounds.due_at is not None:
        return Sentence("due at %(at)s, that instant included", at=instant_text(bounds.due_at))
    if bounds.due_date is not None and bounds.due_before is not None:
        before = instant_text(bounds.due_before)
        return Sentence("due on %(day)s, before %(before)s", day=bounds.due_date, before=before)
    if bounds.due_before is not None:
        return Sentence("due before %(before)s", before=instant_text(bounds.due_before))
    return Sentence("no deadline yet") if bounds.severity is not Severity.NONE else Sentence("no deadline")


_MODES = {
    Mode.DATE_EOD: Sentence("to the end of that day"),
    Mode.REG1182_HOURS: Sentence("as Regulation 1182/71 counts hours"),
}
_AMOUNTS = {
    Unit.SECONDS: (Sentence("%(number)s second"), Sentence("%(number)s seconds")),
    Unit.MINUTES: (Sentence("%(number)s minute"), Sentence("%(number)s minutes")),
    Unit.HOURS: (Sentence("%(number)s hour"), Sentence("%(number)s hours")),
    Unit.DAYS: (Sentence("%(number)s day"), Sentence("%(number)s days")),
    Unit.WEEKS: (Sentence("%(number)s week"), Sentence("%(number)s weeks")),
    Unit.BUSINESS_DAYS: (Sentence("%(number)s business day"), Sentence("%(number)s business days")),
    Unit.MONTHS: (Sentence("%(number)s month"), Sentence("%(number)s months")),
}


def amount_text(term: Term, amount: int) -> Sentence:
    """`28 days, elapsed`; for dates also zone and calendar. A mode that its unit already says is left out."""
    one, several = _AMOUNTS[term.unit]
    text = Sentence(one if amount == 1 else several, number=amount)
    if term.mode != term.unit.value:
        text = Sentence("%(first)s, %(then)s", first=text, then=_MODES.get(term.mode, term.mode))
    if term.mode is not Mode.ELAPSED:
        text = Sentence("%(first)s, %(then)s", first=text, then=term.zone)
    if term.calendar is not None:
        text = Sentence("%(amount)s, calendar %(name)s", amount=text, name=term.calendar)
    return text


def _step(rule: Rule, event: Event, *, name: Sentence, text: Sentence) -> Step:
    return Step(event.clause or rule.clause, name, event.source, event.at, text)


def _by(event: Event) -> str:
    return Sentence(" by %(actor)s", actor=event.actor) if event.actor is not None else ""


def _grounds(event: Event) -> str:
    if event.evidence is None:
        return f" ({event.reason})" if event.reason else ""
    if not event.reason:
        return Sentence(" (evidence %(evidence)s)", evidence=event.evidence)
    return Sentence(" (%(reason)s; evidence %(evidence)s)", reason=event.reason, evidence=event.evidence)


def started(rule: Rule, event: Event, *, at: datetime) -> Step:
    """Which fact started the cycle."""
    name = Sentence("starts when %(event)s", event=rule.starts)
    values = {"event": event.kind, "at": instant_text(event.at), "by": _by(event)}
    text = Sentence("%(event)s at %(at)s%(by)s: the clock starts.", **values)
    if event.kind is EventKind.REOPENED:
        name = Sentence("reopen = restart")
    elif at != event.at:
        limits = {"channel": event.channel, "days": rule.choices.triage_days}
        name = Sentence("%(channel)s findings start at triage, at most %(days)s days after the report", **limits)
        values |= {"start": instant_text(at)}
        text = Sentence("%(event)s at %(at)s%(by)s: the clock starts at %(start)s.", **values)
    return Step(rule.clause, name, event.source, event.at, text)


def counted(deadline: Deadline, event: Event, *, since: datetime) -> list[Step]:
    """What each term of the rule gives from `since`."""
    if deadline.severity is Severity.NONE and not deadline.dues:
        return [_without_deadline(deadline, event)]
    return [
        _counted_term(deadline, term, since=since, result=_due_text(deadline, number))
        for number, term in enumerate(deadline.terms)
    ]


def recounted(deadline: Deadline, event: Event) -> list[Step]:
    """What the bound is after a change of severity, pauses and extensions laid upon it."""
    if not deadline.dues:
        return [_without_deadline(deadline, event)]
    return [
        Step(
            term.clause,
            _rule_text(deadline, term),
            _source(deadline, term),
            event.at,
            _due_text(deadline, number),
        )
        for number, term in enumerate(deadline.terms)
    ]


def _due_text(deadline: Deadline, number: int) -> Sentence:
    due = deadline.dues[number]
    bound = Sentence("due at %(at)s", at=instant_text(due.at))
    if due.day is not None:
        bound = Sentence("due on %(day)s, before %(before)s", day=due.day, before=instant_text(due.at))
    if len(deadline.dues) > 1 and deadline.binding_term() is deadline.terms[number]:
        return Sentence("%(bound)s; the earliest, so it binds.", bound=bound)
    return Sentence("%(bound)s.", bound=bound)


def _rule_text(deadline: Deadline, term: Term) -> Sentence:
    amount = deadline.amount_of(term, deadline.level)
    if amount is None:
        return Sentence("the bound so far")
    if term.fixed_on is not None:
        return Sentence("fixed date %(day)s, %(zone)s", day=term.fixed_on, zone=term.zone)
    text = amount_text(term, amount)
    return Sentence("%(level)s = %(amount)s", level=deadline.level, amount=text) if term.tables else text


def _source(deadline: Deadline, term: Term) -> str:
    table = deadline.table_of(term)
    return table.source if table is not None else term.source


def _counted_term(deadline: Deadline, term: Term, *, since: datetime, result: Sentence) -> Step:
    table = deadline.table_of(term)
    version = Sentence(" (table of %(day)s)", day=table.since) if table is not None else ""
    calendar = deadline.calendars.get(term.calendar) if term.calendar is not None else None
    text = Sentence("From %(at)s%(version)s: %(result)s", at=instant_text(since), version=version, result=result)
    if calendar is not None:
        names = {"name": calendar.name, "sha256": calendar.sha256}
        text = Sentence("%(text)s Holiday list %(name)s, SHA-256 %(sha256)s.", text=text, **names)
    return Step(term.clause, _rule_text(deadline, term), _source(deadline, term), since, text)


def _without_deadline(deadline: Deadline, event: Event) -> Step:
    clause = deadline.rule.clause
    rule = Sentence("severity none starts no clock")
    return Step(clause, rule, event.source, event.at, Sentence("There is no deadline."))


def level_changed(deadline: Deadline, event: Event, *, level: Severity, since: datetime) -> Step:
    """Which setting a change of severity falls under."""
    if deadline.severity is None:
        return _step(
            deadline.rule,
            event,
            name=Sentence("the first severity counts from the start"),
            text=Sentence("Severity is %(level)s%(by)s.", level=level, by=_by(event)),
        )
    name = Sentence("severity change = %(choice)s", choice=str(deadline.choice_for(level, since)))
    text = Sentence(
        "Severity goes from %(before)s to %(level)s at %(at)s%(by)s.",
        before=deadline.severity,
        level=level,
        at=instant_text(event.at),
        by=_by(event),
    )
    return _step(deadline.rule, event, name=name, text=text)


def paused(rule: Rule, event: Event, *, allowed: bool, held: bool) -> Step:
    """Whether a pause holds the clock."""
    name = Sentence("pauses allowed: none")
    if rule.choices.pauses:
        name = Sentence("pauses allowed: %(reasons)s", reasons=", ".join(rule.choices.pauses))
    if not allowed:
        reason = event.reason or Sentence("A pause without a reason")
        text = Sentence("%(reason)s is not a reason to pause: the clock runs on.", reason=reason)
    elif held:
        reason = event.reason or Sentence("no reason given")
        values = {"at": instant_text(event.at), "by": _by(event), "reason": reason}
        text = Sentence("Held from %(at)s%(by)s: %(reason)s.", **values)
    else:
        text = Sentence("A pause that begins outside the time given changes nothing.")
    return _step(rule, event, name=name, text=text)


def resumed(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """What the ended pause moved."""
    values = {"at": instant_text(event.at), "seconds": bounds.paused_seconds, "bound": bound_text(bounds)}
    text = Sentence("Runs again from %(at)s, %(seconds)s s paused so far: %(bound)s.", **values)
    return _step(rule, event, name=Sentence("the bound moves by the paused time"), text=text)


def extension_requested(rule: Rule, event: Event) -> Step:
    """That a request was seen."""
    values = {"at": instant_text(event.at), "by": _by(event), "grounds": _grounds(event)}
    text = Sentence("Extension requested at %(at)s%(by)s%(grounds)s: the bound stays.", **values)
    return _step(rule, event, name=Sentence("a request alone moves nothing"), text=text)


def extended(rule: Rule, event: Event, *, refusal: Sentence | None, bounds: Bounds) -> Step:
    """What an extension moved, or why it moved nothing."""
    asked = Sentence("by %(added)s", added=_length(event.added or timedelta(0)))
    if event.until is not None:
        asked = Sentence("to %(until)s", until=event.until)
    if refusal is not None:
        values = {"asked": asked, "by": _by(event), "refusal": refusal}
        text = Sentence("Extension %(asked)s%(by)s: %(refusal)s.", **values)
        return _step(rule, event, name=Sentence("extension not counted"), text=text)
    text = Sentence(
        "Extended %(asked)s%(by)s (%(reason)s; evidence %(evidence)s): %(bound)s.",
        asked=asked,
        by=_by(event),
        reason=event.reason,
        evidence=event.evidence,
        bound=bound_text(bounds),
    )
    return _step(rule, event, name=Sentence("an extension that was granted counts, and never shortens"), text=text)


def _length(time: timedelta) -> Sentence:
    days, rest = divmod(time, timedelta(days=1))
    if rest:
        return Sentence("%(number)s seconds", number=int(time.total_seconds()))
    one, several = _AMOUNTS[Unit.DAYS]
    return Sentence(one if days == 1 else several, number=days)


def extension_refused(rule: Rule, event: Event) -> Step:
    """That an extension was refused."""
    values = {"at": instant_text(event.at), "by": _by(event), "grounds": _grounds(event)}
    text = Sentence("Extension refused at %(at)s%(by)s%(grounds)s: the bound stays.", **values)
    return _step(rule, event, name=Sentence("a refused extension moves nothing"), text=text)


_OUTSIDE = Sentence("a due date set outside binds where it is the tighter, and no pause moves it")


def outside(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """What somebody else says of the same finding, and which bound is the tighter."""
    status = f" ({event.reason})" if event.reason is not None else ""
    told = Sentence(", as %(actor)s reports", actor=event.actor) if event.actor is not None else ""
    text = Sentence(
        "At %(at)s %(ticket)s%(status)s names %(due)s%(told)s: %(bound)s.",
        at=instant_text(event.at),
        ticket=event.ticket,
        status=status,
        due=due_named(event),
        told=told,
        bound=bound_text(bounds),
    )
    return _step(rule, event, name=_OUTSIDE, text=text)


def due_named(event: Event) -> Sentence:
    """The due date in an `external_bound`, in words."""
    if event.until_at is not None:
        return Sentence("due at %(at)s", at=instant_text(event.until_at))
    return Sentence("no due date") if event.until is None else Sentence("due date %(day)s", day=event.until)


def still_outside(deadline: Deadline) -> list[Step]:
    """Which dates of others were there when the cycle began."""
    steps = []
    for each in deadline.outside.by_ticket.values():
        binds = Sentence("it binds") if each.due is deadline.due() else Sentence("ours is the tighter")
        values = {"ticket": each.event.ticket, "at": instant_text(each.due.at), "binds": binds}
        text = Sentence("%(ticket)s still names a due date, %(at)s: %(binds)s.", **values)
        steps.append(_step(deadline.rule, each.event, name=_OUTSIDE, text=text))
    return steps


def departure_taken_back(rule: Rule, event: Event) -> Step:
    """That a decision to leave holds no more."""
    text = Sentence("Left tracking at %(at)s%(by)s: %(reason)s. This was taken back.", **_told(event))
    return _step(rule, event, name=_AGAIN, text=text)


def tracked_again(rule: Rule, event: Event) -> Step:
    """Who took it back, and why."""
    text = Sentence("Tracked again at %(at)s%(by)s: %(reason)s. No time was won.", **_told(event))
    return _step(rule, event, name=_AGAIN, text=text)


_AGAIN = Sentence("tracked again = as if it had never left")


def _told(event: Event) -> dict[str, object]:
    return {"at": instant_text(event.at), "by": _by(event), "reason": event.reason}


def stopped(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """How the cycle ended."""
    if bounds.outcome is Outcome.CANCELLED:
        text = Sentence("Cancelled at %(at)s%(by)s: %(reason)s. This is not a promise kept.", **_told(event))
        if event.kind is EventKind.UNTRACKED:
            text = Sentence("Left tracking at %(at)s%(by)s: %(reason)s. This is not a promise kept.", **_told(event))
        return _step(rule, event, name=Sentence("only a recorded decision ends tracking"), text=text)
    values = {"event": event.kind, "at": instant_text(event.at), "by": _by(event), "bound": bound_text(bounds)}
    text = Sentence("%(event)s at %(at)s%(by)s: in time (%(bound)s).", **values)
    if is_late(bounds, event.at):
        text = Sentence("%(event)s at %(at)s%(by)s: late (%(bound)s).", **values)
    return _step(rule, event, name=Sentence("stops when %(event)s", event=event.kind), text=text)


def reopened(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """How much time a reopened subject has."""
    values = {"at": instant_text(event.at), "by": _by(event), "cycle": bounds.cycle, "bound": bound_text(bounds)}
    text = Sentence("Reopened at %(at)s%(by)s as cycle %(cycle)s: %(bound)s.", **values)
    return _step(rule, event, name=Sentence("reopen = %(choice)s", choice=str(rule.choices.on_reopen)), text=text)


def says(rule: Rule, bounds: Bounds, *, now: datetime) -> Step:
    """What the clock says at `now`."""
    remaining = remaining_seconds(bounds, now=now)
    left = "" if remaining is None else Sentence(", %(seconds)s s remaining", seconds=remaining)
    values = {"at": instant_text(now), "state": state_of(bounds, now=now), "left": left, "bound": bound_text(bounds)}
    text = Sentence("At %(at)s: %(state)s%(left)s; %(bound)s.", **values)
    return Step(rule.clause, Sentence("state = bounds + now"), rule.source, now, text)
