"""Known attacks on installed and uninstalled calls, each refused by the reason that is for it."""

import pytest
from atlassian_jwt.url_utils import hash_url

from app.protocol import refusals
from app.protocol.connect_qsh import CONTEXT_QSH


def test_attack_install_signed_with_the_public_key_as_secret(other_side, gates, install_claims):
    header = {"typ": "JWT", "alg": "HS256", "kid": "key-1"}
    with pytest.raises(refusals.AlgorithmNotAllowed):
        gates.install(other_side.by_hand(header, install_claims(), key=other_side.public_pem))


def test_attack_install_signed_by_an_unknown_key(other_side, gates, install_claims, another_key):
    with pytest.raises(refusals.SignatureWrong):
        gates.install(other_side.rs256(install_claims(), key=another_key))


def test_attack_context_token_as_install(other_side, gates, install_claims):
    with pytest.raises(refusals.ContextTokenRefused):
        gates.install(other_side.rs256(install_claims(qsh=CONTEXT_QSH)))


def test_attack_uninstalled_token_played_as_installed(other_side, gates, install_claims):
    qsh = hash_url("POST", "/connect/uninstalled")
    with pytest.raises(refusals.QshWrong):
        gates.install(other_side.rs256(install_claims(qsh=qsh)))


def test_attack_install_addressed_to_nobody(other_side, gates, install_claims):
    with pytest.raises(refusals.ClaimMissing, match="aud"):
        gates.install(other_side.rs256(install_claims(aud=...)))


BAD_KIDS = [
    None,
    "",
    7,
    ["key-1"],
    "../../secret",
    "a/../b",
    "a/..",
    "a..b",
    "/key",
    "key/",
    "a//b",
    "a/b/c/d",
    "https://evil.example.net/key",
    "@evil.example.net",
    "key?x=1",
    "key#x",
    "key%2e%2e",
    "key\\x",
    "key\n",
    "kéy",
    ".key",
    "k" * 129,
]


@pytest.mark.parametrize("kid", BAD_KIDS, ids=repr)
def test_attack_key_id_that_leads_elsewhere(other_side, gates, install_claims, kid):
    token = other_side.rs256_by_hand(install_claims(), kid=kid)
    for call in (lambda: gates.kid(token), lambda: gates.install(token)):
        with pytest.raises(refusals.KidMalformed):
            call()


@pytest.mark.parametrize(
    "kid", ["0e50fccb-239d-4991-a5db-dc850ba3f236", "issuer/key-1", "micros/prod/2024.v1_a", "k" * 128]
)
def test_a_key_id_of_the_known_forms_passes(gates, other_side, install_claims, kid):
    assert gates.kid(other_side.rs256(install_claims(), kid=kid)) == kid
