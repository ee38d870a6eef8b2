"""What says that something was erased: a signed note (c2sp.org/signed-note) whose text is a JSON object.

Format law: the text is the name of our logs with `/receipt` in the first line, and below it one JSON object with
`format`; a field is only ever added. Signed by the key that signs the audit logs, under a name of its own, so that no
receipt passes for a checkpoint. Whoever has the public key can verify it without us.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.audit.note import ED25519, NoteRefused, key_id, opened_text, vkey
from app.domain.audit.ports import CheckpointKey
from app.domain.clocks.model import instant_text

FORMAT = "pledge-erasure-receipt-1"


class ReceiptRefused(Exception):
    """This is no receipt that our key signed, or it was changed since."""


@dataclass(frozen=True)
class Ageing:
    """What no command reaches, and until when it can be there."""

    what: str
    until: datetime

    def to_json(self) -> dict[str, str]:
        """One line of a receipt."""
        return {"what": self.what, "until": instant_text(self.until)}


def ageing(erased_at: datetime, *, backups_kept: timedelta) -> tuple[Ageing, ...]:
    """What an erasure leaves to time."""
    until = erased_at + backups_kept
    return (
        Ageing("backups and archived write-ahead log from before: rows as they were then", until),
        Ageing("sealed secrets in these backups, unless their key-encryption keys are destroyed sooner", until),
        Ageing("pages of data files and write-ahead log on the database's disk, as bytes that no query finds", until),
        Ageing("common values in the database's statistics for its planner, readable to its administrator", until),
    )


def receipt_origin(name: str) -> str:
    """The name under which receipts are signed; no log has it."""
    return f"{name}/receipt"


def receipt_vkey(key: CheckpointKey) -> str:
    """What verifies receipts, for publication."""
    origin = receipt_origin(key.name)
    return vkey(origin, key.trusted[0])


def read_vkey(text: str) -> tuple[str, tuple[bytes, ...]]:
    """Name and public key of a `vkey`; raises `ValueError`."""
    name, _, rest = text.strip().partition("+")
    stated, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as fault:
        raise ValueError("this is no key; it has the form name+id+key") from fault
    if raw[:1] != ED25519 or key_id(name, raw[1:]).hex() != stated:
        raise ValueError("this is no key, or it was changed: its id is another one")
    return name, (raw[1:],)


def sign_receipt(document: Mapping[str, Any], key: CheckpointKey) -> str:
    """The signed note."""
    origin = receipt_origin(key.name)
    body = json.dumps({"format": FORMAT, **document}, indent=1, sort_keys=True, ensure_ascii=False)
    return key.sign_text(f"{origin}\n{body}\n", origin=origin)


def read_receipt(note: str, *, origin: str, trusted: Sequence[bytes]) -> dict[str, Any]:
    """The document of a receipt that one of these public keys signed; raises `ReceiptRefused`."""
    try:
        text = opened_text(note, origin=origin, trusted=trusted)
        name, _, body = text.partition("\n")
        document = json.loads(body)
    except (NoteRefused, ValueError, RecursionError) as fault:
        raise ReceiptRefused(ReceiptRefused.__doc__) from fault
    if name != origin or not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ReceiptRefused(ReceiptRefused.__doc__)
    return document
