"""The numbers of a policy that a site may set for itself: read from it, checked, and written as a text of its own.

A site's own text extends a policy that is at hand and makes one promise of it anew, with other numbers: clause, trigger
and wording stay the vendor's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain

from app.domain.clocks.model import Severity
from app.domain.clocks.rule import LONGEST, UNIT_TIME, UNITS_OF_MODE, Unit
from app.domain.promises.lint import Check, Finding
from app.domain.promises.model import own_name
from app.domain.promises.reading import Parts
from app.domain.promises.schema import (
    ChoicesShape,
    ClockShape,
    PolicyShape,
    PromiseShape,
    TableShape,
    TermShape,
    duration,
)
from app.domain.promises.writing import policy_text
from app.domain.sentences import Sentence

_LEVELS = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
_THRESHOLDS = {
    "at_risk_percent": range(1, 101),
    "at_risk_hours": range(100_001),
    "triage_days": range(367),
    "alert_days_after_breach": range(3_661),
}
_REMARK = "Numbers that an administrator of this site has set; all else is as in the policy that it extends."
Given = Mapping[str, str]
"""By the name of a number: `4 weeks`, `80`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number of a promise."""

    name: str
    """In forms: `a_high`, the first letter for the term; or the name of the threshold."""
    about: str
    """A severity, `duration`, or the name of the threshold."""
    value: str
    units: tuple[str, ...] = ()
    """In which a duration may be given; none for a plain number."""

    @property
    def amount(self) -> str:
        """The number alone."""
        return self.value.split(" ", 1)[0]

    @property
    def unit(self) -> str | None:
        """Of a duration."""
        return _unit_words(duration(self.value)[1]) if self.units else None


@dataclass(frozen=True, slots=True)
class NumberFault:
    """Why a number cannot be in force; `name` is None where it is no single number."""

    name: str | None
    reason: Sentence


class NumbersRefused(ValueError):
    """A policy with these numbers cannot be in force."""

    def __init__(self, faults: tuple[NumberFault, ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{fault.name}: {fault.reason}" for fault in faults))


def numbers_of(parts: Parts, promise: str) -> tuple[Number, ...]:
    """Those of that promise's clock; raises `UnknownPromise`."""
    rule, clock = parts.policy.promise(promise).rule, parts.promises[promise].clock
    if rule is None or clock is None:
        return ()
    thresholds = ((name, getattr(rule.choices, name)) for name in _THRESHOLDS)
    return (
        *chain.from_iterable(_durations(parts, term, prefix) for prefix, term in _terms(clock)),
        *(Number(name=name, about=name, value=str(value)) for name, value in thresholds if value is not None),
    )


def read_numbers(known: tuple[Number, ...], given: Mapping[str, str]) -> Given:
    """The numbers of a form; `<name>_unit` is the unit of a duration. Raises `NumbersRefused` with every fault."""
    found: dict[str, str] = {}
    faults: list[NumberFault] = []
    for number in known:
        amount = given.get(number.name, "").strip()
        reason = _fault(number, amount, unit=given.get(f"{number.name}_unit", ""))
        if reason is not None:
            faults.append(NumberFault(number.name, reason))
        else:
            found[number.name] = f"{int(amount)} {given[f'{number.name}_unit']}" if number.units else str(int(amount))
    if faults:
        raise NumbersRefused(tuple(faults))
    return found


def changes(known: tuple[Number, ...], wanted: Given) -> Given:
    """Those that are not as they are known; one that is not known is nobody's."""
    return {
        number.name: wanted[number.name]
        for number in known
        if number.name in wanted and _meaning(number, wanted[number.name]) != _meaning(number, number.value)
    }


def own_text(parts: Parts, wanted: Mapping[str, Given], *, version: int, dated: date) -> str:
    """The text of a policy that extends that of `parts` by these numbers of its promises.

    `parts`: of a policy that is at hand.
    """
    base = parts.policy
    source = f"set by this site, version {version} of {dated.isoformat()}"
    tables: list[TableShape] = []
    promises = []
    for promise, given in wanted.items():
        shape, own_tables = _anew(parts, promise, given=given, source=source)
        promises.append(shape)
        tables += own_tables
    own = PolicyShape(
        name=own_name(base.name),
        title=f"{base.title}, with numbers of this site",
        version=version,
        dated=dated,
        source=source,
        extends=base.name,
        table=tuple(tables),
        promise=tuple(promises),
    )
    return policy_text(own, remark=_REMARK)


def fault_of(finding: Finding, known: tuple[Number, ...]) -> NumberFault:
    """What the lint found, at the number that it is about."""
    about = next((each.name for each in known if finding.part is not None and each.about == finding.part), None)
    if finding.check is not Check.WEAKER:
        return NumberFault(about, finding.text)
    return NumberFault(about, Sentence("the vendor has promised no more time: %(finding)s", finding=finding.text))


def _terms(clock: ClockShape) -> Iterator[tuple[str, TermShape]]:
    shapes = clock.min_of or (clock.term(),)
    return zip("abcdefghijklmnopqrstuvwxyz", (each for each in shapes if each is not None), strict=False)


def _durations(parts: Parts, term: TermShape, prefix: str) -> Iterator[Number]:
    units = tuple(_unit_words(unit) for unit in Unit if unit in UNITS_OF_MODE.get(term.mode, ()))
    if term.duration is not None:
        yield Number(name=f"{prefix}_duration", about="duration", value=term.duration, units=units)
    if term.table is not None:
        levels = parts.tables[term.table][-1].levels()
        for level in _LEVELS:
            yield Number(name=f"{prefix}_{level.value}", about=level.value, value=levels[level], units=units)


def _unit_words(unit: Unit) -> str:
    return unit.value.replace("_", " ")


def _fault(number: Number, amount: str, *, unit: str) -> Sentence | None:
    if not amount.isascii() or not amount.isdecimal() or len(amount) > 6:
        return Sentence("a whole number of at most six digits is needed")
    if not number.units:
        allowed = _THRESHOLDS[number.name]
        if int(amount) in allowed:
            return None
        return Sentence("must lie between %(least)s and %(most)s", least=allowed.start, most=allowed.stop - 1)
    if unit not in number.units:
        return Sentence("is counted in %(units)s", units=", ".join(number.units))
    if int(amount) == 0 or UNIT_TIME[Unit(unit.replace(" ", "_"))] * int(amount) > LONGEST:
        return Sentence("must be longer than nothing and shorter than a hundred years")
    return None


def _meaning(number: Number, value: str) -> object:
    if not number.units:
        return value
    amount, unit = duration(value)
    return (amount, unit) if unit in (Unit.BUSINESS_DAYS, Unit.MONTHS) else UNIT_TIME[unit] * amount


def _anew(parts: Parts, promise: str, *, given: Given, source: str) -> tuple[PromiseShape, list[TableShape]]:
    """That promise with these numbers, and the tables that it counts by."""
    shape, clock = parts.promises[promise], parts.promises[promise].clock
    if clock is None:
        raise ValueError(f"{promise} has no clock")
    tables: list[TableShape] = []
    terms = []
    for prefix, term in _terms(clock):
        changed: dict[str, str] = {}
        if f"{prefix}_duration" in given:
            changed = {"duration": given[f"{prefix}_duration"]}
        levels = {each.value: given[f"{prefix}_{each.value}"] for each in _LEVELS if f"{prefix}_{each.value}" in given}
        if term.table is not None and levels:
            name = f"{promise}.{prefix}"
            *older, newest = (each.model_copy(update={"name": name}) for each in parts.tables[term.table])
            tables += [*older, newest.model_copy(update={**levels, "source": source, "note": None})]
            changed = {"table": name}
        terms.append(term.model_copy(update=changed))
    thresholds = {name: int(given[name]) for name in _THRESHOLDS if name in given}
    update = {"choices": ChoicesShape(**{**clock.choices.model_dump(exclude_none=True), **thresholds})}
    if clock.min_of:
        clock = clock.model_copy(update={**update, "min_of": tuple(terms)})
    else:
        clock = clock.model_copy(update={**update, "duration": terms[0].duration, "table": terms[0].table})
    own = {"overrides": True, "source": source, "ours": "numbers of this site", "deadline": "as this site has set it"}
    return shape.model_copy(update={**own, "clock": clock}), tables
