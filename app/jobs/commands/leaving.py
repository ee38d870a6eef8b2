"""`pledge installations export, import, erase, left`: a tenant's data handed over, and gone to its last row."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from app.domain.clocks.model import instant_text
from app.domain.identifiers import TenantId
from app.domain.operator import Operations
from app.domain.privacy.model import AskedBy, Departure, Inventory
from app.domain.services import Services
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Told

REFUSED = 2


@click.command("erase")
@click.argument("tenant", type=int)
@click.option("--now", "at_once", is_flag=True, help="Do not wait until the time for which data is kept is over.")
@click.option("--yes", "typed", metavar="SITE", help="The name of the site, instead of being asked for it.")
@click.option("--dry-run", is_flag=True, help="Say what would go and what would stay, and do nothing.")
@json_option
@click.pass_obj
def erase(
    operations: Operations, *, tenant: int, at_once: bool, typed: str | None, dry_run: bool, as_json: bool
) -> int:
    """End the access of TENANT and erase its data: when its time is over, or with --now at once.

    Safe to repeat and to kill: what is begun goes on by itself wherever a worker runs. Exit 2 if SITE is not its name.
    """
    who = TenantId(tenant)
    with operations.services() as services:
        left = services.leaving.departure(who)
        if left is not None and left.receipt is not None:
            _show_end(left, as_json=as_json)
            return 0
        if left is None or left.begun_at is None:
            inventory = services.leaving.inventory(who)
            _tell(inventory, quiet=as_json and not dry_run, as_json=as_json)
            if dry_run:
                return 0
            if not _is_meant(inventory.site or str(tenant), typed):
                return REFUSED
            left = services.leaving.leave(who, asked_by=AskedBy.OPERATOR, at_once=at_once, now=datetime.now(UTC))
        _show_end(_carried_out(services, left), as_json=as_json)
    return 0


@click.command("export")
@click.argument("tenant", type=int)
@click.option("--to", "file", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A new file.")
@json_option
@click.pass_obj
def export(operations: Operations, *, tenant: int, file: Path, as_json: bool) -> None:
    """Write everything about TENANT, but no secret, to a new FILE (mode 0600): a ZIP of JSON Lines and a manifest."""
    progress = Told()
    with operations.services() as services, new_file(file) as target:
        manifest = services.exporting.write(
            TenantId(tenant),
            target,
            now=datetime.now(UTC),
            progress=lambda rows: progress.tell(f"{rows} rows written"),
        )
    progress.end()
    rows = sum(each["rows"] for each in manifest["files"])
    show(manifest, [f"{rows} rows in {file}"], as_json=as_json)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--into", "tenant", required=True, type=int, help="A tenant that has no data yet.")
@json_option
@click.pass_obj
def import_(operations: Operations, *, file: Path, tenant: int, as_json: bool) -> None:
    """Bring the export FILE into a tenant that has nothing yet: all of it, or none of it."""
    progress = Told()
    with operations.services() as services, file.open("rb") as source:
        counts = services.importing.read_in(
            TenantId(tenant), source, progress=lambda rows: progress.tell(f"{rows} rows read in")
        )
    progress.end()
    show(counts, [f"{sum(counts.values())} rows into tenant {tenant}"], as_json=as_json)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file for its owner's eyes; gone again if it is not written to its end. Raises `OSError` where one exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            yield file
    except BaseException:
        path.unlink()
        raise


@click.command("left")
@json_option
@click.pass_obj
def left_list(operations: Operations, *, as_json: bool) -> None:
    """Every tenant that has left: since when, when its data goes or went."""
    with operations.services() as services:
        found = services.leaving.departures()
    lines = [f"{each.tenant:>6}  left {instant_text(each.left_at)}  {_state(each)}" for each in found]
    show([_row(each) for each in found], lines or ["nobody has left"], as_json=as_json)


def _carried_out(services: Services, left: Departure) -> Departure:
    """As far as it goes now; somebody else may be doing the same."""
    progress = Told()
    while services.leaving.step(left.tenant, now=datetime.now(UTC)):
        current = services.leaving.departure(left.tenant) or left
        progress.tell(f"{sum(current.counts.values())} rows erased")
    progress.end()
    return services.leaving.departure(left.tenant) or left


def _is_meant(site: str, typed: str | None) -> bool:
    if typed is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"say --yes {site}: nobody is there to be asked")
        typed = click.prompt(f"Type the name of the site ({site}) to erase what we have of it", err=True)
    if typed != site:
        click.echo(f"error: that is not its name; it is {site}. Nothing was changed.", err=True)
    return typed == site


def _tell(inventory: Inventory, *, quiet: bool, as_json: bool) -> None:
    lines = [f"goes   {count:>9}  {table}" for table, count in inventory.goes.items()]
    lines += [f"stays  {each.rows:>9}  {each.table}: {each.why}" for each in inventory.stays]
    stays = [{"table": each.table, "rows": each.rows, "why": each.why} for each in inventory.stays]
    if not quiet:
        show({"site": inventory.site, "goes": dict(inventory.goes), "stays": stays}, lines, as_json=as_json)


def _show_end(left: Departure, *, as_json: bool) -> None:
    lines = [f"tenant {left.tenant}: {_state(left)}"]
    show(_row(left), [*lines, left.receipt] if left.receipt is not None else lines, as_json=as_json)


def _row(left: Departure) -> Mapping[str, object]:
    return {
        "tenant": left.tenant,
        "left_at": instant_text(left.left_at),
        "due_at": instant_text(left.due_at),
        "asked_by": left.asked_by.value,
        "begun_at": None if left.begun_at is None else instant_text(left.begun_at),
        "erased_at": None if left.erased_at is None else instant_text(left.erased_at),
        "rows": sum(left.counts.values()),
        "receipt": left.receipt,
    }


def _state(left: Departure) -> str:
    if left.erased_at is not None:
        return f"erased {instant_text(left.erased_at)}, {sum(left.counts.values())} rows"
    if left.begun_at is not None:
        return "being erased"
    return f"access has ended; erased from {instant_text(left.due_at)} on, by the worker"
