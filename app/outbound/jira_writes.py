"""Writing to Jira as the app, beside reading it: properties and comments of issues, entries of the Security tab.

Sources: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-properties/ and
https://developer.atlassian.com/cloud/jira/software/rest/api-group-security-information/
"""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from app.domain.identifiers import IssueId
from app.domain.ports import SiteAccess
from app.domain.publishing.ports import PushAnswer
from app.outbound.jira_bulk import BulkJira

_WRITE_TIMEOUT_SECONDS = 10.0
_COMMENTS = 100
_COMMENT_NAME = "pledge-notice"
_SECURITY = "rest/security/1.0"
_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    # Jira takes a write without it for a browser's that somebody was lured into.
    "X-Atlassian-Token": "no-check",
}


class WritingJira(BulkJira):
    """See `app.domain.ports.JiraWriting`. The same client as for reading: one patience with each site."""

    def write_property(self, site: SiteAccess, issue: IssueId, *, key: str, value: Mapping[str, Any]) -> None:
        """Set a property of an issue."""
        path = f"rest/api/3/issue/{int(issue)}/properties/{quote(key, safe=':')}"
        with self._jira(site, timeout_seconds=_WRITE_TIMEOUT_SECONDS) as jira:
            jira.put(path, data=dict(value), headers=_HEADERS)

    def link_workspaces(self, site: SiteAccess, workspaces: Collection[str]) -> None:
        """Show these on the Security tab; known ones stay."""
        with self._jira(site, timeout_seconds=_WRITE_TIMEOUT_SECONDS) as jira:
            body = {"workspaceIds": list(workspaces)}
            jira.post(f"{_SECURITY}/linkedWorkspaces/bulk", data=body, headers=_HEADERS)

    def push(self, site: SiteAccess, body: Mapping[str, Any]) -> PushAnswer:
        """Send entries; Jira answers for each of them."""
        with self._jira(site, timeout_seconds=_WRITE_TIMEOUT_SECONDS) as jira:
            answer: Any = jira.post(f"{_SECURITY}/bulk", data=dict(body), headers=_HEADERS)
            return PushAnswer(
                accepted=frozenset(str(entry) for entry in answer["acceptedVulnerabilities"]),
                failed=frozenset(str(entry) for entry in answer.get("failedVulnerabilities") or ()),
                unknown_associations=len(answer.get("unknownAssociations") or ()),
            )

    def add_comment(self, site: SiteAccess, issue: IssueId, *, name: str, body: Mapping[str, Any]) -> None:
        """Write a comment; `name` is kept with it, unseen. Raises `IssueHidden` or `JiraUnavailable`."""
        properties = [{"key": _COMMENT_NAME, "value": {"name": name}}]
        with self._jira(site, timeout_seconds=_WRITE_TIMEOUT_SECONDS) as jira:
            jira.add_comment(int(issue), data={"body": body, "properties": properties})

    def has_comment(self, site: SiteAccess, issue: IssueId, *, name: str) -> bool:
        """Whether one of the newest comments has that name. Raises `IssueHidden` or `JiraUnavailable`."""
        with self._jira(site, timeout_seconds=_WRITE_TIMEOUT_SECONDS) as jira:
            found = jira.get_comments(int(issue), max_results=_COMMENTS, order_by="-created", expand="properties")
            kept = [each for comment in found["comments"] for each in comment.get("properties", [])]
            return any(each["key"] == _COMMENT_NAME and each["value"].get("name") == name for each in kept)
