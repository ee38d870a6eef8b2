"""Answers of an authorization server mean what is documented, or nothing; and a form goes nowhere else."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.integrations.ports import Verdict
from app.outbound.authorization_server import AtlassianAuthorization, refusal_of, tokens_of

GOOD = {"access_token": "a.b-c", "refresh_token": "r", "expires_in": 3600, "scope": "a b", "token_type": "Bearer"}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def body(**changes):
    fields = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return json.dumps(fields).encode()


def test_a_documented_answer_gives_tokens_that_nobody_can_read():
    found = tokens_of(body())
    assert (found.verdict, found.tokens.good_for, found.tokens.scopes) == (
        Verdict.DONE, timedelta(hours=1), frozenset({"a", "b"}),
    )  # fmt: skip
    assert "a.b-c" not in repr(found) + repr(found.tokens)


def test_what_may_be_left_out_is_left_out():
    found = tokens_of(body(refresh_token=..., scope=...))
    assert (found.tokens.refresh, found.tokens.scopes) == (None, None)


def test_a_token_that_claims_to_be_good_for_years_is_renewed_after_a_day():
    assert tokens_of(body(expires_in=10**12)).tokens.good_for == timedelta(days=1)


WRONG = {
    "access_token": [..., None, "", 7, "a b", "a\r\nX: y", "\u00e9", "a" * 8193],
    "refresh_token": [None, "", [], "r\n"],
    "expires_in": [..., None, 0, -1, "3600", True, 1.5],
    "scope": [None, 3, "", " ", 'a"b', "a  b", "a" * 1001],
    "token_type": [..., None, "mac", 1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_field_that_is_not_as_documented_makes_the_answer_none(name, value):
    assert tokens_of(body(**{name: value})).why == "not_as_documented"


@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_other_body_gives_no_tokens_and_raises_nothing(raw):
    found = tokens_of(raw)
    assert (found.verdict, found.tokens) == (Verdict.ODD, None)


def test_a_body_nested_too_deep_gives_none():
    assert tokens_of(b"[" * 60_000).verdict is Verdict.ODD


@pytest.mark.parametrize(
    ("status", "headers", "sent", "verdict", "why", "seconds"),
    [
        (400, {}, b'{"error": "invalid_grant"}', Verdict.GONE, "invalid_grant", None),
        (403, {}, b'{"error": "invalid_grant", "error_description": "x"}', Verdict.GONE, "invalid_grant", None),
        (401, {}, b'{"error": "invalid_client"}', Verdict.ODD, "invalid_client", None),
        (403, {}, b"<html>", Verdict.ODD, "status_403", None),
        (400, {}, b'{"error": "made_up"}', Verdict.ODD, "status_400", None),
        (404, {}, b'{"error": "invalid_grant"}', Verdict.ODD, "invalid_grant", None),
        (429, {"Retry-After": "7"}, b"", Verdict.LATER, "status_429", 7),
        (429, {"Retry-After": "999999"}, b"", Verdict.LATER, "status_429", 86400),
        (503, {"Retry-After": "soon"}, b'{"error": "invalid_grant"}', Verdict.LATER, "status_503", None),
        (204, {}, b"", Verdict.ODD, "status_204", None),
    ],
)
def test_a_refusal_means_what_its_code_says(status, headers, sent, verdict, why, seconds):
    found = refusal_of(status, headers, sent)
    assert (found.verdict, found.why, found.retry_after_seconds) == (verdict, why, seconds)


@given(st.integers(100, 599), st.binary(max_size=100) | anything.map(lambda value: json.dumps(value).encode()))
def test_no_text_of_a_refusal_is_kept(status, raw):
    assert refusal_of(status, {}, raw).why in {f"status_{status}"} | {"invalid_grant", "invalid_client"}


@pytest.fixture
def server(peer):
    def identify(form):
        form["client_secret"] = "made-up-secret"

    return AtlassianAuthorization(peer.url, lambda: "made-up-client", identify)


def fill(form):
    form["refresh_token"] = "made-up-token"


def test_a_redirect_takes_no_token_along(peer, server, make_peer):
    other = make_peer()
    peer.posted["/oauth/token"] = (307, {"Location": f"{other.url}/oauth/token"}, b"")
    assert server.refresh(fill).why == "Redirected"
    assert (peer.asked, other.asked) == (["/oauth/token"], [])


def test_fifty_megabytes_are_not_read(peer, server):
    peer.posted["/oauth/token"] = (200, {}, b" " * 200_000)
    assert server.refresh(fill).why == "AnswerTooLarge"


def test_nobody_there_is_weather():
    nobody = AtlassianAuthorization("http://127.0.0.1:9", lambda: "made-up-client", lambda form: None)
    found = nobody.revoke(fill)
    assert (found.verdict, found.why) == (Verdict.LATER, "ConnectionError")


def test_a_revocation_is_confirmed_by_its_status_alone(peer, server):
    peer.posted["/oauth/revoke"] = (200, {}, b"whatever")
    assert server.revoke(fill).verdict is Verdict.DONE
