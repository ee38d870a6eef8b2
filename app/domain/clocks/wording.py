"""The sentences of `why`. Each says which rule was applied to which fact, and what came of it."""

from datetime import datetime

from app.domain.clocks.deadline import Deadline
from app.domain.clocks.model import Bounds, Event, EventKind, Outcome, Severity, Step, instant_text
from app.domain.clocks.rule import Mode, Rule, Term
from app.domain.clocks.state import is_late, remaining_seconds, state_of


def bound_text(bounds: Bounds) -> str:
    """The bound in words, with its kind: inclusive instant, date, or exclusive instant."""
    if bounds.due_at is not None:
        return f"due at {instant_text(bounds.due_at)}, that instant included"
    if bounds.due_date is not None and bounds.due_before is not None:
        return f"due on {bounds.due_date}, before {instant_text(bounds.due_before)}"
    if bounds.due_before is not None:
        return f"due before {instant_text(bounds.due_before)}"
    return "no deadline yet" if bounds.severity is not Severity.NONE else "no deadline"


_MODES = {Mode.DATE_EOD: "to the end of that day", Mode.REG1182_HOURS: "as Regulation 1182/71 counts hours"}


def amount_text(term: Term, amount: int) -> str:
    """`28 days, elapsed`; for dates also zone and calendar. A mode that its unit already says is left out."""
    unit = term.unit.replace("_", " ")
    parts = [f"{amount} {unit.removesuffix('s') if amount == 1 else unit}"]
    if term.mode != term.unit.value:
        parts.append(_MODES.get(term.mode, term.mode.value))
    if term.mode is not Mode.ELAPSED:
        parts.append(term.zone)
    if term.calendar is not None:
        parts.append(f"calendar {term.calendar}")
    return ", ".join(parts)


def _step(rule: Rule, event: Event, *, name: str, text: str) -> Step:
    return Step(event.clause or rule.clause, name, event.source, event.at, text)


def _by(event: Event) -> str:
    return f" by {event.actor}" if event.actor is not None else ""


def _grounds(event: Event) -> str:
    evidence = None if event.evidence is None else f"evidence {event.evidence}"
    told = "; ".join(filter(None, (event.reason, evidence)))
    return f" ({told})" if told else ""


def started(rule: Rule, event: Event, *, at: datetime) -> Step:
    """Which fact started the cycle."""
    name = f"starts when {rule.starts}"
    text = f"{event.kind} at {instant_text(event.at)}{_by(event)}: the clock starts."
    if event.kind is EventKind.REOPENED:
        name = "reopen = restart"
    elif at != event.at:
        days = rule.choices.triage_days
        name = f"{event.channel} findings start at triage, at most {days} days after the report"
        text = f"{event.kind} at {instant_text(event.at)}{_by(event)}: the clock starts at {instant_text(at)}."
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


def _due_text(deadline: Deadline, number: int) -> str:
    due = deadline.dues[number]
    bound = f"due at {instant_text(due.at)}" if due.day is None else f"due on {due.day}, before {instant_text(due.at)}"
    binds = len(deadline.dues) > 1 and deadline.binding_term() is deadline.terms[number]
    return f"{bound}{'; the earliest, so it binds' if binds else ''}."


def _rule_text(deadline: Deadline, term: Term) -> str:
    amount = deadline.amount_of(term, deadline.level)
    if term.fixed_on is not None or amount is None:
        return f"fixed date {term.fixed_on}, {term.zone}" if amount is not None else "the bound so far"
    level = f"{deadline.level} = " if term.tables else ""
    return f"{level}{amount_text(term, amount)}"


def _source(deadline: Deadline, term: Term) -> str:
    table = deadline.table_of(term)
    return table.source if table is not None else term.source


def _counted_term(deadline: Deadline, term: Term, *, since: datetime, result: str) -> Step:
    table = deadline.table_of(term)
    version = f" (table of {table.since})" if table is not None else ""
    calendar = deadline.calendars.get(term.calendar) if term.calendar is not None else None
    holidays = f" Holiday list {calendar.name}, SHA-256 {calendar.sha256}." if calendar is not None else ""
    text = f"From {instant_text(since)}{version}: {result}{holidays}"
    return Step(term.clause, _rule_text(deadline, term), _source(deadline, term), since, text)


def _without_deadline(deadline: Deadline, event: Event) -> Step:
    clause = deadline.rule.clause
    return Step(clause, "severity none starts no clock", event.source, event.at, "There is no deadline.")


def level_changed(deadline: Deadline, event: Event, *, level: Severity, since: datetime) -> Step:
    """Which setting a change of severity falls under."""
    if deadline.severity is None:
        return _step(
            deadline.rule,
            event,
            name="the first severity counts from the start",
            text=f"Severity is {level}{_by(event)}.",
        )
    choice = deadline.choice_for(level, since)
    text = f"Severity goes from {deadline.severity} to {level} at {instant_text(event.at)}{_by(event)}."
    return _step(deadline.rule, event, name=f"severity change = {choice}", text=text)


def paused(rule: Rule, event: Event, *, allowed: bool, held: bool) -> Step:
    """Whether a pause holds the clock."""
    name = f"pauses allowed: {', '.join(rule.choices.pauses) or 'none'}"
    if not allowed:
        text = f"{event.reason or 'A pause without a reason'} is not a reason to pause: the clock runs on."
    elif held:
        text = f"Held from {instant_text(event.at)}{_by(event)}: {event.reason or 'no reason given'}."
    else:
        text = "A pause that begins outside the time given changes nothing."
    return _step(rule, event, name=name, text=text)


def resumed(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """What the ended pause moved."""
    at, paused_s = instant_text(event.at), bounds.paused_seconds
    text = f"Runs again from {at}, {paused_s} s paused so far: {bound_text(bounds)}."
    return _step(rule, event, name="the bound moves by the paused time", text=text)


def extension_requested(rule: Rule, event: Event) -> Step:
    """That a request was seen."""
    text = f"Extension requested at {instant_text(event.at)}{_by(event)}{_grounds(event)}: the bound stays."
    return _step(rule, event, name="a request alone moves nothing", text=text)


def extended(rule: Rule, event: Event, *, refusal: str | None, bounds: Bounds) -> Step:
    """What an extension moved, or why it moved nothing."""
    asked = f"to {event.until}" if event.until is not None else f"by {event.added}"
    if refusal is not None:
        return _step(rule, event, name="extension not counted", text=f"Extension {asked}{_by(event)}: {refusal}.")
    text = f"Extended {asked}{_by(event)} ({event.reason}; evidence {event.evidence}): {bound_text(bounds)}."
    return _step(rule, event, name="an extension that was granted counts, and never shortens", text=text)


def extension_refused(rule: Rule, event: Event) -> Step:
    """That an extension was refused."""
    text = f"Extension refused at {instant_text(event.at)}{_by(event)}{_grounds(event)}: the bound stays."
    return _step(rule, event, name="a refused extension moves nothing", text=text)


_OUTSIDE = "a due date set outside binds where it is the tighter, and no pause moves it"


def outside(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """What somebody else says of the same finding, and which bound is the tighter."""
    status = f" ({event.reason})" if event.reason is not None else ""
    says = f"{event.ticket}{status} names {due_named(event)}"
    told = f", as {event.actor} reports" if event.actor is not None else ""
    text = f"At {instant_text(event.at)} {says}{told}: {bound_text(bounds)}."
    return _step(rule, event, name=_OUTSIDE, text=text)


def due_named(event: Event) -> str:
    """The due date in an `external_bound`, in words."""
    if event.until_at is not None:
        return f"due at {instant_text(event.until_at)}"
    return "no due date" if event.until is None else f"due date {event.until}"


def still_outside(deadline: Deadline) -> list[Step]:
    """Which dates of others were there when the cycle began."""
    steps = []
    for each in deadline.outside.by_ticket.values():
        binds = "it binds" if each.due is deadline.due() else "ours is the tighter"
        text = f"{each.event.ticket} still names a due date, {instant_text(each.due.at)}: {binds}."
        steps.append(_step(deadline.rule, each.event, name=_OUTSIDE, text=text))
    return steps


def departure_taken_back(rule: Rule, event: Event) -> Step:
    """That a decision to leave holds no more."""
    text = f"Left tracking at {instant_text(event.at)}{_by(event)}: {event.reason}. This was taken back."
    return _step(rule, event, name="tracked again = as if it had never left", text=text)


def tracked_again(rule: Rule, event: Event) -> Step:
    """Who took it back, and why."""
    text = f"Tracked again at {instant_text(event.at)}{_by(event)}: {event.reason}. No time was won."
    return _step(rule, event, name="tracked again = as if it had never left", text=text)


def stopped(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """How the cycle ended."""
    if bounds.outcome is Outcome.CANCELLED:
        how = "Left tracking" if event.kind is EventKind.UNTRACKED else "Cancelled"
        text = f"{how} at {instant_text(event.at)}{_by(event)}: {event.reason}. This is not a promise kept."
        return _step(rule, event, name="only a recorded decision ends tracking", text=text)
    verdict = "late" if is_late(bounds, event.at) else "in time"
    text = f"{event.kind} at {instant_text(event.at)}{_by(event)}: {verdict} ({bound_text(bounds)})."
    return _step(rule, event, name=f"stops when {event.kind}", text=text)


def reopened(rule: Rule, event: Event, *, bounds: Bounds) -> Step:
    """How much time a reopened subject has."""
    text = f"Reopened at {instant_text(event.at)}{_by(event)} as cycle {bounds.cycle}: {bound_text(bounds)}."
    return _step(rule, event, name=f"reopen = {rule.choices.on_reopen}", text=text)


def says(rule: Rule, bounds: Bounds, *, now: datetime) -> Step:
    """What the clock says at `now`."""
    remaining = remaining_seconds(bounds, now=now)
    left = "" if remaining is None else f", {remaining} s remaining"
    text = f"At {instant_text(now)}: {state_of(bounds, now=now)}{left}; {bound_text(bounds)}."
    return Step(rule.clause, "state = bounds + now", rule.source, now, text)
