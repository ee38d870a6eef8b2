"""`pledge backup` and `pledge restore`: everything in one sealed file, and back into an empty database."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.domain.backup.model import Manifest
from app.domain.backup.restoring import Restored
from app.domain.clocks.model import instant_text
from app.domain.operator import Operations
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Told

_FILE = click.Path(dir_okay=False, path_type=Path)
_TAMPERED = 2


@click.command("backup")
@json_option
@click.pass_obj
def keys_backup(operations: Operations, *, as_json: bool) -> None:
    """Make a key of backups in PLEDGE_BACKUP_KEY_FILE; with the ones that are there, earlier backups still open."""
    made = operations.backups().make_key()
    show(
        {"id": made},
        [f"backups are made with the key {made} from now on; keep the file elsewhere too"],
        as_json=as_json,
    )


@click.command("backup")
@click.argument("file", type=_FILE)
@json_option
@click.pass_obj
def backup(operations: Operations, *, file: Path, as_json: bool) -> None:
    """Write everything, as of one instant, to the new FILE, encrypted as it is written.

    As PLEDGE_DATABASE_BACKUP_URL, with the key of PLEDGE_BACKUP_KEY_FILE; refuses where FILE exists.
    """
    told = Told()
    manifest = operations.backups().make(file, progress=told.tell)
    told.end()
    show(manifest.to_json(), [f"{file}: {_said(manifest)}"], as_json=as_json)


@click.command("restore")
@click.argument("file", type=_FILE, required=False)
@click.option("--check", "only_check", is_flag=True, help="Read FILE to its end, and touch no database.")
@click.option(
    "--recovered",
    metavar="INSTANT",
    help="Instead of FILE: the server itself has recovered to that instant (RFC 3339); do what is left to do.",
)
@json_option
@click.pass_obj
def restore(
    operations: Operations, *, file: Path | None, only_check: bool, recovered: str | None, as_json: bool
) -> int:
    """Bring FILE back into an empty database, as PLEDGE_DATABASE_OWNER_URL; what was erased since is erased again.

    The roles of the app are granted nothing before all is done. Exit 2: the audit log is not what it was.
    """
    if (file is None) == (recovered is None) or (only_check and file is None):
        raise click.UsageError("give a FILE, or --recovered INSTANT")
    recovered_to = None if recovered is None else _instant(recovered)
    desk, told = operations.backups(), Told()
    if file is not None and only_check:
        manifest = desk.check(file, progress=told.tell)
        told.end()
        show(manifest.to_json(), [f"{file} can be restored: {_said(manifest)}"], as_json=as_json)
        return 0
    if recovered_to is not None:
        done = desk.finish(recovered_to=recovered_to, progress=told.tell)
    elif file is not None:
        done = desk.restore(file, progress=told.tell)
    told.end()
    show(_document(done), _lines(done), as_json=as_json)
    return _TAMPERED if done.audit.findings else 0


_key_file = click.option(
    "--key-file", required=True, envvar="PLEDGE_BACKUP_KEY_FILE", type=_FILE, help="Or by PLEDGE_BACKUP_KEY_FILE."
)


@click.command("seal")
@click.argument("source", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@click.argument("target", type=_FILE)
@_key_file
@click.pass_obj
def seal(operations: Operations, *, source: Path, target: Path, key_file: Path) -> None:
    """Seal SOURCE (- is standard input) into the new TARGET: archive_command = 'pledge seal %p /archive/%f'.

    Where TARGET holds the same already, nothing is done: a server hands over again what it is not sure of.
    """
    operations.backups().seal(None if str(source) == "-" else source, target, key_file=key_file)


@click.command("unseal")
@click.argument("source", type=_FILE)
@click.argument("target", type=_FILE)
@_key_file
@click.pass_obj
def unseal(operations: Operations, *, source: Path, target: Path, key_file: Path) -> None:
    """Open SOURCE into the new TARGET: restore_command = 'pledge unseal /archive/%f %p'."""
    operations.backups().unseal(source, target, key_file=key_file)


def _said(manifest: Manifest) -> str:
    return (
        f"{manifest.rows} rows of {len(manifest.tables)} tables, {manifest.bytes >> 20} MiB,"
        f" as of {instant_text(manifest.head.at)}, schema {manifest.head.schema}"
    )


def _document(done: Restored) -> dict[str, Any]:
    return {
        "ok": not done.audit.findings,
        "schema": done.schema,
        "backup": None if done.manifest is None else done.manifest.to_json(),
        "erased_again": asdict(done.erased),
        "audit": asdict(done.audit),
    }


def _lines(done: Restored) -> list[str]:
    audit = done.audit
    lines = [] if done.manifest is None else [f"restored {_said(done.manifest)}"]
    lines += [
        f"erased again: {done.erased.tenants} tenants, {done.erased.accounts} accounts",
        f"audit log: {audit.entries} entries checked",
    ]
    lines += [f"newer than this, and lost: the anchor's {found.where}" for found in audit.newer]
    lines += [f"audit log: {found.kind}: {found.where}" for found in audit.findings]
    if audit.newer:
        lines.append("next: a new PLEDGE_AUDIT_ANCHOR; keep the old one, it is the record of what was lost")
    return [*lines, "next: pledge doctor, which says whether the keyring is complete; then web and worker"]


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as fault:
        raise click.UsageError(f"{text!r} is no instant; give one such as 2026-11-22T09:00:00Z") from fault
    if instant.tzinfo is None:
        raise click.UsageError(f"{text!r} has no time zone; give one such as 2026-11-22T09:00:00Z")
    return instant.astimezone(UTC)


COMMANDS: tuple[click.Command, ...] = (backup, restore, seal, unseal)
