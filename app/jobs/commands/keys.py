"""`pledge keys`: the keyring, from its making to the destruction of its last key. None of them builds the app."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.domain.keys.operations import Rewrapped
from app.domain.operator import KeyOperations, Operations
from app.domain.ports import DatabaseUnavailable
from app.domain.secrets import Purpose
from app.jobs.commands.operating import json_option, show

_PARTIAL = 5
_PURPOSES = [purpose.value for purpose in Purpose]
_LINE_EVERY_SECONDS = 3.0


@click.group()
def keys() -> None:
    """The keyring: keys that encrypt the keys of tenants."""


@keys.command("init")
@json_option
@click.pass_obj
def keys_init(operations: Operations, *, as_json: bool) -> None:
    """Make a keyring at PLEDGE_KEYRING_FILE; refuses where there is one."""
    _show_rows(operations.keys().init(), as_json=as_json)


@keys.command("status")
@json_option
@click.pass_obj
def keys_status(operations: Operations, *, as_json: bool) -> None:
    """Which keys there are, since when, which are primary, and how many data keys each wraps; no secrets."""
    desk = operations.keys()
    rows: list[dict[str, Any]] = [dict(row) for row in desk.status()]
    counts = _counts(desk)
    held = {row["purpose"] for row in rows}
    for row in rows:
        row["data_keys"] = None if counts is None else counts.pop((Purpose(row["purpose"]), row["kek_id"]), 0)
    rows += [_row(purpose, kek_id, "not in this file", data_keys=n) for (purpose, kek_id), n in (counts or {}).items()]
    rows += [_row(purpose, None, "not held", data_keys=None) for purpose in Purpose if purpose not in held]
    show(rows, [_line(row) for row in rows], as_json=as_json)


@keys.command("rotate")
@click.option("--purpose", default="all", show_default=True, type=click.Choice(["all", *_PURPOSES]), help="Whose key.")
@click.option(
    "--file-only", is_flag=True, help="Change the file, re-wrap nothing: it has to reach other machines first."
)
@click.option("--rewrap-only", is_flag=True, help="Re-wrap what is not under the primary keys of the file as it is.")
@json_option
@click.pass_obj
def keys_rotate(operations: Operations, *, purpose: str, file_only: bool, rewrap_only: bool, as_json: bool) -> int:
    """Make new primary keys and wrap every stored data key under them, while everything goes on.

    Safe to repeat: after an interruption, `--rewrap-only` goes on. Exit 5 if data keys do not open.
    """
    if file_only and rewrap_only:
        raise click.UsageError("--file-only and --rewrap-only exclude each other")
    desk = operations.keys()
    if file_only:
        _show_rows(_rotated(desk, purpose), as_json=as_json)
        return 0
    # Before the file is changed: without a database there would be new keys, and nothing under them.
    with desk.upkeep() as upkeep:
        if not rewrap_only:
            _rotated(desk, purpose)
        try:
            end = _followed(upkeep.rewrap(datetime.now(UTC)))
        except DatabaseUnavailable as fault:
            raise DatabaseUnavailable(f"{fault} Go on with `pledge keys rotate --rewrap-only`.") from fault
    stuck = [{"purpose": each.value, "kek_id": kek_id, "data_keys": n} for (each, kek_id), n in end.stuck.items()]
    lines = [f"{row['data_keys']} data keys under {row['kek_id']} do not open and stay as they are" for row in stuck]
    report = {"tenants": end.tenants, "data_keys": end.data_keys, "stuck": stuck, "keys": list(desk.status())}
    show(report, [f"{end.data_keys} data keys wrapped anew, {end.tenants} tenants", *lines], as_json=as_json)
    return _PARTIAL if stuck else 0


@keys.command("retire")
@click.argument("kek_id")
@json_option
@click.pass_obj
def keys_retire(operations: Operations, *, kek_id: str, as_json: bool) -> None:
    """Let the key KEK_ID open nothing any more; refused while it wraps a stored data key."""
    _show_rows(operations.keys().retire(kek_id), as_json=as_json)


@keys.command("destroy")
@click.argument("kek_id")
@json_option
@click.pass_obj
def keys_destroy(operations: Operations, *, kek_id: str, as_json: bool) -> None:
    """Take the retired key KEK_ID out of the file: what backups hold under it is gone for good."""
    _show_rows(operations.keys().destroy(kek_id), as_json=as_json)


@keys.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--purpose", "purposes", multiple=True, required=True, type=click.Choice(_PURPOSES), help="Repeatable.")
@click.option("--replace", is_flag=True, help="Renew an earlier export; nothing that would lose a key is replaced.")
@json_option
@click.pass_obj
def keys_export(operations: Operations, *, file: Path, purposes: tuple[str, ...], replace: bool, as_json: bool) -> None:
    """Write a keyring with some purposes only to FILE (mode 0600), for a process that needs no more."""
    chosen = [Purpose(purpose) for purpose in purposes]
    _show_rows(operations.keys().export(file, purposes=chosen, replace=replace), as_json=as_json)


def _counts(desk: KeyOperations) -> dict[tuple[Purpose, str], int] | None:
    try:
        return dict(desk.counts())
    except (DatabaseUnavailable, ValueError) as fault:
        click.echo(f"how many data keys each key wraps is not known: {fault}", err=True)
        return None


def _rotated(desk: KeyOperations, purpose: str) -> Sequence[Mapping[str, str]]:
    return desk.rotate("all" if purpose == "all" else Purpose(purpose))


def _followed(steps: Iterator[Rewrapped]) -> Rewrapped:
    """The last step; tells of the others on a terminal as they come, else every few seconds."""
    is_terminal = sys.stderr.isatty()
    told_at, last = time.monotonic(), Rewrapped(round=1, tenants=0, data_keys=0)
    for last in steps:
        if is_terminal or time.monotonic() - told_at >= _LINE_EVERY_SECONDS:
            told_at = time.monotonic()
            line = f"round {last.round}: {last.tenants} tenants looked at, {last.data_keys} data keys wrapped anew"
            click.echo(f"\r{line}" if is_terminal else line, err=True, nl=not is_terminal)
    if is_terminal:
        click.echo(err=True)
    return last


def _row(purpose: Purpose, kek_id: str | None, state: str, *, data_keys: int | None) -> dict[str, Any]:
    return {"kek_id": kek_id, "purpose": purpose.value, "state": state, "created_at": None, "data_keys": data_keys}


def _line(row: Mapping[str, Any]) -> str:
    wraps = None if row["data_keys"] is None else f"wraps {row['data_keys']} data keys"
    words = (row["kek_id"] or "-", row["purpose"], row["state"], row["created_at"], wraps)
    return "  ".join(word for word in words if word is not None)


def _show_rows(rows: Sequence[Mapping[str, str]], *, as_json: bool) -> None:
    show(list(rows), ["  ".join(row.values()) for row in rows], as_json=as_json)


COMMANDS: tuple[click.Command, ...] = (keys,)
