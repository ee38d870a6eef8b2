"""JSON bodies: one reading or a refusal, whatever the bytes."""

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.tracking.operations import IssueHint
from app.edge.bodies import BodyMalformed, install_body, issue_hint, read_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
NAMES = ["key", "clientKey", "baseUrl", "displayUrl", "cloudId", "productType", "sharedSecret", "issue", "fields"]
BODIES = st.one_of(
    st.binary(max_size=300),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8).map(lambda value: json.dumps(value).encode()),
)
INSTALL = {
    "key": "io.pledge.app",
    "clientKey": "made-up-client-key",
    "baseUrl": "https://one.atlassian.net",
    "sharedSecret": "a-made-up-shared-secret",
}


def encoded(**changed):
    return json.dumps({name: value for name, value in (INSTALL | changed).items() if value != "absent"}).encode()


@given(BODIES)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"\xff\xfe{}")
@example(b'{"a": 1e999999}')
@example(b"9" * 10_000)
@example(b'{"a": ' + b"9" * 10_000 + b"}")
@example(b'{"baseUrl": "https://[::1"}')
@example(b'{"issue": {"fields": {"issuetype": {"name": "Bug"}, "labels": ["\\ud800"]}}}')
def test_whatever_is_sent_is_read_or_refused_and_nothing_else(raw):
    for read in (read_object, install_body, issue_hint):
        with contextlib.suppress(BodyMalformed):
            read(raw)


@given(st.dictionaries(TEXT, st.integers() | TEXT, max_size=5))
def test_an_ordinary_object_is_read_as_it_is(value):
    assert read_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{} {}",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
    ],
    ids=repr,
)
def test_json_that_two_parsers_could_read_differently_is_refused(raw):
    with pytest.raises(BodyMalformed):
        read_object(raw)


@pytest.mark.parametrize("raw", [b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": ["\\ud800"]}', b'{"\\udfff": 1}'])
def test_text_that_no_database_carries_is_refused(raw):
    with pytest.raises(BodyMalformed):
        read_object(raw)


def test_a_refusal_does_not_quote_the_body():
    with pytest.raises(BodyMalformed) as refused:
        install_body(encoded(baseUrl="https://canary.example.com/path"))
    assert "canary" not in str(refused.value)


def test_an_install_body_is_read():
    body = install_body(encoded(displayUrl="https://jira.example.com/", cloudId="cloud-1", surplus={"x": [1]}))
    assert (body.key, body.client_key, body.cloud_id) == ("io.pledge.app", "made-up-client-key", "cloud-1")
    assert (body.base_url, body.display_url) == ("https://one.atlassian.net", "https://jira.example.com")
    assert body.product_type == "jira"
    assert len(body.shared_secret) == len(INSTALL["sharedSecret"])
    assert INSTALL["sharedSecret"] not in repr(body)


def test_an_uninstall_body_has_no_secret():
    body = install_body(encoded(sharedSecret="absent"))
    assert body.shared_secret is None
    assert body.display_url == body.base_url


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "absent"),
        ("clientKey", "absent"),
        ("baseUrl", "absent"),
        ("key", ""),
        ("clientKey", 7),
        ("clientKey", ["made-up-client-key"]),
        ("clientKey", "two words"),
        ("clientKey", "x" * 256),
        ("clientKey", "line\nbreak"),
        ("sharedSecret", ""),
        ("sharedSecret", 12345678901234567890123456789012),
        ("sharedSecret", "x" * 513),
        ("sharedSecret", "white space in a secret of thirty-two"),
        ("cloudId", {"id": 1}),
        ("baseUrl", "one.atlassian.net"),
        ("baseUrl", "javascript:alert(1)"),
        ("baseUrl", "https://one.atlassian.net/wiki"),
        ("baseUrl", "https://one.atlassian.net?x=1"),
        ("baseUrl", "https://one.atlassian.net#x"),
        ("baseUrl", "https://user@one.atlassian.net"),
        ("baseUrl", "https://one.atlassian.net;script-src *"),
        ("baseUrl", "https://one.atlassian.net, https://evil.example.com"),
        ("baseUrl", "https://*.atlassian.net"),
        ("baseUrl", "https://[::1]"),
        ("baseUrl", "https://one.atlassian.net:port"),
        ("baseUrl", "https://"),
        ("displayUrl", "https://jira.example.com;frame-ancestors *"),
        ("displayUrl", "'self'"),
    ],
)
def test_a_field_of_another_form_is_refused(field, value):
    with pytest.raises(BodyMalformed):
        install_body(encoded(**{field: value}))


@given(st.text(max_size=40), st.sampled_from(["baseUrl", "displayUrl"]))
def test_no_text_gets_from_a_site_url_into_a_header(text, field):
    """The origins of a site stand in `frame-ancestors`: a semicolon or space there would write our policy anew."""
    with contextlib.suppress(BodyMalformed):
        body = install_body(encoded(**{field: "https://" + text}))
        for url in (body.base_url, body.display_url):
            assert not set(url) & set(" ;,'\"\r\n\t*@\\")


def test_a_hint_is_read_from_a_webhook():
    issue = {"fields": {"issuetype": {"name": "Vulnerability"}, "labels": ["security", "x"]}}
    hint = issue_hint(json.dumps({"issue": issue, "surplus": 1}).encode())
    assert hint == IssueHint(issue_type="Vulnerability", labels=("security", "x"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"issue": 1}',
        b'{"issue": {"fields": []}}',
        b'{"issue": {"fields": {"issuetype": "Bug", "labels": []}}}',
        b'{"issue": {"fields": {"issuetype": {"name": 1}, "labels": []}}}',
        b'{"issue": {"fields": {"issuetype": {"name": "Bug"}}}}',
        b'{"issue": {"fields": {"issuetype": {"name": "Bug"}, "labels": "security"}}}',
    ],
)
def test_a_body_that_says_nothing_is_no_hint_and_no_refusal(raw):
    assert issue_hint(raw) is None
