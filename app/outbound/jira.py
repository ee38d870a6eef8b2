"""Reading Jira as the app: REST API v3, by ids that were checked before every call.

Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from atlassian import JiraCloud

from app.domain.identifiers import AccountId, IssueId, ProjectId
from app.domain.ports import IssueHidden, JiraRefused, JiraUnavailable, SiteAccess, TurnAwaited
from app.domain.tracking.model import FieldChoice, IssueSnapshot
from app.outbound.advice import advice_of, whole_seconds
from app.outbound.budget import Budget
from app.outbound.jira_answers import (
    FIELDS,
    CvssFields,
    categories_of,
    changes_of,
    chosen_of,
    cvss_fields_of,
    snapshot_of,
    status_names_of,
)
from app.outbound.patience import Patience
from app.outbound.session import GuardedSession

# At DEBUG it prints headers and whole bodies, tokens and issue texts included.
logging.getLogger("atlassian").setLevel(logging.WARNING)

_READ_TIMEOUT_SECONDS = 10.0
_PERMISSION_TIMEOUT_SECONDS = 2.0
_BODY_LIMIT_BYTES = 8 * 1024 * 1024
_CHANGELOG_PAGE = 100
_LONGEST_CHANGELOG = 50_000
_FORM_KEPT_SECONDS = 3600.0
FORMS_KEPT = 1_000
"""A large site has hundreds of statuses, and a worker meets all sites there are within an hour."""
_COME_BACK_SECONDS = 30
_EVERYBODYS = FieldChoice()
_NOT_AS_DOCUMENTED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading JSON of another shape raises."""


class _Stamp(requests.auth.AuthBase):
    """Signs each request just before it goes: a token is good for one request."""

    def __init__(self, site: SiteAccess) -> None:
        self._site = site

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._site.authorize(request.headers, method=str(request.method), target=request.path_url)
        return request


@dataclass(frozen=True)
class _Form:
    cvss: CvssFields
    categories: Mapping[str, str]
    names: Mapping[str, str]


class RestJira:
    """See `app.domain.ports.JiraSites`. `elapsed` is a monotonic clock in seconds.

    Without a `budget` nobody counts: for whoever asks a site of his own.
    """

    def __init__(self, *, budget: Budget | None = None, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._elapsed = elapsed
        self._forms: OrderedDict[str, tuple[_Form, float]] = OrderedDict()
        self._forms_lock = threading.Lock()
        self._patience = Patience(elapsed=elapsed)

    def read_issue(self, site: SiteAccess, issue: IssueId, choice: FieldChoice = _EVERYBODYS) -> IssueSnapshot:
        """Fields and changelog of one issue."""
        form = self._form_of(site)
        cvss = chosen_of(form.cvss, choice)
        with self._jira(site, timeout_seconds=_READ_TIMEOUT_SECONDS) as jira:
            answer = jira.get_issue(int(issue), fields=",".join(wanted_fields(cvss, choice)))
        # From here on Jira shows the issue, so a refusal says nothing about it.
        with self._asking(), self._jira(site, timeout_seconds=_READ_TIMEOUT_SECONDS) as jira:
            pages = _changelog(jira, issue)
            changes = [change for page in pages for change in changes_of(page, form.categories, names=form.names)]
            return snapshot_of(answer, changes, cvss, reported_field=choice.reported)

    def may_browse(self, site: SiteAccess, account: AccountId, issue: IssueId) -> bool:
        """Whether Jira lets that person see that issue.

        Each permission is looked for in the answer under its own name: a permission that was not asked for, or an
        issue that is not in the list, grants nothing.
        """
        block = {"permissions": ["BROWSE_PROJECTS"], "issues": [int(issue)], "projects": []}
        with self._granted(site, account, projectPermissions=[block]) as granted:
            return int(issue) in _ids(granted, "BROWSE_PROJECTS", of="issues")

    def may_browse_of(self, site: SiteAccess, account: AccountId, issues: Collection[IssueId]) -> frozenset[IssueId]:
        """Those of these issues that Jira lets that person see: one question; what is not in the answer is hidden."""
        block = {"permissions": ["BROWSE_PROJECTS"], "issues": [int(issue) for issue in issues], "projects": []}
        with self._granted(site, account, projectPermissions=[block]) as granted:
            seen = _ids(granted, "BROWSE_PROJECTS", of="issues")
            return frozenset(issue for issue in issues if int(issue) in seen)

    def may_browse_among(
        self,
        site: SiteAccess,
        account: AccountId,
        *,
        projects: Collection[ProjectId],
        issues: Collection[IssueId],
    ) -> tuple[frozenset[ProjectId], frozenset[IssueId]]:
        """Those of these projects and issues that Jira lets that person browse: one question."""
        block = {
            "permissions": ["BROWSE_PROJECTS"],
            "projects": [int(project) for project in projects],
            "issues": [int(issue) for issue in issues],
        }
        with self._granted(site, account, projectPermissions=[block]) as granted:
            of_projects = _ids(granted, "BROWSE_PROJECTS", of="projects")
            of_issues = _ids(granted, "BROWSE_PROJECTS", of="issues")
            return (
                frozenset(project for project in projects if int(project) in of_projects),
                frozenset(issue for issue in issues if int(issue) in of_issues),
            )

    def may_administer_jira(self, site: SiteAccess, account: AccountId) -> bool:
        """Whether that person administers the site; a project permission in the answer does not say so."""
        with self._granted(site, account, globalPermissions=["ADMINISTER"]) as granted:
            return any(one == "ADMINISTER" for one in granted["globalPermissions"])

    def may_administer_project(self, site: SiteAccess, account: AccountId, project: ProjectId) -> bool:
        """Whether that person administers that project; ADMINISTER in the answer does not say so."""
        block = {"permissions": ["ADMINISTER_PROJECTS"], "projects": [int(project)], "issues": []}
        with self._granted(site, account, projectPermissions=[block]) as granted:
            return int(project) in _ids(granted, "ADMINISTER_PROJECTS", of="projects")

    def accepts(self, site: SiteAccess) -> bool:
        """Whether that site takes what we sign: it answers who we are there, or refuses us."""
        try:
            with self._jira(site, timeout_seconds=_PERMISSION_TIMEOUT_SECONDS, is_for_person=True) as jira:
                jira.get("rest/api/3/myself")
        except (IssueHidden, JiraRefused):
            return False
        return True

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """A question that is not about one issue: a refusal of it hides none."""
        try:
            yield
        except IssueHidden as refusal:
            raise JiraUnavailable(_COME_BACK_SECONDS) from refusal

    @contextmanager
    def _granted(self, site: SiteAccess, account: AccountId, **asked: object) -> Iterator[Any]:
        """What Jira grants that account of what is asked; read it in here, where another shape is an outage.

        The account is named even where the token is the person's own: the invocation proves the account, and nothing
        proves whose that token is.
        """
        with (
            self._patience.of(site.base_url),
            self._asking(),
            self._jira(site, timeout_seconds=_PERMISSION_TIMEOUT_SECONDS, is_for_person=True) as jira,
        ):
            yield jira.get_bulk_permissions(data={"accountId": account, **asked})

    def _form_of(self, site: SiteAccess) -> _Form:
        """What this site calls things; asked for once an hour."""
        kept = self._forms.get(site.base_url)
        if kept is not None and self._elapsed() < kept[1]:
            return kept[0]
        with self._asking(), self._jira(site, timeout_seconds=_READ_TIMEOUT_SECONDS) as jira:
            statuses = jira.get("rest/api/3/status")
            form = _Form(cvss_fields_of(jira.get_fields()), categories_of(statuses), status_names_of(statuses))
        with self._forms_lock:
            self._forms[site.base_url] = (form, self._elapsed() + _FORM_KEPT_SECONDS)
            self._forms.move_to_end(site.base_url)
            while len(self._forms) > FORMS_KEPT:
                self._forms.popitem(last=False)
        return form

    @contextmanager
    def _jira(self, site: SiteAccess, *, timeout_seconds: float, is_for_person: bool = False) -> Iterator[JiraCloud]:
        """A client for one use, whose failures are ours: hidden, or unavailable with the time to come back.

        `is_for_person`: somebody waits for the answer, so it goes before what is done in the background.
        """
        with GuardedSession(
            allowed=lambda url: url.startswith(site.base_url + "/"),
            timeout_seconds=timeout_seconds,
            body_limit_bytes=_BODY_LIMIT_BYTES,
            meter=None if self._budget is None else self._budget.meter(site.tenant, is_for_person=is_for_person),
        ) as session:
            session.auth = _Stamp(site)
            try:
                yield JiraCloud(site.base_url, session=session, timeout=timeout_seconds, retry_with_header=False)
            except requests.HTTPError as refusal:
                raise _translated(refusal) from refusal
            except (requests.RequestException, *_NOT_AS_DOCUMENTED) as failure:
                # HTML with status 200, a list where an object belongs, a half answer: Jira is not itself.
                raise JiraUnavailable(_COME_BACK_SECONDS) from failure


def wanted_fields(cvss: CvssFields, choice: FieldChoice) -> list[str]:
    """What is asked for of an issue: no text, no person."""
    return [*FIELDS, *cvss.ids(), *([choice.reported] if choice.reported else [])]


def _ids(granted: Any, permission: str, *, of: str) -> set[int]:  # noqa: ANN401  JSON of another
    """The issues or projects for which that very permission is granted."""
    return {int(one) for row in granted["projectPermissions"] if row["permission"] == permission for one in row[of]}


def _translated(refusal: requests.HTTPError) -> IssueHidden | JiraUnavailable:
    response = refusal.response
    if response is None:
        return JiraUnavailable(_COME_BACK_SECONDS)
    if response.status_code in {403, 404}:
        return IssueHidden()
    seconds = advice_of(response.headers, now=datetime.now(UTC)).seconds or _COME_BACK_SECONDS
    if response.status_code == 429:
        return TurnAwaited(whole_seconds(seconds))
    kind = JiraRefused if response.status_code < 500 else JiraUnavailable
    return kind(whole_seconds(seconds))


def _changelog(jira: JiraCloud, issue: IssueId) -> Iterator[Any]:
    """Page by page; one that is longer than anything a person writes is not cut but refused: its end is what counts."""
    start = 0
    while True:
        page = jira.get_change_logs(int(issue), start_at=start, max_results=_CHANGELOG_PAGE)
        yield page
        start += len(page["values"])
        if page.get("isLast", True) or not page["values"]:
            return
        if start >= _LONGEST_CHANGELOG:
            raise ValueError("the changelog is too long")
