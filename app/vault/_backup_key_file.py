"""The file of the keys of backups, mode 0600: a line for each key, of which the first seals and all open.

    pledge-backup-key-1+5f0c9a1e+<base64 of 32 random bytes>

What trusting it costs: who has it and a backup has every row in it; the credentials in it are sealed once more, by the
keyring. Who has lost it has lost every backup.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from app.vault._backup_stream import ID_BYTES
from app.vault._cipher import KEY_BYTES, Plain, random_key
from app.vault._private_file import read_private_file

_HEAD = "pledge-backup-key-1+"
_LARGEST_BYTES = 65_536
_MAKE = "Make one with `pledge keys backup`, or bring back the one that your backups were made with."


class BackupKeyUnusable(Exception):
    """The file of PLEDGE_BACKUP_KEY_FILE cannot be used."""

    def __init__(self, path: Path, why: str, *, fix: str = _MAKE) -> None:
        super().__init__(f"PLEDGE_BACKUP_KEY_FILE: {path} {why}. {fix}")


def read_keys(path: Path) -> Mapping[str, Plain]:
    """By id, in the order of the file; raises BackupKeyUnusable, and no text of it shows a key."""
    keys: dict[str, Plain] = {}
    for line in _read(path).reveal().decode("utf-8", errors="replace").splitlines():
        stated, key = _key(path, line)
        if stated != _id_of(key):
            raise BackupKeyUnusable(path, "was changed: a key is not the one that its id names")
        keys[stated] = key
    if not keys:
        raise BackupKeyUnusable(path, "has no key")
    return keys


def write_key(path: Path) -> str:
    """A new key in a new file, or as the first line of one that is there; returns its id."""
    key = random_key()
    name = _id_of(key)
    earlier = _read(path) if path.exists() else Plain(b"")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(f"{_HEAD}{name}+".encode() + base64.b64encode(key.reveal()) + b"\n" + earlier.reveal())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return name


def _id_of(key: Plain) -> str:
    return hashlib.sha256(b"pledge backup key id" + key.reveal()).hexdigest()[:ID_BYTES]


def _key(path: Path, line: str) -> tuple[str, Plain]:
    stated, _, encoded = line.removeprefix(_HEAD).partition("+")
    try:
        key = Plain(base64.b64decode(encoded, validate=True))
    except ValueError:
        raise BackupKeyUnusable(path, "has a line that is no key") from None
    if not line.startswith(_HEAD) or len(key.reveal()) != KEY_BYTES:
        raise BackupKeyUnusable(path, "has a line that is no key")
    return stated, key


def _read(path: Path) -> Plain:
    return read_private_file(path, BackupKeyUnusable, most_bytes=_LARGEST_BYTES)
