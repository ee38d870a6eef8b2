"""Keys and signatures: Wycheproof's JWS and JWK vectors through our reader, and every kind of key that is no use."""

import contextlib
import json
from base64 import urlsafe_b64decode
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import refusals
from app.protocol.signatures import check_hs256, check_rs256, read_key_set, read_public_key, usable_secret
from app.protocol.tokens import read_envelope

WYCHEPROOF = Path(__file__).parents[1] / "vectors" / "wycheproof"
OURS = ("HS256", "RS256")

# Where we differ from the expectation of a vector, and why. Every other vector is met.
STRICTER = {
    ("json_web_signature_test.json", 259): "an empty payload is no set of claims",
    ("json_web_signature_test.json", 372): "a character outside the alphabet is not skipped: one spelling per token",
    ("json_web_signature_test.json", 373): "a character outside the alphabet is not skipped: one spelling per token",
}
LAXER = {
    (
        "json_web_signature_test.json",
        367,
    ): "the published text has lost its bad padding: it is that of vector 357, valid",
    (
        "json_web_signature_test.json",
        370,
    ): "the published text has lost its bad padding: it is that of vector 357, valid",
    ("json_web_key_test.json", 4): "a shared secret of Connect has no key id: the caller tries each live one",
    ("json_web_key_test.json", 7): "keys made by a flawed generator (ROCA) are for Atlassian, who makes them, to avoid",
    ("json_web_key_test.json", 25): "a shared secret of Connect carries no `alg` that could say it is for AES",
    ("json_web_key_test.json", 26): "a shared secret of Connect carries no `alg` that could say it is for AES",
}


def wycheproof_cases():
    for name in ("json_web_signature_test.json", "json_web_key_test.json"):
        for group in json.loads((WYCHEPROOF / name).read_text("utf-8"))["testGroups"]:
            keys = group.get("public") or group["private"]
            for case in group["tests"]:
                known = keys.get("keys", [keys])
                yield pytest.param(name, case, known, id=f"{name[9:12]}-{case['tcId']}-{case['comment']}")


def is_accepted(token: str, jwks: list[dict[str, object]]) -> bool:
    """By the path that a key of its kind takes with us: shared secrets one by one, published keys as a set."""
    if {jwk["kty"] for jwk in jwks} == {"oct"}:
        return any(is_signed_with(token, urlsafe_b64decode(str(jwk["k"]) + "==")) for jwk in jwks)
    with contextlib.suppress(refusals.TokenRefused, refusals.KeySetUnfit):
        envelope = read_envelope(token, algorithm="RS256")
        published = read_key_set(json.dumps({"keys": jwks}).encode())
        check_rs256(envelope, public_key_pem=published.get(str(envelope.header["kid"]), b""))
        return True
    return False


def is_signed_with(token: str, secret: bytes) -> bool:
    with contextlib.suppress(refusals.TokenRefused):
        check_hs256(read_envelope(token, algorithm="HS256"), key=secret)
        return True
    return False


@pytest.mark.parametrize(("name", "case", "jwks"), list(wycheproof_cases()))
def test_a_wycheproof_vector_is_met_or_the_deviation_has_a_reason(name, case, jwks):
    """Keys of an algorithm that no Atlassian token uses prove nothing here, whatever the vector says."""
    expected = case["result"] == "valid" and all(jwk.get("alg") in OURS for jwk in jwks)
    deviates = (name, case["tcId"]) in (STRICTER if expected else LAXER)
    assert is_accepted(case["jws"], jwks) is (expected ^ deviates)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505  too weak on purpose
        rsa.generate_private_key(3, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa-1024", "exponent-3", "elliptic", "edwards"],
)
def test_a_public_key_of_another_kind_or_strength_is_refused(key):
    spki = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(refusals.PublicKeyUnfit):
        read_public_key(spki)


def test_a_plain_public_key_is_read_with_any_line_ends(other_side):
    for document in (
        other_side.public_pem,
        other_side.public_pem.replace(b"\n", b"\r\n"),
        other_side.public_pem.strip(),
    ):
        assert read_public_key(document) == other_side.private_key.public_key()


UNFIT = [
    "private key",
    "private key of the old form",
    "public key of the old form",
    "certificate",
    "two keys",
    "key and private key",
    "text before",
    "page",
    "cut",
    "nothing",
    "ssh",
]


def unfit_documents(key):
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    pkcs8, pem, nothing = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM, serialization.NoEncryption()
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    yield "private key", key.private_bytes(pem, pkcs8, nothing)
    yield "private key of the old form", key.private_bytes(pem, traditional, nothing)
    yield "public key of the old form", key.public_key().public_bytes(pem, serialization.PublicFormat.PKCS1)
    yield "certificate", public.replace(b"PUBLIC KEY", b"CERTIFICATE")
    yield "two keys", public + public
    yield "key and private key", public + key.private_bytes(pem, pkcs8, nothing)
    yield "text before", b"Bag Attributes\n" + public
    yield "page", b"<!doctype html><title>Not found</title>"
    yield "cut", public[:200] + b"\n-----END PUBLIC KEY-----\n"
    yield "nothing", b""
    yield "ssh", key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


@pytest.mark.parametrize("name", UNFIT)
def test_a_document_that_is_no_plain_public_key_is_refused(other_side, name):
    with pytest.raises(refusals.PublicKeyUnfit):
        read_public_key(dict(unfit_documents(other_side.private_key))[name])


@pytest.fixture(scope="module")
def jwk(other_side):
    public = jwt.algorithms.RSAAlgorithm.to_jwk(other_side.private_key.public_key(), as_dict=True)
    del public["key_ops"]
    return public | {"kid": "k1", "use": "sig", "alg": "RS256"}


def key_set(*keys):
    return read_key_set(json.dumps({"keys": keys}).encode())


def test_a_key_set_is_read_into_public_keys(other_side, jwk):
    bare = {name: jwk[name] for name in ("kty", "n", "e")} | {"kid": "k2"}
    assert key_set(jwk, bare) == {"k1": other_side.public_pem, "k2": other_side.public_pem}


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "EC"},
        {"kty": "oct"},
        {"use": "enc"},
        {"alg": "RS512"},
        {"alg": None},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"kid": None},
        {"kid": ""},
        {"kid": 7},
        {"n": None},
        {"n": "AA"},
        {"n": "not base64"},
        {"n": "AQAB"},
        {"n": ["AQAB"]},
        {"e": "AQ"},
        {"e": "Aw"},
        {"e": "AQAA"},
        {"e": ""},
        {"e": 65537},
    ],
)
def test_a_published_key_that_is_no_use_is_left_out(other_side, jwk, change):
    assert key_set(jwk | change, jwk | {"kid": "k2"}) == {"k2": other_side.public_pem}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"<html>",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[1]}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[{"kty":"oct","k":"QUFB","kid":"a"}]}',
        b'{"keys":[{"kty":"RSA","d":"QUFB","kid":"a"}]}',
        b'{"keys":[{"kty":"EC","kid":"a"},{"kty":"RSA","kid":"a"}]}',
        b'{"keys":[],"x":"' + b"a" * 65536 + b'"}',
    ],
)
def test_a_key_set_that_cannot_be_trusted_is_refused_whole(document):
    with pytest.raises(refusals.KeySetUnfit):
        read_key_set(document)


MEMBER = st.sampled_from(["kty", "kid", "n", "e", "use", "alg", "key_ops", "d", "x"])
VALUE = (
    st.none() | st.integers() | st.text() | st.sampled_from(["RSA", "sig", "AQAB"]) | st.lists(st.text(), max_size=2)
)


@given(st.binary(), st.lists(st.dictionaries(MEMBER, VALUE), max_size=3))
def test_nothing_but_a_refusal_is_raised_for_any_published_document(jwk, document, changes):
    for call in (
        lambda: read_public_key(document),
        lambda: read_public_key(
            b"-----BEGIN PUBLIC KEY-----\n" + document.hex().encode() + b"-----END PUBLIC KEY-----"
        ),
        lambda: read_key_set(document),
        lambda: key_set(*(jwk | change for change in changes)),
        lambda: key_set(*changes),
    ):
        with contextlib.suppress(refusals.PublicKeyUnfit, refusals.KeySetUnfit):
            call()


KEY_FILES = (
    b"ssh-rsa",
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"-----BEGIN PUBLIC KEY-----",
    b'{"kty":',
    b"\x30\x82\x01",
)


@given(st.tuples(st.sampled_from((b"", *KEY_FILES)), st.from_regex(rb"[A-Za-z0-9_.~+/= \n-]{32,80}", fullmatch=True)))
def test_a_secret_is_taken_exactly_if_the_library_takes_it(parts):
    """Most secrets are known to be no key file by their letters alone; what that saves must change no answer."""
    secret = b"".join(parts)
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:
        with pytest.raises(refusals.SecretUnfit):
            usable_secret(secret)
    else:
        assert usable_secret(secret) == secret
