"""Commands that start processes: `web`, `worker`, and `demo`, which starts everything."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from app.domain.installations.model import InstallationState
from app.domain.operator import Operations
from app.jobs.supervisor import Child, Supervisor

_WEB_PORT, _CONTROL_PORT, _SITE_PORT = 8000, 8100, 8101


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=_WEB_PORT, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1, 64), help="Web processes.")
@click.pass_obj
def web(operations: Operations, *, host: str, port: int, processes: int) -> None:
    """Serve HTTP. Ready when /readyz says so; SIGTERM drains."""
    operations.serve_web(host=host, port=port, processes=processes)


@click.command()
@click.pass_obj
def worker(operations: Operations) -> None:
    """Run jobs and the schedule. Ready when the first log line says so; SIGTERM drains."""
    operations.run_worker()


@click.command()
@click.option("--port", default=_WEB_PORT, show_default=True, type=click.IntRange(1, 65535), help="Port of the app.")
@click.option(
    "--simulator-port", default=_CONTROL_PORT, show_default=True, type=click.IntRange(1, 65535), help="Its control."
)
@click.option(
    "--site-port", default=_SITE_PORT, show_default=True, type=click.IntRange(1, 65535), help="First simulated site."
)
@click.pass_obj
def demo(operations: Operations, *, port: int, simulator_port: int, site_port: int) -> None:
    """Everything on this machine, with three simulated Jira sites. Ctrl-C stops all of it."""
    control = f"http://127.0.0.1:{simulator_port}"
    base_url = f"http://127.0.0.1:{port}"
    os.environ |= {
        "PLEDGE_PROFILE": "development",
        "PLEDGE_BASE_URL": base_url,
        "PLEDGE_CONNECT_INSTALL_KEYS_URLS": f"{control}/install-keys",
        "PLEDGE_CONNECT_HOST_SCRIPT_URL": f"{control}/host.js",
        "PLEDGE_FORGE_APP_ID": _FORGE_APP_ID,
        "PLEDGE_FORGE_JWKS_URL": f"{control}/.well-known/jwks.json",
        "PLEDGE_ATLASSIAN_API_URL": control,
    }
    shutil.rmtree(_FORGE_APP, ignore_errors=True)  # of the last start, and perhaps of another version
    _prepare_keys(operations)
    _say("starting the private PostgreSQL in .pledge/")
    # The supervisor is the inner one: web and worker have ended before their database does.
    with operations.private_database() as urls, Supervisor(say=_say, with_parent=True) as supervisor:
        os.environ |= dict(urls)
        _say(f"migrating: at version {operations.database_upgrade()}")
        for name, arguments, ready in (
            ("web", ["web", "--port", str(port)], r"web ready (\S+)"),
            ("worker", ["worker"], r"worker ready"),
            ("simulator", _simulator(simulator_port, site_port=site_port, base_url=base_url), "all sites"),
        ):
            _say(f"starting {name}")
            child = Child(name=name, argv=[*_PLEDGE, *arguments], env=dict(os.environ), ready=re.compile(ready))
            supervisor.start(child)
        sites = {name: f"http://127.0.0.1:{site_port + number}" for number, name in enumerate(_SITES)}
        _choose_policies(operations, sites)
        _say(_READY.format(site=sites["genchi"], control=control))
        supervisor.start_beside(Child("forge", [*_PLEDGE, *_PACK], dict(os.environ), re.compile("wrote")))
        supervisor.wait()


_READY = """
Ready. Open {site}/browse/SEC-1
All sites and controls: {control}
Ctrl-C stops everything.

Each site has Pledge twice, as a Connect and as a Forge app. Packing Forge's pages now: npm fetches what it needs once,
to build/forge. Reload when they are written, to see both panels side by side."""
_PLEDGE = (sys.executable, "-m", "app.wiring")
_FORGE_APP_ID = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"
_FORGE_APP = Path(".pledge") / "forge-app"
_FORGE_PAGES = _FORGE_APP / "static" / "panel"
_PACK = ("descriptor", "forge", "--output", str(_FORGE_APP))
_SITES = ("genchi", "kencha", "genible")
"""The simulated sites, on consecutive ports; each runs under the policy of its name."""


def _choose_policies(operations: Operations, sites: Mapping[str, str]) -> None:
    with operations.services() as services:
        with services.database.begin() as uow:
            active = [each for each in uow.registry.list_connect() if each.state is InstallationState.ACTIVE]
        tenants = {each.site_url: each.tenant for each in active}
        for policy, url in sites.items():
            if services.database.view_tenant(tenants[url]).policy != policy:
                services.lifecycle.choose_policy(tenants[url], policy)
    _say(f"policies of the sites: {', '.join(sites)}")


def _simulator(port: int, *, site_port: int, base_url: str) -> list[str]:
    own = ["simulator", "--port", str(port), "--site-port", str(site_port), "--install", base_url]
    return [*own, "--as", "both", "--forge-app-id", _FORGE_APP_ID, "--forge-ui", str(_FORGE_PAGES)]


def _prepare_keys(operations: Operations) -> None:
    if not Path(operations.settings()["PLEDGE_KEYRING_FILE"]).exists():
        operations.keys().init()
        _say("made a keyring in .pledge/")
    if not Path(operations.settings()["PLEDGE_AUDIT_SIGNING_KEY_FILE"]).exists():
        operations.audit_init(name=None)
        _say("made a key that signs the audit log in .pledge/")


def _say(line: str) -> None:
    click.echo(line, err=True)


COMMANDS: tuple[click.Command, ...] = (web, worker, demo)
