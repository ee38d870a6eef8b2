"""What every site starts with: issues old and young, so that every state of a clock is on show.

Ages are in days before the simulator's start. Under ten days for critical, four weeks for high, twelve for
medium and twenty-five for low (Atlassian's own bug fix policy), the security project shows: running, at
risk, breached, due soon, met, met late, cancelled, reopened, raised, unrated, without deadline, hidden and
no longer labelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Severity → the vector and the base score that belong together (CVSS v3.1).
CVSS = {
    "critical": ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
    "high": ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N", 8.1),
    "medium": ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
    "low": ("CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N", 3.1),
    "none": ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
}


@dataclass(frozen=True)
class Story:
    """An issue to be: its project, its age in days, its first values, and what happened to it since.

    `then` holds (days after creation, values).
    """

    project: str
    age_days: float
    values: Mapping[str, Any]
    then: tuple[tuple[float, Mapping[str, Any]], ...] = field(default=())


def _vulnerability(summary: str, severity: str | None, **more: object) -> dict[str, Any]:
    vector, score = CVSS[severity] if severity else (None, None)
    values = {"summary": summary, "issuetype": "Vulnerability", "labels": ["security"]}
    return values | {"cvss_vector": vector, "cvss_score": score} | more


def _closed(resolution: str) -> dict[str, Any]:
    return {"status": "Done", "resolution": resolution}


def _raised(severity: str) -> dict[str, Any]:
    vector, score = CVSS[severity]
    return {"cvss_vector": vector, "cvss_score": score}


_WORKING = {"status": "In Progress"}
_REOPENED = {"status": "To Do", "resolution": None}

SECURITY = (
    Story("SEC", 1, _vulnerability("Session survives a password change", "high", priority="High")),
    Story("SEC", 9.6, _vulnerability("Template injection in export titles", "critical", priority="Highest")),
    Story(
        "SEC", 13, _vulnerability("Unauthenticated import endpoint", "critical", fix_versions=["4.2"]), ((2, _WORKING),)
    ),
    Story("SEC", 25, _vulnerability("Any member can read private boards", "high"), ((4, _WORKING),)),
    Story("SEC", 20, _vulnerability("Reflected script in the search box", "medium", priority="Medium")),
    Story("SEC", 30, _vulnerability("Version number in error pages", "low", priority="Low")),
    Story("SEC", 40, _vulnerability("Token in the server log", "high"), ((3, _WORKING), (20, _closed("Fixed")))),
    Story(
        "SEC",
        120,
        _vulnerability("Open redirect after login", "medium", fix_versions=["4.1"]),
        ((100, _closed("Done")),),
    ),
    Story("SEC", 15, _vulnerability("Missing header on a static file", "low"), ((5, _closed("Won't Do")),)),
    Story("SEC", 12, _vulnerability("Session outlives a new password", "high"), ((1, _closed("Duplicate")),)),
    Story("SEC", 6, _vulnerability("Signing key in a build log", "critical", security="Security team")),
    Story(
        "SEC",
        2,
        {"summary": "Old TLS accepted by the mail gateway", "issuetype": "Bug", "labels": ["security"]}
        | {"priority": "Highest"},
    ),
    Story(
        "SEC",
        60,
        _vulnerability("Stored script in comments", "medium"),
        ((10, _closed("Fixed")), (30, _REOPENED)),
    ),
    Story("SEC", 18, _vulnerability("Path traversal in attachments", "medium"), ((6, _raised("high")),)),
    Story("SEC", 8, _vulnerability("Scanner finding without impact", "none")),
    Story("SEC", 33, _vulnerability("Crash on odd avatars", "medium"), ((9, _closed("Cannot Reproduce")),)),
    Story("SEC", 22, _vulnerability("Weak cipher in backups", None, issuetype="Bug"), ((7, {"labels": []}),)),
    Story("SEC", 3, _vulnerability("Report from a researcher, not yet rated", None)),
    Story("SEC", 5, {"summary": "Write the pen test schedule", "issuetype": "Task", "priority": "Medium"}),
)

_OPERATIONS = (
    ("Renew the wildcard certificate", "Task"),
    ("Dashboard loads twice", "Bug"),
    ("Export as CSV", "Story"),
    ("Move the queue to new hosts", "Task"),
    ("Wrong week in the calendar", "Bug"),
    ("Invite by link", "Story"),
    ("Archive old projects", "Task"),
    ("Slow search on large boards", "Bug"),
    ("Keyboard shortcuts", "Story"),
    ("Rotate the on-call list", "Task"),
)

OPERATIONS = (
    *(
        Story("OPS", 2.5 + 4 * number, {"summary": summary, "issuetype": kind, "priority": "Medium"})
        for number, (summary, kind) in enumerate(_OPERATIONS)
    ),
    Story("OPS", 4, _vulnerability("Outdated parser in the worker image", "high", labels=["vulnerability"])),
    Story(
        "OPS",
        11,
        {
            "summary": "Patch the base image",
            "issuetype": "Task",
            "labels": ["vulnerability"],
            "priority": "High",
        },
        ((8, _closed("Fixed")),),
    ),
)

STORIES = (*SECURITY, *OPERATIONS)
