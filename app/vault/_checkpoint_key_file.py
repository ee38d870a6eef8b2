"""The file of the checkpoint key: the private key in the form of Go's sumdb/note, then earlier public ones.

PRIVATE+KEY+app.example.com/audit+5f0c9a1e+AQ…
app.example.com/audit+0a1b2c3d+AQ…
"""

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.domain.audit.note import ED25519, is_name, key_id, vkey
from app.vault._cipher import KEY_BYTES, Plain
from app.vault._private_file import read_private_file

_HEAD = "PRIVATE+KEY+"
_LARGEST_BYTES = 65_536
_MAKE = "Make one with `pledge audit init`, or restore the one that signed your logs."


class CheckpointKeyUnusable(Exception):
    """The file of PLEDGE_AUDIT_SIGNING_KEY_FILE cannot be used."""

    def __init__(self, path: Path, why: str, *, fix: str = _MAKE) -> None:
        super().__init__(f"PLEDGE_AUDIT_SIGNING_KEY_FILE: {path} {why}. {fix}")


@dataclass(frozen=True)
class KeyFile:
    """What the file holds."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)
    earlier: tuple[bytes, ...]
    """Public keys that signed before and are still believed."""


def read_key(path: Path) -> KeyFile:
    """Raises CheckpointKeyUnusable; no text of it shows a key."""
    first, *further = (
        read_private_file(path, CheckpointKeyUnusable, most_bytes=_LARGEST_BYTES)
        .reveal()
        .decode("utf-8", errors="replace")
        .split("\n")
    )
    if not first.startswith(_HEAD):
        raise CheckpointKeyUnusable(path, f"does not begin with {_HEAD}")
    name, raw = _parts(path, first.removeprefix(_HEAD))
    key = Ed25519PrivateKey.from_private_bytes(raw.reveal())
    if key_id(name, public_bytes(key)).hex() != first.removeprefix(_HEAD).split("+")[1]:
        raise CheckpointKeyUnusable(path, "was changed: its key is not the one that its id names")
    return KeyFile(name, key, tuple(_parts(path, line)[1].reveal() for line in further if line))


def write_key(path: Path, name: str) -> str:
    """A new key in a new file, mode 0600; returns the verifier's key. Raises CheckpointKeyUnusable."""
    key = Ed25519PrivateKey.generate()
    public = public_bytes(key)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            head = f"{_HEAD}{name}+{key_id(name, public).hex()}+".encode()
            file.write(head + base64.b64encode(ED25519 + key.private_bytes_raw()) + b"\n")
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as fault:
        raise CheckpointKeyUnusable(path, "exists and was left as it is", fix="What it signed needs it.") from fault
    except OSError as fault:
        raise CheckpointKeyUnusable(path, f"cannot be written ({fault.strerror})") from fault
    return vkey(name, public)


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """32 bytes, by RFC 8032."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _parts(path: Path, line: str) -> tuple[str, Plain]:
    """Name and key of one line; the error shows none of it."""
    name, _, rest = line.partition("+")
    try:
        raw = Plain(base64.b64decode(rest.partition("+")[2], validate=True))
    except ValueError:
        raise CheckpointKeyUnusable(path, "has a line that is no key") from None
    if not is_name(name) or len(raw.reveal()) != 1 + KEY_BYTES or raw.reveal()[:1] != ED25519:
        raise CheckpointKeyUnusable(path, "has a line that is no Ed25519 key")
    return name, Plain(raw.reveal()[1:])
