"""From the text of policy files to a `Policy`, or to every fault with file, line, field and reason."""

import hashlib
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from app.domain.clocks.calendars import HolidayList
from app.domain.clocks.rule import Choices
from app.domain.promises.building import Builder, chosen
from app.domain.promises.faults import Fault, PolicyRefused, PolicyText, file_name, stop_if_faulty
from app.domain.promises.lines import Path
from app.domain.promises.model import Kind, Policy, Promise, Wording
from app.domain.promises.schema import PolicyShape, PromiseShape, TableShape, duration

_LINE = re.compile(r"at line (\d+)")

TextOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Given:
    """A promise as a file gives it; who extends that file counts it with its own tables and choices."""

    file: PolicyText
    source: str
    number: int
    shape: PromiseShape


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a file hands down to those that extend it."""

    policy: Policy
    choices: Choices
    tables: dict[str, tuple[TableShape, ...]]
    given: tuple[_Given, ...]


def read_policy(name: str, text_of: TextOf) -> Policy:
    """The policy `name` with all that it extends.

    `text_of` gives the text of a policy file by policy name and raises `LookupError` for a name without one. Raises
    `PolicyRefused` with every fault found: unreadable TOML, unknown fields, a negative or zero duration, an unknown
    zone, mode or calendar, a table with a gap, a cycle of `extends`.
    """
    return _read_layer(name, text_of, below=()).policy


@dataclass(frozen=True, slots=True)
class Parts:
    """A policy with the shapes that it was made of, as its text gives them."""

    policy: Policy
    tables: dict[str, tuple[TableShape, ...]]
    promises: dict[str, PromiseShape]


def read_parts(name: str, text_of: TextOf) -> Parts:
    """As `read_policy`, with what the texts say."""
    layer = _read_layer(name, text_of, below=())
    return Parts(layer.policy, layer.tables, {each.shape.id: each.shape for each in layer.given})


def _read_layer(name: str, text_of: TextOf, *, below: tuple[str, ...]) -> _Layer:
    try:
        file = PolicyText(name, text_of(name))
    except LookupError as error:
        raise PolicyRefused((Fault(file_name(name), 1, "name", "there is no such policy"),)) from error
    shape = _shape(file)
    if shape.name != name:
        file.fault(("name",), f"says {shape.name!r}, but the file is {file_name(name)}")
    parent = None
    if shape.extends is not None:
        parent = _parent(file, shape.extends, text_of=text_of, below=(*below, name))
    stop_if_faulty(file)
    return _Reader(file, shape, parent=parent).layer()


def _parent(file: PolicyText, name: str, *, text_of: TextOf, below: tuple[str, ...]) -> _Layer | None:
    if name in below:
        file.fault(("extends",), f"goes round in a circle: {' → '.join((*below, name))}")
        return None
    try:
        text_of(name)
    except LookupError:
        file.fault(("extends",), f"there is no policy {name!r}")
        return None
    return _read_layer(name, text_of, below=below)


def _shape(file: PolicyText) -> PolicyShape:
    try:
        return PolicyShape.model_validate(tomllib.loads(file.text))
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        number = int(line[1]) if line is not None else len(file.text.splitlines())
        raise PolicyRefused((Fault(file_name(file.name), number, "TOML", str(error)),)) from error
    except ValidationError as error:
        for each in error.errors(include_url=False):
            file.fault(each["loc"], each["msg"])
        raise PolicyRefused(tuple(file.faults)) from error


class _Reader:
    """Turns one checked shape into a layer, on top of that of its parent."""

    def __init__(self, file: PolicyText, shape: PolicyShape, *, parent: _Layer | None) -> None:
        self.file = file
        self.shape = shape
        self.parent = parent

    def layer(self) -> _Layer:
        """The layer; raises `PolicyRefused` with every fault found."""
        shape, parent = self.shape, self.parent
        choices = chosen(
            self.file, shape.choices, base=parent.choices if parent is not None else Choices(), path=("choices",)
        )
        tables = {**(parent.tables if parent is not None else {}), **self._tables()}
        calendars = {each.name: each for each in parent.policy.calendars} if parent is not None else {}
        calendars |= {
            each.name: HolidayList(each.name, each.country, each.subdivision, each.source, each.dated)
            for each in shape.calendar
        }
        given = self._given()
        promises = tuple(
            _promise(each, Builder(each.file, source=each.source, choices=choices, tables=tables, calendars=calendars))
            for each in given
        )
        stop_if_faulty(self.file, *(each.file for each in given))
        return _Layer(self._policy(promises, tuple(calendars.values())), choices, tables, given)

    def _given(self) -> tuple[_Given, ...]:
        """The inherited promises, overridden ones replaced, and then those of this file."""
        inherited = self.parent.given if self.parent is not None else ()
        self._check_ids({each.shape.id for each in inherited})
        own = {
            shape.id: _Given(self.file, self.shape.source, number, shape)
            for number, shape in enumerate(self.shape.promise)
        }
        kept = tuple(own.pop(each.shape.id, each) for each in inherited)
        return kept + tuple(own.values())

    def _policy(self, promises: tuple[Promise, ...], calendars: tuple[HolidayList, ...]) -> Policy:
        shape, parent = self.shape, self.parent
        wordings = tuple(
            Wording(
                policy=shape.name,
                topic=each.topic,
                clause=each.clause,
                text=each.text,
                everywhere=each.everywhere,
            )
            for each in shape.wording
        )
        return Policy(
            name=shape.name,
            title=shape.title,
            version=shape.version,
            dated=shape.dated,
            source=shape.source,
            extends=shape.extends,
            sha256=self._sha256(),
            promises=promises,
            calendars=calendars,
            wordings=(parent.policy.wordings if parent is not None else ()) + wordings,
        )

    def _sha256(self) -> str:
        below = self.parent.policy.sha256 if self.parent is not None else ""
        return hashlib.sha256(f"{below}\n{self.file.text}".encode()).hexdigest()

    def _tables(self) -> dict[str, tuple[TableShape, ...]]:
        tables: dict[str, tuple[TableShape, ...]] = {}
        for number, each in enumerate(self.shape.table):
            older = tables.get(each.name, ())
            if older and older[-1].since >= each.since:
                self.file.fault(("table", number, "since"), "versions of a table go from the oldest to the newest")
            for level, text in each.levels().items():
                if duration(text)[0] == 0:
                    self.file.fault(("table", number, level.value), "must be longer than nothing")
            tables[each.name] = (*older, each)
        return tables

    def _check_ids(self, inherited: set[str]) -> None:
        known: set[str] = set()
        for number, each in enumerate(self.shape.promise):
            if each.id in known or (each.id in inherited and not each.overrides):
                self.file.fault(("promise", number, "id"), f"{each.id!r} is already promised")
            elif each.overrides and each.id not in inherited:
                self.file.fault(("promise", number, "overrides"), f"no inherited promise is called {each.id!r}")
            known.add(each.id)
        for number, each in enumerate(self.shape.promise):
            for other in each.follows:
                if other not in known | inherited or other == each.id:
                    self.file.fault(("promise", number, "follows"), f"there is no other promise {other!r}")


def _promise(given: _Given, builder: Builder) -> Promise:
    shape, path = given.shape, ("promise", given.number)
    _check_kind(given, path)
    return Promise(
        id=shape.id,
        kind=shape.kind,
        policy=given.file.name,
        clause=shape.clause,
        text=shape.text,
        trigger=shape.trigger,
        actor=shape.actor,
        evidence=shape.evidence,
        source=shape.source or given.source,
        deadline=shape.deadline,
        ours=shape.ours,
        rule=builder.rule(shape, (*path, "clock")),
        follows=shape.follows,
        checks=shape.checks,
        told=shape.clock.told if shape.clock is not None else (),
        published=shape.published,
    )


def _check_kind(given: _Given, path: Path) -> None:
    shape = given.shape
    is_clock = shape.kind is Kind.CLOCK
    if is_clock and (shape.clock is None) == (not shape.follows):
        given.file.fault((*path, "kind"), "a clock needs either a clock of its own or promises that it follows")
    if not is_clock and (shape.clock is not None or shape.follows):
        given.file.fault((*path, "kind"), f"a {shape.kind} has no clock")
