"""What an app may write to a site over REST: properties of issues and the Security tab, with a ledger of all of it."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, g, jsonify, request

from simulator.issues import Issue
from simulator.people import Json, Person
from simulator.reading import Refusal, json_body, texts
from simulator.site import Site, Unknown

MAX_KEY, MAX_VALUE = 255, 32_768
_WRITING = frozenset({"WRITE", "DELETE", "PROJECT_ADMIN", "ADMIN"})
Row = tuple[str, Callable[..., Response | Json], str]


class Writes:
    """The handlers; `is_connect` where the caller is the Connect app, whose descriptor says what it may.

    `told` is called with each issue of which a property was set: hosts announce that to apps.
    """

    def __init__(self, site: Site, *, is_connect: bool, told: Callable[[Issue], None]) -> None:
        self._site, self._is_connect, self._told = site, is_connect, told

    def rows(self) -> list[Row]:
        """Return the routes."""
        one = "/rest/api/3/issue/<reference>/properties/<path:key>"
        security = "/rest/security/1.0"
        return [
            ("/rest/api/3/issue/<reference>/properties", self.property_keys, "GET"),
            (one, self.property_of, "GET"),
            (one, self.set_property, "PUT"),
            (one, self.delete_property, "DELETE"),
            (f"{security}/linkedWorkspaces", self.linked_workspaces, "GET"),
            (f"{security}/linkedWorkspaces/bulk", self.link_workspaces, "POST"),
            (f"{security}/bulk", self.push, "POST"),
            (f"{security}/vulnerability/<entry>", self.entry, "GET"),
        ]

    def property_keys(self, reference: str) -> Json:
        """Return the keys of an issue's properties."""
        return {"keys": [{"key": key} for key in self._issue(reference).properties]}

    def property_of(self, reference: str, key: str) -> Json:
        """Return one property of an issue."""
        properties = self._issue(reference).properties
        if key not in properties:
            raise Refusal(404, f"The property with key '{key}' does not exist.")
        return {"key": key, "value": properties[key]}

    def set_property(self, reference: str, key: str) -> Response:
        """Set a property: 201 if it is new, else 200."""
        self._may_write()
        issue = self._issue(reference)
        if len(key) > MAX_KEY or len(request.get_data(as_text=True)) > MAX_VALUE:
            raise Refusal(400, "The key or the value of the property is too long.")
        value = request.get_json(silent=True)
        if value is None:
            raise Refusal(400, "The value of the property is no JSON.")
        is_new = key not in issue.properties
        issue.properties[key] = value
        self._note(issue=issue.id, key=key, value=value)
        self._told(issue)
        return Response(status=201 if is_new else 200)

    def delete_property(self, reference: str, key: str) -> Response:
        """Delete a property."""
        self._may_write()
        self.property_of(reference, key)
        del self._issue(reference).properties[key]
        self._note(issue=reference, key=key)
        return Response(status=204)

    def linked_workspaces(self) -> Json:
        """Return the workspaces that the tab shows."""
        self._is_provider()
        return {"workspaceIds": sorted(self._site.security.workspaces)}

    def link_workspaces(self) -> Response:
        """Link workspaces; linked ones are left alone."""
        self._is_provider()
        self._may_write()
        wanted = texts(json_body().get("workspaceIds"), 100)
        self._site.security.workspaces |= set(wanted)
        self._note(workspaces=wanted)
        return Response(status=202)

    def push(self) -> Response:
        """Take entries."""
        self._is_provider()
        self._may_write()
        body = json_body()
        answer = self._site.security.push(body, known_issues=set(self._site.issues))
        self._note(operation=body.get("operationType", "NORMAL"), entries=body["vulnerabilities"])
        taken = jsonify(answer)
        taken.status_code = 202
        return taken

    def entry(self, entry: str) -> Json:
        """Return one entry."""
        self._is_provider()
        found = self._site.security.entries.get(entry)
        if found is None:
            raise Refusal(404, "No such vulnerability.")
        return found

    def _issue(self, reference: str) -> Issue:
        actor: Person = g.actor
        issue = self._site.issue(reference)
        if not self._site.may_see(actor, issue):
            raise Unknown(reference)
        return issue

    def _may_write(self) -> None:
        installed = self._site.installation
        if self._is_connect and (installed is None or not _WRITING & installed.descriptor.scopes):
            raise Refusal(403, "The app has not the scope WRITE.")

    def _is_provider(self) -> None:
        installed = self._site.installation
        modules = {} if installed is None else installed.descriptor.modules
        if not self._is_connect or "jiraSecurityInfoProvider" not in modules:
            raise Refusal(403, "The app declares no module for security information.")

    def _note(self, **what: object) -> None:
        self._site.writes.append({"method": request.method, "path": request.path, **what})
