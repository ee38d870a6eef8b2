"""The shape of a policy file. What is not in here is an error, so that a misspelt field is not silently ignored."""

import re
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app.domain.clocks.model import EventKind, Severity
from app.domain.clocks.rule import ExtensionForm, Mode, Reopen, SeverityChange, TableChange, Unit
from app.domain.promises.model import Kind

_DURATION = re.compile(r"([0-9]{1,7}) (second|minute|hour|day|week|month|business day)s?")

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Duration = Annotated[str, Field(pattern=f"^{_DURATION.pattern}$")]


def duration(text: str) -> tuple[int, Unit]:
    """`4 weeks` as amount and unit; raises `ValueError`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number and a unit")
    return int(match[1]), Unit(f"{match[2].replace(' ', '_')}s")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChoicesShape(_Shape):
    """`Choices` of the engine, each optional: what a file leaves out it inherits."""

    on_rise: SeverityChange | None = None
    on_fall: SeverityChange | None = None
    on_table_change: TableChange | None = None
    on_reopen: Reopen | None = None
    due_inclusive: StrictBool | None = None
    zero_is_low: StrictBool | None = None
    triage_channels: tuple[Text, ...] | None = None
    triage_days: StrictInt | None = None
    pauses: tuple[Text, ...] | None = None
    extension_forms: tuple[ExtensionForm, ...] | None = None
    extension_roles: tuple[Text, ...] | None = None
    extension_evidence: StrictBool | None = None
    at_risk_percent: StrictInt | None = None
    at_risk_hours: StrictInt | None = None
    alert_days_after_breach: StrictInt | None = None


class TableShape(_Shape):
    """One dated version of a severity table."""

    name: Name
    since: date
    source: Text
    note: Text | None = None
    critical: Duration
    high: Duration
    medium: Duration
    low: Duration

    def levels(self) -> dict[Severity, str]:
        """The durations by severity."""
        return {
            Severity.CRITICAL: self.critical,
            Severity.HIGH: self.high,
            Severity.MEDIUM: self.medium,
            Severity.LOW: self.low,
        }


class CalendarShape(_Shape):
    """A holiday list by name."""

    name: Name
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    subdivision: Text | None = None
    source: Text
    dated: date


class TermShape(_Shape):
    """One duration with its mode."""

    mode: Mode
    duration: Duration | None = None
    table: Name | None = None
    on: date | None = None
    zone: Text = "UTC"
    calendar: Name | None = None
    clause: Text | None = None
    source: Text | None = None


class ClockShape(_Shape):
    """What starts and stops a clock, and its terms: one in place, or several of which the earliest binds."""

    starts: EventKind
    stops: EventKind
    repeats: StrictBool = False
    ends: EventKind | None = None
    mode: Mode | None = None
    duration: Duration | None = None
    table: Name | None = None
    on: date | None = None
    zone: Text = "UTC"
    calendar: Name | None = None
    min_of: tuple[TermShape, ...] = ()
    choices: ChoicesShape = ChoicesShape()
    told: tuple[Text, ...] = ()

    def term(self) -> TermShape | None:
        """The one term given in place; None if it lacks its mode."""
        if self.mode is None:
            return None
        return TermShape(
            mode=self.mode,
            duration=self.duration,
            table=self.table,
            on=self.on,
            zone=self.zone,
            calendar=self.calendar,
        )


class PromiseShape(_Shape):
    """One promise."""

    id: Name
    overrides: StrictBool = False
    kind: Kind
    clause: Text
    text: Text
    trigger: Text
    actor: Text
    deadline: Text
    evidence: Text
    source: Text | None = None
    ours: Text | None = None
    clock: ClockShape | None = None
    follows: tuple[Name, ...] = ()
    checks: tuple[Text, ...] = ()
    published: Text | None = None


class WordingShape(_Shape):
    """A passage of the published text, for the lint."""

    topic: Text
    clause: Text
    text: Text
    everywhere: StrictBool = False


class PolicyShape(_Shape):
    """A policy file."""

    name: Name
    title: Text
    version: Annotated[StrictInt, Field(ge=1)]
    dated: date
    source: Text
    extends: Name | None = None
    choices: ChoicesShape = ChoicesShape()
    calendar: tuple[CalendarShape, ...] = ()
    table: tuple[TableShape, ...] = ()
    promise: tuple[PromiseShape, ...] = ()
    wording: tuple[WordingShape, ...] = ()
