"""What is wrong with a policy that can be read: gaps, contradictions, numbers that give more time than Atlassian's."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from itertools import groupby

from app.domain.clocks.calendars import UnknownHolidayList, calendar_from
from app.domain.clocks.model import Severity
from app.domain.clocks.rule import UNIT_TIME, Choices, Mode, Rule, SeverityChange, Term, Unit
from app.domain.promises.coverage import Backing, Today, coverage_of
from app.domain.promises.model import Policy, Promise, Wording
from app.domain.sentences import Sentence

_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z' _-]{2,}\]|\{\{.*?\}\}|\b(?:TODO|TBD|FIXME|XXX)\b|(?i:lorem ipsum)")
_PROBED_YEARS = range(2026, 2028)


class Check(StrEnum):
    """What the lint looks for."""

    PLACEHOLDER = "placeholder"
    CONTRADICTION = "contradiction"
    WEAKER = "weaker than what it extends"
    NOTHING_BEHIND = "promise without backing"
    CALENDAR = "missing calendar"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the lint found."""

    check: Check
    policy: str
    where: str
    """A promise id, a clause or a calendar."""
    text: Sentence
    part: str | None = None
    """The severity or the choice that it is about, where it is about one."""

    def to_json(self) -> dict[str, str]:
        """Four of its parts by name."""
        return {"check": self.check, "policy": self.policy, "where": self.where, "text": self.text}


def lint(policies: Iterable[Policy], *, bases: Iterable[Policy] = (), today: Today) -> tuple[Finding, ...]:
    """Everything found in these policies, each finding once, in the order of the checks.

    `bases` are the policies that others extend (Atlassian's): a promise of theirs that is overridden must not give
    more time. Promises that one policy inherits from another are judged where they are written.
    """
    own = tuple(policies)
    found = [
        *_placeholders(own),
        *_contradictions(own),
        *_weaker(own, {base.name: base for base in bases}),
        *_calendars(own),
        *_nothing_behind(own, today),
    ]
    return tuple(dict.fromkeys(found))


def lint_on_top(policy: Policy, base: Policy, *, today: Today) -> tuple[Finding, ...]:
    """What is wrong with a policy that is not wrong with the one that it extends, which no number may undercut."""
    known = {(each.check, each.where, each.text) for each in lint([base], today=today)}
    found = lint([policy], bases=[base], today=today)
    return tuple(each for each in found if (each.check, each.where, each.text) not in known)


def _placeholders(policies: tuple[Policy, ...]) -> Iterator[Finding]:
    for policy in policies:
        for promise in policy.promises:
            texts = (promise.text, promise.trigger, promise.actor, promise.deadline, promise.evidence, promise.clause)
            for match in filter(None, map(_PLACEHOLDER.search, texts)):
                yield Finding(Check.PLACEHOLDER, promise.policy, promise.id, _left(match[0]))
        for wording in policy.wordings:
            for match in _PLACEHOLDER.finditer(wording.text):
                yield Finding(Check.PLACEHOLDER, wording.policy, wording.clause, _left(match[0]))


def _left(placeholder: str) -> Sentence:
    return Sentence("%(text)r was never filled in", text=placeholder)


def _contradictions(policies: tuple[Policy, ...]) -> Iterator[Finding]:
    wordings = dict.fromkeys(each for policy in policies for each in policy.wordings)
    for (policy, _), group in groupby(sorted(wordings, key=_by_policy), key=_by_policy):
        yield from _disagreeing(list(group), policy=policy)
    shared = sorted((each for each in wordings if each.everywhere), key=_by_topic)
    for _, group in groupby(shared, key=_by_topic):
        sayings = list(group)
        if len({each.policy for each in sayings}) > 1:
            yield from _disagreeing(sayings, policy=", ".join(sorted({each.policy for each in sayings})))


def _by_policy(wording: Wording) -> tuple[str, str]:
    return wording.policy, wording.topic


def _by_topic(wording: Wording) -> str:
    return wording.topic


def _disagreeing(wordings: list[Wording], *, policy: str) -> Iterator[Finding]:
    if len({each.text.casefold() for each in wordings}) > 1:
        # of texts that a vendor has published, so it is only ever read by who writes policy files
        sayings = "; ".join(f"{each.policy} {each.clause} says {each.text!r}" for each in wordings)
        yield Finding(Check.CONTRADICTION, policy, wordings[0].topic, Sentence(sayings))


def _weaker(policies: tuple[Policy, ...], bases: dict[str, Policy]) -> Iterator[Finding]:
    for policy in policies:
        base = bases.get(policy.extends or "")
        if base is None:
            continue
        promised = {promise.id: promise for promise in base.promises}
        for promise in policy.promises:
            theirs = promised.get(promise.id)
            if theirs is not None and theirs != promise:
                yield from _compared(promise, theirs, policy=policy.name)
        yield from _own_tables(policy, base)


def _compared(ours: Promise, theirs: Promise, *, policy: str) -> Iterator[Finding]:
    if ours.rule is None or theirs.rule is None:
        if theirs.rule is not None:
            text = Sentence("%(policy)s has a clock for it", policy=theirs.policy)
            yield Finding(Check.WEAKER, policy, ours.id, text)
        return
    for level, time in _times(ours.rule).items():
        limit = _times(theirs.rule)[level]
        if time > limit:
            text = Sentence(
                "%(level)s: %(time)s, where %(policy)s allows %(limit)s",
                level=level,
                time=_in_days(time),
                policy=theirs.policy,
                limit=_in_days(limit),
            )
            yield Finding(Check.WEAKER, policy, ours.id, text, part=level)
    for field in fields(Choices):
        if _gives_more(ours.rule.choices, theirs.rule.choices, field=field.name):
            value = getattr(ours.rule.choices, field.name)
            text = Sentence("%(field)s = %(value)s gives more time", field=field.name, value=value)
            yield Finding(Check.WEAKER, policy, ours.id, text, part=field.name)


def _in_days(time: timedelta) -> Sentence:
    return Sentence("%(days)s d %(hours)s h", days=time.days, hours=time.seconds // 3600)


def _own_tables(policy: Policy, base: Policy) -> Iterator[Finding]:
    """A second clock for fixes, beside the inherited one, is measured against it too."""
    inherited = {promise.id for promise in base.promises}
    limits = [promise for promise in base.clocks() if promise.rule is not None and promise.rule.has_table]
    for promise in policy.clocks():
        if promise.id not in inherited and promise.rule is not None and promise.rule.has_table:
            for theirs in limits:
                yield from _compared(promise, theirs, policy=policy.name)


def _times(rule: Rule) -> dict[Severity, timedelta]:
    """The longest time that the newest table allows, by severity, business days with their weekends."""
    levels = [level for level in Severity if level is not Severity.NONE]
    return {level: min(_time(term, level) for term in rule.terms) for level in levels}


def _time(term: Term, level: Severity) -> timedelta:
    if term.mode is Mode.FIXED_DATE:
        return timedelta.max
    amount = term.tables[-1].amounts[level] if term.tables else term.amount or 0
    weekends = timedelta(days=2 * -(-amount // 5)) if term.unit is Unit.BUSINESS_DAYS else timedelta(0)
    return UNIT_TIME[term.unit] * amount + weekends


_LENIENT_RISE = (SeverityChange.KEEP_OLD, SeverityChange.CHANGE_PLUS_NEW)


def _gives_more(ours: Choices, theirs: Choices, *, field: str) -> bool:
    if field == "pauses":
        return not set(ours.pauses) <= set(theirs.pauses)
    if field == "extension_roles":
        return not set(ours.extension_roles) <= set(theirs.extension_roles)
    if field == "triage_channels":
        return not set(ours.triage_channels) <= set(theirs.triage_channels)
    if field == "triage_days":
        return ours.triage_days > theirs.triage_days
    if field == "extension_evidence":
        return theirs.extension_evidence and not ours.extension_evidence
    if field == "on_rise":
        return ours.on_rise != theirs.on_rise and ours.on_rise in _LENIENT_RISE
    return False


def _calendars(policies: tuple[Policy, ...]) -> Iterator[Finding]:
    for policy in policies:
        for each in policy.calendars:
            try:
                calendar_from(each, years=_PROBED_YEARS)
            except UnknownHolidayList as error:
                text = Sentence("there is no holiday list for %(place)s", place=error)
                yield Finding(Check.CALENDAR, policy.name, each.name, text)
        for promise in policy.clocks():
            for term in promise.rule.terms if promise.rule is not None else ():
                if term.mode is Mode.MONTHS and term.calendar is None:
                    text = Sentence(
                        "months that end on a holiday move to the next working day: without a calendar they cannot"
                    )
                    yield Finding(Check.CALENDAR, promise.policy, promise.id, text)


def _nothing_behind(policies: tuple[Policy, ...], today: Today) -> Iterator[Finding]:
    for policy in policies:
        for covered in coverage_of(policy, today):
            if covered.backing is Backing.NOTHING:
                promise = covered.promise
                text = Sentence("%(kind)s: %(by)s", kind=promise.kind, by=covered.by)
                yield Finding(Check.NOTHING_BEHIND, promise.policy, promise.id, text)
