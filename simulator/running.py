"""A simulator that runs: one thread per port, for the command and for tests."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from simulator.callers import any_forge_app, connect_caller, forge_caller
from simulator.connect import LOOPBACK
from simulator.control import Control
from simulator.custom_ui import custom_ui_app
from simulator.forge_pages import ForgePages
from simulator.pages import Pages, guard, serve_static
from simulator.places import Places
from simulator.reports import SHARED_RULES, SITE_RULES
from simulator.rest import Rest
from simulator.signing import TokenRefused
from simulator.site import Site
from simulator.world import SITE_NAMES, World
from simulator.writes import Writes


class _QuietHandler(WSGIRequestHandler):
    """Logs no requests: their addresses carry tokens."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class Simulator:
    """A simulator on loopback ports; a context manager that serves while it is open.

    `port` is the control port, `site_port` the first of three for sites, and the one after them serves Custom
    UI bundles from the folder `forge_ui`; 0 takes free ones. `epoch` is the instant that the ages of the first
    issues count back from: the hour in which it was made, unless given.

    Raises:
        ValueError: the host is not a loopback address.
        OSError: a port is taken.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        port: int = 0,
        site_port: int = 0,
        host: str = "127.0.0.1",
        epoch: datetime | None = None,
        forge_ui: Path | None = None,
    ) -> None:
        if host not in LOOPBACK - {"::1"}:
            raise ValueError(f"{host} is not a loopback address: the simulator is for this machine only")
        ports = [port, *(site_port and site_port + number for number in range(len(SITE_NAMES) + 1))]
        with ExitStack() as opened:  # closes what was opened if a port is taken
            sockets = [opened.enter_context(socket.create_server((host, wanted))) for wanted in ports]
            opened.pop_all()
        urls = [f"http://{host}:{opened.getsockname()[1]}" for opened in sockets]
        self.control_url = urls[0]
        hour = epoch or datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.world = World(
            dict(zip(SITE_NAMES, urls[1:-1], strict=True)),
            seed=seed,
            epoch=hour,
            api_url=self.control_url,
            forge_ui_url=urls[-1],
            forge_ui=forge_ui,
        )
        sites = [self._site_app(site) for site in self.world.sites.values()]
        apps = [self._control_app(), *sites, custom_ui_app(self.world)]
        self._servers = [_serve_on(opened, app) for opened, app in zip(sockets, apps, strict=True)]

    def site(self, name: str) -> Site:
        """Return a site: `.url`, `.client_key`, `.person("developer").account_id`, `.issue("SEC-1")`."""
        return self.world.site(name)

    @property
    def ready_line(self) -> str:
        """Return the line that says where everything is."""
        sites = ",".join(f"{site.name}:{site.url}" for site in self.world.sites.values())
        return f"simulator ready control={self.control_url} sites={sites}"

    def __enter__(self) -> Simulator:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.stop()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _control_app(self) -> Flask:
        """Return the control port, where Jira is reached by cloud id as well, as at api.atlassian.com."""
        app = Control(self.world).app()
        for name, forge in self.world.forge.items():
            site = self.world.sites[name]
            writes = Writes(site, is_connect=False, told=partial(self.world.property_set, site))
            rest = Rest(site, self.world.now, caller=partial(forge_caller, forge), writes=writes)
            app.register_blueprint(rest.blueprint(), url_prefix=f"/ex/jira/{forge.site.cloud_id}")
        app.register_blueprint(self.world.reports.blueprint("api", SHARED_RULES, admit=self._admit_at_the_api))
        app.register_blueprint(self.world.authorization.blueprint(), url_prefix="/oauth")
        return app

    def _admit_at_the_api(self) -> None:
        """Let in whom a Forge app's own token proves, or one of the authorization server."""
        try:
            any_forge_app(self.world.forge)
        except TokenRefused:
            self.world.authorization.admit()

    def _site_app(self, site: Site) -> Flask:
        app = Flask("simulator")
        guard(app)
        serve_static(app)
        writes = Writes(site, is_connect=True, told=partial(self.world.property_set, site))
        rest = Rest(site, self.world.now, caller=partial(connect_caller, site), writes=writes)
        app.register_blueprint(rest.blueprint())
        app.register_blueprint(self.world.reports.blueprint(site.name, SITE_RULES, admit=partial(connect_caller, site)))
        app.register_blueprint(Pages(site, self.world).blueprint())
        app.register_blueprint(Places(site, self.world).blueprint())
        app.register_blueprint(ForgePages(self.world.forge[site.name]).blueprint())
        return app


def _serve_on(opened: socket.socket, app: Flask) -> BaseWSGIServer:
    host, port = opened.getsockname()
    with opened:  # the server works on a duplicate of the socket
        return make_server(host, port, app, threaded=True, request_handler=_QuietHandler, fd=opened.fileno())
