"""Key-encryption keys in use: what wraps and unwraps data keys."""

import hmac
import os
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from app.domain.secrets import Purpose, VaultCannotAnswer
from app.vault._cipher import DoesNotDecrypt, Plain, associated, close, disclose, random_key
from app.vault._keyring_file import Kek, KeyFacts, KeyringUnusable, KeyState, read_keys


class PurposeNotHeld(VaultCannotAnswer):
    """This process was not given the keys of that purpose."""

    def __init__(self, purpose: Purpose) -> None:
        super().__init__(f"this process was not given the keys of {purpose}")


class KekNotHeld(Exception):
    """That key-encryption key is unknown, retired or of another purpose."""


class Keyring(Protocol):
    """Few methods, so that a key management service can answer them and keep its keys to itself."""

    def primary(self, purpose: Purpose) -> str:
        """The id of the key that wraps; raises PurposeNotHeld."""

    def wrap(self, purpose: Purpose, *, data_key: Plain, binding: bytes) -> tuple[str, bytes]:
        """The id of the primary key and the data key under it, bound to `binding` and that id.

        Raises PurposeNotHeld.
        """

    def unwrap(self, purpose: Purpose, *, kek_id: str, wrapped: bytes, binding: bytes) -> Plain:
        """The data key; raises PurposeNotHeld, KekNotHeld, DoesNotDecrypt."""

    def facts(self) -> tuple[KeyFacts, ...]:
        """What may be told about the keys of this process."""

    def flaw(self) -> str | None:
        """Why newer keys could not be taken over, if so; those held before stay in use."""


class FileKeyring:
    """The keyring of one file, or the part of it that this process may hold; safe between threads.

    A replaced file is taken over at the next use. A process that went on wrapping under the former primary
    would lose those data keys as soon as that key is retired. A lost or broken file changes nothing here.
    """

    def __init__(self, path: Path, *, purposes: Collection[Purpose] | None = None) -> None:
        self._path = path
        self._purposes = purposes
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._flaw: str | None = None
        self._keys = self._load()

    def primary(self, purpose: Purpose) -> str:
        return self._primary(purpose).facts.kek_id

    def wrap(self, purpose: Purpose, *, data_key: Plain, binding: bytes) -> tuple[str, bytes]:
        kek = self._primary(purpose)
        return kek.facts.kek_id, _wrap(kek, data_key, binding)

    def unwrap(self, purpose: Purpose, *, kek_id: str, wrapped: bytes, binding: bytes) -> Plain:
        return _unwrap(self._find(purpose, kek_id), wrapped, binding=binding)

    def facts(self) -> tuple[KeyFacts, ...]:
        return tuple(kek.facts for kek in self._current())

    def flaw(self) -> str | None:
        self._current()
        return self._flaw

    def _primary(self, purpose: Purpose) -> Kek:
        for kek in self._of(purpose):
            if kek.facts.state is KeyState.PRIMARY:
                return kek
        raise PurposeNotHeld(purpose)

    def _find(self, purpose: Purpose, kek_id: str) -> Kek:
        keys = self._of(purpose)
        for kek in keys:
            if kek.facts.kek_id == kek_id:
                return kek
        raise KekNotHeld if keys else PurposeNotHeld(purpose)

    def _of(self, purpose: Purpose) -> list[Kek]:
        return [kek for kek in self._current() if kek.facts.purpose is purpose]

    def _current(self) -> tuple[Kek, ...]:
        """Costs one `stat` while the file stays the same; a broken one is read once, not at every request."""
        with self._lock:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._take_over()
            return self._keys

    def _take_over(self) -> None:
        try:
            self._keys, self._flaw = self._load(), None
        except KeyringUnusable as error:
            self._flaw = str(error)

    def _load(self) -> tuple[Kek, ...]:
        """The keys that may still be used here, each tried once.

        Raises KeyringUnusable.
        """
        keys = tuple(
            kek
            for kek in read_keys(self._path)
            if kek.facts.state is not KeyState.RETIRED
            and (self._purposes is None or kek.facts.purpose in self._purposes)
        )
        missing = set(self._purposes or ()) - {kek.facts.purpose for kek in keys}
        if missing:
            why = f"has no key for {', '.join(sorted(missing))}"
            raise KeyringUnusable(self._path, why, fix="Add it with `pledge keys rotate`.")
        for kek in keys:
            _try(self._path, kek)
        return keys


def _wrap(kek: Kek, data_key: Plain, binding: bytes) -> bytes:
    return close(data_key, key=kek.key, bound_to=binding + associated(kek.facts.kek_id))


def _unwrap(kek: Kek, wrapped: bytes, *, binding: bytes) -> Plain:
    return disclose(wrapped, key=kek.key, bound_to=binding + associated(kek.facts.kek_id))


def _try(path: Path, kek: Kek) -> None:
    """A library that fails shows it here, before it has sealed anything that nobody can open."""
    data_key, binding = random_key(), associated("self-test")
    try:
        opened = _unwrap(kek, _wrap(kek, data_key, binding), binding=binding)
    except DoesNotDecrypt as error:
        raise _failed(path, kek) from error
    if not hmac.compare_digest(opened.reveal(), data_key.reveal()):
        raise _failed(path, kek)


def _failed(path: Path, kek: Kek) -> KeyringUnusable:
    why = f"passed every check, but {kek.facts.kek_id} does not open what it wraps"
    return KeyringUnusable(path, why, fix="Reinstall the cryptography package (`make clean setup`).")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes when the file is replaced; None while it is missing."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
