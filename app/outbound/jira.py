"""Reading Jira as the app: REST API v3, by ids that were checked before every call.

Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from atlassian import JiraCloud

from app.domain.identifiers import AccountId, IssueId
from app.domain.ports import IssueHidden, JiraUnavailable, SiteAccess
from app.domain.tracking.model import IssueSnapshot
from app.outbound.jira_answers import FIELDS, CvssFields, changes_of, cvss_fields_of, snapshot_of
from app.outbound.patience import Patience
from app.outbound.session import GuardedSession, retry_after_seconds

# At DEBUG it prints headers and whole bodies, tokens and issue texts included.
logging.getLogger("atlassian").setLevel(logging.WARNING)

_READ_TIMEOUT_SECONDS = 10.0
_PERMISSION_TIMEOUT_SECONDS = 2.0
_BODY_LIMIT_BYTES = 8 * 1024 * 1024
_CHANGELOG_PAGE = 100
_LONGEST_CHANGELOG = 10_000
_FIELDS_KEPT_SECONDS = 3600.0
_COME_BACK_SECONDS = 30
_NOT_AS_DOCUMENTED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading JSON of another shape raises."""


class _Stamp(requests.auth.AuthBase):
    """Signs each request just before it goes: a token is good for one request."""

    def __init__(self, site: SiteAccess) -> None:
        self._site = site

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._site.authorize(request.headers, method=str(request.method), target=request.path_url)
        return request


class ConnectJira:
    """See `app.domain.ports.JiraSites`. `elapsed` is a monotonic clock in seconds."""

    def __init__(self, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._cvss_fields: dict[str, tuple[CvssFields, float]] = {}
        self._patience = Patience(elapsed=elapsed)

    def read_issue(self, site: SiteAccess, issue: IssueId) -> IssueSnapshot:
        """Fields and changelog of one issue."""
        with self._jira(site, timeout_seconds=_READ_TIMEOUT_SECONDS) as jira:
            cvss = self._cvss_fields_of(site, jira)
            answer = jira.get_issue(int(issue), fields=",".join([*FIELDS, *cvss.ids()]))
            changes = [change for page in _changelog(jira, issue) for change in changes_of(page)]
            return snapshot_of(answer, changes, cvss)

    def may_browse(self, site: SiteAccess, account: AccountId, issue: IssueId) -> bool:
        """Whether Jira lets that person see that issue.

        Each permission is looked for in the answer under its own name: a permission that was not asked for, or an
        issue that is not in the list, grants nothing.
        """
        question = {
            "accountId": account,
            "projectPermissions": [{"permissions": ["BROWSE_PROJECTS"], "issues": [int(issue)], "projects": []}],
        }
        with self._patience.of(site.base_url):
            try:
                return int(issue) in self._browsable(site, question)
            except IssueHidden as refusal:
                # The question itself was refused: that says nothing about the person.
                raise JiraUnavailable(_COME_BACK_SECONDS) from refusal

    def _browsable(self, site: SiteAccess, question: dict[str, Any]) -> set[int]:
        with self._jira(site, timeout_seconds=_PERMISSION_TIMEOUT_SECONDS) as jira:
            rows = jira.get_bulk_permissions(data=question)["projectPermissions"]
            granted = [row for row in rows if row["permission"] == "BROWSE_PROJECTS"]
            return {int(issue) for row in granted for issue in row["issues"]}

    def _cvss_fields_of(self, site: SiteAccess, jira: JiraCloud) -> CvssFields:
        kept, until = self._cvss_fields.get(site.base_url, (CvssFields(None, None), 0.0))
        if self._elapsed() < until:
            return kept
        found = cvss_fields_of(jira.get_fields())
        self._cvss_fields[site.base_url] = (found, self._elapsed() + _FIELDS_KEPT_SECONDS)
        return found

    @contextmanager
    def _jira(self, site: SiteAccess, *, timeout_seconds: float) -> Iterator[JiraCloud]:
        """A client for one use, whose failures are ours: hidden, or unavailable with the time to come back."""
        with GuardedSession(
            allowed=lambda url: url.startswith(site.base_url + "/"),
            timeout_seconds=timeout_seconds,
            body_limit_bytes=_BODY_LIMIT_BYTES,
        ) as session:
            session.auth = _Stamp(site)
            try:
                yield JiraCloud(site.base_url, session=session, timeout=timeout_seconds, retry_with_header=False)
            except requests.HTTPError as refusal:
                raise _translated(refusal) from refusal
            except (requests.RequestException, *_NOT_AS_DOCUMENTED) as failure:
                # HTML with status 200, a list where an object belongs, a half answer: Jira is not itself.
                raise JiraUnavailable(_COME_BACK_SECONDS) from failure


def _translated(refusal: requests.HTTPError) -> IssueHidden | JiraUnavailable:
    response = refusal.response
    if response is not None and response.status_code in {403, 404}:
        return IssueHidden()
    headers = {} if response is None else response.headers
    return JiraUnavailable(retry_after_seconds(headers, otherwise=_COME_BACK_SECONDS))


def _changelog(jira: JiraCloud, issue: IssueId) -> Iterator[Any]:
    start = 0
    while start < _LONGEST_CHANGELOG:
        page = jira.get_change_logs(int(issue), start_at=start, max_results=_CHANGELOG_PAGE)
        yield page
        start += len(page["values"])
        if page.get("isLast", True) or not page["values"]:
            return
