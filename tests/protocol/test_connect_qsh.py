"""Canonical request and query hash: published vectors, the other library where it is right, and no collisions."""

import contextlib
import json
import re
import string
from collections import Counter
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import pytest
from atlassian_jwt.url_utils import canonicalize_request
from hypothesis import example, given
from hypothesis import strategies as st

from app.protocol.connect_qsh import canonical_request, query_hash
from app.protocol.refusals import TargetMalformed

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "qsh_vectors.json").read_text("utf-8"))["vectors"]
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates included


def test_all_vectors_are_here():
    assert len({vector["id"] for vector in VECTORS}) == 92


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_published_vector_is_met(vector):
    request = vector["method"], vector["url"]
    base_path = urlsplit(vector["base_url"] or "").path
    assert canonical_request(*request, base_path=base_path) == vector["recommended"]["canonical"]
    assert query_hash(*request, base_path=base_path) == vector["recommended"]["qsh"]


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("http://app.example.com/path?a=1", "GET&/path&a=1"),
        ("HTTPS://user@app.example.com:8443/path?a=1", "GET&/path&a=1"),
        ("http://app.example.com", "GET&/&"),
        ("http://app.example.com?a=1", "GET&/&a=1"),
        ("http://app.example.com#f", "GET&/&"),
        ("http://app.example.com//path", "GET&//path&"),
        ("/http://app.example.com/path", "GET&/http://app.example.com/path&"),
        ("/p?u=http://app.example.com/path", "GET&/p&u=http%3A%2F%2Fapp.example.com%2Fpath"),
        ("x://app.example.com/path", "GET&/x://app.example.com/path&"),
        ("https:/path", "GET&/https:/path&"),
        ("hhttp://app.example.com/path", "GET&/hhttp://app.example.com/path&"),
    ],
)
def test_scheme_and_host_are_cut_only_off_an_absolute_form_target(sent, canonical):
    assert canonical_request("GET", sent) == canonical


@pytest.mark.parametrize(
    ("target", "base_path", "canonical"),
    [
        ("/app", "/app", "GET&/&"),
        ("/app/", "/app", "GET&/&"),
        ("/app?a=1", "/app/", "GET&/&a=1"),
        ("/app/app/x", "/app", "GET&/app/x&"),
        ("/apple", "/app", "GET&/apple&"),
        ("/APP/x", "/app", "GET&/APP/x&"),
        ("/%61pp/x", "/app", "GET&/%61pp/x&"),
        ("/app//x", "/app", "GET&//x&"),
        ("/x/app/y", "/app", "GET&/x/app/y&"),
    ],
)
def test_the_base_path_is_cut_once_and_only_as_whole_segments(target, base_path, canonical):
    assert canonical_request("GET", target, base_path=base_path) == canonical


@pytest.mark.parametrize("method", ["", "GET&", "GET /x", "G\0T", "ſet", "GET\n", "A" * 21])
def test_a_method_that_is_not_a_word_is_refused(method):
    with pytest.raises(TargetMalformed):
        canonical_request(method, "/")


def test_a_target_with_a_lone_surrogate_is_refused():
    with pytest.raises(TargetMalformed):
        canonical_request("GET", "/p?a=\udcff")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT.filter(lambda base: base.isascii()))
def test_nothing_but_a_refusal_is_raised_for_any_request(method, target, base_path):
    for verb in ("GET", method):
        with contextlib.suppress(TargetMalformed):
            assert re.fullmatch("[0-9a-f]{64}", query_hash(verb, target, base_path=base_path))


# The other library is right for paths of ordinary segments (no `;`, no `:` in the first, no doubled slashes) and for
# queries below U+D800, where code points and UTF-16 units sort alike. Elsewhere see `python` in the vectors.
SEGMENT = st.text(string.ascii_letters + string.digits + "-._~%&=+@!$'()*,", min_size=1, max_size=6)
QUERY_TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=6)
PAIR = st.tuples(QUERY_TEXT, QUERY_TEXT) | st.tuples(st.sampled_from(["a", "b", "jwt"]), QUERY_TEXT)
SPELLING = st.sampled_from(
    [lambda text: quote(text, safe=""), lambda text: quote(text, safe="~*!'(),/").replace("%20", "+")]
)


@given(st.lists(SEGMENT, max_size=4), st.lists(PAIR, max_size=6), SPELLING, st.booleans())
def test_the_other_library_agrees_wherever_it_is_right(segments, pairs, spell, slash_at_end):
    path = "/" + "/".join(segments) + ("/" if slash_at_end and segments else "")
    target = path + "?" + "&".join(f"{spell(name)}={spell(value)}" for name, value in pairs)
    assert canonical_request("post", target) == canonicalize_request("post", target)


def meaning(method: str, target: str, base_path: str) -> tuple[str, str, Counter[tuple[str, str]]]:
    """What a request is, told without the code under test: method, path by the rules, and bag of parameters."""
    path, query = re.match(r"([^?#]*)(?:\?([^#]*))?", target).groups(default="")
    base = base_path.removesuffix("/")
    if base and re.match(re.escape(base) + r"(?=/|\Z)", path):
        path = path.replace(base, "", 1)
    if len(path) > 1 and path[-1] == "/":
        path = path[:-1]
    path = path.replace("&", "%26")
    parameters = Counter[tuple[str, str]]()
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        decoded = [unquote_to_bytes(part.replace("+", " ")).decode("utf-8", "replace") for part in (name, value)]
        if decoded[0] != "jwt":
            parameters[decoded[0], decoded[1]] += 1
    return method.upper(), path if path[:1] == "/" else "/" + path, parameters


PIECE = st.sampled_from(
    [
        "/",
        "/app",
        "a",
        "b",
        "&",
        "%26",
        "=",
        ",",
        "%2C",
        "%2c",
        "+",
        "%20",
        ";",
        "?",
        "#",
        "%",
        "%C3%A9",
        "é",
        "jwt",
        "://",
        ".",
    ]
)
TARGET = st.lists(PIECE, max_size=8).map("".join)
METHODS = st.sampled_from(["GET", "get", "POST"])


@given(METHODS, METHODS, TARGET, TARGET, st.sampled_from(["", "/", "/app", "/app/"]))
@example("GET", "GET", "/x://other.example/path?a=1", "/path?a=1", "")
@example("GET", "GET", "/a/b;v=1&w=2?x=1", "/a/b;v=1?w=2&x=1", "")
@example("GET", "GET", "/issue:view/1", "/view/1", "")
@example("GET", "GET", "/path//", "/path", "")
@example("GET", "GET", "/p?a=1,2", "/p?a=1&a=2", "")
@example("GET", "GET", "/p?a=1&b=2", "/p?a=1%26b=2", "")
@example("GET", "GET", "/application", "/lication", "/app")
def test_two_requests_hash_alike_exactly_when_they_mean_the_same(method, other_method, target, other, base_path):
    same = meaning(method, target, base_path) == meaning(other_method, other, base_path)
    hashes = (
        query_hash(method, target, base_path=base_path),
        query_hash(other_method, other, base_path=base_path),
    )
    assert (hashes[0] == hashes[1]) is same


@given(METHODS, TARGET, st.data())
def test_the_order_of_differently_named_parameters_and_a_jwt_do_not_matter(method, target, data):
    path, mark, query = target.partition("#")[0].partition("?")
    shuffled = data.draw(st.permutations(query.split("&")))
    again = f"{path}{mark}{'&'.join([*shuffled, 'jwt=x.y.z'])}" if mark else f"{path}?jwt=x.y.z"
    assert query_hash(method, again) == query_hash(method, target)
