"""The control port: lifecycle, edits as a person, faults, ledgers, keys, tokens; Forge's part is beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import BadRequest, Conflict, HTTPException, NotFound

from simulator import connect
from simulator.faults import Faults, FaultUnknown
from simulator.forge_app import APP_ID, LICENSES
from simulator.forge_control import MAX_WAIT_SECONDS, ForgeControl
from simulator.installations import Installation
from simulator.issues import ValueUnknown
from simulator.minting import connect_token
from simulator.pages import guard, secured, serve_static
from simulator.people import Json
from simulator.site import Site, Unknown
from simulator.world import World

_ISSUE_KEYS = frozenset({"as", "project", "delete"})
_CONTROLS = frozenset(
    {
        "advance_seconds",
        "latency_seconds",
        "page_era",
        "storm",
        "webhooks",
        "events",
        "browse",
        "reset",
        "jwks",
        "license",
        "accounts",
        "oauth",
    }
)


class Control:
    """The handlers of the control port."""

    def __init__(self, world: World) -> None:
        self._world, self._forge = world, ForgeControl(world)

    def app(self) -> Flask:
        """Return the control port's application."""
        app = Flask("simulator")
        guard(app)
        serve_static(app)
        app.add_url_rule("/", "page", self.page)
        app.add_url_rule("/install-keys/<path:kid>", "key", self.key)
        app.add_url_rule("/.well-known/jwks.json", "key_set", self._forge.key_set)
        app.add_url_rule("/reports", "reports", self.reports)
        app.add_url_rule("/reports", "expected", self.reports, methods=["POST"])
        app.add_url_rule("/grants", "grants", self.grants)
        app.add_url_rule("/control", "state", self.state)
        app.add_url_rule("/control", "control", self.control, methods=["POST"])
        rows: list[tuple[str, Callable[..., Json], str]] = [
            ("", self.show, "GET"),
            ("/install", self.install, "POST"),
            ("/uninstall", self.uninstall, "POST"),
            ("/rotate-secret", self.rotate_secret, "POST"),
            ("/rename", self.rename, "POST"),
            ("/import", self.import_backup, "POST"),
            ("/issues", self.create, "POST"),
            ("/issues/<key>", self.change, "PATCH"),
            ("/issues/<key>/panel", self.panel, "GET"),
            ("/webhooks", self.webhooks, "GET"),
            ("/writes", self.writes, "GET"),
            ("/token", self.token, "POST"),
            ("/upgrade", self._forge.upgrade, "POST"),
            ("/forge", self._forge.change, "PATCH"),
            ("/cron", self._forge.cron, "POST"),
            ("/events", self._forge.events, "GET"),
            ("/fit", self._forge.fit, "POST"),
            ("/expire-tokens", self._forge.expire_tokens, "POST"),
        ]
        for tail, view, method in rows:
            located = partial(self._located, view)
            app.add_url_rule(f"/sites/<site>{tail}", f"{method} {tail}", located, methods=[method])
        for error, status in (
            (Unknown, 404),
            (ValueUnknown, 400),
            (FaultUnknown, 400),
            (connect.AppUnusable, 400),
        ):
            app.register_error_handler(error, partial(_refused, status))
        app.register_error_handler(HTTPException, lambda refused: _refused(refused.code or 500, refused))
        return app

    def _located(self, view: Callable[..., Json], site: str, **parts: str) -> Json:
        return view(self._world.site(site), **parts)

    def page(self) -> Response:
        """Show the sites, their issues and the controls."""
        shown = {"sites": self._world.sites.values(), "forges": self._world.forge, "forge_app_id": APP_ID}
        return secured(render_template("control.html", **shown, state=self._state()))

    def key(self, kid: str) -> Response:
        """Serve the public half of the install key, as Atlassian's key server does."""
        if kid != self._world.install_key.kid:
            raise NotFound
        return Response(self._world.install_key.public_pem, content_type="application/x-pem-file")

    def state(self) -> Response:
        """Return the clock and the faults."""
        return jsonify(self._state())

    def reports(self) -> Response:
        """Return the ledger of personal data reports; POST {"accounts": […]} asks as well who of them is missing."""
        expected = _body().get("accounts", []) if request.method == "POST" else []
        return jsonify(self._world.reports.show(expected))

    def grants(self) -> Response:
        """Return the ledger of the authorization server."""
        return jsonify(self._world.authorization.show())

    def control(self) -> Response:
        """Move the clock, set faults (on `site`, or on all), open or close a project, or reset everything.

        Keys: site, advance_seconds, latency_seconds, page_era, storm, webhooks, events, reset,
        browse {project, account, allowed}, jwks (rotate, drop, down, up), license (active, inactive, absent: of
        the Connect app; that of a Forge app is changed by `PATCH /sites/{site}/forge`), accounts (what the personal
        data reporting API answers: see `simulator.reports.Reports.change`), oauth (what the authorization server does:
        see `simulator.oauth.Authorization.change`).
        """
        body = _body()
        sites = [self._world.site(body.pop("site"))] if "site" in body else list(self._world.sites.values())
        advance = body.get("advance_seconds", 0)
        if not body.keys() <= _CONTROLS or isinstance(advance, bool) or not isinstance(advance, int | float):
            raise BadRequest(f"known are {', '.join(sorted(_CONTROLS))} and site; advance_seconds is a number")
        if body.get("reset"):
            self._world.advance(-self._world.offset_seconds)
            self._forge.change_keys("up")
        for site in sites:
            self._set_faults(site, body)
        if "jwks" in body:
            self._forge.change_keys(body["jwks"])
        if "accounts" in body:
            self._world.reports.change(body["accounts"])
        if "oauth" in body:
            self._world.authorization.change(body["oauth"])
        self._world.advance(advance)
        return self.state()

    def _set_faults(self, site: Site, body: Json) -> None:
        if body.get("reset"):
            site.faults, site.license = Faults(), "active"
        if browse := body.get("browse"):
            if not isinstance(browse, dict) or browse.keys() != {"project", "account", "allowed"}:
                raise BadRequest("browse is {project, account, allowed}")
            person = site.person(browse["account"])
            site.allow_browsing(browse["project"], person, allowed=bool(browse["allowed"]))
        if body.get("license", site.license) not in LICENSES:
            raise BadRequest(f"license is one of {', '.join(LICENSES)}")
        site.license = body.get("license", site.license)
        site.faults.change(body)
        if not site.faults.webhooks.reorder:
            self._world.lanes[site.name].release()
        if not site.faults.events.reorder:
            self._world.events[site.name].release()

    def _state(self) -> Json:
        faults = {name: site.faults.render() for name, site in self._world.sites.items()}
        return {"now": self._world.now().isoformat(), "offset": self._world.offset_seconds, "sites": faults}

    def show(self, site: Site) -> Json:
        """Return a site's identity, people, issues and installed app."""
        installed = site.installation
        app = {"key": installed.descriptor.key, "active": installed.active} if installed else None
        people = [
            {"handle": one.handle, "account_id": one.account_id, "name": one.name}
            for one in (*site.people.values(), site.app_user)
        ]
        issues = [
            {"id": issue.id, "key": issue.key, "url": f"{site.display_url}/browse/{issue.key}"}
            | {"project_id": issue.project.id, **issue.values}
            for issue in tuple(site.issues.values())
        ]
        identity = {"url": site.url, "display_url": site.display_url, "client_key": site.client_key}
        apps = {"app": app, "forge": self._forge.show(site)}
        return identity | {"cloud_id": site.cloud_id, **apps, "people": people, "issues": issues}

    def install(self, site: Site) -> Json:
        """Install the app at `app`; `as` names the manner, connect or forge.

        As connect, `installationId` makes it Connect on Forge: an ARI, or `forge` for the site's own.
        """
        if _as_forge():
            return self._forge.install(site)
        descriptor = connect.fetch_descriptor(request.args.get("app", ""))
        forge_id = request.args.get("installationId")
        if forge_id == "forge":
            known = self._world.forge[site.name].installation
            forge_id = known.id if known else None
        return self._offered(site, Installation(descriptor, site.client_key, connect.new_secret(), forge_id=forge_id))

    def uninstall(self, site: Site) -> Json:
        """Uninstall the app, `as` connect or forge; it loses access at once."""
        if _as_forge():
            return self._forge.uninstall(site)
        installed = _installed(site)
        answer = connect.withdraw(site, installed, key=self._world.install_key)
        return _outcome(site, "uninstalled", installation=installed, answer=answer)

    def rotate_secret(self, site: Site) -> Json:
        """Give the app a new shared secret, by another `installed`."""
        return self._offered(site, replace(_installed(site), secret=connect.new_secret()))

    def rename(self, site: Site) -> Json:
        """Give the site another spelling of its own address, and tell the app by another `installed`."""
        installed = _installed(site)
        spellings = ("127.0.0.1", "localhost")
        old, new = spellings if spellings[0] in site.url else spellings[::-1]
        site.url = site.display_url = site.url.replace(old, new)
        return self._offered(site, installed)

    def import_backup(self, site: Site) -> Json:
        """Import a backup: the same address with a new client key, which is another tenant to the app.

        The site knows nothing any more of who it was: from here on the old secret opens nothing, whatever the app says.
        """
        installed = _installed(site)
        site.installation = replace(installed, active=False)
        return self._offered(site, replace(installed, client_key=site.new_client_key(), secret=connect.new_secret()))

    def create(self, site: Site) -> Json:
        """Create an issue: {project, as, summary, labels, priority, …}."""
        body = _body()
        author = site.person(body.get("as", "admin"))
        values = {name: value for name, value in body.items() if name not in _ISSUE_KEYS}
        issue = self._world.create(site, body.get("project", "SEC"), values=values, author=author)
        return {"id": issue.id, "key": issue.key, "url": f"{site.display_url}/browse/{issue.key}"}

    def change(self, site: Site, key: str) -> Json:
        """Change an issue: {as, summary, labels, …}, move it: {as, move: "OPS"}, delete it: {as, delete: true}."""
        body, issue = _body(), site.issue(key)
        author = site.person(body.get("as", "admin"))
        if body.get("delete"):
            self._world.delete(site, issue, author=author)
            return {"id": issue.id, "key": issue.key, "deleted": True}
        if "move" in body:
            moved = self._world.move(site, issue, project=str(body["move"]), author=author)
            return {"id": issue.id, "key": issue.key, "changelog": moved}
        values = {name: value for name, value in body.items() if name not in _ISSUE_KEYS}
        entry = self._world.change(site, issue, values=values, author=author)
        return {"id": issue.id, "key": issue.key, "changelog": entry}

    def panel(self, site: Site, key: str) -> Json:
        """Return the signed address of each panel of an issue for a person (`as`), whoever may see it."""
        installed, person = _installed(site), site.person(request.args.get("as", "admin"))
        modules, issue = installed.descriptor.modules.get("jiraIssueContexts", []), site.issue(key)
        urls = [connect.panel_url(site, installed, module=one, issue=issue, person=person) for one in modules]
        return {"urls": urls}

    def webhooks(self, site: Site) -> Json:
        """Return the ledger of deliveries; `wait` seconds, at most, until none is pending."""
        wait = min(request.args.get("wait", 0.0, float), MAX_WAIT_SECONDS)
        return {"deliveries": self._world.lanes[site.name].ledger(wait_seconds=wait)}

    def writes(self, site: Site) -> Json:
        """Return everything that apps wrote over REST, the oldest first."""
        return {"writes": list(site.writes)}

    def token(self, site: Site) -> Json:
        """Mint a Connect token for a test, genuine or broken."""
        return connect_token(site, _body(), key=self._world.install_key)

    def _offered(self, site: Site, installation: Installation) -> Json:
        answer = connect.offer(site, installation, key=self._world.install_key)
        shown = _outcome(site, "installed", installation=installation, answer=answer)
        if answer.accepted:
            enabled = connect.send_lifecycle(site, "enabled", installation=installation, key=self._world.install_key)
            shown["enabled"] = enabled and enabled.status
        return shown


def _body() -> Json:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadRequest("a JSON object is needed")
    return body


def _as_forge() -> bool:
    manner = request.args.get("as", "connect")
    if manner not in {"connect", "forge"}:
        raise BadRequest("an app is installed as connect or as forge")
    return manner == "forge"


def _installed(site: Site) -> Installation:
    if site.installation is None or not site.installation.active:
        raise Conflict("no app is installed on this site")
    return site.installation


def _outcome(site: Site, event: str, *, installation: Installation, answer: connect.Answer | None) -> Json:
    """Return what was sent, without the secret, and what the app answered."""
    sent = connect.lifecycle_payload(site, event, installation=installation)
    return {
        "site": site.name,
        "event": event,
        "status": answer and answer.status,
        "accepted": answer is not None and answer.accepted,
        "answer": answer and answer.body,
        "sent": sent,
    }


def _refused(status: int, problem: Exception) -> tuple[Response, int]:
    return jsonify({"error": str(problem)}), status
