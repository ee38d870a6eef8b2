"""The tokens of Connect: honest ones of the other side pass, and nothing but a refusal is ever raised."""

import contextlib
import json
from base64 import urlsafe_b64decode
from datetime import timedelta

import jwt
import pytest
from atlassian_jwt import encode_token
from atlassian_jwt.url_utils import hash_url
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import refusals
from app.protocol.connect_jwt import sign_app_request

PANEL = "/connect/issue?issueId=10042&lic=active&jwt=x.y.z"
HS256 = {"typ": "JWT", "alg": "HS256"}


def test_a_page_request_signed_by_the_other_library_is_proven(other_side, gates):
    claims = {name: other_side.claims()[name] for name in ("sub", "iat", "exp", "context")}
    token = encode_token(
        "GET",
        PANEL,
        other_side.client_key,
        other_side.secret.decode(),
        payload_kwargs=claims | {"aud": "https://app.example.com"},
    )
    assert gates.issuer(token) == other_side.client_key
    proven = gates.page(token)
    assert (proven.client_key, proven.account_id) == (other_side.client_key, other_side.account_id)
    assert (proven.issued_at, proven.expires_at) == (other_side.now, other_side.now + timedelta(seconds=180))
    assert proven.license_active is True
    assert proven.context == claims["context"]


def test_a_context_token_is_proven(other_side, gates):
    proven = gates.script(other_side.hs256(other_side.claims(context={"license": {"active": False}})))
    assert (proven.client_key, proven.account_id) == (other_side.client_key, other_side.account_id)
    assert proven.license_active is False


def test_a_request_below_the_base_path_is_proven(other_side, gates, page_claims):
    token = other_side.hs256(page_claims())
    assert gates.page(token, target="/pledge" + PANEL, base_path="/pledge").client_key == other_side.client_key


@pytest.mark.parametrize("aud", [..., "https://eu.app.example.com", ["https://app.example.com"]])
def test_an_audience_of_ours_or_none_passes_on_a_page(other_side, gates, page_claims, aud):
    assert gates.page(other_side.hs256(page_claims(aud=aud)))


@pytest.mark.parametrize("context", [..., None, {}, {"license": None}, {"license": {"active": "true"}}, {"license": 1}])
def test_a_licence_that_the_token_does_not_state_is_unknown(other_side, gates, context):
    assert gates.script(other_side.hs256(other_side.claims(context=context))).license_active is None


@pytest.mark.parametrize(
    ("query", "active"),
    [
        ("lic=active", True),
        ("lic=none", False),
        ("lic=%6eone", False),
        ("lic=expired", None),
        ("lic=", None),
        ("issueId=10042", None),
        ("lic=none&lic=none", None),
        ("lic=active&lic=none", None),
        ("LIC=none", None),
        ("lic=none#&lic=active", False),
    ],
)
def test_the_signed_address_says_what_the_token_does_not_of_the_licence(other_side, gates, page_claims, query, active):
    target = f"/connect/issue?{query}"
    token = other_side.hs256(page_claims(context={}, qsh=hash_url("GET", target.partition("#")[0])))
    assert gates.page(token, target=target).license_active is active


@pytest.mark.parametrize("stated", [True, False])
def test_the_token_has_the_last_word_about_the_licence(other_side, gates, page_claims, stated):
    said = "none" if stated else "active"
    target = f"/connect/issue?lic={said}"
    token = other_side.hs256(page_claims(context={"license": {"active": stated}}, qsh=hash_url("GET", target)))
    assert gates.page(token, target=target).license_active is stated


@pytest.mark.parametrize("said", ["active", "none"])
def test_an_address_that_nobody_signed_says_nothing_of_the_licence(other_side, gates, said):
    token = other_side.hs256(other_side.claims(context={}))
    assert gates.script(token, target=f"/fragments/issue?lic={said}").license_active is None


@pytest.mark.parametrize("sub", [..., None])
def test_a_token_without_a_user_names_none(other_side, gates, sub):
    assert gates.script(other_side.hs256(other_side.claims(sub=sub))).account_id is None


def test_a_proven_context_cannot_be_changed(other_side, gates):
    with pytest.raises(TypeError):
        gates.script(other_side.hs256(other_side.claims())).context["license"] = {}


def test_an_install_is_proven(other_side, gates, install_claims):
    token = other_side.rs256(install_claims())
    assert gates.kid(token) == "key-1"
    proven = gates.install(token)
    assert (proven.client_key, proven.account_id) == (other_side.client_key, other_side.account_id)
    assert (proven.issued_at, proven.expires_at) == (other_side.now, other_side.now + timedelta(seconds=180))


def test_our_request_to_jira_is_what_jira_expects(other_side):
    target = "/rest/api/3/search/jql?jql=project%20%3D%20SEC&fields=summary,status"
    token = sign_app_request(
        method="GET",
        target=target,
        base_path="",
        app_key="io.pledge.app",
        client_key=other_side.client_key,
        key=other_side.secret,
        now=other_side.now,
    )
    issued = other_side.seconds(0)
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256"}
    assert json.loads(urlsafe_b64decode(token.split(".")[1] + "==")) == {
        "iss": "io.pledge.app",
        "aud": [other_side.client_key],
        "iat": issued,
        "exp": issued + 180,
        "qsh": hash_url("GET", target),
    }
    jwt.PyJWS().decode(token, other_side.secret, ["HS256"])


@pytest.mark.parametrize(
    ("key", "reason"),
    [(b"short", refusals.KeyTooShort), (b'{"kty":"oct","k":"' + b"A" * 40 + b'"}', refusals.SecretUnfit)],
)
def test_we_sign_nothing_with_an_unfit_secret(other_side, key, reason):
    request = {"method": "GET", "target": "/", "base_path": "", "app_key": "a", "client_key": "c"}
    with pytest.raises(reason):
        sign_app_request(**request, key=key, now=other_side.now)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
CLAIM = st.sampled_from(["iss", "sub", "iat", "exp", "nbf", "aud", "qsh", "context"])


@given(st.dictionaries(CLAIM, ANYTHING, max_size=3), st.text(st.characters(exclude_categories=())))
def test_nothing_but_a_refusal_is_raised_for_any_signed_claims(other_side, gates, changes, target):
    token = other_side.hs256(other_side.claims(**changes))
    install = other_side.rs256_by_hand(other_side.claims(**changes))
    for call in (
        lambda: gates.script(token),
        lambda: gates.page(token, target=target),
        lambda: gates.install(install, target=target),
        lambda: gates.issuer(token),
        lambda: gates.kid(install),
    ):
        with contextlib.suppress(refusals.TokenRefused):
            call()


@given(st.text(st.characters(exclude_categories=())), st.binary(max_size=80))
def test_nothing_but_a_refusal_is_raised_for_any_token_and_key(gates, token, key):
    for call in (
        lambda: gates.script(token, key=key),
        lambda: gates.script("eyJhbGciOiJIUzI1NiJ9.e30.AA", key=key),
        lambda: gates.install(token, public_key_pem=key),
    ):
        with pytest.raises(refusals.TokenRefused):
            call()
