"""What a tenant has chosen: which issues count, and what their fields, statuses and resolutions mean.

Every version is kept; version 0 is what nobody has chosen: the rule that every tenant begins with.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain.clocks.model import Severity
from app.domain.sentences import Sentence
from app.domain.tracking.deriving import Reading
from app.domain.tracking.jql import Jql, JqlRefused
from app.domain.tracking.model import AUTO, FieldChoice, Vocabulary
from app.domain.tracking.rule import TrackingRule

_FIELD = re.compile(r"customfield_[1-9][0-9]{0,17}")
_LONGEST_NAME = 255
_MOST_NAMES = 200
_REPORTED_TYPES = frozenset({"date", "datetime"})
_VECTOR_TYPES = frozenset({"string"})
_SCORE_TYPES = frozenset({"string", "number"})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and where."""

    where: str
    """The member of the document, and after a dot the name in it."""
    reason: Sentence


class ConfigurationRefused(ValueError):
    """This configuration cannot be in force; `findings` say what is wrong with it."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(f"{finding.where}: {finding.reason}" for finding in findings))
        self.findings = findings


@dataclass(frozen=True)
class FollowingConfiguration:
    """How a tenant's issues are followed. Names are in lower case and compared so."""

    version: int = 0
    jql: Jql | None = None
    """Which issues count; None: those with one of the labels or types that every tenant begins with."""
    reported_field: str | None = None
    """Custom field that says when an issue was reported; else, and where it is empty, its creation."""
    vector_field: str | None = AUTO
    score_field: str | None = AUTO
    """Custom fields with the CVSS vector and score; `auto`: found by name; None: not read."""
    priorities: Mapping[str, Severity] | None = None
    """Priority to level; None: by Jira's five names. Empty: priorities say nothing."""
    pausing: Mapping[str, str] = field(default_factory=dict)
    """Status (name or id) to the reason, which the policy has to allow, for which the clock pauses in it."""
    fixed_resolutions: frozenset[str] | None = None
    other_resolutions: frozenset[str] | None = None
    """Resolutions that meet a promise, and those that cancel it; None: those that every tenant begins with."""

    def reading(self, defaults: TrackingRule) -> Reading:
        """How issues are read under it."""
        fixed = defaults.fixed_resolutions if self.fixed_resolutions is None else self.fixed_resolutions
        other = defaults.other_resolutions if self.other_resolutions is None else self.other_resolutions
        rule = replace(
            defaults,
            fixed_resolutions=fixed,
            # What is said to fix does not cancel because it does so for everybody else.
            other_resolutions=other - fixed,
            pausing=self.pausing,
            priorities=defaults.priorities if self.priorities is None else self.priorities,
        )
        return Reading(rule, self.version)

    def fields(self) -> FieldChoice:
        """Which custom fields are read."""
        return FieldChoice(vector=self.vector_field, score=self.score_field, reported=self.reported_field)

    def to_json(self) -> dict[str, Any]:
        """The document that `configuration_of` reads."""
        return {
            "jql": None if self.jql is None else self.jql.text,
            "reported_field": self.reported_field,
            "vector_field": self.vector_field,
            "score_field": self.score_field,
            "priorities": None if self.priorities is None else dict(sorted(self.priorities.items())),
            "pausing": dict(sorted(self.pausing.items())),
            "fixed_resolutions": None if self.fixed_resolutions is None else sorted(self.fixed_resolutions),
            "other_resolutions": None if self.other_resolutions is None else sorted(self.other_resolutions),
        }


def configuration_of(document: Mapping[str, Any], *, version: int) -> FollowingConfiguration:
    """The configuration in a JSON object; what it does not name is as for everybody. Raises `ConfigurationRefused`."""
    reader = _Reader(document)
    found = FollowingConfiguration(
        version=version,
        jql=reader.jql(),
        reported_field=reader.field_id("reported_field", otherwise=None),
        vector_field=reader.field_id("vector_field", otherwise=AUTO),
        score_field=reader.field_id("score_field", otherwise=AUTO),
        priorities=reader.priorities(),
        pausing=reader.names_to("pausing", {}) or {},
        fixed_resolutions=reader.names("fixed_resolutions"),
        other_resolutions=reader.names("other_resolutions"),
    )
    both = (found.fixed_resolutions or frozenset()) & (found.other_resolutions or frozenset())
    for name in sorted(both):
        twice = Sentence("%(name)r is among %(field)s too", name=name, field="fixed_resolutions")
        reader.refuse("other_resolutions", twice)
    if reader.findings:
        raise ConfigurationRefused(tuple(reader.findings))
    return found


class _Reader:
    """Reads the members of one document and collects what is wrong with them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.findings: list[Finding] = []
        for name in sorted(document.keys() - FollowingConfiguration().to_json().keys()):
            self.refuse(name[:_LONGEST_NAME], Sentence("there is no such setting"))

    def refuse(self, where: str, reason: Sentence) -> None:
        self.findings.append(Finding(where, reason))

    def jql(self) -> Jql | None:
        text = self._document.get("jql")
        if text is None:
            return None
        try:
            if not isinstance(text, str):
                raise JqlRefused(Sentence("it is no text"))
            return Jql(text)
        except JqlRefused as refusal:
            self.refuse("jql", refusal.why)
            return None

    def field_id(self, name: str, *, otherwise: str | None) -> str | None:
        value = self._document.get(name, otherwise)
        if value is None:
            return None
        if value == AUTO and otherwise == AUTO:
            return AUTO
        if not isinstance(value, str) or not _FIELD.fullmatch(value):
            self.refuse(name, Sentence("a custom field is named by its id, as in customfield_10050"))
            return None
        return value

    def priorities(self) -> Mapping[str, Severity] | None:
        named = self.names_to("priorities", None)
        if named is None:
            return None
        levels = {level.value: level for level in Severity}
        for name, level in named.items():
            if level not in levels:
                self.refuse(f"priorities.{name}", Sentence("the levels are %(levels)s", levels=", ".join(levels)))
        return {name: levels[level] for name, level in named.items() if level in levels}

    def names(self, where: str) -> frozenset[str] | None:
        value = self._document.get(where)
        if value is None:
            return None
        if not isinstance(value, list) or not self._are_names(value):
            self.refuse(where, Sentence("a list of at most %(most)s names is needed", most=_MOST_NAMES))
            return None
        return frozenset(name.strip().lower() for name in value)

    def names_to(self, where: str, otherwise: Mapping[str, str] | None) -> Mapping[str, str] | None:
        value = self._document.get(where)
        if value is None:
            return otherwise
        if not isinstance(value, dict) or not self._are_names([*value, *value.values()]):
            needed = Sentence("an object of at most %(most)s names and what they mean is needed", most=_MOST_NAMES)
            self.refuse(where, needed)
            return otherwise
        return {name.strip().lower(): meaning for name, meaning in value.items()}

    @staticmethod
    def _are_names(values: list[object]) -> bool:
        return len(values) <= 2 * _MOST_NAMES and all(
            isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST_NAME and value.isprintable()
            for value in values
        )


def check_vocabulary(
    configuration: FollowingConfiguration, known: Vocabulary, *, pauses: Collection[str], policy: str
) -> None:
    """Raise `ConfigurationRefused` for what the site does not have and for pauses that the policy does not allow."""
    findings = (
        *_field_findings(configuration, known),
        *_name_findings(configuration, known),
        *_pause_findings(configuration, pauses, policy),
    )
    if findings:
        raise ConfigurationRefused(findings)


def _field_findings(configuration: FollowingConfiguration, known: Vocabulary) -> Iterator[Finding]:
    for where, field_id, types in (
        ("reported_field", configuration.reported_field, _REPORTED_TYPES),
        ("vector_field", configuration.vector_field, _VECTOR_TYPES),
        ("score_field", configuration.score_field, _SCORE_TYPES),
    ):
        if field_id is None or field_id == AUTO:
            continue
        if field_id not in known.fields:
            yield Finding(where, Sentence("this site has no field %(field_id)s", field_id=field_id))
        elif known.fields[field_id] not in types:
            names = {"field_id": field_id, "type": known.fields[field_id], "types": " / ".join(sorted(types))}
            yield Finding(where, Sentence("%(field_id)s is of type %(type)s, not %(types)s", **names))


def _name_findings(configuration: FollowingConfiguration, known: Vocabulary) -> Iterator[Finding]:
    for name in sorted(set(configuration.priorities or ()) - known.priorities):
        yield Finding("priorities", Sentence("this site has no priority %(name)r", name=name))
    for name in sorted(set(configuration.pausing) - known.statuses):
        yield Finding("pausing", Sentence("this site has no status %(name)r", name=name))
    for where in ("fixed_resolutions", "other_resolutions"):
        for name in sorted((getattr(configuration, where) or frozenset()) - known.resolutions):
            yield Finding(where, Sentence("this site has no resolution %(name)r", name=name))


def _pause_findings(configuration: FollowingConfiguration, pauses: Collection[str], policy: str) -> Iterator[Finding]:
    for status, reason in sorted(configuration.pausing.items()):
        if reason not in pauses and "*" not in pauses:
            names = {"policy": policy, "reason": reason}
            text = Sentence("the policy %(policy)s allows no pause for %(reason)r, nor for anything else", **names)
            if pauses:
                names["allowed"] = ", ".join(sorted(pauses))
                text = Sentence("the policy %(policy)s allows no pause for %(reason)r; it allows: %(allowed)s", **names)
            yield Finding(f"pausing.{status}", text)
