"""Jira's JSON, turned into what we keep of it. Texts and people are not asked for, and not read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.identifiers import IssueId
from app.domain.tracking.model import Change, IssueSnapshot

FIELDS = ("issuetype", "labels", "priority", "status", "resolution", "resolutiondate", "created", "project")
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


def snapshot_of(answer: Any, changes: list[Change], cvss: CvssFields) -> IssueSnapshot:  # noqa: ANN401  as above
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
    )


def categories_of(answer: Any) -> dict[str, str]:  # noqa: ANN401  as above
    """Status id to the key of its category; raises `ValueError` where Jira names no status."""
    found = {str(status["id"]): str(status["statusCategory"]["key"]) for status in answer}
    if not found:
        raise ValueError("a site without statuses")
    return found


def changes_of(page: Any, categories: Mapping[str, str]) -> Iterator[Change]:  # noqa: ANN401  as above
    """The items of one page of a changelog; a status is told by its category, because its name says nothing."""
    for history in page["values"]:
        for item in history["items"]:
            field = str(item.get("fieldId") or item["field"])
            is_status = field == "status"
            before, after = (_text(item.get(name)) for name in (("from", "to") if is_status else _WORDS))
            yield Change(
                id=int(history["id"]),
                at=instant(history["created"]),
                field=field,
                before=categories.get(before or "") if is_status else before,
                after=categories.get(after or "") if is_status else after,
            )


def instant(text: str) -> datetime:
    """Jira's `2026-11-22T09:00:00.000+0100` as an aware instant in UTC; raises `ValueError`."""
    at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    return at.astimezone(UTC)


def _name(value: Any) -> str | None:  # noqa: ANN401  as above
    return None if value is None else str(value["name"])


def _text(value: Any) -> str | None:  # noqa: ANN401  as above
    return None if value is None or value == "" else str(value)
