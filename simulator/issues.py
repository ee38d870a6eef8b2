"""An issue and its history: the one way to change it writes the changelog, as Jira's does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.people import Json, Person

STATUSES = {
    "To Do": ("10000", 2, "new", "To Do"),
    "In Progress": ("10001", 4, "indeterminate", "In Progress"),
    "In Review": ("10002", 4, "indeterminate", "In Progress"),
    "Done": ("10003", 3, "done", "Done"),
}
# For each field with a closed list of values: name → id.
CHOICES: dict[str, dict[str, str]] = {
    "issuetype": {"Task": "10100", "Bug": "10101", "Story": "10102", "Vulnerability": "10103"},
    "priority": {"Highest": "1", "High": "2", "Medium": "3", "Low": "4", "Lowest": "5"},
    "status": {name: row[0] for name, row in STATUSES.items()},
    "resolution": {
        "Done": "10000",
        "Fixed": "10001",
        "Duplicate": "10002",
        "Won't Do": "10003",
        "Cannot Reproduce": "10004",
        "Obsolete": "10005",  # of which nobody has said what it means
    },
    "security": {"Security team": "10200", "Managers": "10201"},
}
# Name → whether it is released; the same on every site and in every project.
VERSIONS = {"4.1": True, "4.2": False}
LISTS = frozenset({"labels", "fix_versions"})
REQUIRED = frozenset({"summary", "issuetype", "status"})


class ValueUnknown(ValueError):
    """The issue has no such field, or the field does not take such a value."""


@dataclass(frozen=True)
class Field:
    """A field that can change: our name for it, its id and name in Jira, its schema type."""

    id: str
    name: str
    type: str

    @property
    def custom(self) -> bool:
        """Say whether a site made this field; the ids of such fields differ from site to site."""
        return self.id.startswith("customfield_")


@dataclass(frozen=True)
class Project:
    """A project; ids are the same on every site, so that a mixed-up tenant shows."""

    id: str
    key: str
    name: str


def fields_of_site(first_custom_id: int) -> dict[str, Field]:
    """Return the changeable fields by the name that control requests use."""
    return {
        "summary": Field("summary", "Summary", "string"),
        "issuetype": Field("issuetype", "Issue Type", "issuetype"),
        "priority": Field("priority", "Priority", "priority"),
        "status": Field("status", "Status", "status"),
        "resolution": Field("resolution", "Resolution", "resolution"),
        "labels": Field("labels", "Labels", "array"),
        "fix_versions": Field("fixVersions", "Fix Version/s", "array"),
        "security": Field("security", "Security Level", "securitylevel"),
        "cvss_vector": Field(f"customfield_{first_custom_id}", "CVSS Vector", "string"),
        "cvss_score": Field(f"customfield_{first_custom_id + 1}", "CVSS Score", "number"),
        "reported_on": Field(f"customfield_{first_custom_id + 2}", "Reported on", "date"),
    }


def jira_time(at: datetime) -> str:
    """Write an instant as Jira does: `2026-11-22T09:00:00.000+0000`."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


@dataclass
class Issue:
    """An issue; `values` holds what can change, by the names of `fields_of_site`."""

    id: str
    key: str
    project: Project
    reporter: Person
    created: datetime
    fields: Mapping[str, Field]
    updated: datetime = field(init=False)
    resolved: datetime | None = None
    values: dict[str, Any] = field(default_factory=dict)
    changelog: tuple[Json, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    comments: tuple[Json, ...] = ()

    def __post_init__(self) -> None:
        self.updated = self.created
        self.values = dict.fromkeys(self.fields) | {
            "labels": (),
            "fix_versions": (),
            "issuetype": "Task",
            "status": "To Do",
        }

    def set(self, values: Mapping[str, Any], at: datetime) -> list[Json]:
        """Give fields new values; return the changelog items, one per field that changed.

        Raises:
            ValueUnknown: an unknown field or value; nothing has changed then.
        """
        wanted = {name: self._checked(name, value) for name, value in values.items()}
        changed = {name: value for name, value in wanted.items() if self.values[name] != value}
        items = [self._item(name, value) for name, value in changed.items()]
        self.values = self.values | changed
        if "resolution" in changed:
            self.resolved = at if changed["resolution"] else None
        self.updated = at if changed else self.updated
        return items

    def move(self, project: Project, key: str, at: datetime) -> list[Json]:
        """Give the issue another project and key; return the changelog items."""
        items: list[Json] = [
            {"field": "project", "fieldtype": "jira", "fieldId": "project"}
            | {"from": self.project.id, "fromString": self.project.name, "to": project.id, "toString": project.name},
            {"field": "Key", "fieldtype": "jira", "fieldId": "issuekey"}
            | {"from": None, "fromString": self.key, "to": None, "toString": key},
        ]
        self.project, self.key, self.updated = project, key, at
        return items

    def _checked(self, name: str, value: object) -> object:
        if name not in self.fields:
            raise ValueUnknown(f"no field {name!r}; there are {', '.join(self.fields)}")
        if value is None and name not in REQUIRED:
            return () if name in LISTS else None
        if name == "labels":
            if not isinstance(value, list | tuple) or any(not _is_label(one) for one in value):
                raise ValueUnknown("labels is a list of words without spaces")
            return tuple(dict.fromkeys(value))
        if name == "fix_versions":
            if not isinstance(value, list | tuple) or any(one not in VERSIONS for one in value):
                raise ValueUnknown(f"fix_versions is a list of {', '.join(VERSIONS)}")
            return tuple(dict.fromkeys(value))
        kind = int | float if name == "cvss_score" else str
        if not isinstance(value, kind) or (name in CHOICES and value not in CHOICES[name]):
            raise ValueUnknown(f"{name} cannot be {value!r}")
        return value

    def _item(self, name: str, value: object) -> Json:
        shape = self.fields[name]
        before, after = _said(name, self.values[name]), _said(name, value)
        item = {
            "field": shape.name if shape.custom else shape.id,
            "fieldtype": "custom" if shape.custom else "jira",
            "fieldId": shape.id,
        }
        return item | {"from": before[0], "fromString": before[1], "to": after[0], "toString": after[1]}


def _said(name: str, value: object) -> tuple[str | None, str | None]:
    """Return a value as the changelog says it: (id, text)."""
    if isinstance(value, tuple):
        return "", " ".join(value)
    text = None if value is None else str(value)
    return CHOICES.get(name, {}).get(text or ""), text


def _is_label(text: object) -> bool:
    return isinstance(text, str) and bool(text) and not any(letter.isspace() for letter in text)


def render_fields(issue: Issue, url: str) -> Json:
    """Return the `fields` object of an issue, by field id, as REST and webhooks give it."""
    values, person = issue.values, issue.reporter.render(url)
    project = issue.project
    shown: Json = {
        "created": jira_time(issue.created),
        "updated": jira_time(issue.updated),
        "resolutiondate": issue.resolved and jira_time(issue.resolved),
        "reporter": person,
        "creator": person,
        "project": {
            "self": f"{url}/rest/api/3/project/{project.id}",
            "id": project.id,
            "key": project.key,
            "name": project.name,
        },
    }
    for name, shape in issue.fields.items():
        if name == "security" and values[name] is None:
            continue  # Jira leaves the field out of an issue without a security level
        shown[shape.id] = _render_value(name, values[name], url=url)
    return shown


def _render_value(name: str, value: object, *, url: str) -> object:
    if name == "fix_versions" and isinstance(value, tuple):
        return [_render_version(one, url) for one in value]
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, str) or name not in CHOICES:
        return value
    number = CHOICES[name][value]
    rendered: Json = {"self": f"{url}/rest/api/3/{name}/{number}", "id": number, "name": value}
    if name == "status":
        _, category_id, key, category = STATUSES[value]
        rendered["statusCategory"] = {"id": category_id, "key": key, "name": category}
    if name == "issuetype":
        rendered["subtask"] = False
    return rendered


def _render_version(name: str, url: str) -> Json:
    number = str(10300 + list(VERSIONS).index(name))
    return {
        "self": f"{url}/rest/api/3/version/{number}",
        "id": number,
        "name": name,
        "archived": False,
        "released": VERSIONS[name],
    }
