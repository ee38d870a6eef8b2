"""`pledge integrations`: what the vendor was granted at others: connected, looked at, and ended."""

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from app.domain.integrations.disconnecting import NO_GRANT
from app.domain.integrations.model import ATLASSIAN, State
from app.domain.operator import Operations
from app.domain.services import Services
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Told

FAILED, UNKNOWN = 2, 3
_LOOK_SECONDS = 1.0
_name = click.argument("integration", type=click.Choice([ATLASSIAN]))


@click.group()
def integrations() -> None:
    """Grants of the vendor at others: Atlassian's, under which people's accounts are reported (REPORT_AUTH=oauth)."""


@integrations.command("connect")
@_name
@click.option("--callback", metavar="URL", help="Where the browser comes back; registered in the developer console.")
@click.option("--paste", is_flag=True, help="Read the address at which the browser ended from the standard input.")
@click.pass_obj
def connect(operations: Operations, *, integration: str, callback: str | None, paste: bool) -> int:
    """Print the address at which a person consents, and wait until the grant is there, ten minutes at most.

    Open it as the owner of the app, in a window of its own. Exit 2 if the grant was refused, 3 if nobody came.
    """
    with operations.services() as services:
        before = services.integrations.status.read(now=datetime.now(UTC))
        click.echo(services.integrations.connecting.begin(redirect_uri=callback, now=datetime.now(UTC)))
        if paste:
            click.echo("then paste the address at which the browser ended:", err=True)
            services.integrations.connecting.receive_pasted(sys.stdin.readline(), now=datetime.now(UTC))
        return _await_grant(services, before)


@integrations.command("list")
@json_option
@click.pass_obj
def list_all(operations: Operations, *, as_json: bool) -> None:
    """Every integration there can be, and how it stands."""
    with operations.services() as services:
        found = [services.integrations.status.read(now=datetime.now(UTC))]
    show(found, [f"{each['integration']}  {each['state']}" for each in found], as_json=as_json)


@integrations.command("status")
@click.argument("integration", type=click.Choice([ATLASSIAN]), default=ATLASSIAN)
@json_option
@click.pass_obj
def status(operations: Operations, *, integration: str, as_json: bool) -> int:
    """How it stands, and what is the matter; exit 2 if a person has to do something, 3 if it is not connected."""
    with operations.services() as services:
        found = services.integrations.status.read(now=datetime.now(UTC))
    show(found, _lines(found), as_json=as_json)
    if found["state"] == State.NEEDS_RECONNECTING or found["problem"] not in {None, NO_GRANT}:
        return FAILED
    return 0 if found["state"] == State.CONNECTED else UNKNOWN


@integrations.command("disconnect")
@_name
@json_option
@click.pass_obj
def disconnect(operations: Operations, *, integration: str, as_json: bool) -> int:
    """End the grant: tokens go at once, the provider is told, and a receipt says so.

    Exit 5 while the provider has not confirmed; the worker goes on asking for a day.
    """
    with operations.services() as services:
        services.integrations.disconnecting.disconnect(now=datetime.now(UTC))
        services.integrations.disconnecting.go_on(now=datetime.now(UTC))
        found = services.integrations.status.read(now=datetime.now(UTC))
    show(found, _lines(found), as_json=as_json)
    return 0 if found["state"] == State.DISCONNECTED else 5


@integrations.command("receipt")
@_name
@click.pass_obj
def receipt(operations: Operations, *, integration: str) -> None:
    """Print the receipt of the last disconnection; `pledge privacy receipt verify` verifies it."""
    with operations.services() as services:
        note = services.integrations.status.receipt()
    if note is None:
        raise LookupError(f"{integration} has no receipt: it is not disconnected, or its revocation is not over")
    click.echo(note, nl=False)


def _await_grant(services: Services, before: Mapping[str, Any]) -> int:
    """The worker may be the one who exchanges the code; whoever is first does it, and once."""
    told = Told()
    while True:
        services.integrations.connecting.finish(now=datetime.now(UTC))
        found = services.integrations.status.read(now=datetime.now(UTC))
        if found["state"] == State.CONNECTED and found["since"] != before["since"]:
            click.echo(f"connected: {found['scopes']}", err=True)
            return 0
        if found["attempt_expires_at"] is None:
            click.echo(f"{found['state']}: {found['problem']}", err=True)
            return UNKNOWN if found["problem"] == "expired" else FAILED
        told.tell(f"waiting for the browser until {found['attempt_expires_at']}")
        time.sleep(_LOOK_SECONDS)


def _lines(found: Mapping[str, Any]) -> list[str]:
    since = f" since {found['since']}" if found["since"] else ""
    lines = [f"{found['integration']}: {found['state']}{since}"]
    if found["scopes"]:
        lines.append(f"may do: {found['scopes']}; access is renewed before {found['access_expires_at']}")
    if found["attempt_expires_at"]:
        lines.append(f"somebody is asked to consent, until {found['attempt_expires_at']}")
    if found["problem"]:
        lines.append(f"the matter: {found['problem']}, {found['failures']} failures in a row")
    if found["waits_until"]:
        lines.append(f"the provider is asked again at {found['waits_until']}")
    if found["has_receipt"]:
        lines.append(f"disconnected {found['disconnected_at']}; `pledge integrations receipt {found['integration']}`")
    return lines


COMMANDS: tuple[click.Command, ...] = (integrations,)
