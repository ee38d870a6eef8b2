"""The host's side of a Forge panel: its frame, its context, and `invokeRemote`, which goes through here.

The contract of `@forge/bridge` is read from the npm package (7.2.0): `window.__bridge.callBridge(name, payload)`.
What the host answers to a failed `invoke` is not documented but for its sentences.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, request

from simulator.connect import Answer, AppUnusable, send
from simulator.forge import Forge
from simulator.forge_app import PAGE_TYPES, ForgeApp, ForgeInstallation
from simulator.issues import Issue, Project
from simulator.people import Json, Person
from simulator.viewing import panel_status, viewer, visible_issue, visible_project
from simulator.world import World

# what @forge/csp gives the frame of a Custom UI: no popups
SANDBOX = "allow-downloads allow-forms allow-modals allow-pointer-lock allow-same-origin allow-scripts"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TIMEOUT_SECONDS = 25
MAX_REQUEST_BYTES, MAX_RESPONSE_CHARACTERS = 500_000, 5_000_000
_OURS = ("x-forge-", "x-b3-", "authorization", "content-", "cookie", "host", "transfer-encoding", "connection")


def forge_panels(forge: Forge, world: World, *, issue: Issue, person: Person) -> list[Json]:
    """Return the panel of the installed Forge app, if any, for the template of an issue page."""
    panels = forge_frames(forge, world, kind="ui", query={"as": person.handle, "issue": issue.key})
    for panel in panels:
        panel["status"] = panel_status(issue, app=panel["app"], module=panel["module"])
    return panels


def forge_frames(forge: Forge, world: World, *, kind: str, query: Mapping[str, str]) -> list[Json]:
    """Return the frame of that kind of page of the installed Forge app, if any; `query` says who looks at what."""
    installation = forge.installation
    if installation is None or not installation.active:
        return []
    key = installation.app.modules[kind]
    channel = f"forge-{key}"
    frame = urlencode({"host": request.host_url.rstrip("/"), "channel": channel})
    return [
        {
            "app": installation.app.uuid,
            "module": key,
            "host": "forge",
            "title": installation.app.name,
            "label": "Forge",
            "channel": channel,
            "origin": world.forge_ui_url,
            "sandbox": SANDBOX,
            "url": f"{world.forge_ui_url}/{key}/index.html?{frame}" if world.has_forge_ui else None,
            "query": urlencode({**query, "page": kind}),
        }
    ]


class ForgePages:
    """What the page of a site answers to a Forge frame on it."""

    def __init__(self, forge: Forge) -> None:
        self._forge, self._site = forge, forge.site

    def blueprint(self) -> Blueprint:
        """Return the routes, all of which take `as`, `page` (the kind of module) and `issue` or `project`."""
        routes = Blueprint("forge_pages", __name__)
        routes.add_url_rule("/host/forge/context", "context", self.context)
        routes.add_url_rule("/host/forge/invoke", "invoke", self.invoke, methods=["POST"])
        return routes

    def context(self) -> Response:
        """Return what `view.getContext()` gives: for display only, since a browser has it."""
        installation, kind, person, about = self._installed(), _kind(), viewer(self._site), self._shown()
        app = installation.app
        context = self._forge.context(installation, kind, about=about) | {
            "accountId": person.account_id,
            "environmentId": app.environment_uuid,
            "environmentType": app.environment,
            "locale": self._forge.locale,
            "timezone": "Etc/UTC",
        }
        licence = self._forge.license(app)
        return jsonify(context if licence is None else context | {"license": licence})

    def invoke(self) -> Response:
        """Pass an `invokeRemote` on to the remote, with a FIT for the person and issue on the page."""
        installation, kind, person, about = self._installed(), _kind(), viewer(self._site), self._shown()
        asked = request.get_json(silent=True)
        if not isinstance(asked, dict):
            abort(400)
        try:
            url = _checked_url(asked, installation.app)
        except AppUnusable as problem:
            return _failed(400, str(problem))
        claims = self._forge.claims(installation, kind, person=person, about=about)
        own = self._forge.headers(installation, self._forge.fit(claims), person=person)
        body = json.dumps(asked["body"]).encode() if asked.get("body") is not None else None
        return _passed_back(
            send(
                asked["method"],
                url,
                headers=_allowed(asked.get("headers") or {}) | own,
                body=body,
                timeout_seconds=TIMEOUT_SECONDS,
                max_characters=MAX_RESPONSE_CHARACTERS,
            )
        )

    def _installed(self) -> ForgeInstallation:
        installation = self._forge.installation
        if installation is None or not installation.active:
            abort(404)
        return installation

    def _shown(self) -> Issue | Project | None:
        """Return what the page is about, which its viewer has to be able to see; None for a page of the site."""
        person, kind = viewer(self._site), _kind()
        found: Issue | Project | None = None
        if kind == "ui":
            found = visible_issue(self._site, request.args.get("issue", ""), person)
        elif kind == "project":
            found = visible_project(self._site, request.args.get("project", ""), person)
        else:
            return None
        if found is None:
            abort(404)
        return found


def _kind() -> str:
    """Return which of the app's pages is shown: the panel of an issue, unless the query names another."""
    kind = request.args.get("page", "ui")
    if kind != "ui" and kind not in PAGE_TYPES:
        abort(404)
    return kind


def _checked_url(asked: Json, app: ForgeApp) -> str:
    """Return where a call goes.

    Raises:
        AppUnusable: Forge would not pass it on.
    """
    method, path, body = asked.get("method"), asked.get("path"), asked.get("body")
    if method not in METHODS or not isinstance(path, str):
        raise AppUnusable(f"path and method are needed; methods are {', '.join(METHODS)}")
    if not isinstance(body, dict | None) or (method == "GET" and body is not None):
        raise AppUnusable("the body is a JSON object, and GET has none")
    if (request.content_length or 0) > MAX_REQUEST_BYTES:
        raise AppUnusable(f"a request has at most {MAX_REQUEST_BYTES} bytes")
    return app.url(path)


def _allowed(headers: Mapping[str, object]) -> dict[str, str]:
    """Return the browser's own headers without those that Forge sets."""
    return {name: str(value) for name, value in headers.items() if not name.lower().startswith(_OURS)}


def _passed_back(answer: Answer) -> Response:
    if answer.status is None:
        timed_out = "Timeout" in answer.body
        said = f"Remote invocation timed out after {TIMEOUT_SECONDS} seconds" if timed_out else answer.body
        return _failed(504 if timed_out else 502, said)
    if answer.status == 401:
        return _failed(401, "Remote could not verify the Forge Invocation Token")
    kind, body = answer.headers.get("Content-Type", ""), None
    try:
        body = json.loads(answer.body) if answer.body else None
    except ValueError:
        kind = "not JSON"
    if answer.status in range(300, 400) or (kind and kind.partition(";")[0] != "application/json"):
        return _failed(502, f"Invalid response from remote: {answer.status} {kind}")
    headers = {name.lower(): [value] for name, value in answer.headers.items()}
    return jsonify({"success": True, "payload": {"status": answer.status, "headers": headers, "body": body}})


def _failed(status: int, message: str) -> Response:
    return jsonify({"success": False, "error": {"status": status, "headers": {}, "message": message}})
