"""The keyring file: key-encryption keys as JSON, mode 0600, replaced as a whole or not at all.

    {"format": "pledge-keyring-1",
     "keys": [{"id": "connect-secret.5f0c9a1e", "purpose": "connect-secret", "state": "primary",
               "created_at": "2026-11-22T09:00:00Z", "key": "<base64 of 32 random bytes>"}]}

One key serves one purpose. `primary` wraps and unwraps, `live` unwraps, `retired` does neither and waits to
be destroyed. A process that needs fewer purposes gets a copy with fewer keys.

What trusting it costs: who reads this file and a database dump reads every secret in it.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import pairwise
from pathlib import Path

from app.domain.secrets import Purpose
from app.vault._cipher import KEY_BYTES, Plain
from app.vault._private_file import read_private_file

_FORMAT = "pledge-keyring-1"
_FIELDS = frozenset({"id", "purpose", "state", "created_at", "key"})
_SHOWN = frozenset({"format", "keys", "id", "purpose", "state", "created_at"})
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SIZE_LIMIT_BYTES = 1_048_576


class KeyringUnusable(Exception):
    """The file of PLEDGE_KEYRING_FILE cannot be used."""

    def __init__(self, path: Path, why: str, *, fix: str) -> None:
        super().__init__(f"PLEDGE_KEYRING_FILE: {path} {why}. {fix}")


class KeyState(StrEnum):
    """What a key-encryption key may still do."""

    PRIMARY = "primary"
    LIVE = "live"
    RETIRED = "retired"


@dataclass(frozen=True)
class KeyFacts:
    """All that may be told about a key-encryption key."""

    kek_id: str
    purpose: Purpose
    state: KeyState
    created_at: datetime

    def age_days(self, now: datetime) -> int:
        """Whole days since the key was made."""
        return (now - self.created_at).days


@dataclass(frozen=True)
class Kek:
    """A key-encryption key and what may be told about it."""

    facts: KeyFacts
    key: Plain


def read_keys(path: Path) -> tuple[Kek, ...]:
    """Every key of the file, retired ones too.

    Raises KeyringUnusable.
    """
    document = _parse(read_private_file(path, partial(KeyringUnusable, fix=_INIT), most_bytes=_SIZE_LIMIT_BYTES))
    if not isinstance(document, Mapping) or document.get("format") != _FORMAT:
        raise KeyringUnusable(path, f'is not JSON of format "{_FORMAT}"', fix=_RESTORE)
    entries = document.get("keys")
    listed = entries if isinstance(entries, list) else []
    keys = tuple(_kek(path, position, entry) for position, entry in enumerate(listed, start=1))
    check_keys(path, keys)
    return keys


def document_of(keys: Iterable[Kek]) -> bytes:
    """The file's new content. The result is secret: give it no name."""
    entries = [
        {
            "id": kek.facts.kek_id,
            "purpose": kek.facts.purpose.value,
            "state": kek.facts.state.value,
            "created_at": kek.facts.created_at.astimezone(UTC).strftime(_INSTANT),
            "key": base64.b64encode(kek.key.reveal()).decode(),
        }
        for kek in keys
    ]
    return json.dumps({"format": _FORMAT, "keys": entries}, indent=1).encode() + b"\n"


def check_keys(path: Path, keys: tuple[Kek, ...]) -> None:
    """Refuses what would make the ring weak or ambiguous.

    Raises KeyringUnusable.
    """
    if not keys:
        raise KeyringUnusable(path, "holds no key", fix=_RESTORE)
    for kek in keys:
        if reason := _weakness(kek.key):
            raise KeyringUnusable(path, f"has a key that anybody can guess: {kek.facts.kek_id} {reason}", fix=_REMAKE)
    if len({kek.facts.kek_id for kek in keys}) < len(keys):
        raise KeyringUnusable(path, "names the same key id twice", fix=_RESTORE)
    if len({kek.key.reveal() for kek in keys}) < len(keys):
        raise KeyringUnusable(path, "holds the same key twice", fix=_REMAKE)
    primaries = Counter(kek.facts.purpose for kek in keys if kek.facts.state is KeyState.PRIMARY)
    for purpose in {kek.facts.purpose for kek in keys}:
        if primaries[purpose] != 1:
            raise KeyringUnusable(path, f"has {primaries[purpose]} primary keys for {purpose}, not one", fix=_RESTORE)


_INIT = "Make one with `pledge keys init`, or restore the one that sealed your data."
_RESTORE = "Restore the last good copy; `pledge keys init` makes a new one where nothing is sealed yet."
_REMAKE = "Move it away and let `pledge keys init` draw random keys."


def _parse(text: Plain) -> object:
    """None for what is not JSON: the decoder's error carries the whole document, so it is not chained."""
    try:
        return json.loads(text.reveal(), object_hook=_mask)
    except (ValueError, RecursionError):
        return None


def _mask(entry: dict[str, object]) -> dict[str, object]:
    """Public fields only, so that a key under a misspelt name stays out of error reports as well."""
    return {name: value if name in _SHOWN else _masked(value) for name, value in entry.items()}


def _masked(value: object) -> Plain:
    return Plain(value.encode(errors="replace") if isinstance(value, str) else b"")


def _kek(path: Path, position: int, entry: object) -> Kek:
    if not isinstance(entry, dict) or entry.keys() != _FIELDS:
        raise KeyringUnusable(path, f"key {position} must have exactly {', '.join(sorted(_FIELDS))}", fix=_RESTORE)
    facts, key = _facts(entry), _key(entry["key"])
    if facts is None:
        raise KeyringUnusable(
            path, f"key {position} has an id, purpose, state or created_at that cannot be", fix=_RESTORE
        )
    if key is None or len(key.reveal()) != KEY_BYTES:
        raise KeyringUnusable(path, f"key {position} is not base64 of {KEY_BYTES} bytes", fix=_REMAKE)
    return Kek(facts, key)


def _facts(entry: Mapping[str, object]) -> KeyFacts | None:
    try:
        created_at = datetime.strptime(str(entry["created_at"]), _INSTANT).replace(tzinfo=UTC)
        purpose, state = Purpose(str(entry["purpose"])), KeyState(str(entry["state"]))
    except ValueError:
        return None
    kek_id = str(entry["id"])
    return KeyFacts(kek_id, purpose, state, created_at) if _ID.fullmatch(kek_id) else None


def _key(text: Plain) -> Plain | None:
    try:
        return Plain(base64.b64decode(text.reveal(), validate=True))
    except ValueError:
        return None


def _weakness(key: Plain) -> str | None:
    """Why that key is none; random bytes fall under one of these with a chance below 10⁻¹³."""
    value = key.reveal()
    if all(0x20 <= byte < 0x7F for byte in value):
        return "is text"
    if len(set(value)) < KEY_BYTES // 2 or value[: KEY_BYTES // 2] == value[KEY_BYTES // 2 :]:
        return "repeats itself"
    if len({(after - before) % 256 for before, after in pairwise(value)}) == 1:
        return "counts up or down"
    return None
