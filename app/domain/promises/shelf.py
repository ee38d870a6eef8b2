"""The policies that can be in force, each read once, with its calendars written out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from app.domain.clocks.calendars import calendars_from
from app.domain.clocks.model import Calendar, EventKind
from app.domain.clocks.rule import Rule
from app.domain.promises.faults import Fault, PolicyRefused, file_name
from app.domain.promises.model import OwnPolicy, Policy, PolicyRef
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


Texts = Mapping[str, str]
"""Of a site's own policy: its own text and those of all that it extends, by policy name."""
_MOST_OWN = 100
"""Own policies that a process keeps at hand: some hundred kilobytes each. One that is not among them is read again."""


def read_own(own: OwnPolicy, texts: Texts) -> Policy:
    """That policy from its texts; raises `PolicyRefused`, also where they are not those that were stored."""
    policy = read_policy(str(own), texts.__getitem__)
    if (policy.sha256, policy.extends) != (own.sha256, own.base):
        raise PolicyRefused((Fault(file_name(str(own)), 1, "sha256", "the text is not the one that was stored"),))
    return policy


def _none_stored(own: OwnPolicy) -> Texts:
    raise LookupError(str(own))


class PolicyShelf:
    """Policies at hand, each read once.

    `text_of` gives the text of a file by name, `stored` the texts of a site's own policy; both raise `LookupError`.
    Own ones are kept by site and hash, never by name: a name says nothing of whose numbers they are.
    """

    def __init__(self, text_of: TextOf, stored: Callable[[OwnPolicy], Texts] = _none_stored) -> None:
        self._text_of = text_of
        self._read: dict[str, InForce] = {}
        self._own = lru_cache(maxsize=_MOST_OWN)(lambda own: InForce(read_own(own, stored(own))))

    def in_force(self, policy: PolicyRef) -> InForce:
        """That policy; raises `PolicyRefused` (`app.domain.promises.faults`), `LookupError`, `DatabaseUnavailable`."""
        if isinstance(policy, OwnPolicy):
            return self._own(policy)
        if policy not in self._read:
            self._read[policy] = InForce(read_policy(policy, self._text_of))
        return self._read[policy]
