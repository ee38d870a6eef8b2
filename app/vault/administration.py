"""Making and changing the keyring file: what `pledge keys` does, without the app and without a database.

Rotation on several machines: rotate one copy of the file, bring it to every machine, then re-wrap the data
keys. Retire a key when no data key names it any more, and destroy it when no backup that is kept needs it.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from app.domain.secrets import Purpose
from app.vault._cipher import random_key
from app.vault._keyring_file import (
    Kek,
    KeyFacts,
    KeyringUnusable,
    KeyState,
    check_keys,
    document_of,
    read_keys,
)

__all__ = [
    "KeyFacts",
    "KeyState",
    "KeyringChangeRefused",
    "KeyringUnusable",
    "create_keyring",
    "destroy",
    "export",
    "keyring_status",
    "retire",
    "rotate",
]


class KeyringChangeRefused(Exception):
    """The keyring of PLEDGE_KEYRING_FILE was left as it is."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"PLEDGE_KEYRING_FILE: {path} was left as it is: {why}")


def create_keyring(path: Path, *, now: datetime) -> tuple[KeyFacts, ...]:
    """A new file with one random primary key per purpose; its folder is made if it is missing.

    Raises KeyringChangeRefused, above all where anything exists at `path`: overwriting one erases the data.
    """
    keys = tuple(_new_primary(purpose, now) for purpose in Purpose)
    with _alone(path, make_folder=True) as directory:
        if os.path.lexists(path):
            raise KeyringChangeRefused(path, "it exists; `pledge keys rotate` adds keys to it")
        _replace_file(path, keys, directory=directory)
    return _facts(keys)


def keyring_status(path: Path) -> tuple[KeyFacts, ...]:
    """Every key of the file, retired ones too, without the keys themselves.

    Raises KeyringUnusable.
    """
    return _facts(read_keys(path))


def rotate(path: Path, *, purpose: Purpose | Literal["all"], now: datetime) -> tuple[KeyFacts, ...]:
    """A new primary for that purpose, or for every purpose of the file; what was primary stays live.

    Raises KeyringUnusable, KeyringChangeRefused.
    """

    def rotated(keys: tuple[Kek, ...]) -> tuple[Kek, ...]:
        purposes = {kek.facts.purpose for kek in keys} if purpose == "all" else {purpose}
        kept = [_with_state(kek, KeyState.LIVE) if _is_primary_of(kek, purposes) else kek for kek in keys]
        return (*kept, *(_new_primary(each, now) for each in sorted(purposes)))

    return _change(path, rotated)


def export(path: Path, target: Path, *, purposes: Collection[Purpose], replace: bool = False) -> tuple[KeyFacts, ...]:
    """A keyring at `target` with the keys of these purposes that still open something: a process may need no more.

    With `replace` it takes the place of an earlier export, but of nothing that holds a key which `path` lacks.
    Raises KeyringUnusable, KeyringChangeRefused.
    """
    held = read_keys(path)
    keys = tuple(kek for kek in held if kek.facts.purpose in purposes and kek.facts.state is not KeyState.RETIRED)
    lacking = set(purposes) - {kek.facts.purpose for kek in keys}
    if lacking:
        raise KeyringChangeRefused(target, f"{path} has no key for {', '.join(sorted(lacking))}")
    with _alone(target, make_folder=True) as directory:
        if os.path.lexists(target):
            _refuse_to_lose(target, held, replace=replace and path.resolve() != target.resolve())
        _replace_file(target, keys, directory=directory)
    return _facts(keys)


def _refuse_to_lose(target: Path, held: tuple[Kek, ...], *, replace: bool) -> None:
    if not replace:
        raise KeyringChangeRefused(target, "it exists; --replace renews an earlier export")
    if not {kek.key.reveal() for kek in read_keys(target)} <= {kek.key.reveal() for kek in held}:
        raise KeyringChangeRefused(target, "it holds a key that would be lost; move it away first")


def retire(path: Path, kek_id: str, *, release: Callable[[], None] = lambda: None) -> tuple[KeyFacts, ...]:
    """That key opens nothing any more, but stays in the file, so that a hasty step can be taken back.

    `release` is asked last; what it raises leaves everything as it is.
    Raises KeyringUnusable, KeyringChangeRefused.
    """

    def retired(keys: tuple[Kek, ...]) -> tuple[Kek, ...]:
        if _named(path, keys, kek_id).facts.state is KeyState.PRIMARY:
            raise KeyringChangeRefused(path, f"{kek_id} is primary; `pledge keys rotate` first")
        release()
        return tuple(_with_state(kek, KeyState.RETIRED) if kek.facts.kek_id == kek_id else kek for kek in keys)

    return _change(path, retired)


def destroy(path: Path, kek_id: str) -> tuple[KeyFacts, ...]:
    """That retired key is gone for good, and with it all that was wrapped under it, backups included.

    Raises KeyringUnusable, KeyringChangeRefused.
    """

    def destroyed(keys: tuple[Kek, ...]) -> tuple[Kek, ...]:
        if _named(path, keys, kek_id).facts.state is not KeyState.RETIRED:
            raise KeyringChangeRefused(path, f"{kek_id} is still in use; `pledge keys retire` first")
        return tuple(kek for kek in keys if kek.facts.kek_id != kek_id)

    return _change(path, destroyed)


def _change(path: Path, change: Callable[[tuple[Kek, ...]], tuple[Kek, ...]]) -> tuple[KeyFacts, ...]:
    path = path.resolve()
    with _alone(path) as directory:
        keys = change(read_keys(path))
        check_keys(path, keys)
        _replace_file(path, keys, directory=directory)
    return _facts(keys)


@contextmanager
def _alone(path: Path, *, make_folder: bool = False) -> Iterator[int]:
    """The file's folder, held so that of two rotations at the same time neither loses the other's key."""
    try:
        if make_folder:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield directory
        finally:
            os.close(directory)
    except OSError as error:
        raise KeyringChangeRefused(path, f"cannot write there ({error.strerror})") from error


def _replace_file(path: Path, keys: tuple[Kek, ...], *, directory: int) -> None:
    """All or nothing, also when the power fails half way."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            if path.exists():
                # rotated by root, still readable by the service
                os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
            file.write(document_of(keys))
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    os.fsync(directory)


def _new_primary(purpose: Purpose, now: datetime) -> Kek:
    if now.tzinfo is None:
        raise ValueError("now must be aware")
    kek_id = f"{purpose}.{secrets.token_hex(4)}"
    return Kek(KeyFacts(kek_id, purpose, KeyState.PRIMARY, now.replace(microsecond=0)), random_key())


def _named(path: Path, keys: tuple[Kek, ...], kek_id: str) -> Kek:
    for kek in keys:
        if kek.facts.kek_id == kek_id:
            return kek
    raise KeyringChangeRefused(path, f"it has no key {kek_id}")


def _is_primary_of(kek: Kek, purposes: set[Purpose]) -> bool:
    return kek.facts.state is KeyState.PRIMARY and kek.facts.purpose in purposes


def _with_state(kek: Kek, state: KeyState) -> Kek:
    return replace(kek, facts=replace(kek.facts, state=state))


def _facts(keys: tuple[Kek, ...]) -> tuple[KeyFacts, ...]:
    return tuple(kek.facts for kek in keys)
