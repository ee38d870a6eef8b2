"""`pledge simulator`: Atlassian as one process, for development."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType

import click
import requests

from simulator.forge_app import APP_ID
from simulator.running import Simulator

INSTALL_WAIT_SECONDS = 60
_POLL_SECONDS = 0.5
_PROGRESS_SECONDS = 3
MANNERS = {"connect": ("connect",), "forge": ("forge",), "both": ("connect", "forge")}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option("--port", default=8100, show_default=True, help="Control port; 0 takes a free one.")
@click.option("--site-port", default=8101, show_default=True, help="First of three ports for sites; 0 takes free ones.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same people and issues.")
@click.option("--install", "app_url", metavar="APP_URL", help="Wait for the app to be ready, install it on every site.")
@click.option("--as", "manner", type=click.Choice(list(MANNERS)), default="connect", help="What to install it as.")
@click.option("--forge-app-id", default=APP_ID, show_default=True, help="The app's ARI, where installed as forge.")
@click.option(
    "--forge-ui",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Custom UI bundle to frame, on the port after the sites': a folder that has, or will have, an index.html.",
)
def simulator(
    *,
    host: str,
    port: int,
    site_port: int,
    seed: int,
    app_url: str | None,
    manner: str,
    forge_app_id: str,
    forge_ui: Path | None,
) -> None:
    """Play Atlassian on this machine: three Jira sites, their people, issues, REST and webhooks."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        running = Simulator(seed=seed, port=port, site_port=site_port, host=host, forge_ui=forge_ui)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    except OSError as problem:
        raise click.ClickException(f"cannot listen: {problem}; choose other ports (0: free ones)") from problem
    with running:
        click.echo(running.ready_line)
        failures: list[click.ClickException] = []
        if app_url is not None:
            asked = [{"as": one, "app": app_url.rstrip("/")} for one in MANNERS[manner]]
            for parameters in asked:
                parameters |= {"app_id": forge_app_id} if parameters["as"] == "forge" else {}
            more = {"stopped": stopped, "failures": failures}
            threading.Thread(target=_install, args=(running, asked), kwargs=more, daemon=True).start()
        stopped.wait()
    if failures:
        raise failures[0]


def _install(
    running: Simulator,
    asked: list[dict[str, str]],
    *,
    stopped: threading.Event,
    failures: list[click.ClickException],
) -> None:
    """Install beside the main thread, which stays free to stop at once; a failure ends the process."""
    try:
        _install_everywhere(running, asked, stopped=stopped)
    except click.ClickException as problem:
        failures.append(problem)
        stopped.set()
    except requests.RequestException as problem:
        failures.append(click.ClickException(f"not installed: {type(problem).__name__}"))
        stopped.set()


def _install_everywhere(running: Simulator, asked: list[dict[str, str]], *, stopped: threading.Event) -> None:
    """Install the app on every site once it is ready, and say what to open."""
    _wait_until_ready(asked[0]["app"], stopped=stopped)
    for site in running.world.sites.values():
        for parameters in asked:
            if stopped.is_set():
                return
            _install_on(f"{running.control_url}/sites/{site.name}/install", site.name, parameters=parameters)
        click.echo(f"{site.name}: installed; open {site.display_url}/browse/SEC-1")
    click.echo(f"all sites, clock and faults: {running.control_url}/")


def _install_on(url: str, name: str, *, parameters: dict[str, str]) -> None:
    answer = requests.post(url, params=parameters, timeout=INSTALL_WAIT_SECONDS).json()
    if not answer.get("accepted"):
        said = answer.get("error") or f"the app answered {answer.get('status')}: {answer.get('answer')}"
        raise click.ClickException(f"{name}: not installed, {said}")


def _wait_until_ready(app_url: str, *, stopped: threading.Event) -> None:
    started = said = time.monotonic()
    while not stopped.is_set() and not _is_ready(app_url):
        now = time.monotonic()
        if now - started > INSTALL_WAIT_SECONDS:
            raise click.ClickException(f"{app_url}/readyz was not ready within {INSTALL_WAIT_SECONDS} s")
        if now - said >= _PROGRESS_SECONDS:
            click.echo(f"waiting for {app_url}/readyz ({now - started:.0f} s)")
            said = now
        stopped.wait(_POLL_SECONDS)


def _is_ready(app_url: str) -> bool:
    try:
        return requests.get(f"{app_url}/readyz", timeout=2, allow_redirects=False).status_code == 200
    except requests.RequestException:
        return False
