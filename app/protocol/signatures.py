"""Which key signed: HS256 with a shared secret, RS256 with a published key, and how keys are published.

The primitives are PyJWT's algorithm objects, and not `jwt.decode`: that reads the clock itself and parses the
token a second time with a laxer parser, so that every option of it would be switched off but this one.
"""

from __future__ import annotations

import re
from functools import lru_cache

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from app.protocol import refusals
from app.protocol.tokens import PRINTABLE, Envelope, read_base64url, read_json_object

MIN_SECRET_BYTES = 32
"""RFC 7518 §3.2: a key of the size of the hash or larger."""
MIN_RSA_BITS = 2048
MAX_KEY_SET_BYTES = 64 * 1024

_HS256 = jwt.get_algorithm_by_name("HS256")
_RS256 = jwt.get_algorithm_by_name("RS256")
_NEVER_A_KEY_FILE = re.compile(rb"(?!ssh-|ecdsa-)[A-Za-z0-9_.~+/=-]+")
"""What every shared secret seen looks like: no space of a PEM, no brace of a JWK, no control character of a DER.

PyJWT tries to load each secret as all of these, each time: four times the cost of the signature itself.
"""
_PLAIN_PUBLIC_KEY = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\s*")
_MIN_EXPONENT = 65537
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def check_hs256(envelope: Envelope, *, key: bytes) -> None:
    """Proves that a holder of `key` signed; raises `KeyTooShort`, `SecretUnfit` or `SignatureWrong`."""
    if not _HS256.verify(envelope.signing_input, usable_secret(key), envelope.signature):  # constant time
        raise refusals.SignatureWrong


def usable_secret(key: bytes) -> bytes:
    """The secret, unless it is short (`KeyTooShort`) or no secret at all (`SecretUnfit`).

    A PEM, a certificate, an SSH key or a JWK as HMAC secret is the classic confusion: everybody has a public
    key.
    """
    if len(key) < MIN_SECRET_BYTES:
        raise refusals.KeyTooShort
    if _NEVER_A_KEY_FILE.fullmatch(key):
        return key
    try:
        _HS256.prepare_key(key)
    except jwt.InvalidKeyError:
        raise refusals.SecretUnfit from None
    return key


def check_rs256(envelope: Envelope, *, public_key_pem: bytes) -> None:
    """Proves that the holder of the private key signed; raises `PublicKeyUnfit` or `SignatureWrong`."""
    if not _RS256.verify(envelope.signing_input, read_public_key(public_key_pem), envelope.signature):
        raise refusals.SignatureWrong


@lru_cache(maxsize=64)
def read_public_key(pem: bytes) -> RSAPublicKey:
    """A plain RSA public key (`BEGIN PUBLIC KEY`), at least 2048 bits; raises `PublicKeyUnfit` for all else.

    A private key here would mean that it leaked, a certificate that somebody expects its dates to be checked.
    """
    if not _PLAIN_PUBLIC_KEY.fullmatch(pem):
        raise refusals.PublicKeyUnfit
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise refusals.PublicKeyUnfit from None
    if not isinstance(key, RSAPublicKey) or not _is_strong(key):
        raise refusals.PublicKeyUnfit
    return key


def read_key_set(document: bytes) -> dict[str, bytes]:
    """The RS256 keys of a JWK set (RFC 7517 §5): kid to PEM public key.

    A key for another use, of another kind or too weak is left out, as RFC 7517 §5 asks. Raises `KeySetUnfit`
    where the set as a whole must not be trusted: not JSON, too large, two keys of one kid, or a secret
    published in it.
    """
    if len(document) > MAX_KEY_SET_BYTES:
        raise refusals.KeySetUnfit("size")
    try:
        listed = read_json_object(document).get("keys")
    except refusals.TokenRefused:
        raise refusals.KeySetUnfit("json") from None
    if not isinstance(listed, list):
        raise refusals.KeySetUnfit("keys")
    published: dict[str, bytes] = {}
    seen: set[str] = set()
    for jwk in listed:
        if not isinstance(jwk, dict) or not _SECRET_MEMBERS.isdisjoint(jwk):
            raise refusals.KeySetUnfit("member")
        kid = jwk.get("kid")
        if not isinstance(kid, str) or not PRINTABLE.fullmatch(kid):
            continue
        if kid in seen:
            raise refusals.KeySetUnfit("kid")
        seen.add(kid)
        if pem := _public_key_pem(jwk):
            published[kid] = pem
    return published


def _public_key_pem(jwk: dict[str, object]) -> bytes | None:
    operations = jwk.get("key_ops", ["verify"])
    fit = (
        jwk.get("kty") == "RSA"
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", "RS256") == "RS256"
        and isinstance(operations, list)
        and "verify" in operations
    )
    if not fit:
        return None
    try:
        key = RSAPublicNumbers(e=_number(jwk, "e"), n=_number(jwk, "n")).public_key()
    except (ValueError, refusals.TokenRefused):
        return None
    if not _is_strong(key):
        return None
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _number(jwk: dict[str, object], name: str) -> int:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise refusals.ClaimMalformed(name)
    return int.from_bytes(read_base64url(value), "big")


def _is_strong(key: RSAPublicKey) -> bool:
    exponent = key.public_numbers().e
    return key.key_size >= MIN_RSA_BITS and exponent >= _MIN_EXPONENT and exponent % 2 == 1
