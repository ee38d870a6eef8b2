"""The REST API of a site, as far as an app uses it: verified, filtered, paged, limited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from flask import Blueprint, Response, g, jsonify, request

from simulator.issues import CHOICES, STATUSES, Issue
from simulator.jql import JqlWrong, parsed, select
from simulator.people import Json, Person
from simulator.reading import Refusal, cut_page, id_numbers, json_body, numbered_entry, texts, whole_number
from simulator.signing import TokenRefused
from simulator.site import GLOBAL_PERMISSIONS, Site, Unknown
from simulator.writes import Writes

_NOT_FOUND = "Issue does not exist or you do not have permission to see it."
CLIENT_KEY_PROPERTY = "connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8"
MAX_BULK_ISSUES, MAX_CHANGELOG_ISSUES, MAX_PAGE, MAX_SEARCH_IDS = 100, 1000, 100, 5000


def _error(status: int, message: str) -> Response:
    return Response(jsonify({"errorMessages": [message], "errors": {}}).data, status, content_type="application/json")


class Rest:
    """The REST handlers of one site; every one acts as the person whom `caller` returns.

    `caller` reads the request's token and raises `TokenRefused`. That person is the installed app's own user
    unless the token was given for another. Without `writes` nothing can be written.
    """

    def __init__(
        self, site: Site, now: Callable[[], datetime], *, caller: Callable[[], Person], writes: Writes | None = None
    ) -> None:
        self._site, self._now, self._caller, self._writes = site, now, caller, writes

    def blueprint(self) -> Blueprint:
        """Return the routes, behind latency, storms and the check of the token."""
        routes = Blueprint(f"rest-{self._site.name}", __name__)
        rows: list[tuple[str, Callable[..., Response | Json | list[Json]], str]] = [
            *(self._writes.rows() if self._writes is not None else []),
            ("/rest/api/3/issue/<reference>", self.issue, "GET"),
            ("/rest/api/3/issue/<reference>/changelog", self.changelog, "GET"),
            ("/rest/api/3/issue/<reference>/comment", self.comments, "GET"),
            ("/rest/api/3/issue/<reference>/comment", self.add_comment, "POST"),
            ("/rest/api/3/issue/bulkfetch", self.bulk_fetch, "POST"),
            ("/rest/api/3/changelog/bulkfetch", self.bulk_changelog, "POST"),
            ("/rest/api/3/field", self.field_list, "GET"),
            ("/rest/api/3/status", self.status_list, "GET"),
            ("/rest/api/3/issuetype", self.issue_types, "GET"),
            ("/rest/api/3/priority", self.priorities, "GET"),
            ("/rest/api/3/resolution", self.resolutions, "GET"),
            ("/rest/api/3/jql/parse", self.parse_jql, "POST"),
            ("/rest/api/3/permissions/check", self.permissions, "POST"),
            ("/rest/api/3/search/jql", self.search, "GET"),
            ("/rest/api/3/search/jql", self.search, "POST"),
            ("/rest/api/3/myself", self.myself, "GET"),
            ("/rest/api/3/serverInfo", self.server_info, "GET"),
            ("/rest/atlassian-connect/1/addons/<app_key>", self.addon, "GET"),
            ("/rest/atlassian-connect/1/addons/<app_key>/properties/<name>", self.addon_property, "GET"),
        ]
        for rule, view, method in rows:
            routes.add_url_rule(rule, f"{view.__name__}_{method}", view, methods=[method])
        routes.before_request(self._admit)
        routes.register_error_handler(Refusal, lambda refusal: _error(refusal.status, str(refusal)))
        routes.register_error_handler(Unknown, lambda _: _error(404, _NOT_FOUND))
        return routes

    def _admit(self) -> Response | None:
        """Delay, storm, edge rule, then the token: in the order that Atlassian's own layers stand."""
        time.sleep(self._site.faults.latency_seconds)
        storm = self._site.faults.next_storm()
        if storm is not None:
            answer = _error(storm.status, "Rate limit exceeded." if storm.status == 429 else "Try later.")
            answer.headers.extend(storm.headers())
            return answer
        if request.method == "GET" and request.content_length:
            return _error(403, "A GET request must not have a body.")
        try:
            g.actor = self._caller()
        except TokenRefused as refused:
            return _error(401, f"Client must be authenticated to access this resource: {refused}")
        return None

    @property
    def _actor(self) -> Person:
        actor: Person = g.actor
        return actor

    def issue(self, reference: str) -> Json:
        """Return one issue; `fields` picks, `expand=names` adds the names of fields."""
        issue = self._visible(reference)
        shown = self._pick(issue, request.args.get("fields", "*all").split(","))
        return shown | self._names(request.args.get("expand", ""))

    def changelog(self, reference: str) -> Json:
        """Return a page of an issue's history, oldest first."""
        entries = self._visible(reference).changelog
        start = whole_number(request.args.get("startAt"), 0)
        size = min(whole_number(request.args.get("maxResults"), MAX_PAGE), MAX_PAGE)
        page = entries[start : start + size]
        counts = {"startAt": start, "maxResults": size, "total": len(entries)}
        return counts | {"isLast": start + len(page) >= len(entries), "values": list(page)}

    def comments(self, reference: str) -> Json:
        """Return a page of comments, newest first with `orderBy=-created`; properties if `expand` asks for them."""
        found = self._visible(reference).comments
        found = found[::-1] if request.args.get("orderBy") == "-created" else found
        start, size = whole_number(request.args.get("startAt"), 0), whole_number(request.args.get("maxResults"), 100)
        with_properties = "properties" in request.args.get("expand", "").split(",")
        hidden = set() if with_properties else {"properties"}
        page = [{name: one[name] for name in one if name not in hidden} for one in found[start : start + size]]
        return {"startAt": start, "maxResults": size, "total": len(found), "comments": page}

    def add_comment(self, reference: str) -> Json:
        """Write a comment as the app; the body is a document (ADF), not text."""
        issue, body = self._visible(reference), json_body()
        document = body.get("body")
        if not isinstance(document, dict) or document.get("type") != "doc" or document.get("version") != 1:
            raise Refusal(400, "Comment body is not valid!")
        made = {"id": str(len(issue.comments) + 1), "author": self._actor.render(self._site.url), "body": document}
        issue.comments += (made | {"properties": body.get("properties", [])},)
        return made

    def bulk_fetch(self) -> Json:
        """Return up to a hundred issues at once; what the app may not see is an error entry."""
        body = json_body()
        references = texts(body.get("issueIdsOrKeys"), MAX_BULK_ISSUES)
        found, errors = [], []
        for reference in references:
            try:
                found.append(self._pick(self._visible(reference), body.get("fields", ["*navigable"])))
            except Unknown:
                errors.append({"id": reference, "errorMessage": _NOT_FOUND})
        names = self._names(",".join(body.get("expand", [])))
        return {"expand": "names", "issues": found, "issueErrors": errors, **names}

    def bulk_changelog(self) -> Json:
        """Return the histories of many issues; instants are epoch milliseconds here, unlike elsewhere.

        Atlassian's page gives the type as a number and no unit; milliseconds is what clients convert from.
        """
        body = json_body()
        wanted = {self._find(one) for one in texts(body.get("issueIdsOrKeys"), MAX_CHANGELOG_ISSUES)} - {None}
        picked = set(body.get("fieldIds", []))
        entries = [
            (issue.id, numbered_entry(entry, picked))
            for issue in self._site.visible(self._actor)
            if issue.id in wanted
            for entry in issue.changelog
        ]
        entries = [(issue_id, entry) for issue_id, entry in entries if entry["items"]]
        page, token = cut_page(entries, body, size=min(whole_number(body.get("maxResults"), 1000), 10_000))
        logs: dict[str, list[Json]] = {}
        for issue_id, entry in page:
            logs.setdefault(issue_id, []).append(entry)
        found = [{"issueId": issue_id, "changeHistories": entries} for issue_id, entries in logs.items()]
        return {"issueChangeLogs": found, "nextPageToken": token}

    def status_list(self) -> list[Json]:
        """Return the statuses, each with its category."""
        return [
            {"id": number, "name": name, "statusCategory": {"id": category_id, "key": key, "name": category}}
            for name, (number, category_id, key, category) in STATUSES.items()
        ]

    def issue_types(self) -> list[Json]:
        """Return the issue types."""
        return [{"id": number, "name": name, "subtask": False} for name, number in CHOICES["issuetype"].items()]

    def priorities(self) -> list[Json]:
        """Return the priorities."""
        return [{"id": number, "name": name} for name, number in CHOICES["priority"].items()]

    def resolutions(self) -> list[Json]:
        """Return the resolutions."""
        return [{"id": number, "name": name} for name, number in CHOICES["resolution"].items()]

    def parse_jql(self) -> Json:
        """Say of each query what is wrong with it, or of what it consists; only `validation=strict` is played."""
        queries = json_body().get("queries")
        if not isinstance(queries, list) or not queries or request.args.get("validation") != "strict":
            raise Refusal(400, "queries and validation=strict are needed")
        return {"queries": [parsed(str(query)) for query in queries]}

    def field_list(self) -> list[Json]:
        """Return the fields; ids of custom fields differ from site to site."""
        return [
            {"id": one.id, "key": one.id, "name": one.name, "custom": one.custom, "orderable": True}
            | {"navigable": True, "searchable": True, "clauseNames": [one.name.lower()]}
            | {"schema": {"type": one.type}}
            for one in self._site.fields.values()
        ]

    def permissions(self) -> Json:
        """Say, of the given account, which of the asked permissions it has on which projects and issues."""
        body = json_body()
        try:
            person: Person | None = self._site.person(str(body.get("accountId", self._actor.handle)))
        except Unknown:
            person = None
        asked = body.get("globalPermissions", [])
        admin = person is not None and person.handle in self._site.jira_admins
        granted = [one for one in asked if admin and one in GLOBAL_PERMISSIONS]
        blocks = [self._granted(person, block) for block in body.get("projectPermissions", [])]
        return {"globalPermissions": granted, "projectPermissions": [row for rows in blocks for row in rows]}

    def search(self) -> Json:
        """Find issues by JQL, page by page; without `fields` only ids come, as in Jira."""
        body = request.args.to_dict() if request.method == "GET" else json_body()
        fields = body.get("fields", "id")
        names = fields.split(",") if isinstance(fields, str) else fields
        size = min(whole_number(body.get("maxResults"), 50), MAX_SEARCH_IDS if names == ["id"] else MAX_PAGE)
        try:
            found = select(str(body.get("jql", "")), self._site.visible(self._actor), now=self._now())
        except JqlWrong as wrong:
            raise Refusal(400, str(wrong)) from wrong
        page, token = cut_page(found, body, size=size, era=self._site.faults.page_era)
        issues = [self._pick(issue, names) if names != ["id"] else {"id": issue.id} for issue in page]
        more = {"nextPageToken": token} if token else {}
        return {"issues": issues, "isLast": token is None, **more}

    def myself(self) -> Json:
        """Return whom the token acts as: the app's own user, or a person."""
        return self._actor.render(self._site.url)

    def server_info(self) -> Json:
        """Return what a site says about itself."""
        shown = {"baseUrl": self._site.url, "displayUrl": self._site.display_url, "deploymentType": "Cloud"}
        return shown | {"version": "1001.0.0", "serverTime": f"{self._now():%Y-%m-%dT%H:%M:%S}.000+0000"}

    def addon(self, app_key: str) -> Json:
        """Return what the site knows of the installed app, its licence included."""
        installation = self._site.installation or self._site.offered
        if installation is None or installation.descriptor.key != app_key:
            raise Refusal(404, "No such app.")
        host = {"product": "Jira", "contacts": []}
        known: Json = {"key": app_key, "version": "1.0.0", "state": "ENABLED", "host": host}
        if self._site.license != "absent":
            active = self._site.license == "active"
            known["license"] = {"active": active, "type": "COMMERCIAL", "evaluation": False}
        return known

    def addon_property(self, app_key: str, name: str) -> Json:
        """Return the one property that Atlassian keeps: the client key that the app has had as a Connect app.

        https://developer.atlassian.com/platform/adopting-forge-from-connect/migrate-connect-clientkey/
        """
        if self._actor != self._site.app_user:
            raise Refusal(403, "Only the app itself reads its properties.")
        known = [*self._site.former, *([self._site.installation] if self._site.installation else [])]
        keys = [one.client_key for one in known if one.descriptor.key == app_key]
        if name != CLIENT_KEY_PROPERTY or not keys:
            raise Refusal(404, "Property with key not found.")
        return {"key": name, "value": keys[-1]}

    def _visible(self, reference: str) -> Issue:
        issue = self._site.issue(reference)
        if not self._site.may_see(self._actor, issue):
            raise Unknown(reference)
        return issue

    def _find(self, reference: str) -> str | None:
        try:
            return self._visible(reference).id
        except Unknown:
            return None

    def _granted(self, person: Person | None, block: Json) -> list[Json]:
        projects = id_numbers(block.get("projects", []))
        issues = id_numbers(block.get("issues", []))
        if not block.get("permissions"):
            raise Refusal(400, "projectPermissions needs permissions")
        rows = []
        for permission in block["permissions"]:
            holders = self._site.holders.get(permission, {})
            held = {key for key, who in holders.items() if person is not None and person.handle in who}
            row = {"permission": permission, "projects": self._projects_in(held, projects)}
            rows.append(row | {"issues": self._issues_in(held, issues, seen_by=person)})
        return rows

    def _projects_in(self, keys: set[str], ids: list[int]) -> list[int]:
        own = {int(self._site.projects[key].id) for key in keys}
        return [number for number in ids if number in own]

    def _issues_in(self, keys: set[str], ids: list[int], *, seen_by: Person | None) -> list[int]:
        seen = self._site.visible(seen_by) if seen_by else ()
        own = {int(issue.id) for issue in seen if issue.project.key in keys}
        return [number for number in ids if number in own]

    def _pick(self, issue: Issue, names: Iterable[str]) -> Json:
        shown, wanted = self._site.render_issue(issue), {name.strip() for name in names}
        if not wanted & {"*all", "*navigable"} and any(not name.startswith("-") for name in wanted):
            shown["fields"] = {name: value for name, value in shown["fields"].items() if name in wanted}
        for name in wanted:
            shown["fields"].pop(name.removeprefix("-"), None) if name.startswith("-") else None
        return shown

    def _names(self, expand: str) -> Json:
        if "names" not in expand.split(","):
            return {}
        return {"names": {one.id: one.name for one in self._site.fields.values()}}
