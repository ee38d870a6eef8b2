"""What stored bounds say at one instant. Only columns and `now` are needed: lists and panels use no more."""

from datetime import datetime, timedelta

from app.domain.clocks.model import Bounds, Outcome, Severity, State

_SECOND = timedelta(seconds=1)
BREACHES = frozenset({State.BREACHED, State.MET_LATE})
"""A promise that was not kept, whether it is met meanwhile or not."""


def is_late(bounds: Bounds, at: datetime) -> bool:
    """Whether `at` is past the bound. `due_at` itself is in time; `due_before` is not."""
    if bounds.due_at is not None:
        return at > bounds.due_at
    return bounds.due_before is not None and at >= bounds.due_before


def state_of(bounds: Bounds, *, now: datetime) -> State:
    """The state at `now` (aware UTC)."""
    if bounds.outcome is Outcome.CANCELLED:
        return State.CANCELLED
    bound = bounds.due_at or bounds.due_before
    if bound is None and bounds.severity is Severity.NONE:
        return State.NO_DEADLINE
    if bounds.stopped_at is not None:
        return State.MET_LATE if is_late(bounds, bounds.stopped_at) else State.MET
    if bound is None or bounds.started_at is None:
        return State.AWAITING_TRIAGE
    if now < bounds.started_at and not is_late(bounds, now):
        return State.AWAITING_TRIAGE
    if bounds.paused_since is not None:
        return State.BREACHED if bounds.overrun_at is not None and now >= bounds.overrun_at else State.PAUSED
    return _running_state(bounds, now)


def _running_state(bounds: Bounds, now: datetime) -> State:
    if is_late(bounds, now):
        return State.BREACHED
    if bounds.at_risk_at is not None and now >= bounds.at_risk_at:
        return State.AT_RISK
    return State.RUNNING


def remaining_seconds(bounds: Bounds, *, now: datetime) -> int | None:
    """Whole seconds to the bound, rounded down: negative past it, frozen while paused and once stopped.

    A pause freezes no more than is left until `overrun_at`.

    None without a bound and for a cancelled cycle.
    """
    bound = bounds.due_at or bounds.due_before
    if bound is None or bounds.outcome is Outcome.CANCELLED:
        return None
    left = bound - (bounds.stopped_at or bounds.paused_since or now)
    return (left if bounds.overrun_at is None else min(left, bounds.overrun_at - now)) // _SECOND


def projected_due_at(bounds: Bounds, *, now: datetime) -> datetime | None:
    """The due instant if an open pause ended now; otherwise `due_at` as stored."""
    if bounds.due_at is None or bounds.paused_since is None:
        return bounds.due_at
    return bounds.due_at + max(now - bounds.paused_since, timedelta(0))
