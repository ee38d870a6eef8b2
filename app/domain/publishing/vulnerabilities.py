"""An issue as an entry of Jira's Security tab. No text of the issue is kept, so none is sent; no person either.

Source: https://developer.atlassian.com/cloud/jira/software/rest/api-group-security-information/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from app.domain.clocks.model import Bounds, Severity, State, instant_text
from app.domain.clocks.state import state_of
from app.domain.identifiers import IssueId
from app.domain.publishing.labels import Clocks, Label, label_of, newest, speaker

WORKSPACE: Final = "pledge"
"""The one workspace of a site; each of its Jira projects is a container in it."""
_MAX_NAME: Final = 255

_STATUS: Final = MappingProxyType({State.MET: "closed", State.MET_LATE: "closed", State.CANCELLED: "ignored"})


@dataclass(frozen=True)
class Subject:
    """What is known of an issue that is put on the tab."""

    issue: IssueId
    key: str
    project: int
    site_url: str
    """What users see."""
    introduced_at: datetime
    """When it was reported, as far as we know."""
    clocks: tuple[tuple[str, Bounds], ...]


def vulnerability(subject: Subject, *, now: datetime) -> dict[str, Any]:
    """The entry without what differs each time: time alone does not change it, so that it is sent once."""
    chosen = speaker(subject.clocks, now=now)
    label = label_of(subject.clocks, now=now)
    level = None if chosen is None else chosen[1].severity
    url = f"{subject.site_url}/browse/{subject.key}"
    name = f"{subject.key}: {'severity not set' if level is None else f'severity {level}'}"
    return {
        "schemaVersion": "1.0",
        "id": entry_id(subject.issue),
        "containerId": container_id(subject.project),
        "displayName": name[:_MAX_NAME],
        "description": f"The time to fix {subject.key}, as the security policy of the vendor has it.",
        "url": url,
        "type": "unknown",
        "introducedDate": _to_the_second(subject.introduced_at),
        "severity": {"level": "unknown" if level in {None, Severity.NONE} else str(level)},
        "identifiers": [],
        "status": _STATUS.get(label.state, "open"),
        # There is no field for a due date: this text stands below the name.
        "additionalInfo": {"content": due_text(subject.clocks, now=now), "url": url},
        "addAssociations": [{"associationType": "issueIdOrKeys", "values": [str(subject.issue)]}],
    }


def numbered(entry: Mapping[str, Any], *, sequence: int, now: datetime) -> dict[str, Any]:
    """The entry as it is sent. Jira ignores one with a lower number than it has, and says nothing of it."""
    return {**entry, "updateSequenceNumber": sequence, "lastUpdated": _to_the_second(now)}


def next_sequence(last: int, *, now: datetime) -> int:
    """The number after `last`: milliseconds of the epoch, and higher than before also if a clock was set back."""
    return max(last + 1, int(now.timestamp() * 1000))


def due_text(clocks: Clocks, *, now: datetime) -> str:
    """`Due 2026-02-12 (High, 28 days)`; of a clock without a bound or at its end what its label says."""
    cycles = newest(clocks)
    chosen, label = speaker(cycles, now=now), label_of(cycles, now=now)
    if chosen is None or label.due is None or state_of(chosen[1], now=now) in _STATUS:
        return label.text
    return f"Due {_day(label)} ({', '.join(_details(chosen[1], label))})"


def entry_id(issue: IssueId) -> str:
    """Unique on the site, as Jira's own ids are."""
    return f"pledge-{issue}"


def container_id(project: int) -> str:
    """A container's id begins with that of its workspace."""
    return f"{WORKSPACE}/{project}"


def bulk(entries: Sequence[dict[str, Any]], *, operation: str) -> dict[str, Any]:
    """The body of one request, of at most a thousand entries."""
    return {
        "operationType": operation,
        "properties": {"source": WORKSPACE},
        "providerMetadata": {"product": "Pledge"},
        "vulnerabilities": list(entries),
    }


def _day(label: Label) -> str:
    if label.due_date is not None:
        return label.due_date.isoformat()
    return "" if label.due is None else label.due.date().isoformat()


def _details(bounds: Bounds, label: Label) -> list[str]:
    details = [] if bounds.severity is None else [bounds.severity.value.capitalize()]
    if bounds.started_at is not None and label.due is not None:
        # One second more, because the due instant is the last one in time: 28 days are 28 of them, also of a date.
        given = label.due + timedelta(seconds=1) - bounds.started_at - timedelta(seconds=bounds.paused_seconds)
        details.append(f"{given.days} day" + ("" if given.days == 1 else "s"))
    if bounds.paused_since is not None:
        details.append("paused")
    return details


def _to_the_second(at: datetime) -> str:
    return instant_text(at.astimezone(UTC).replace(microsecond=0))
