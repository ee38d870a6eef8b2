"""The sealed file of a backup: AES-256-GCM in chunks, whose order, number and end are authenticated.

Format law of `pledge-backup-1`: 16 bytes name of the format, 8 bytes id of the key in hexadecimal, 16 bytes salt; then
chunks of 256 KiB, the last one shorter or as long, each followed by its tag of 16 bytes. The key of a file is
HKDF-SHA256(key, salt, name and id), used for no other file, so that a nonce can be a counter: 11 bytes number of the
chunk, one byte 1 in the last chunk and 0 in all others. Hence no chunk can be changed, left out, doubled, moved, taken
from another backup or cut off at the end without being found (Hoang, Reyhanitabar, Rogaway, Vizár: Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, 2015, the construction STREAM).
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.domain.backup.model import FORMAT, BackupRefused
from app.vault._cipher import KEY_BYTES, Plain

CHUNK_BYTES = 256 * 1024
TAG_BYTES = 16
SALT_BYTES = 16
ID_BYTES = 8
MAGIC = f"{FORMAT}\n".encode()
HEADER_BYTES = len(MAGIC) + ID_BYTES + SALT_BYTES


def key_id_of(header: bytes) -> str:
    """Which key the file was made with; raises `BackupRefused`."""
    if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
        raise BackupRefused(f"does not begin as a file of {FORMAT}")
    return header[len(MAGIC) : len(MAGIC) + ID_BYTES].decode("ascii", errors="replace")


def file_cipher(key: Plain, header: bytes) -> AESGCM:
    """The cipher of that one file."""
    bound, salt = header[:-SALT_BYTES], header[-SALT_BYTES:]
    return AESGCM(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=bound).derive(key.reveal()))


def new_header(key_id: str) -> bytes:
    """Of a new file."""
    return MAGIC + key_id.encode("ascii") + os.urandom(SALT_BYTES)


class SealedWriter:
    """See `app.domain.backup.ports.SealedOutput`."""

    def __init__(self, file: BinaryIO, cipher: AESGCM, header: bytes) -> None:
        self._file, self._cipher, self._header = file, cipher, header
        self._number, self._waiting = 0, bytearray()
        file.write(header)

    def write(self, data: bytes) -> None:
        """Keeps back the last chunk, for which nobody knows yet whether it is."""
        self._waiting += data
        start = 0
        while len(self._waiting) - start > CHUNK_BYTES:
            self._seal(bytes(self._waiting[start : start + CHUNK_BYTES]), is_last=False)
            start += CHUNK_BYTES
        del self._waiting[:start]

    def end(self) -> None:
        """The last chunk says that it is."""
        self._seal(bytes(self._waiting), is_last=True)
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), chunk, self._header))
        self._number += 1


class SealedReader:
    """See `app.domain.backup.ports.SealedInput`."""

    def __init__(self, file: BinaryIO, cipher: AESGCM, header: bytes) -> None:
        self._file, self._cipher, self._header = file, cipher, header
        self._number, self._ready, self._is_over = 0, bytearray(), False
        self._next = file.read(CHUNK_BYTES + TAG_BYTES)

    def read(self, size: int) -> bytes:
        """Only authenticated bytes, and only in their order."""
        while len(self._ready) < size:
            if self._is_over:
                raise BackupRefused("ends too early")
            self._ready += self._open()
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def rest(self) -> Iterator[bytes]:
        """Chunk by chunk."""
        if self._ready:
            yield bytes(self._ready)
            self._ready.clear()
        while not self._is_over:
            if chunk := self._open():
                yield chunk

    def end(self) -> None:
        """Also the last chunk has to have been opened."""
        if not self._is_over:
            self._ready += self._open()
        if self._ready or not self._is_over:
            raise BackupRefused("has something after its end")

    def _open(self) -> bytes:
        sealed, self._next = self._next, self._file.read(CHUNK_BYTES + TAG_BYTES)
        self._is_over = not self._next
        number, self._number = self._number, self._number + 1
        try:
            return self._cipher.decrypt(_nonce(number, is_last=self._is_over), sealed, self._header)
        except InvalidTag:
            where = "the end" if self._is_over else f"chunk {number}"
        raise BackupRefused(f"was changed, cut off or put together anew, found at {where}")


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")
