"""Commands that start processes: `web`, `worker`, and `demo`, which starts everything."""

import os
import re
import sys
from pathlib import Path

import click

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
    }
    _prepare_keys(operations)
    _say("starting the private PostgreSQL in .pledge/")
    # The supervisor is the inner one: web and worker have ended before their database does.
    with operations.private_database() as urls, Supervisor(say=_say, with_parent=True) as supervisor:
        os.environ |= dict(urls)
        _say(f"migrating: at version {operations.database_upgrade()}")
        for name, arguments, ready in (
            ("web", ["web", "--port", str(port)], r"web ready (\S+)"),
            ("worker", ["worker"], r"worker ready"),
            ("simulator", _simulator(simulator_port, site_port=site_port, base_url=base_url), r"open (http\S+)"),
        ):
            _say(f"starting {name}")
            child = Child(name=name, argv=[*_PLEDGE, *arguments], env=dict(os.environ), ready=re.compile(ready))
            found = supervisor.start(child)
        _say(f"\nReady. Open {found.group(1)}\nAll sites and controls: {control}\nCtrl-C stops everything.")
        supervisor.wait()


_PLEDGE = (sys.executable, "-m", "app.wiring")


def _simulator(port: int, *, site_port: int, base_url: str) -> list[str]:
    return ["simulator", "--port", str(port), "--site-port", str(site_port), "--install", base_url]


def _prepare_keys(operations: Operations) -> None:
    if Path(operations.settings()["PLEDGE_KEYRING_FILE"]).exists():
        return
    operations.keys_init()
    _say("made a keyring in .pledge/")


def _say(line: str) -> None:
    click.echo(line, err=True)


COMMANDS: tuple[click.Command, ...] = (web, worker, demo)
