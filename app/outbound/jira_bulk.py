"""Reading many issues of a Jira at once, and asking it what it calls things and whether it understands a query.

Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-search/ (search/jql),
api-group-issues (issue/bulkfetch, changelog/bulkfetch), api-group-jql (jql/parse).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import requests
from atlassian import JiraCloud

from app.domain.identifiers import IssueId
from app.domain.ports import SiteAccess
from app.domain.sentences import Sentence
from app.domain.tracking.bulk_reading import BulkRead, FoundPage, IssueSign, PageTokenExpired
from app.domain.tracking.jql import Jql, JqlRefused
from app.domain.tracking.model import Change, FieldChoice, IssueSnapshot, Vocabulary
from app.outbound.jira import RestJira, wanted_fields
from app.outbound.jira_answers import chosen_of, histories_of, instant, instant_of, snapshot_of

READ_TIMEOUT_SECONDS = 25.0
"""For a hundred issues with their histories; one issue has less."""
_CHANGES_PER_PAGE = 1_000
_MOST_CHANGES = 200_000
"""Of a hundred issues; whatever answers more does not answer what was asked."""
_LONGEST_REFUSAL = 500


class BulkJira(RestJira):
    """See `app.domain.tracking.bulk_reading.BulkJiraSites`; everything goes through the session of `RestJira`."""

    def find_issues(self, site: SiteAccess, jql: str, *, page_token: str | None, limit: int) -> FoundPage:
        """One page of the ids that match."""
        body: dict[str, Any] = {"jql": jql, "maxResults": limit, "fields": ["id"]}
        body |= {} if page_token is None else {"nextPageToken": page_token}
        answer = self._search(site, body)
        with self._asking(), self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS):
            issues = tuple(IssueId(int(one["id"])) for one in answer["issues"])
            token = answer.get("nextPageToken")
            return FoundPage(issues, str(token) if token and not answer.get("isLast", False) else None)

    def is_within(self, site: SiteAccess, jql: Jql, issue: IssueId) -> bool:
        """Whether that issue matches, by the newest that Jira has of it, not by its index of a moment ago."""
        body = {"jql": jql.with_issue(issue), "maxResults": 1, "fields": ["id"], "reconcileIssues": [int(issue)]}
        answer = self._search(site, body)
        with self._asking(), self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS):
            return any(int(one["id"]) == int(issue) for one in answer["issues"])

    def read_issues(self, site: SiteAccess, issues: Sequence[IssueId], choice: FieldChoice) -> BulkRead:
        """Fields and changelogs of at most a hundred issues."""
        form = self._form_of(site)
        cvss = chosen_of(form.cvss, choice)
        with self._asking(), self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS) as jira:
            answer = _bulk(jira, issues, wanted_fields(cvss, choice))
            shown = {IssueId(int(one["id"])): one for one in answer["issues"]}
            histories = _histories(jira, list(shown)) if shown else {}
            snapshots: list[IssueSnapshot] = []
            unreadable: list[IssueId] = []
            for issue, one in shown.items():
                try:
                    changes: list[Change] = [
                        change
                        for entries in histories.get(issue, [])
                        for change in histories_of(entries, form.categories, names=form.names, at_of=instant_of)
                    ]
                    snapshots.append(snapshot_of(one, changes, cvss, reported_field=choice.reported))
                except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                    # One odd issue must not keep ninety-nine others from being read.
                    unreadable.append(issue)
        hidden = tuple(issue for issue in issues if issue not in shown)
        return BulkRead(tuple(snapshots), hidden, tuple(unreadable))

    def look_at(self, site: SiteAccess, issues: Sequence[IssueId]) -> tuple[IssueSign, ...]:
        """Key, project and last change of those that Jira shows, of at most a hundred issues."""
        with self._asking(), self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS) as jira:
            answer = _bulk(jira, issues, ["project", "updated"])
            return tuple(
                IssueSign(
                    IssueId(int(one["id"])),
                    str(one["key"]),
                    int(one["fields"]["project"]["id"]),
                    instant(one["fields"]["updated"]),
                )
                for one in answer["issues"]
            )

    def issue_types(self, site: SiteAccess) -> dict[int, str]:
        """Issue types by id."""
        with self._asking(), self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS) as jira:
            return {int(one["id"]): str(one["name"]) for one in _rows(jira, "issuetype")}

    def display_url(self, site: SiteAccess) -> str:
        """Where people reach it."""
        with self._asking(), self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS) as jira:
            said: Any = jira.get("rest/api/3/serverInfo")
            return str(said.get("displayUrl") or said["baseUrl"]).rstrip("/")

    def vocabulary(self, site: SiteAccess) -> Vocabulary:
        """What this site calls things."""
        with (
            self._patience.of(site.base_url),
            self._asking(),
            self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS) as jira,
        ):
            fields = {str(one["id"]): str((one.get("schema") or {}).get("type", "")) for one in _rows(jira, "field")}
            statuses = _rows(jira, "status")
            return Vocabulary(
                fields=fields,
                statuses=frozenset({str(one["id"]) for one in statuses} | _names(statuses)),
                resolutions=_names(_rows(jira, "resolution")),
                priorities=_names(_rows(jira, "priority")),
            )

    def check_jql(self, site: SiteAccess, jql: Jql) -> None:
        """Return if Jira understands it, fields and values included."""
        with (
            self._patience.of(site.base_url),
            self._asking(),
            self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS) as jira,
        ):
            answer: Any = jira.post("rest/api/3/jql/parse?validation=strict", data={"queries": [jql.text]})
            [parsed] = answer["queries"]
            errors = [str(error) for error in parsed.get("errors") or ()]
            structure = parsed.get("structure") or {}
        if errors:
            raise JqlRefused(_said(" ".join(errors)))
        if structure.get("orderBy") or not structure.get("where"):
            raise JqlRefused(Sentence("Jira does not read it as a restriction alone"))

    def _search(self, site: SiteAccess, body: dict[str, Any]) -> Any:  # noqa: ANN401  JSON of another
        """Raises `PageTokenExpired` and `JqlRefused` for a 400, which says of both the same."""
        with self._asking(), self._jira(site, timeout_seconds=READ_TIMEOUT_SECONDS) as jira:
            try:
                return jira.post("rest/api/3/search/jql", data=body)
            except requests.HTTPError as failure:
                if failure.response is None or failure.response.status_code != 400:
                    raise
                refusal = failure
        # Out here, because in there whatever is wrong with a value is an odd answer.
        if "nextPageToken" in body:
            raise PageTokenExpired(PageTokenExpired.__doc__) from refusal
        raise JqlRefused(_said(str(refusal))) from refusal


def _said(text: str) -> Sentence:
    """In the language that Jira has said it in."""
    return Sentence("Jira says: %(text)s", text=text[:_LONGEST_REFUSAL])


def _bulk(jira: JiraCloud, issues: Sequence[IssueId], fields: list[str]) -> Any:  # noqa: ANN401  JSON of another
    body = {"issueIdsOrKeys": [str(int(issue)) for issue in issues], "fields": fields}
    return jira.post("rest/api/3/issue/bulkfetch", data=body)


def _histories(jira: JiraCloud, issues: Sequence[IssueId]) -> dict[IssueId, list[Any]]:
    """Entries of changelogs by issue; one issue's can be spread over pages."""
    found: dict[IssueId, list[Any]] = {}
    for page in _pages(jira, issues):
        for one in page["issueChangeLogs"]:
            found.setdefault(IssueId(int(one["issueId"])), []).append(one["changeHistories"])
    return found


def _pages(jira: JiraCloud, issues: Sequence[IssueId]) -> Iterator[Any]:
    body: dict[str, Any] = {
        "issueIdsOrKeys": [str(int(issue)) for issue in issues],
        "maxResults": _CHANGES_PER_PAGE,
    }
    for _ in range(_MOST_CHANGES // _CHANGES_PER_PAGE):
        page = jira.post("rest/api/3/changelog/bulkfetch", data=body)
        yield page
        if not page.get("nextPageToken"):
            return
        body["nextPageToken"] = page["nextPageToken"]
    raise ValueError("the changelogs do not end")


def _rows(jira: JiraCloud, what: str) -> Any:  # noqa: ANN401  JSON of another
    return jira.get(f"rest/api/3/{what}")


def _names(rows: Any) -> frozenset[str]:  # noqa: ANN401  JSON of another
    return frozenset(str(row["name"]).strip().lower() for row in rows)
