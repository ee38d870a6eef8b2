"""A vendor's policy as a value: what it promises, and what is to back each promise."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.clocks.calendars import HolidayList
from app.domain.clocks.rule import Rule
from app.domain.identifiers import TenantId


class Kind(StrEnum):
    """How a promise is kept."""

    CLOCK = "clock"
    """By meeting a deadline."""
    CONTROL = "control"
    """By a property of the system that a check proves."""
    STATEMENT = "statement"
    """By saying it in public, and it being so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise of a policy."""

    id: str
    kind: Kind
    policy: str
    """The policy whose file has it; not the one that inherits it."""
    clause: str
    text: str
    trigger: str
    actor: str
    evidence: str
    """What would prove that it was kept."""
    source: str
    deadline: str
    """As the text states it, in words."""
    ours: str | None = None
    """Where the text gives no number: what we set, and why. None = nothing here is ours."""
    rule: Rule | None = None
    """Of a clock that runs by itself."""
    follows: tuple[str, ...] = ()
    """Of a clock that is kept by keeping other promises: their ids."""
    checks: tuple[str, ...] = ()
    """Of a control: the tests or modules that prove it."""
    told: tuple[str, ...] = ()
    """Which roles are told when the clock is at risk or breached."""
    published: str | None = None
    """Of a statement: where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A passage of the published text that the lint reads: an address, an algorithm, a period."""

    policy: str
    topic: str
    """Passages of one policy with one topic must say the same …"""
    clause: str
    text: str
    everywhere: bool = False
    """… and of all policies, where one system backs them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy in force: its own promises and, before them, those it inherits."""

    name: str
    title: str
    version: int
    dated: date
    source: str
    extends: str | None
    sha256: str
    """Of the file, and through it of every file it extends: one changed byte anywhere is another policy."""
    promises: tuple[Promise, ...]
    calendars: tuple[HolidayList, ...]
    wordings: tuple[Wording, ...] = ()

    def promise(self, promise_id: str) -> Promise:
        """The promise of that id; raises `UnknownPromise`."""
        for promise in self.promises:
            if promise.id == promise_id:
                return promise
        raise UnknownPromise(promise_id, self.name)

    def clocks(self) -> tuple[Promise, ...]:
        """The promises that have a rule of their own, in the order of the file."""
        return tuple(promise for promise in self.promises if promise.rule is not None)


@dataclass(frozen=True, slots=True)
class OwnPolicy:
    """One version of a site's own text of a policy: what it sets anew, on top of a policy that is at hand."""

    tenant: TenantId
    base: str
    sha256: str
    """As `Policy.sha256`: of its text and of all that it extends, as these were when it was made."""

    def __str__(self) -> str:
        """The name in its text."""
        return own_name(self.base)


PolicyRef = str | OwnPolicy
"""Which policy is in force somewhere: one that is at hand for all, by name, or a site's own."""


def own_name(base: str) -> str:
    """What a site's own text of that policy is called."""
    return f"{base}.own"


class UnknownPromise(LookupError):
    """The policy has no promise of that id."""

    def __init__(self, promise_id: str, policy: str) -> None:
        super().__init__(f"policy {policy} has no promise {promise_id!r}")
