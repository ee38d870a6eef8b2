"""The control port's side of Forge: install, upgrade, uninstall, events, cron, tokens and their key set."""

from __future__ import annotations

from flask import Response, jsonify, request
from werkzeug.exceptions import BadRequest, Conflict, ServiceUnavailable

from simulator.events import INSTALLED, UPGRADED, Invocation
from simulator.forge import Forge
from simulator.forge_app import ForgeInstallation, changed, read_app
from simulator.minting import forge_token
from simulator.people import Json
from simulator.site import Site
from simulator.world import World

MAX_WAIT_SECONDS = 30


class ForgeControl:
    """The handlers for the Forge app of a site."""

    def __init__(self, world: World) -> None:
        self._world = world

    def key_set(self) -> Response:
        """Serve the keys that FITs are signed with, as Atlassian's CDN does."""
        if not self._world.invocation_keys.available:
            raise ServiceUnavailable("the key set is down, by control")
        return jsonify(self._world.invocation_keys.published())

    def change_keys(self, what: str) -> None:
        """Rotate the keys, drop the old ones, or let the key set be down or up again."""
        keys = self._world.invocation_keys
        changes = {"rotate": keys.rotate, "drop": keys.drop_old}
        if what in changes:
            changes[what]()
        elif what in {"up", "down"}:
            keys.available = what == "up"
        else:
            raise BadRequest("jwks is rotate, drop, down or up")

    def show(self, site: Site) -> Json | None:
        """Return the Forge app of a site and its installations so far; None if it never had one."""
        forge = self._world.forge[site.name]
        installed = forge.installation
        if installed is None:
            return None
        app = installed.app
        known = {"app_id": app.app_id, "environment": app.environment, "app_version": app.app_version}
        state = {"installation_id": installed.id, "active": installed.active, "license": forge.license(app)}
        return known | state | {"former": [one.id for one in forge.former]}

    def install(self, site: Site) -> Json:
        """Install the app at `app`, always as a new installation; parameters are those of `ForgeApp`."""
        forge = self._world.forge[site.name]
        installation = forge.install(read_app(_parameters(), api_url=self._world.api_url))
        return self._lifecycle(site, INSTALLED, installation)

    def upgrade(self, site: Site) -> Json:
        """Change parameters of the installed app, its version above all, and tell it: a major upgrade."""
        return self._lifecycle(site, UPGRADED, self._changed(site))

    def change(self, site: Site) -> Json:
        """Change parameters of the installed app without a word: a minor upgrade, or another licence."""
        self._changed(site)
        return self.show(site) or {}

    def uninstall(self, site: Site) -> Json:
        """Uninstall: the app is told by preUninstall (unless `silent`) and loses access whatever it answers."""
        forge, installation = self._installed(site)
        call = None
        if request.args.get("silent") is None:
            call = self._world.events[site.name].trigger("uninstall", installation)
            self._world.events[site.name].wait_for_answer(call, wait_seconds=MAX_WAIT_SECONDS)
        forge.uninstall(installation)
        return _outcome(site, "preUninstall", installation=installation, call=call)

    def cron(self, site: Site) -> Json:
        """Fire the hourly scheduled trigger now, with a fresh system token."""
        _, installation = self._installed(site)
        call = self._world.events[site.name].trigger("cron", installation)
        self._world.events[site.name].wait_for_answer(call, wait_seconds=MAX_WAIT_SECONDS)
        return _outcome(site, call.event, installation=installation, call=call)

    def events(self, site: Site) -> Json:
        """Return the ledger of system calls; `wait` seconds, at most, until none is pending."""
        wait = min(request.args.get("wait", 0.0, float), MAX_WAIT_SECONDS)
        return {"deliveries": self._world.events[site.name].ledger(wait_seconds=wait)}

    def fit(self, site: Site) -> Json:
        """Mint a FIT for a test, genuine or broken."""
        return forge_token(self._world.forge[site.name], _parameters())

    def expire_tokens(self, site: Site) -> Json:
        """End every OAuth token of the site's Forge app that is out."""
        return {"expired": self._world.forge[site.name].tokens.expire_all()}

    def _installed(self, site: Site) -> tuple[Forge, ForgeInstallation]:
        forge = self._world.forge[site.name]
        if forge.installation is None or not forge.installation.active:
            raise Conflict("no Forge app is installed on this site")
        return forge, forge.installation

    def _changed(self, site: Site) -> ForgeInstallation:
        forge, installation = self._installed(site)
        return forge.change(installation, changed(installation.app, _parameters()))

    def _lifecycle(self, site: Site, event: str, installation: ForgeInstallation) -> Json:
        lane = self._world.events[site.name]
        call = lane.lifecycle(event, installation)
        lane.wait_for_answer(call, wait_seconds=MAX_WAIT_SECONDS)
        return _outcome(site, event, installation=installation, call=call)


def _parameters() -> Json:
    """Return the parameters of a request: its query, and a JSON object for those that are not text."""
    body = request.get_json(silent=True) if request.data else {}
    if not isinstance(body, dict):
        raise BadRequest("a JSON object is needed")
    return {name: value for name, value in request.args.items() if name != "as"} | body


def _outcome(site: Site, event: str, *, installation: ForgeInstallation, call: Invocation | None) -> Json:
    """Return what was sent and what the app answered first; it is tried again on its own."""
    first = call.attempts[0] if call and call.attempts else {"status": None, "error": None}
    return {
        "site": site.name,
        "event": event,
        "installation_id": installation.id,
        "status": first["status"],
        "accepted": call is not None and call.state == "delivered",
        "answer": first["error"],
        "sent": dict(call.body) if call else None,
    }
