"""What a person sees of a site: issue pages that frame the installed app, and the script that talks to it."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
)
from werkzeug.wrappers import Response as AnyResponse

from simulator.connect import LOOPBACK, context_token, panel_url
from simulator.forge_pages import forge_panels
from simulator.issues import CHOICES, Issue
from simulator.people import Json, Person
from simulator.seeds import CVSS
from simulator.site import Site
from simulator.viewing import panel_status, viewer, visible_issue
from simulator.world import World

# the attribute that Atlassian's own host gives the frames of apps
SANDBOX = (
    "allow-downloads allow-forms allow-modals allow-popups allow-scripts allow-same-origin "
    "allow-top-navigation-by-user-activation allow-storage-access-by-user-activation"
)
THEMES = ("light", "dark")
HOSTS = ("both", "connect", "forge")


def guard(app: Flask) -> None:
    """Answer loopback names and same-origin posts only.

    The control port mints tokens and the pages hand them out. Without this, any web page that the person at
    this machine opens could reach them, by DNS rebinding or by a cross-site form.
    """

    @app.before_request
    def check() -> None:
        host = request.host.rpartition(":")[0] or request.host
        if host.strip("[]") not in LOOPBACK:
            abort(403)
        origin = request.headers.get("Origin")
        if request.method not in {"GET", "HEAD"} and origin not in (None, f"http://{request.host}"):
            abort(403)


def serve_static(app: Flask) -> None:
    """Serve the style sheet and the scripts; `/host.js` may be framed apps' only foreign script."""

    @app.get("/host.js")
    def host_script() -> Response:
        return send_from_directory(f"{app.root_path}/static", "host.js", max_age=0)


def secured(page: str, *, status: int = 200, frames: str = "'none'") -> Response:
    """Return a page under a content policy that allows its own files and the given frames."""
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        f"frame-src {frames}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    answer = Response(page, status, content_type="text/html; charset=utf-8")
    answer.headers.update({"Content-Security-Policy": policy, "Cache-Control": "no-store"})
    return answer


class Pages:
    """The pages of one site."""

    def __init__(self, site: Site, world: World) -> None:
        self._site, self._world = site, world

    def blueprint(self) -> Blueprint:
        """Return the routes of the pages."""
        routes = Blueprint("pages", __name__)
        routes.add_url_rule("/browse/<key>", "browse", self.browse)
        routes.add_url_rule("/browse/<key>", "edit", self.edit, methods=["POST"])
        routes.add_url_rule("/host/token", "token", self.token)
        routes.add_url_rule("/_edge/tenant_info", "tenant_info", self.tenant_info)
        return routes

    def browse(self, key: str) -> Response:
        """Show an issue as one of the site's people (`as`: handle or account id), in a `theme`.

        `host` picks whose panels are shown where the app is installed twice: connect, forge or both.
        """
        person, theme, host = viewer(self._site), choice("theme", THEMES), choice("host", HOSTS)
        issue = visible_issue(self._site, key, person)
        shown = {"site": self._site, "people": self._site.people.values(), "person": person, "theme": theme}
        shown |= {"host": host, "hosts": HOSTS}
        if issue is None:
            return secured(render_template("refused.html", **shown), status=404)
        panels = self._panels(issue, person) if host != "forge" else []
        if host != "connect":
            panels += forge_panels(self._world.forge[self._site.name], self._world, issue=issue, person=person)
        return secured(
            render_template("issue.html", **shown, issue=issue, panels=panels, choices=CHOICES, cvss=CVSS),
            frames=" ".join(sorted({panel["origin"] for panel in panels})) or "'none'",
        )

    def edit(self, key: str) -> AnyResponse:
        """Change an issue from its page, as the person shown there."""
        person = viewer(self._site)
        issue = visible_issue(self._site, key, person)
        if issue is None:
            abort(404)
        names = ("priority", "status", "resolution")
        values: Json = {name: request.form[name] or None for name in names if name in request.form}
        if "labels" in request.form:
            values["labels"] = request.form["labels"].split()
        if request.form.get("severity", "keep") != "keep":
            values["cvss_vector"], values["cvss_score"] = CVSS.get(request.form["severity"], (None, None))
        self._world.change(self._site, issue, values=values, author=person)
        return redirect(request.full_path, 303)

    def token(self) -> Response:
        """Give the page a fresh context token for the person and issue that it shows."""
        installed, person = self._site.installation, viewer(self._site)
        if installed is None or not installed.active:
            abort(404)
        issue = visible_issue(self._site, request.args.get("issue", ""), person)
        token = context_token(self._site, installed, person=person, issue=issue)
        answer = jsonify({"token": token})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def tenant_info(self) -> Response:
        """Return the cloud id, to anybody."""
        return jsonify({"cloudId": self._site.cloud_id})

    def _panels(self, issue: Issue, person: Person) -> list[Json]:
        installed = self._site.installation
        if installed is None or not installed.active:
            return []
        return [
            {
                "host": "connect",
                "title": module["name"]["value"],
                "label": module.get("content", {}).get("label", {}).get("value", ""),
                "channel": f"channel-{module['key']}",
                "status": panel_status(issue, app=installed.descriptor.key, module=module["key"]),
                "origin": installed.descriptor.origin,
                "sandbox": SANDBOX,
                "query": urlencode({"as": person.handle, "issue": issue.key}),
                "url": panel_url(self._site, installed, module=module, issue=issue, person=person),
            }
            for module in installed.descriptor.modules.get("jiraIssueContexts", [])
        ]


def choice(name: str, known: tuple[str, ...]) -> str:
    """Return what the query says, the first of the known if it is none of them."""
    wanted = request.args.get(name, known[0])
    return wanted if wanted in known else known[0]
