"""Checks an audit log that Pledge exported, or the proof of one entry, without Pledge.

    python check.py [--key VKEY] [--earlier NOTE_FILE] EXPORT_FOLDER | PROOF.json

It needs Python 3.11 and the package `cryptography`, and nothing else: read it, it is all there is. It shares no code
with what writes the log, so that a mistake made there is not repeated here.

VKEY is the public key of the log (`name+id+key`), got from somewhere else than the export: without it the check says
only that the export fits itself. NOTE_FILE is a checkpoint that you kept earlier: the log must still contain it.
Exit code 0: it holds; 2: it does not; 1: it cannot be read.
"""

import argparse
import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EXPORT, PROOF = "pledge-audit-export-1", "pledge-audit-proof-1"


class DoesNotHold(Exception):
    """What was exported is not what was signed."""


def leaf_of(entry: dict[str, Any], tenant: int) -> bytes:
    """The leaf of an entry, from its fields: RFC 6962 over version byte and length-prefixed texts."""
    detail = json.dumps(entry["detail"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    texts = [str(tenant), entry["entry"].replace("-", "")]
    texts += [entry["at"], entry["action"], entry["actor"], entry["target"], detail]
    if entry["commitment"] is not None:
        texts.append(entry["commitment"])
    framed = b"".join(len(text.encode()).to_bytes(4, "big") + text.encode() for text in texts)
    version = b"\x01" if entry["commitment"] is None else b"\x02"
    return hashlib.sha256(b"\x00" + version + framed).digest()


def check_entry(entry: dict[str, Any], tenant: int) -> bytes:
    """Its leaf, if leaf, fields and personal part belong together."""
    where = f"entry {entry['index']} ({entry['entry']})"
    if "action" not in entry:
        raise DoesNotHold(f"{where} is missing; only its hash is here")
    if leaf_of(entry, tenant).hex() != entry["leaf"]:
        raise DoesNotHold(f"{where} was altered")
    person = entry["person"]
    if person is not None:
        salt, sealed = bytes.fromhex(person["salt"]), base64.b64decode(person["sealed"])
        if hmac.digest(salt, sealed, "sha256").hex() != entry["commitment"]:
            raise DoesNotHold(f"the personal part of {where} was altered")
    return bytes.fromhex(entry["leaf"])


def parent(left: bytes, right: bytes) -> bytes:
    """RFC 6962 §2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def add_leaf(peaks: list[tuple[int, bytes]], leaf: bytes) -> None:
    """Grow the tree: its complete subtrees by height, the highest first."""
    height, node = 0, leaf
    while peaks and peaks[-1][0] == height:
        height, node = height + 1, parent(peaks.pop()[1], node)
    peaks.append((height, node))


def root_of(peaks: list[tuple[int, bytes]]) -> bytes:
    """The root of the tree so far."""
    node = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        node = parent(left, node)
    return node


def root_by_proof(leaf: bytes, index: int, *, size: int, proof: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162 §2.1.3.2)."""
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if place % 2 == 1 or place == last:
            node = parent(sibling, node)
            while place % 2 == 0 and place != 0:
                place, last = place // 2, last // 2
        else:
            node = parent(node, sibling)
        place, last = place // 2, last // 2
    if last != 0 or not 0 <= index < size:
        raise DoesNotHold("the proof is of another place")
    return node


def check_note(note: str, *, origin: str, keys: list[str]) -> tuple[int, bytes]:
    """Size and root of a checkpoint (c2sp.org/tlog-checkpoint) that one of these keys signed for that log."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    name, size, root = text.splitlines()
    for key in keys:
        key_name, key_id, encoded = key.split("+", 2)
        for line in signatures.splitlines():
            signed_by, _, signature = line.removeprefix("\u2014 ").partition(" ")
            raw = base64.b64decode(signature)
            if (signed_by, raw[:4].hex()) == (key_name, key_id) and key_name == name == origin:
                public = base64.b64decode(encoded)[1:]
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())
                except InvalidSignature:
                    continue
                return int(size), base64.b64decode(root)
    raise DoesNotHold(f"a checkpoint is not signed by the key of {origin}")


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """One JSON object per line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def document_of(path: Path, *, form: str) -> dict[str, Any]:
    """The JSON object of that format."""
    document = json.loads(path.read_text(encoding="utf-8"))
    found = document.get("format") if isinstance(document, dict) else None
    if not isinstance(document, dict) or found != form:
        raise ValueError(f"{path} is not of the format {form}, but {'of none' if found is None else repr(found)}")
    return document


def check_export(folder: Path, *, key: str | None, earlier: str | None) -> str:
    """Every entry, every checkpoint, and that the log ends where the newest checkpoint says."""
    manifest = document_of(folder / "manifest.json", form=EXPORT)
    keys, origin = [key] if key else manifest["keys"], manifest["origin"]
    notes = [line["note"] for line in lines_of(folder / "checkpoints.jsonl")]
    wanted: dict[int, bytes] = {}
    for note in (*notes, manifest["checkpoint"], *([earlier] if earlier else [])):
        size, root = check_note(note, origin=origin, keys=keys)
        if wanted.setdefault(size, root) != root:
            raise DoesNotHold(f"two logs of {size} entries were signed")
    peaks: list[tuple[int, bytes]] = []
    count = 0
    for entry in lines_of(folder / "entries.jsonl"):
        if entry["index"] != count:
            raise DoesNotHold(f"entry {count} is missing")
        add_leaf(peaks, check_entry(entry, manifest["tenant"]))
        count += 1
        if count in wanted and wanted.pop(count) != root_of(peaks):
            raise DoesNotHold(f"the first {count} entries are not those that were signed")
    if wanted or count != manifest["size"]:
        raise DoesNotHold(f"only {count} of {max([*wanted, manifest['size']])} entries are here")
    return f"{count} entries of {origin} are what was signed{_trust(key)}"


def check_proof(proof: dict[str, Any], *, key: str | None) -> str:
    """That one entry is in the log."""
    keys, entry = [key] if key else proof["keys"], proof["entry"]
    size, root = check_note(proof["checkpoint"], origin=proof["origin"], keys=keys)
    leaf = check_entry(entry, proof["tenant"])
    steps = [base64.b64decode(step) for step in proof["proof"]]
    if root_by_proof(leaf, entry["index"], size=size, proof=steps) != root:
        raise DoesNotHold("the entry is not in the log that was signed")
    return f"entry {entry['index']} of {size} of {proof['origin']} is in the log{_trust(key)}"


def _trust(key: str | None) -> str:
    return "" if key else "; by the key that the file itself names: give --key to be sure whose it is"


def check(path: Path, *, key: str | None = None, earlier: Path | None = None) -> str:
    """What was checked; raises `DoesNotHold`, and `ValueError` or `OSError` on nonsense."""
    note = earlier.read_text(encoding="utf-8") if earlier else None
    if note is not None and not path.is_dir():
        raise ValueError("--earlier needs a whole export")
    try:
        if path.is_dir():
            return check_export(path, key=key, earlier=note)
        return check_proof(document_of(path, form=PROOF), key=key)
    except (LookupError, TypeError, AttributeError, RecursionError) as fault:
        raise ValueError(f"{path} is not whole, or not of this form: {fault!r}") from fault


def main() -> int:
    """Exit code of the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, metavar="EXPORT_FOLDER|PROOF.json")
    parser.add_argument("--key", metavar="VKEY")
    parser.add_argument("--earlier", type=Path, metavar="NOTE_FILE")
    given = parser.parse_args()
    try:
        said = check(given.path, key=given.key, earlier=given.earlier)
    except DoesNotHold as fault:
        sys.stdout.write(f"DOES NOT HOLD: {fault}\n")
        return 2
    except (ValueError, OSError) as fault:
        sys.stderr.write(f"cannot be read: {fault}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
