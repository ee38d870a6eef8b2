"""What backs each promise today. Honest by construction: only what is shown to exist counts."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.promises.model import Kind, Policy, Promise
from app.domain.sentences import Sentence

_TEST = re.compile(r"^def (test_\w+)\(", re.MULTILINE)


class Backing(StrEnum):
    """How a promise is backed today."""

    CLOCK = "clock"
    CONTROL = "control"
    STATEMENT = "statement"
    NOTHING = "nothing yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What exists at this moment, found by the caller, not believed from the policy file."""

    checks: Collection[str] = ()
    """Test modules and tests: `tests/x/test_y.py`, `tests/x/test_y.py::test_z` (see `checks_in`)."""
    triggers: Collection[str] = ()
    """Ids of the promises whose starting event something in the app records."""
    pages: Collection[str] = ()
    """Addresses at which the app publishes text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """One promise and what backs it."""

    promise: Promise
    backing: Backing
    by: str
    """The check, the trigger or the page; for nothing yet, what is missing."""

    def to_json(self) -> dict[str, str]:
        """One row of the table."""
        promise = self.promise
        return {
            "promise": promise.id,
            "policy": promise.policy,
            "kind": promise.kind,
            "text": promise.text,
            "backing": self.backing,
            "by": self.by,
        }


def checks_in(files: Mapping[str, str]) -> frozenset[str]:
    """The names of the checks in test modules, given as text by path: each path and each `path::test`."""
    tests = (f"{path}::{name}" for path, text in files.items() for name in _TEST.findall(text))
    return frozenset((*files, *tests))


def coverage_of(policy: Policy, today: Today) -> tuple[Covered, ...]:
    """Every promise of the policy, inherited ones first, with what backs it today."""
    return tuple(_covered(policy, promise, today=today) for promise in policy.promises)


def _covered(policy: Policy, promise: Promise, *, today: Today) -> Covered:
    if promise.kind is Kind.CONTROL:
        return _control(promise, today)
    if promise.kind is Kind.STATEMENT:
        return _statement(promise, today)
    if promise.follows:
        return _follower(policy, promise, today=today)
    return _clock(promise, today)


def _control(promise: Promise, today: Today) -> Covered:
    missing = [check for check in promise.checks if check not in today.checks]
    if not promise.checks:
        return Covered(promise=promise, backing=Backing.NOTHING, by=Sentence("no check is named"))
    if missing:
        by = Sentence("no such check: %(names)s", names=", ".join(missing))
        return Covered(promise=promise, backing=Backing.NOTHING, by=by)
    shown = ", ".join(promise.checks)
    shown = shown if promise.ours is None else f"{shown} ({promise.ours})"
    return Covered(promise=promise, backing=Backing.CONTROL, by=shown)


def _statement(promise: Promise, today: Today) -> Covered:
    if promise.published is None:
        return Covered(promise=promise, backing=Backing.NOTHING, by=Sentence("the app publishes it nowhere"))
    if promise.published not in today.pages:
        by = Sentence("no such page: %(page)s", page=promise.published)
        return Covered(promise=promise, backing=Backing.NOTHING, by=by)
    return Covered(promise=promise, backing=Backing.STATEMENT, by=promise.published)


def _clock(promise: Promise, today: Today) -> Covered:
    starts = promise.rule.starts if promise.rule is not None else promise.trigger
    if promise.id not in today.triggers:
        return Covered(
            promise=promise, backing=Backing.NOTHING, by=Sentence("nothing records %(event)s for it", event=starts)
        )
    return Covered(promise=promise, backing=Backing.CLOCK, by=Sentence("starts when %(event)s", event=starts))


def _follower(policy: Policy, promise: Promise, *, today: Today) -> Covered:
    """A promise kept by keeping others is backed only if each of them is."""
    others = [_covered(policy, policy.promise(each), today=today) for each in promise.follows]
    open_ones = [each.promise.id for each in others if each.backing is Backing.NOTHING]
    if open_ones:
        return Covered(
            promise=promise,
            backing=Backing.NOTHING,
            by=Sentence("not backed: %(promises)s", promises=", ".join(open_ones)),
        )
    return Covered(
        promise=promise, backing=Backing.CLOCK, by=Sentence("by %(promises)s", promises=", ".join(promise.follows))
    )
