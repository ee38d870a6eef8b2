"""The policies that can be in force, each read once, with its calendars written out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.domain.clocks.calendars import calendars_from
from app.domain.clocks.model import Calendar, EventKind
from app.domain.clocks.rule import Rule
from app.domain.promises.model import Policy
from app.domain.promises.reading import TextOf, read_policy

_YEARS = range(2015, 2046)
"""For which holidays are written out; a date outside is refused, not guessed."""


@dataclass(frozen=True)
class InForce:
    """A policy with what the engine needs to apply it."""

    policy: Policy

    @cached_property
    def calendars(self) -> Mapping[str, Calendar]:
        """The holiday lists that its rules name."""
        return calendars_from(self.policy.calendars, years=_YEARS)

    @cached_property
    def issue_clocks(self) -> tuple[Rule, ...]:
        """The rules that run from the report of an issue to its fix."""
        rules = [promise.rule for promise in self.policy.clocks() if promise.rule is not None]
        return tuple(r for r in rules if r.starts is EventKind.REPORTED and r.stops is EventKind.FIXED)


class PolicyShelf:
    """Policies by name; `text_of` gives the text of a file or raises `LookupError`."""

    def __init__(self, text_of: TextOf) -> None:
        self._text_of = text_of
        self._read: dict[str, InForce] = {}

    def in_force(self, name: str) -> InForce:
        """The policy of that name; raises `PolicyRefused` (`app.domain.promises.faults`)."""
        if name not in self._read:
            self._read[name] = InForce(read_policy(name, self._text_of))
        return self._read[name]
