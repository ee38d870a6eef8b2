"""The strict reader: what is refused before any cryptography, and that nothing but a refusal leaves it."""

import contextlib
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.protocol import refusals, tokens
from app.protocol.tokens import read_base64url, read_envelope, read_json_object, read_unverified

HEADER = {"typ": "JWT", "alg": "HS256"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_a_token_is_taken_apart_without_being_believed(other_side):
    claims = other_side.claims()
    read = read_unverified(other_side.by_hand(HEADER, claims, key=b"anybody's"), algorithm="HS256")
    assert read.header == HEADER
    assert read.claims == claims


def test_a_token_shows_neither_claims_nor_signature_when_printed(other_side):
    shown = repr(read_unverified(other_side.hs256(other_side.claims()), algorithm="HS256"))
    assert other_side.account_id not in shown
    assert "signature" not in shown


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", refusals.TokenMalformed),
        ("a.b", refusals.TokenMalformed),
        ("a.b.c.d", refusals.TokenMalformed),
        ("..", refusals.TokenMalformed),
        ("eyJhbGciOiJIUzI1NiJ9.e30.", refusals.TokenMalformed),
        ("eyJhbGciOiJIUzI1NiJ9..AA", refusals.TokenMalformed),
        ("eyJhbGciOiJIUzI1NiJ9.e30=.AA", refusals.TokenMalformed),
        (" eyJhbGciOiJIUzI1NiJ9.e30.AA", refusals.TokenMalformed),
        ("eyJhbGciOiJIUzI1NiJ9.e30.AA\n", refusals.TokenMalformed),
        ("eyJhbGciOiJIUzI1NiJ9.e3+0.AA", refusals.TokenMalformed),
        ("eyJhbGciOiJIUzI1NiJ9.e30.é", refusals.TokenMalformed),
        ("eyJhbGciOiJIUzI1NiJ9.e30.AB", refusals.Base64NotCanonical),
        ("eyJhbGciOiJIUzI1NiJ9.e30.A", refusals.Base64NotCanonical),
        ("eyJhbGciOiJIUzI1NiJ9.e31.AA", refusals.Base64NotCanonical),
        ('{"protected":"e30","payload":"e30","signature":"AA"}', refusals.TokenMalformed),
        ("a" * 1024 * 1024, refusals.TokenTooLarge),
    ],
)
def test_a_token_of_another_form_is_refused(token, reason):
    with pytest.raises(reason):
        read_envelope(token, algorithm="HS256")


def test_a_token_of_one_character_too_many_is_refused_unread():
    with pytest.raises(refusals.TokenTooLarge):
        read_envelope("." * (tokens.MAX_TOKEN_CHARS + 1), algorithm="HS256")
    with pytest.raises(refusals.TokenMalformed):
        read_envelope("." * tokens.MAX_TOKEN_CHARS, algorithm="HS256")


@pytest.mark.parametrize("algorithm", ["none", "None", "", "hs256", "HS384", "RS256", "ES256", None, 1, ["HS256"]])
def test_any_algorithm_but_the_pinned_one_is_refused(other_side, algorithm):
    with pytest.raises(refusals.AlgorithmNotAllowed):
        read_envelope(other_side.by_hand({"alg": algorithm}, {}), algorithm="HS256")


def test_a_header_without_an_algorithm_is_refused(other_side):
    with pytest.raises(refusals.AlgorithmNotAllowed):
        read_envelope(other_side.by_hand({"typ": "JWT"}, {}), algorithm="HS256")


@pytest.mark.parametrize("kind", ["jwt", "JOSE", "at+jwt", "", None, ["JWT"]])
def test_a_header_of_another_type_is_refused(other_side, kind):
    with pytest.raises(refusals.TypeNotAllowed):
        read_envelope(other_side.by_hand(HEADER | {"typ": kind}, {}), algorithm="HS256")


@pytest.mark.parametrize(
    "member", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}, {"zip": "DEF"}, {"crit": None}]
)
def test_a_header_that_asks_for_other_processing_is_refused(other_side, member):
    with pytest.raises(refusals.HeaderNotUnderstood):
        read_envelope(other_side.by_hand(HEADER | member, {}), algorithm="HS256")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"iss":"a","iss":"b"}', refusals.JsonNameRepeated),
        (b'{"iss":"a","\\u0069ss":"b"}', refusals.JsonNameRepeated),
        (b'{"a":{"b":1,"b":1}}', refusals.JsonNameRepeated),
        (b'{"a":[{"b":1,"b":2}]}', refusals.JsonNameRepeated),
        (b'{"a":"\\ud800"}', refusals.TextNotAllowed),
        (b'{"a":["x",{"\\udfff":1}]}', refusals.TextNotAllowed),
        (b'{"a":"\\u0000"}', refusals.TextNotAllowed),
        (b'{"a":"\0"}', refusals.JsonMalformed),
        (b'{"a":"\xed\xa0\x80"}', refusals.JsonMalformed),
        (b'{"a":"\xff"}', refusals.JsonMalformed),
        (b'\xef\xbb\xbf{"a":1}', refusals.JsonMalformed),
        ('{"a":1}'.encode("utf-16"), refusals.JsonMalformed),
        ('{"a":1}'.encode("utf-16-le"), refusals.JsonMalformed),
        (b'{"exp":NaN}', refusals.JsonMalformed),
        (b'{"exp":Infinity}', refusals.JsonMalformed),
        (b'{"exp":-Infinity}', refusals.JsonMalformed),
        (b'{"exp":1e999}', refusals.JsonMalformed),
        (b'{"exp":' + b"9" * 5000 + b"}", refusals.JsonMalformed),
        (b"[]", refusals.JsonMalformed),
        (b'"text"', refusals.JsonMalformed),
        (b"null", refusals.JsonMalformed),
        (b"", refusals.JsonMalformed),
        (b'{"a":1}{', refusals.JsonMalformed),
        (b"{'a':1}", refusals.JsonMalformed),
        (b'{"a":1,}', refusals.JsonMalformed),
        (b"[" * 3000, refusals.JsonTooDeep),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, refusals.JsonTooDeep),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", refusals.JsonTooDeep),
        (b'{"b":"\\"","a":' + b"[" * 32 + b"]" * 32 + b"}", refusals.JsonTooDeep),
    ],
)
def test_json_that_parsers_read_differently_is_refused(document, reason):
    with pytest.raises(reason):
        read_json_object(document)


@pytest.mark.parametrize(
    "document",
    [
        b'{"a":' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"a":"' + b"[{" * 500 + b'"}',
        b'{"a":"\\"' + b"[{" * 500 + b'\\\\"}',
        b"{" + b",".join(b'"%d":[]' % number for number in range(200)) + b"}",
        b'{"a":"\\ud83d\\ude00 \\\\ud800 \\\\u0000"}',
        b' {\n"a":\t1.5e3 } ',
    ],
)
def test_json_that_only_looks_dangerous_is_read(document):
    assert read_json_object(document) == json.loads(document)


def test_a_hostile_text_full_of_escaped_quotes_costs_linear_time():
    """Each quote could be the start of a string; trying each would cost seconds of our time per token."""
    document = b'{"a":"' + b'\\"' * 1_000_000 + b"[" * 40
    with pytest.raises(refusals.JsonMalformed):
        read_json_object(document)


@given(st.text(st.characters(exclude_categories=())), st.binary(), st.binary(), st.binary())
@example("a.b.c", b"{}", b"[" * 500, b"")
def test_nothing_but_a_refusal_leaves_the_reader_for_any_input(other_side, text, header, payload, signature):
    for token in (text, other_side.by_hand(header, payload), other_side.by_hand(HEADER, payload)):
        for algorithm in ("HS256", "RS256"):
            with contextlib.suppress(refusals.TokenRefused):
                read_unverified(token, algorithm=algorithm)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_read_is_what_the_standard_parser_reads(document):
    encoded = json.dumps(document).encode()
    try:
        assert read_json_object(encoded) == document
    except refusals.TokenRefused:
        assert any(sign in encoded for sign in (b"NaN", b"Infinity", b"\\u0000", b"\\ud"))


@given(st.binary(max_size=40), st.text("AQgw_-", min_size=1, max_size=8))
def test_bytes_have_exactly_one_base64url_spelling(raw, text):
    assert read_base64url(urlsafe_b64encode(raw).rstrip(b"=").decode()) == raw
    try:
        decoded = read_base64url(text)
    except refusals.Base64NotCanonical:
        return
    assert urlsafe_b64encode(decoded).rstrip(b"=").decode() == text


NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
AT = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": AT + 9}, refusals.ClaimMissing),
        ({"iat": AT}, refusals.ClaimMissing),
        ({"iat": AT, "exp": None}, refusals.ClaimMalformed),
        ({"iat": AT, "exp": str(AT + 9)}, refusals.ClaimMalformed),
        ({"iat": AT, "exp": True}, refusals.ClaimMalformed),
        ({"iat": AT, "exp": [AT + 9]}, refusals.ClaimMalformed),
        ({"iat": -1, "exp": AT + 9}, refusals.ClaimMalformed),
        ({"iat": AT, "exp": 10**30}, refusals.ClaimMalformed),
        ({"iat": AT, "exp": AT + 9, "nbf": "now"}, refusals.ClaimMalformed),
        ({"iat": AT, "exp": AT}, refusals.TokenLifeNotAllowed),
        ({"iat": AT, "exp": AT - 1}, refusals.TokenLifeNotAllowed),
        ({"iat": AT, "exp": AT + 3601}, refusals.TokenLifeNotAllowed),
        ({"iat": AT, "exp": AT + 10 * 365 * 86400}, refusals.TokenLifeNotAllowed),
        ({"iat": 0, "exp": AT + 60}, refusals.TokenLifeNotAllowed),
        ({"iat": AT - 200, "exp": AT - 30}, refusals.TokenExpired),
        ({"iat": AT + 31, "exp": AT + 90}, refusals.TokenNotYetValid),
        ({"iat": AT, "exp": AT + 90, "nbf": AT + 31}, refusals.TokenNotYetValid),
    ],
)
def test_a_token_out_of_its_time_is_refused(claims, reason):
    with pytest.raises(reason):
        tokens.life(claims, now=NOW)


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": AT, "exp": AT + 3600},
        {"iat": AT - 200, "exp": AT - 29},
        {"iat": AT + 30, "exp": AT + 90},
        {"iat": AT, "exp": AT + 90, "nbf": AT + 30},
        {"iat": AT + 0.25, "exp": AT + 90.75},
    ],
)
def test_a_token_within_its_time_and_the_leeway_lives(claims):
    expected = tuple(datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
    assert tokens.life(claims, now=NOW) == expected


def test_the_zone_of_now_does_not_matter_but_it_must_have_one():
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    claims = {"iat": AT, "exp": AT + 1}
    assert tokens.life(claims, now=elsewhere) == tokens.life(claims, now=NOW)
    with pytest.raises(ValueError, match="aware"):
        tokens.life(claims, now=NOW.replace(tzinfo=None))
