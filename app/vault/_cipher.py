"""AES-256-GCM and the byte format of everything the vault writes.

Format: one byte format version, 12 bytes nonce, ciphertext, 16 bytes tag. Its compatibility law: the first
byte alone says how to read the rest. A change of algorithm, sizes or associated data takes the next number; a
number is never used again; a reader refuses numbers it does not know; an old number stays readable until no
row and no backup kept uses it. The byte is authenticated as well, so that a newer format cannot be passed off
as an older, weaker one.

The nonce is random: one key must write fewer than 2**32 messages (NIST SP 800-38D §8.3). A data key writes
one per rotation of one tenant's secrets, a key-encryption key one per data key.
"""

import os
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
FORMAT = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16


class DoesNotDecrypt(Exception):
    """The bytes were changed, cut or moved, or belong to another key."""


class FormatUnknown(DoesNotDecrypt):
    """The first byte names a format that this version of Pledge does not know."""


class Plain:
    """Key or secret bytes inside the vault.

    Error reports show the local variables of every frame, so code that can fail gives bare bytes no name.
    """

    __slots__ = ("__value",)

    def __init__(self, value: bytes) -> None:
        self.__value = value

    def reveal(self) -> bytes:
        return self.__value

    def __repr__(self) -> str:
        return "Plain(***)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Plain is neither pickled nor copied")


def random_key() -> Plain:
    return Plain(os.urandom(KEY_BYTES))


def associated(*parts: str) -> bytes:
    """Each part with its length in front: joined by "|", ("a|b", "c") and ("a", "b|c") would be the same."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def close(plain: Plain, *, key: Plain, bound_to: bytes) -> bytes:
    """`plain` in the format above; opens only with the same `bound_to`."""
    return FORMAT + encrypt(plain, key=key, bound_to=FORMAT + bound_to)


def disclose(closed: bytes, *, key: Plain, bound_to: bytes) -> Plain:
    """The inverse of `close`.

    Raises FormatUnknown, DoesNotDecrypt.
    """
    if closed[:1] != FORMAT:
        raise FormatUnknown
    return decrypt(closed[1:], key=key, bound_to=FORMAT + bound_to)


def encrypt(plain: Plain, *, key: Plain, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key.reveal()).encrypt(nonce, plain.reveal(), bound_to)


def decrypt(message: bytes, *, key: Plain, bound_to: bytes) -> Plain:
    """Raises DoesNotDecrypt."""
    if len(message) < _NONCE_BYTES + _TAG_BYTES:
        raise DoesNotDecrypt
    nonce, body = message[:_NONCE_BYTES], message[_NONCE_BYTES:]
    try:
        return Plain(AESGCM(key.reveal()).decrypt(nonce, body, bound_to))
    except InvalidTag as error:
        raise DoesNotDecrypt from error
