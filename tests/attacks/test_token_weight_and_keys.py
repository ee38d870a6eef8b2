"""Tokens that weigh, nest or number more than any honest one, numbers that are none, public keys as secrets."""

import json
import zlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KINDS = ("panel", "webhook", "clocks", "installed")
SPKI, PKCS1 = PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1


def jwk(key):
    numbers = key.public_numbers()
    return json.dumps({"kty": "RSA", "n": str(numbers.n), "e": numbers.e}).encode()


PUBLIC_MATERIAL = {
    "SPKI PEM": lambda key: key.public_bytes(Encoding.PEM, SPKI),
    "SPKI DER": lambda key: key.public_bytes(Encoding.DER, SPKI),
    "PKCS1 PEM": lambda key: key.public_bytes(Encoding.PEM, PKCS1),
    "PKCS1 DER": lambda key: key.public_bytes(Encoding.DER, PKCS1),
    "OpenSSH": lambda key: key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    "JWK": jwk,
}


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
@pytest.mark.parametrize("kind", ["installed", "uninstalled", "panel", "clocks"])
@pytest.mark.parametrize("material", PUBLIC_MATERIAL.values(), ids=PUBLIC_MATERIAL.keys())
def test_what_everybody_can_have_is_no_secret(arena, kind, algorithm, material):
    """The classic confusion: a verifier that lets the header choose takes the public key for the secret."""
    header = {"alg": algorithm, "kid": arena.world.install_key.kid}
    token = arena.token(kind, header=header, key=material(arena.world.install_key.private.public_key()))
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)


NO_NUMBERS = {"NaN": b"NaN", "Infinity": b"Infinity", "1e400": b"1e400", "5,000 digits": b"9" * 5000, "-0": b"-0"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claim", ["exp", "iat"])
@pytest.mark.parametrize("number", NO_NUMBERS.values(), ids=NO_NUMBERS.keys())
def test_a_time_that_is_no_number_is_refused(arena, kind, claim, number):
    payload = json.dumps(arena.claims(kind, **{claim: "HERE"})).encode().replace(b'"HERE"', number)
    arena.refuses(arena.call(kind, token=arena.token(kind, payload=payload)), 401, "token_invalid", kind=kind)


def named(count):
    return b",".join(b'"%d":1' % number for number in range(count))


HEAVY = {
    "50,000 names": lambda text: text[:-1] + b"," + named(50_000) + b"}",
    "nested 100,000 deep": lambda text: text[:-1] + b',"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "2 MB of text": lambda text: text[:-1] + b',"a":"' + b"a" * 2_000_000 + b'"}',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", HEAVY.values(), ids=HEAVY.keys())
def test_a_token_too_heavy_for_a_header_is_refused_by_the_server(arena, kind, change):
    payload = change(json.dumps(arena.claims(kind)).encode())
    arena.refuses(arena.call(kind, token=arena.token(kind, payload=payload)), 400, "not_served", kind=kind)


def test_a_key_id_of_64_kb_is_refused_by_the_server(arena):
    token = arena.token("installed", header={"kid": "a" * 65_536})
    arena.refuses(arena.call("installed", token=token), 400, "not_served", kind="installed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("management", ["dir", "A256KW", "PBES2-HS512+A256KW", "RSA-OAEP-256"])
def test_an_encrypted_token_is_not_even_unpacked(arena, kind, management):
    """Inside are 4 MB of zeros in as many bytes as a header holds."""
    header = {"alg": management, "enc": "A256GCM", "zip": "DEF", "p2c": 2**31 - 1, "p2s": "AAAA"}
    packed = zlib.compress(b"\0" * 4_000_000, 9)[2:-4]
    signed = arena.sign(header, packed, key=b"x")
    token = ".".join([signed.split(".")[0], "", "A" * 16, signed.split(".")[1], "A" * 22])
    assert len(token) < 8_000
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)
