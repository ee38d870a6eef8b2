"""Signed notes (c2sp.org/signed-note) whose text is a checkpoint (c2sp.org/tlog-checkpoint): a log's size and root.

One Ed25519 key signs for many logs, each time under the name of the log itself, which is its origin: so no log's
checkpoint passes for another's, and a verifier of one log needs one `vkey`, in the usual form `name+id+key`.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.domain.audit.merkle import HASH_BYTES

_DASH: Final = "\u2014 "
ED25519: Final = b"\x01"
"""The signature type, part of the key id and of the encoded key."""
_ID_BYTES: Final = 4
_LONGEST: Final = 16_384


class NoteRefused(Exception):
    """This is nothing that our key signed under that name."""


@dataclass(frozen=True)
class Checkpoint:
    """A log at one size."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """The inverse of `text`; raises `NoteRefused`, also for extension lines, which we never write."""
        try:
            origin, size, root = text.removesuffix("\n").split("\n")
            made = cls(origin, int(size), base64.b64decode(root, validate=True))
        except ValueError as fault:
            raise NoteRefused(NoteRefused.__doc__) from fault
        # one text only per checkpoint: no sign, space, zero or bit that is not needed
        if made.text != text or made.size < 0 or len(made.root) != HASH_BYTES:
            raise NoteRefused(NoteRefused.__doc__)
        return made


def key_id(name: str, public: bytes) -> bytes:
    """Four bytes that tell keys of one name apart."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:_ID_BYTES]


def vkey(name: str, public: bytes) -> str:
    """The verifier's key of a log of that name."""
    return f"{name}+{key_id(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def is_name(name: str) -> bool:
    """Whether keys and logs may have that name."""
    return bool(name) and "+" not in name and not any(part.isspace() or part < " " for part in name)


def signed(text: str, *, origin: str, public: bytes, signature: bytes) -> str:
    """The note of a text that was signed under that name; its first line has to be the name."""
    line = base64.b64encode(key_id(origin, public) + signature).decode()
    return f"{text}\n{_DASH}{origin} {line}\n"


def opened(note: str, *, origin: str, trusted: Sequence[bytes]) -> Checkpoint:
    """The checkpoint in a note that one of these public keys signed for that log; raises `NoteRefused`."""
    checkpoint = Checkpoint.read(opened_text(note, origin=origin, trusted=trusted))
    if checkpoint.origin != origin:
        raise NoteRefused(NoteRefused.__doc__)
    return checkpoint


def opened_text(note: str, *, origin: str, trusted: Sequence[bytes]) -> str:
    """The text of a note that one of these public keys signed under that name; raises `NoteRefused`.

    Signatures of other keys (witnesses, say) are passed over; a wrong one of a known key refuses the note.
    """
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n") or len(note) > _LONGEST:
        raise NoteRefused(NoteRefused.__doc__)
    text += "\n"
    known = {key_id(origin, public): public for public in trusted}
    accepted = 0
    for line in signatures.removesuffix("\n").split("\n"):
        name, signature = _signature(line)
        public = known.get(signature[:_ID_BYTES]) if name == origin else None
        if public is not None:
            _verify(text, public=public, signature=signature[_ID_BYTES:])
            accepted += 1
    if not accepted:
        raise NoteRefused(NoteRefused.__doc__)
    return text


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        signature = base64.b64decode(encoded, validate=True)
    except ValueError as fault:
        raise NoteRefused(NoteRefused.__doc__) from fault
    if not line.startswith(_DASH) or not is_name(name) or len(signature) <= _ID_BYTES:
        raise NoteRefused(NoteRefused.__doc__)
    return name, signature


def _verify(text: str, *, public: bytes, signature: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except (InvalidSignature, ValueError) as fault:
        raise NoteRefused(NoteRefused.__doc__) from fault
