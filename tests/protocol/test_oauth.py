"""What comes back in a browser: read strictly, by anybody's query, and never believed twice."""

import string
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.oauth import authorization_url, challenge_of, query_of, read_callback

STATE = "s" * 43
VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))
texts = st.text(max_size=60)


def test_the_challenge_is_that_of_rfc_7636_appendix_b():
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@given(
    st.text(alphabet=VISIBLE, min_size=1, max_size=200), st.text(string.ascii_letters + "-_", min_size=43, max_size=43)
)
def test_a_code_is_read_as_it_was_sent(code, state):
    found = read_callback(urlencode({"code": code, "state": state, "unknown": "ignored"}))
    assert (found.code, found.state, found.error, found.issuer) == (code, state, None, None)
    assert code not in repr(found) or len(code) < 10
    assert state not in repr(found)


@given(st.text(max_size=300))
def test_any_query_is_read_or_refused_and_raises_nothing(query):
    found = read_callback(query)
    assert found is None or (found.code is None) is not (found.error is None)


@given(st.dictionaries(st.sampled_from(["code", "state", "error", "iss", "x"]), texts), st.booleans())
def test_what_is_read_was_said_once(fields, is_twice):
    query = urlencode(fields)
    if is_twice and fields:
        query += f"&{query}"
        assert read_callback(query) is None
    found = read_callback(query)
    if found is not None:
        assert (found.state, found.code, found.issuer) == (fields["state"], fields.get("code"), fields.get("iss"))


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"state={STATE}",
        "code=c",
        f"code=c&state={STATE[1:]}",
        f"code=c&state={STATE}s",
        f"code=c&state={STATE}&state={STATE}",
        f"code=c&state={STATE}&error=access_denied",
        f"code=&state={STATE}",
        f"code=a%0d%0ab&state={STATE}",
        f"code=a%00b&state={STATE}",
        f"code=%ff&state={STATE}",
        f"code=\u00e9&state={STATE}",
        f"code={'c' * 9000}&state={STATE}",
        f"code=c&state={STATE}&" + "&".join(f"a{n}=1" for n in range(30)),
        f"code=c;state={STATE}",
    ],
)
def test_what_has_not_the_documented_form_is_refused(query):
    assert read_callback(query) is None


@pytest.mark.parametrize(("error", "read"), [("access_denied", "access_denied"), ("<script>", "other_error")])
def test_an_error_is_one_that_we_know_or_no_text_at_all(error, read):
    found = read_callback(urlencode({"error": error, "state": STATE, "error_description": "<b>anything</b>"}))
    assert (found.error, found.code) == (read, None)


@given(texts)
def test_pasted_text_is_the_callbacks_address_or_nothing(text):
    assert query_of(text, redirect_uri="https://app.example.com/oauth/callback") is None


@pytest.mark.parametrize(
    ("pasted", "query"),
    [
        (" https://app.example.com/oauth/callback?code=c&state=s \n", "code=c&state=s"),
        ("https://app.example.com/oauth/callback", ""),
        ("http://app.example.com/oauth/callback?code=c", None),
        ("https://app.example.com.attacker.example.com/oauth/callback?code=c", None),
        ("https://app.example.com@attacker.example.com/oauth/callback?code=c", None),
        ("https://app.example.com/oauth/callback/../x?code=c", None),
        ("https://[", None),
    ],
)
def test_only_the_address_that_was_registered_is_taken(pasted, query):
    assert query_of(pasted, redirect_uri="https://app.example.com/oauth/callback") == query


@given(*[st.text(min_size=1, max_size=60)] * 3)
def test_whatever_is_asked_for_stays_within_its_parameter(client_id, redirect_uri, state):
    asked = {"client_id": client_id, "redirect_uri": redirect_uri, "state": state}
    url = authorization_url(
        "https://auth.example.com/authorize", **asked, scopes=frozenset({"b", "a"}), challenge="c" * 43
    )
    found = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert {name: found[name] for name in asked} == {name: [value] for name, value in asked.items()}
    assert found["scope"] == ["a b"]
