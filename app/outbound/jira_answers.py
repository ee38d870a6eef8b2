"""Jira's JSON, turned into what we keep of it. Texts and people are not asked for, and not read."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from app.domain.identifiers import IssueId
from app.domain.tracking.model import AUTO, Change, FieldChoice, FixVersion, IssueSnapshot, Status

FIELDS = (
    "issuetype", "labels", "priority", "status", "resolution", "resolutiondate", "created", "project", "security",
    "fixVersions",
)  # fmt: skip
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR = 2999
_MOST_VERSIONS, _LONGEST_NAME = 20, 255
_WORDS = ("fromString", "toString")
_VECTOR_NAMES = ("cvss vector", "cvss v3 vector", "cvss v3.1 vector", "cvss 3.1 vector")
_SCORE_NAMES = ("cvss score", "cvss", "cvss v3 score", "cvss v3.1 score", "cvss base score")


@dataclass(frozen=True)
class CvssFields:
    """Ids of a site's custom fields for CVSS, where it has them."""

    vector: str | None
    score: str | None

    def ids(self) -> tuple[str, ...]:
        """Those that exist."""
        return tuple(field for field in (self.vector, self.score) if field)


def cvss_fields_of(answer: Any) -> CvssFields:  # noqa: ANN401  whatever JSON Jira sent
    """The fields whose names say CVSS; of several with one name, the oldest (lowest id).

    Raises `KeyError` or `TypeError` where Jira's answer has not the documented form.
    """
    if not isinstance(answer, list):
        # Anything empty would read as a site without such fields, and be kept as that.
        raise TypeError("the fields are no list")
    ids = {str(field["name"]).strip().lower(): str(field["id"]) for field in reversed(answer)}
    vector = next((ids[name] for name in _VECTOR_NAMES if name in ids), None)
    score = next((ids[name] for name in _SCORE_NAMES if name in ids), None)
    return CvssFields(vector, score)


def chosen_of(found: CvssFields, choice: FieldChoice) -> CvssFields:
    """The fields that were chosen; those found by name where none was."""
    return CvssFields(
        found.vector if choice.vector == AUTO else choice.vector,
        found.score if choice.score == AUTO else choice.score,
    )


def snapshot_of(
    answer: Any,  # noqa: ANN401  as above
    changes: list[Change],
    cvss: CvssFields,
    *,
    reported_field: str | None = None,
) -> IssueSnapshot:
    """One issue; raises `KeyError`, `TypeError` or `ValueError` where Jira's answer has not the documented form."""
    fields = answer["fields"]
    resolved = fields.get("resolutiondate")
    return IssueSnapshot(
        issue=IssueId(int(answer["id"])),
        key=str(answer["key"]),
        project=int(fields["project"]["id"]),
        issue_type=_name(fields["issuetype"]) or "",
        labels=frozenset(str(label) for label in fields.get("labels") or ()),
        priority=_name(fields.get("priority")),
        status_is_done=fields["status"]["statusCategory"]["key"] == "done",
        resolution=_name(fields.get("resolution")),
        resolved_at=instant(resolved) if resolved else None,
        created_at=instant(fields["created"]),
        cvss_vector=_text(fields.get(cvss.vector or "")),
        cvss_score=_text(fields.get(cvss.score or "")),
        vector_field=cvss.vector,
        score_field=cvss.score,
        changes=tuple(sorted(changes, key=lambda change: (change.at, change.id))),
        status=_status(fields["status"]),
        reported_field=reported_field,
        is_restricted=fields.get("security") is not None,
        reported_at=_date_or_instant(fields.get(reported_field or "")),
        fix_versions=tuple(map(_version, (fields.get("fixVersions") or ())[:_MOST_VERSIONS])),
    )


def _version(answer: Any) -> FixVersion:  # noqa: ANN401  as above
    """A version by its name, which whoever administers the project types: without what no database takes."""
    name = str(answer["name"]).encode("utf-8", "replace").decode().replace("\0", "")
    return FixVersion(name[:_LONGEST_NAME], answer.get("released") is True)


def _status(answer: Any) -> Status | None:  # noqa: ANN401  as above
    """The status of now, which Jira shows with its name."""
    return Status(str(answer["id"]), str(answer["name"])) if "id" in answer and "name" in answer else None


def _date_or_instant(value: Any) -> datetime | None:  # noqa: ANN401  as above
    """What a date field says: a day counts from its first instant in UTC. None where it says nothing usable."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value).replace(tzinfo=UTC) if _DAY.fullmatch(value) else instant(value)
    except (ValueError, OverflowError):
        return None
    return at if 1970 <= at.year <= _LAST_YEAR else None


def categories_of(answer: Any) -> dict[str, str]:  # noqa: ANN401  as above
    """Status id to the key of its category; raises `ValueError` where Jira names no status."""
    found = {str(status["id"]): str(status["statusCategory"]["key"]) for status in answer}
    if not found:
        raise ValueError("a site without statuses")
    return found


def status_names_of(answer: Any) -> dict[str, str]:  # noqa: ANN401  as above
    """Status id to the name that it has now."""
    return {str(status["id"]): str(status.get("name", "")) for status in answer}


def changes_of(
    page: Any,  # noqa: ANN401  as above
    categories: Mapping[str, str],
    *,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Change]:
    """The items of one page of a changelog; whether a status is done is told by its category, not by its name."""
    yield from histories_of(page["values"], categories, names=names, at_of=instant)


def histories_of(
    histories: Any,  # noqa: ANN401  as above
    categories: Mapping[str, str],
    *,
    names: Mapping[str, str],
    at_of: Callable[[Any], datetime],
) -> Iterator[Change]:
    """The items of entries of a changelog; `at_of` reads their instants, which a bulk answer gives as numbers."""
    for history in histories:
        for item in history["items"]:
            field = str(item.get("fieldId") or item["field"])
            is_status = field == "status"
            before, after = (_text(item.get(name)) for name in (("from", "to") if is_status else _WORDS))
            yield Change(
                id=int(history["id"]),
                at=at_of(history["created"]),
                field=field,
                before=categories.get(before or "") if is_status else before,
                after=categories.get(after or "") if is_status else after,
                left=_side(before, item.get("fromString"), names) if is_status else None,
                entered=_side(after, item.get("toString"), names) if is_status else None,
            )


def _side(status: str | None, said: Any, names: Mapping[str, str]) -> Status | None:  # noqa: ANN401  as above
    if status is None or not names:
        return None
    return Status(status, names.get(status) or str(said or ""), is_known=status in names)


def instant_of(value: Any) -> datetime:  # noqa: ANN401  as above
    """An instant as text, or as milliseconds since 1970; raises `ValueError`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _EPOCH + timedelta(milliseconds=value)
    return instant(str(value))


def instant(text: str) -> datetime:
    """Jira's `2026-11-22T09:00:00.000+0100` as an aware instant in UTC; raises `ValueError`."""
    at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    return at.astimezone(UTC)


def _name(value: Any) -> str | None:  # noqa: ANN401  as above
    return None if value is None else str(value["name"])


def _text(value: Any) -> str | None:  # noqa: ANN401  as above
    return None if value is None or value == "" else str(value)
