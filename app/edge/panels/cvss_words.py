"""CVSS v3.1 in words: its eight base metrics, what each value means, and vectors explained with them.

Names and letters are those of the specification (FIRST, CVSS v3.1, section 2 and table 15); the explanations are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

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
        "Attack vector",
        (
            Value("N", "Network", "reachable over the internet"),
            Value("A", "Adjacent", "only from the same or a neighbouring network"),
            Value("L", "Local", "needs access to the machine, or a person who opens something"),
            Value("P", "Physical", "needs the device in hand"),
        ),
    ),
    Metric(
        "AC",
        "Attack complexity",
        (
            Value("L", "Low", "works each time"),
            Value("H", "High", "needs conditions that the attacker does not control"),
        ),
    ),
    Metric(
        "PR",
        "Privileges required",
        (
            Value("N", "None", "no account is needed"),
            Value("L", "Low", "an ordinary account is needed"),
            Value("H", "High", "an administrator's account is needed"),
        ),
    ),
    Metric(
        "UI",
        "User interaction",
        (
            Value("N", "None", "nobody else has to do anything"),
            Value("R", "Required", "somebody has to be led to do something"),
        ),
    ),
    Metric(
        "S",
        "Scope",
        (
            Value("C", "Changed", "harms more than the component that has the fault"),
            Value("U", "Unchanged", "harms only the component that has the fault"),
        ),
    ),
    Metric(
        "C",
        "Confidentiality",
        (
            Value("H", "High", "all of its data can be read, or the most important"),
            Value("L", "Low", "some data can be read"),
            Value("N", "None", "no data can be read"),
        ),
    ),
    Metric(
        "I",
        "Integrity",
        (
            Value("H", "High", "all of its data can be changed, or the most important"),
            Value("L", "Low", "some data can be changed"),
            Value("N", "None", "no data can be changed"),
        ),
    ),
    Metric(
        "A",
        "Availability",
        (
            Value("H", "High", "it can be made unusable"),
            Value("L", "Low", "it becomes slower or fails now and then"),
            Value("N", "None", "it stays available"),
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
