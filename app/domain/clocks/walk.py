"""One pass over the facts of a subject. Bounds and reasons come from the same steps: they cannot disagree."""

from collections.abc import Callable
from datetime import datetime, timedelta

from app.domain.clocks import wording
from app.domain.clocks.counting import Calendars
from app.domain.clocks.deadline import Deadline, Pause, extension_refusal
from app.domain.clocks.model import Bounds, Event, EventKind, Outcome, Severity, Step
from app.domain.clocks.outside import OutsideBounds
from app.domain.clocks.rule import Reopen, Rule

_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)


class Walk:
    """The clock while the facts are read, oldest first. Made for one pass and thrown away."""

    __slots__ = (
        "calendars", "cycle", "deadline", "departure", "kept", "later_level", "open", "outside", "pause_at",
        "reasons", "rule", "severity", "started_at", "steps", "stopped_at", "triaged_at", "whys",
    )  # fmt: skip

    def __init__(
        self,
        rule: Rule,
        calendars: Calendars,
        *,
        triaged_at: datetime | None,
        departure: Event | None,
        with_why: bool,
    ) -> None:
        self.rule = rule
        self.calendars = calendars
        self.triaged_at = triaged_at
        self.departure = departure
        """The decision by which the subject has left; an earlier one was taken back."""
        self.outside = OutsideBounds(rule.terms[0].zone_info)
        self.kept: list[Bounds] = []
        self.whys: list[tuple[Step, ...]] = []
        self.steps: list[Step] | None = [] if with_why else None
        self.cycle = 0
        self.open = False
        self.severity: Severity | None = None
        self.later_level: Event | None = None
        """The last change of severity since the last cycle was closed."""
        self.deadline: Deadline | None = None
        self.started_at: datetime | None = None
        self.stopped_at: datetime | None = None
        self.reasons: dict[str, int] = {}
        """How many pauses are open for each reason. Overlapping ones merge: only the first and the last matter."""
        self.pause_at: datetime | None = None

    def read(self, event: Event) -> None:
        """Take one fact in; facts must come in their total order."""
        kind, rule = event.kind, self.rule
        if self.open and (kind is rule.stops or kind is rule.ends):
            self._stop(event, Outcome.MET)
            if rule.repeats and kind is rule.stops:
                self._begin(event, event.at)
        elif kind is rule.starts and not self.open and (self.cycle == 0 or rule.repeats):
            self._begin(event, self._start_of(event))
        else:
            handler = _HANDLERS.get(kind)
            if handler is not None:
                handler(self, event)

    def finish(self) -> None:
        """Close the books: the open cycle, or the wait for the first one, becomes the last bounds."""
        if self.open or self.cycle == 0:
            self.cycle = self.cycle or 1
            self._keep(self._bounds())

    # -- starting and stopping

    def _start_of(self, event: Event) -> datetime:
        choices = self.rule.choices
        if event.kind is not EventKind.REPORTED or event.channel not in choices.triage_channels:
            return event.at
        latest = event.at + timedelta(days=choices.triage_days)
        return latest if self.triaged_at is None else min(latest, max(self.triaged_at, event.at))

    def _begin(self, event: Event, at: datetime) -> None:
        if self.later_level is not None:
            self.severity = self.later_level.severity
            self.later_level = None
        self._open(at)
        self.deadline = Deadline(self.rule, self.calendars, origin=at, severity=self.severity, outside=self.outside)
        if self.steps is not None:
            self.steps.append(wording.started(self.rule, event, at=at))
            self.steps.extend(wording.counted(self.deadline, event, since=at))
            self.steps.extend(wording.still_outside(self.deadline))

    def _open(self, at: datetime) -> None:
        self.cycle += 1
        self.open = True
        self.started_at = at
        self.pause_at = at if self.reasons else None

    def _stop(self, event: Event, outcome: Outcome) -> None:
        self._settle_pause(event.at)
        self.pause_at = None
        self.stopped_at = event.at
        bounds = self._bounds(stopped=event, outcome=outcome)
        if self.steps is not None:
            self.steps.append(wording.stopped(self.rule, event, bounds=bounds))
        self.open = False
        self._keep(bounds)

    def cancel(self, event: Event) -> None:
        if self.cycle == 0:
            self.cycle, self.open = 1, True
        if self.open:
            self._stop(event, Outcome.CANCELLED)

    def reopen(self, event: Event) -> None:
        if self.open or self.stopped_at is None:
            return
        choice = self.rule.choices.on_reopen
        if choice is Reopen.RESTART or self.deadline is None:
            self._begin(event, event.at)
            return
        first_start = self.started_at or event.at
        origin = self.deadline.origin  # still to come, if it was closed before its triage
        self._open(max(event.at, origin))
        if choice is Reopen.NEVER_STOPPED:
            self.started_at = first_start
        else:
            self.deadline.resume(Pause(max(self.stopped_at, origin), max(event.at, origin), shown=False))
        if self.steps is not None:
            self.steps.append(wording.reopened(self.rule, event, bounds=self._bounds()))
            self.steps.extend(wording.still_outside(self.deadline))
        later, self.later_level = self.later_level, None
        if later is not None:
            self._change_level(later, event.at)

    # -- what moves the bound

    def set_level(self, event: Event) -> None:
        if self.open:
            self._change_level(event, event.at)
        elif self.cycle == 0:
            self.severity = event.severity
        else:
            self.later_level = event

    def _change_level(self, event: Event, at: datetime) -> None:
        level, deadline = event.severity, self.deadline
        if level is None or level is self.severity:
            return
        self.severity = level
        if deadline is None:
            return
        # a clock that is held stands where its pause began: from there the new amount counts
        since = self._held_since() or at
        if self.steps is None or not self.rule.has_table:
            deadline.change_level(level, since)
            return
        self.steps.append(wording.level_changed(deadline, event, level=level, since=since))
        deadline.change_level(level, since)
        self.steps.extend(wording.recounted(deadline, event))

    def _held_since(self) -> datetime | None:
        """Since when an open pause holds the clock; None if none is open or it began past the bound."""
        if self.pause_at is None or self.deadline is None or not self.deadline.holds(self.pause_at):
            return None
        return self.pause_at

    def pause(self, event: Event) -> None:
        reason = event.reason or ""
        pauses = self.rule.choices.pauses
        allowed = reason in pauses or "*" in pauses
        if allowed:
            if self.open and not self.reasons and self.started_at is not None:
                self.pause_at = max(event.at, self.started_at)
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if self.steps is not None:
            held = self._held_since() is not None
            self.steps.append(wording.paused(self.rule, event, allowed=allowed, held=held))

    def resume(self, event: Event) -> None:
        if event.reason is None:
            self.reasons.clear()
        elif self.reasons.get(event.reason, 0) > 1:
            self.reasons[event.reason] -= 1
        else:
            self.reasons.pop(event.reason, None)
        if self.reasons or self.pause_at is None:
            return
        self._settle_pause(event.at)
        self.pause_at = None
        if self.steps is not None:
            self.steps.append(wording.resumed(self.rule, event, bounds=self._bounds()))

    def _settle_pause(self, until: datetime) -> None:
        if self.pause_at is not None and self.deadline is not None:
            self.deadline.move(Pause(self.pause_at, max(until, self.pause_at)))

    def ask_for_extension(self, event: Event) -> None:
        if self.steps is not None:
            self.steps.append(wording.extension_requested(self.rule, event))

    def extend(self, event: Event) -> None:
        if not self.open or self.deadline is None:
            return
        refusal = extension_refusal(self.rule.choices, event)
        if refusal is None:
            if self.pause_at is not None:
                # a granted date is absolute: only the pause after the grant moves it
                self._settle_pause(event.at)
                self.pause_at = max(event.at, self.pause_at)
            self.deadline.move(event)
            self.outside.extend(event)
        if self.steps is not None:
            self.steps.append(wording.extended(self.rule, event, refusal=refusal, bounds=self._bounds()))

    def refuse_extension(self, event: Event) -> None:
        if self.steps is not None:
            self.steps.append(wording.extension_refused(self.rule, event))

    def hear_outside(self, event: Event) -> None:
        # what others name is a date for the fix: a duty to answer or to notify is not theirs to bound
        if self.rule.stops is not EventKind.FIXED:
            return
        self.outside.tell(event)
        if self.steps is not None:
            self.steps.append(wording.outside(self.rule, event, bounds=self._bounds()))

    # -- leaving and coming back

    def leave(self, event: Event) -> None:
        if event is self.departure:
            self.cancel(event)
        elif self.steps is not None:
            self.steps.append(wording.departure_taken_back(self.rule, event))

    def come_back(self, event: Event) -> None:
        if self.steps is not None:
            self.steps.append(wording.tracked_again(self.rule, event))

    # -- what is kept

    def _bounds(self, *, stopped: Event | None = None, outcome: Outcome | None = None) -> Bounds:
        deadline = self.deadline if self.open else None
        cancelled = stopped if outcome is Outcome.CANCELLED else None
        due = deadline.due() if deadline is not None else None
        choices = self.rule.choices
        exact = due is not None and due.day is None and choices.due_inclusive
        held_since = None if deadline is None or deadline.is_bound_by_others() else self._held_since()
        return Bounds(
            cycle=self.cycle,
            severity=self.severity,
            started_at=self.started_at if self.open else None,
            due_at=due.at if due is not None and exact else None,
            due_date=due.day if due is not None else None,
            due_before=due.at if due is not None and not exact else None,
            at_risk_at=self._at_risk_at(due.at) if due is not None else None,
            paused_since=held_since,
            overrun_at=self.outside.too_late_at(due_inclusive=choices.due_inclusive)
            if held_since is not None
            else None,
            paused_seconds=deadline.paused // _SECOND if deadline is not None else 0,
            stopped_at=stopped.at if stopped is not None else None,
            outcome=outcome,
            cancelled_reason=cancelled.reason if cancelled is not None else None,
            cancelled_by=cancelled.actor if cancelled is not None else None,
            calendar_sha256=self._calendar_sha256(),
        )

    def _at_risk_at(self, due_at: datetime) -> datetime | None:
        deadline, started_at, choices = self.deadline, self.started_at, self.rule.choices
        if deadline is None or started_at is None:
            return None
        lead = deadline.given(started_at) * (100 - choices.at_risk_percent) // 100
        if choices.at_risk_hours is not None:
            lead = max(lead, choices.at_risk_hours * _HOUR)
        return max(due_at - lead, started_at)

    def _calendar_sha256(self) -> str | None:
        if self.deadline is None or not self.rule.has_calendar:
            return None
        term = self.deadline.binding_term()
        return self.calendars[term.calendar].sha256 if term is not None and term.calendar is not None else None

    def _keep(self, bounds: Bounds) -> None:
        self.kept.append(bounds)
        if self.steps is not None:
            self.whys.append(tuple(self.steps))
            self.steps = []


_HANDLERS: dict[EventKind, Callable[[Walk, Event], None]] = {
    EventKind.SEVERITY_SET: Walk.set_level,
    EventKind.PAUSED: Walk.pause,
    EventKind.RESUMED: Walk.resume,
    EventKind.EXTENSION_REQUESTED: Walk.ask_for_extension,
    EventKind.EXTENDED: Walk.extend,
    EventKind.EXTENSION_REFUSED: Walk.refuse_extension,
    EventKind.EXTERNAL_BOUND: Walk.hear_outside,
    EventKind.CANCELLED: Walk.cancel,
    EventKind.REOPENED: Walk.reopen,
    EventKind.UNTRACKED: Walk.leave,
    EventKind.TRACKED: Walk.come_back,
}
