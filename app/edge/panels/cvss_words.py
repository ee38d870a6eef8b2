"""CVSS v3.1 in words: its eight base metrics, what each value means, and vectors explained with them.

Names and letters are those of the specification (FIRST, CVSS v3.1, section 2 and table 15); the explanations are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.edge.translation import mark

PREFIX: Final = "CVSS:3.1"


@dataclass(frozen=True)
class Value:
    """One value of a metric."""

    letter: str
    name: str
    meaning: str


@dataclass(frozen=True)
class Metric:
    """One base metric; its values, from the one that weighs most to the one that weighs least."""

    letters: str
    name: str
    values: tuple[Value, ...]


METRICS: Final = (
    Metric(
        "AV",
        mark("Attack vector"),
        (
            Value("N", mark("Network"), mark("reachable over the internet")),
            Value("A", mark("Adjacent"), mark("only from the same or a neighbouring network")),
            Value("L", mark("Local"), mark("needs access to the machine, or a person who opens something")),
            Value("P", mark("Physical"), mark("needs the device in hand")),
        ),
    ),
    Metric(
        "AC",
        mark("Attack complexity"),
        (
            Value("L", mark("Low"), mark("works each time")),
            Value("H", mark("High"), mark("needs conditions that the attacker does not control")),
        ),
    ),
    Metric(
        "PR",
        mark("Privileges required"),
        (
            Value("N", mark("None"), mark("no account is needed")),
            Value("L", mark("Low"), mark("an ordinary account is needed")),
            Value("H", mark("High"), mark("an administrator's account is needed")),
        ),
    ),
    Metric(
        "UI",
        mark("User interaction"),
        (
            Value("N", mark("None"), mark("nobody else has to do anything")),
            Value("R", mark("Required"), mark("somebody has to be led to do something")),
        ),
    ),
    Metric(
        "S",
        mark("Scope"),
        (
            Value("C", mark("Changed"), mark("harms more than the component that has the fault")),
            Value("U", mark("Unchanged"), mark("harms only the component that has the fault")),
        ),
    ),
    Metric(
        "C",
        mark("Confidentiality"),
        (
            Value("H", mark("High"), mark("all of its data can be read, or the most important")),
            Value("L", mark("Low"), mark("some data can be read")),
            Value("N", mark("None"), mark("no data can be read")),
        ),
    ),
    Metric(
        "I",
        mark("Integrity"),
        (
            Value("H", mark("High"), mark("all of its data can be changed, or the most important")),
            Value("L", mark("Low"), mark("some data can be changed")),
            Value("N", mark("None"), mark("no data can be changed")),
        ),
    ),
    Metric(
        "A",
        mark("Availability"),
        (
            Value("H", mark("High"), mark("it can be made unusable")),
            Value("L", mark("Low"), mark("it becomes slower or fails now and then")),
            Value("N", mark("None"), mark("it stays available")),
        ),
    ),
)
_WORDS: Final = MappingProxyType(
    {(metric.letters, value.letter): (metric, value) for metric in METRICS for value in metric.values}
)


@dataclass(frozen=True)
class MetricLine:
    """One metric of a vector, for people."""

    metric: str
    value: str
    meaning: str


def explained(vector: str | None) -> tuple[MetricLine, ...]:
    """The base metrics of a vector of CVSS 3, in the order of the specification; empty where it is none.

    Temporal and environmental metrics are left out: the base score is what counts.
    """
    return tuple(
        MetricLine(metric.name, value.name, value.meaning)
        for metric, value in (_WORDS[pair] for pair in letters_of(vector).items())
    )


def letters_of(vector: str | None) -> dict[str, str]:
    """The letter of each base metric that a vector of CVSS 3 names, in the order of the specification."""
    version, *parts = (vector or "").split("/")
    given = set(parts) if version.startswith("CVSS:3") else set()
    return {metric: letter for metric, letter in _WORDS if f"{metric}:{letter}" in given}


def vector_of(chosen: Mapping[str, str]) -> str | None:
    """The vector that these letters by metric make; None where one is missing or is no letter of its metric."""
    letters = [(metric.letters, chosen.get(metric.letters, "")) for metric in METRICS]
    if any(pair not in _WORDS for pair in letters):
        return None
    return "/".join([PREFIX, *(f"{metric}:{letter}" for metric, letter in letters)])
