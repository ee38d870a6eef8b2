"""What is refused before what: whatever costs a stranger nothing to send costs us no key, no look-up and no fetch."""

import contextlib
import itertools
import json

import pytest
from atlassian_jwt.url_utils import hash_url
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import refusals
from app.protocol.forge_fit import unverified_fit_kid
from tests.protocol.conftest import INSTALLED, PANEL

ORDER = {
    "size": refusals.TokenTooLarge,
    "segments": refusals.TokenMalformed,
    "base64": refusals.Base64NotCanonical,
    "json": refusals.JsonNameRepeated,
    "algorithm": refusals.AlgorithmNotAllowed,
    "issuer": refusals.IssuerMalformed,
    "stated life": refusals.TokenLifeNotAllowed,
    "signature": refusals.SignatureWrong,
    "times": refusals.TokenExpired,
    "request": refusals.QshWrong,
}
"""The checks in their order, each with what it refuses with."""
WITHOUT_A_KEY = tuple(ORDER)[: tuple(ORDER).index("signature")]
KINDS = ("request", "install")


@pytest.fixture(scope="module")
def faulty(other_side, another_key):
    """A token of that kind with those faults, and no other."""

    def make(kind, *faults):
        target = INSTALLED if kind == "install" else PANEL
        begins = other_side.seconds(-9_000 if "times" in faults else 0)
        claims = other_side.claims(
            iss=["nobody"] if "issuer" in faults else other_side.client_key,
            iat=begins,
            exp=begins + (10 * 365 * 86400 if "stated life" in faults else 180),
            qsh=hash_url("POST" if kind == "install" else "GET", ("/x" if "request" in faults else "") + target),
            aud=["https://app.example.com"],
        )
        honest = "RS256" if kind == "install" else "HS256"
        header = json.dumps({"kid": "key-1", "alg": "none" if "algorithm" in faults else honest}).encode()
        header += b" " * (-(len(header) - 1) % 3)  # so long that its last character has bits to spare
        if "json" in faults:
            header = header.replace(b"{", b'{"a":1,"a":1 ,')
        by = another_key if "signature" in faults else None
        return spoilt(other_side.signed(kind, header, json.dumps(claims).encode(), by=by), faults)

    return make


def spoilt(token, faults):
    if "base64" in faults:
        header, rest = token.split(".", 1)
        token = f"{header[:-1]}{chr(ord(header[-1]) + 1)}.{rest}"
    if "segments" in faults:
        token += ".x"
    return token + "A" * 9_000 if "size" in faults else token


def verify(gates, kind, token):
    return gates.install(token) if kind == "install" else gates.page(token)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_without_a_fault_is_proven(gates, faulty, kind):
    assert verify(gates, kind, faulty(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("first", "second"), [*itertools.combinations_with_replacement(ORDER, 2)])
def test_of_two_faults_the_one_that_is_checked_first_is_the_reason(gates, faulty, kind, first, second):
    with pytest.raises(ORDER[first]):
        verify(gates, kind, faulty(kind, first, second))


@pytest.mark.parametrize("fault", WITHOUT_A_KEY)
def test_a_fault_that_needs_no_key_is_found_before_anything_is_looked_up_or_fetched(gates, faulty, fault):
    for peek, kind in ((gates.issuer, "request"), (gates.kid, "install"), (unverified_fit_kid, "install")):
        with pytest.raises(ORDER[fault]):
            peek(faulty(kind, fault))


CHARACTER = st.sampled_from("AZaz09-_=.+/ \0\n\té\ud800😀") | st.characters(exclude_categories=())
CHANGE = st.tuples(st.sampled_from(["put", "cut", "swap", "double", "turn"]), st.integers(0, 2_000), CHARACTER)


def mutated(token, changes):
    for what, at, character in changes:
        at %= len(token) + 1
        if what == "put":
            token = token[:at] + character + token[at:]
        elif what == "cut":
            token = token[:at] + token[at + 1 :]
        elif what == "turn":
            token = token[:at] + character + token[at + 1 :]
        elif what == "double":
            token += token[at:]
        else:
            parts = token.split(".")
            token = ".".join(parts[at % len(parts) :] + parts[: at % len(parts)])
    return token


@pytest.fixture(scope="module")
def readers(gates, forge):
    return (
        gates.issuer,
        gates.kid,
        unverified_fit_kid,
        gates.page,
        gates.script,
        gates.install,
        forge.verify,
    )


@pytest.fixture(scope="module")
def honest(other_side, page_claims, install_claims, forge):
    return (
        other_side.hs256(page_claims()),
        other_side.hs256(other_side.claims()),
        other_side.rs256(install_claims()),
        forge.sign(forge.claims()),
    )


@given(st.integers(0, 3), st.lists(CHANGE, min_size=1, max_size=4))
def test_a_mutated_token_is_refused_by_every_reader_and_never_anything_else(readers, honest, which, changes):
    token = mutated(honest[which], changes)
    if token == honest[which]:
        return
    for read in readers[3:]:
        with pytest.raises(refusals.Refusal):
            read(token)
    for peek in readers[:3]:  # what is anybody's word may be read, or refused
        with contextlib.suppress(refusals.TokenRefused):
            assert peek(token)


@given(st.booleans(), st.binary(max_size=4), st.integers(0, 400), st.integers(0, 8))
def test_a_payload_mutated_and_signed_again_is_proven_or_refused(readers, other_side, page_claims, rs256, put, at, cut):
    """By whoever holds the key: nothing in the claims may break what reads them."""
    raw = json.dumps(page_claims()).encode()
    payload = raw[: at % len(raw)] + put + raw[at % len(raw) + cut :]
    token = other_side.signed("install" if rs256 else "request", None, payload)
    for read in readers:
        with contextlib.suppress(refusals.Refusal):
            assert read(token)
