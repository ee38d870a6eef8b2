"""What one call to Jira costs, in points and in bursts, as far as its method, path and answer say.

Source: https://developer.atlassian.com/cloud/jira/platform/rate-limiting/ : 1 point for a call, 1 more for each core
object in its answer, 2 for each object of identity and access; a write is 1. What the page does not price (fields,
statuses, the entries of one changelog) counts as one object: where Jira counts more, its own count is taken over.
"""

import re
from typing import Any

BASE = 1
_READING_POSTS = ("/search/jql", "/search/approximate-count", "/bulkfetch", "/permissions/check", "/properties/multi")
_IDENTITY = re.compile(r"/(?:permissions|mypermissions|users?|groups?|role|myself)(?:/|$)")
_LISTS = ("issues", "issueChangeLogs")
_NAMES = re.compile(r"(?<=/)(?:[0-9]+|[A-Z][A-Z0-9_]+-[0-9]+)(?=/|$)")
_ISSUE = re.compile(r"/rest/api/[0-9]+/issue/([0-9]+|[A-Z][A-Z0-9_]+-[0-9]+)(?:/|$)")


def is_write(method: str, path: str) -> bool:
    """Whether this call changes something: many of Jira's searches are POSTs."""
    return method not in {"GET", "HEAD"} and not (method == "POST" and path.endswith(_READING_POSTS))


def points(method: str, path: str, *, answer: Any) -> int:  # noqa: ANN401  whatever JSON Jira sent
    """What a call that succeeded has cost."""
    if is_write(method, path):
        return BASE
    if _IDENTITY.search(path):
        return BASE + 2 * max(1, _longest_list(answer))
    lists = [answer[name] for name in _LISTS if name in answer] if isinstance(answer, dict) else []
    return BASE + sum(len(each) for each in lists if isinstance(each, list)) if lists else BASE + 1


def endpoint(path: str) -> str:
    """The path without what names one issue or object: limits are by endpoint."""
    return _NAMES.sub("{}", path)


def issue_written(method: str, path: str) -> str | None:
    """The one issue that this call changes, by the name that it uses."""
    found = _ISSUE.search(path) if is_write(method, path) else None
    return None if found is None else found[1]


def _longest_list(answer: Any) -> int:  # noqa: ANN401  as above
    if isinstance(answer, list):
        return len(answer)
    return (
        max((len(each) for each in answer.values() if isinstance(each, list)), default=0)
        if isinstance(answer, dict)
        else 0
    )
