"""The key that signs checkpoints: it answers with signatures, and never leaves.

What trusting it costs: who has its file and the database can make any log again, and only the anchor tells.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from app.domain.audit.merkle import HASH_BYTES
from app.domain.audit.note import Checkpoint, NoteRefused, is_name, opened, signed
from app.vault._checkpoint_key_file import CheckpointKeyUnusable, public_bytes, read_key, write_key

__all__ = ["CheckpointKeyFile", "CheckpointKeyUnusable", "create_checkpoint_key"]


class CheckpointKeyFile:
    """See `app.domain.audit.ports.CheckpointKey`. Raises CheckpointKeyUnusable when it is made."""

    def __init__(self, path: Path) -> None:
        file = read_key(path)
        self._name, self._key = file.name, file.key
        self._trusted = (public_bytes(file.key), *file.earlier)
        self._try(path)

    @property
    def name(self) -> str:
        """What the names of our logs begin with."""
        return self._name

    @property
    def trusted(self) -> Sequence[bytes]:
        """Public keys; that of the signing key first."""
        return self._trusted

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note."""
        return self._signed(checkpoint.text, origin=checkpoint.origin)

    def sign_text(self, text: str, *, origin: str) -> str:
        """The signed note. Refuses what could be read as a checkpoint, whose second line is a number."""
        if not text.startswith(f"{origin}\n{{"):
            raise ValueError("a text that is signed is a JSON object below the name under which it is signed")
        return self._signed(text, origin=origin)

    def _signed(self, text: str, *, origin: str) -> str:
        return signed(text, origin=origin, public=self._trusted[0], signature=self._key.sign(text.encode()))

    def _try(self, path: Path) -> None:
        """A library that fails shows it here, before it has signed anything that nobody can verify."""
        checkpoint = Checkpoint(self._name, 0, os.urandom(HASH_BYTES))
        try:
            opened(self.sign(checkpoint), origin=self._name, trusted=self._trusted[:1])
        except NoteRefused as fault:
            raise CheckpointKeyUnusable(path, "signs what it does not verify") from fault


def create_checkpoint_key(path: Path, *, name: str) -> str:
    """A new file, mode 0600; returns the verifier's key. Raises CheckpointKeyUnusable, above all where one exists."""
    if not is_name(name):
        raise CheckpointKeyUnusable(path, f"cannot be made: {name!r} is no name", fix="Use app.example.com/audit.")
    return write_key(path, name)
