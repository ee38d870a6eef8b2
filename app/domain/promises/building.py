"""From the checked shape of a clock to a rule that the engine can count."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from app.domain.clocks.calendars import HolidayList
from app.domain.clocks.model import Severity
from app.domain.clocks.rule import UNIT_TIME, Choices, Rule, RuleRefused, Table, Term, Unit
from app.domain.promises.faults import PolicyText
from app.domain.promises.lines import Path
from app.domain.promises.schema import ChoicesShape, PromiseShape, TableShape, TermShape, duration

_COMMON_UNITS = (Unit.DAYS, Unit.HOURS, Unit.MINUTES, Unit.SECONDS)

_UNLIKE_OTHERS = {Unit.BUSINESS_DAYS, Unit.MONTHS}
"""Units of no fixed length."""

_Built = TypeVar("_Built")


def chosen(file: PolicyText, shape: ChoicesShape, *, base: Choices, path: Path) -> Choices:
    """`base` with what the shape sets."""
    changes = {key: value for key, value in shape.model_dump().items() if value is not None}
    return _built(file, path, build=lambda: replace(base, **changes)) or base


class Builder:
    """Builds rules with the tables and calendars of one file and of those that it extends."""

    def __init__(
        self,
        file: PolicyText,
        *,
        source: str,
        choices: Choices,
        tables: Mapping[str, tuple[TableShape, ...]],
        calendars: Mapping[str, HolidayList],
    ) -> None:
        self.file = file
        self.source = source
        self.choices = choices
        self.tables = tables
        self.calendars = calendars

    def rule(self, promise: PromiseShape, path: Path) -> Rule | None:
        """The rule of a promise's clock; None if there is none, or after noting why it cannot be counted."""
        clock = promise.clock
        if clock is None:
            return None
        several = bool(clock.min_of)
        shapes = clock.min_of if several else (clock.term(),)
        found = [
            self._term(promise, shape, path=(*path, "min_of", number) if several else path)
            for number, shape in enumerate(shapes)
            if shape is not None
        ]
        terms = tuple(term for term in found if term is not None)
        if len(terms) < len(shapes):
            if None in shapes:
                self.file.fault((*path, "mode"), "is missing: a duration says nothing without how it is counted")
            return None
        choices = chosen(self.file, clock.choices, base=self.choices, path=(*path, "choices"))
        return _built(
            self.file,
            path,
            build=lambda: Rule(
                promise=promise.id,
                clause=promise.clause,
                source=promise.source or self.source,
                terms=terms,
                starts=clock.starts,
                stops=clock.stops,
                repeats=clock.repeats,
                ends=clock.ends,
                choices=choices,
            ),
        )

    def _term(self, promise: PromiseShape, shape: TermShape, *, path: Path) -> Term | None:
        if shape.calendar is not None and shape.calendar not in self.calendars:
            self.file.fault((*path, "calendar"), f"there is no calendar {shape.calendar!r}")
            return None
        if shape.table is not None and shape.table not in self.tables:
            self.file.fault((*path, "table"), f"there is no table {shape.table!r}")
            return None
        amount, unit = duration(shape.duration) if shape.duration is not None else (None, Unit.DAYS)
        tables: tuple[Table, ...] = ()
        if shape.table is not None:
            table = self.tables[shape.table]
            found = _built(self.file, path, build=lambda: _tables(table))
            if found is None:
                return None
            unit, tables = found
        return _built(
            self.file,
            path,
            build=lambda: Term(
                mode=shape.mode,
                clause=shape.clause or promise.clause,
                source=shape.source or promise.source or self.source,
                unit=unit,
                amount=amount,
                tables=tables,
                zone=shape.zone,
                calendar=shape.calendar,
                fixed_on=shape.on,
            ),
        )


def _tables(shapes: tuple[TableShape, ...]) -> tuple[Unit, tuple[Table, ...]]:
    """All versions in one unit: days if they all are days or weeks, otherwise the next that fits."""
    levels = [{level: duration(text) for level, text in shape.levels().items()} for shape in shapes]
    given = {unit for amounts in levels for _, unit in amounts.values()}
    unit = given.pop() if len(given) == 1 else _common(given)
    return unit, tuple(
        Table(shape.since, _in_unit(amounts, unit), shape.source) for shape, amounts in zip(shapes, levels, strict=True)
    )


def _common(given: set[Unit]) -> Unit:
    if not given.isdisjoint(_UNLIKE_OTHERS):
        raise RuleRefused("table", f"mixes {' and '.join(sorted(given))}, which cannot be compared")
    return next(unit for unit in _COMMON_UNITS if all(not UNIT_TIME[each] % UNIT_TIME[unit] for each in given))


def _in_unit(amounts: Mapping[Severity, tuple[int, Unit]], unit: Unit) -> dict[Severity, int]:
    return {level: amount * (UNIT_TIME[own] // UNIT_TIME[unit]) for level, (amount, own) in amounts.items()}


def _built(file: PolicyText, path: Path, *, build: Callable[[], _Built]) -> _Built | None:
    try:
        return build()
    except RuleRefused as error:
        file.fault((*path, _FIELDS.get(error.where, error.where)), error.reason)
        return None


_FIELDS = {"amount": "duration", "unit": "duration", "fixed_on": "on"}
"""Names of the engine whose field in the file is called otherwise."""
