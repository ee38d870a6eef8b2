"""The Security tab of a site: linked workspaces and the entries that an app pushed.

https://developer.atlassian.com/cloud/jira/software/rest/api-group-security-information/
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.people import Json
from simulator.reading import Refusal

MAX_ENTRIES, MAX_NAME = 1000, 255
OPERATIONS = frozenset({"NORMAL", "SCAN", "BACKFILL"})
_LEVELS = frozenset({"critical", "high", "medium", "low", "unknown"})
_STATUSES = frozenset({"open", "closed", "ignored", "unknown"})
_TEXTS = ("id", "containerId", "displayName", "description", "url", "type", "introducedDate", "lastUpdated", "status")


@dataclass
class SecurityTab:
    """What the tab of one site shows; it is emptied when the app is removed."""

    workspaces: set[str] = field(default_factory=set)
    entries: dict[str, Json] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Entries with these ids fail."""

    def push(self, body: Json, *, known_issues: set[str]) -> Json:
        """Take entries; single bad ones fail, and a lower number than the last is ignored without a word.

        Raises:
            Refusal: the request as a whole is not as documented.
        """
        entries = body.get("vulnerabilities")
        if not isinstance(entries, list) or not entries or len(entries) > MAX_ENTRIES:
            raise Refusal(413 if isinstance(entries, list) and entries else 400, "1 to 1000 vulnerabilities")
        if body.get("operationType", "NORMAL") not in OPERATIONS or len(body.get("properties", {})) > 5:
            raise Refusal(400, "operationType or properties")
        accepted: list[str] = []
        failed: Json = {}
        unknown: list[Json] = []
        for entry in entries:
            faults = self._faults(entry)
            if faults:
                failed[str(entry.get("id"))] = [{"message": fault} for fault in faults]
                continue
            accepted.append(entry["id"])
            unknown += _unknown(entry, known_issues)
            kept = self.entries.get(entry["id"])
            if kept is None or kept["updateSequenceNumber"] < entry["updateSequenceNumber"]:
                self.entries[entry["id"]] = entry
        return {"acceptedVulnerabilities": accepted, "failedVulnerabilities": failed, "unknownAssociations": unknown}

    def _faults(self, entry: Json) -> list[str]:
        faults = [f"{name} is missing" for name in _TEXTS if not isinstance(entry.get(name), str)]
        number = entry.get("updateSequenceNumber")
        if not isinstance(number, int) or number < 0:
            faults.append("updateSequenceNumber is no number")
        if entry.get("severity", {}).get("level") not in _LEVELS or entry.get("status") not in _STATUSES:
            faults.append("severity or status is unknown")
        if len(str(entry.get("displayName"))) > MAX_NAME:
            faults.append("displayName is too long")
        if str(entry.get("containerId")).partition("/")[0] not in self.workspaces:
            faults.append("the workspace is not linked")
        if entry.get("id") in self.refused:
            faults.append("refused, because the simulator was told so")
        return faults


def _unknown(entry: Json, known: set[str]) -> list[Json]:
    found = []
    for association in entry.get("addAssociations", []):
        missing = [value for value in association["values"] if value not in known]
        if missing:
            found.append({"associationType": association["associationType"], "values": missing})
    return found
