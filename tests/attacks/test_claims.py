"""Tokens with a right signature over claims that prove nothing here, on every class of route that takes tokens."""

import time

import pytest

KINDS = ("panel", "webhook", "clocks", "installed")
NOW = int(time.time())
YEAR = 365 * 86400

CLAIMS = {
    "expired an hour ago": {"iat": NOW - 3700, "exp": NOW - 3600},
    "expired just beyond the leeway": {"iat": NOW - 300, "exp": NOW - 60},
    "exp missing": {"exp": ...},
    "exp ten years ahead": {"exp": NOW + 10 * YEAR},
    "exp ten years ahead and iat as well": {"iat": NOW + 10 * YEAR - 60, "exp": NOW + 10 * YEAR},
    "exp a day ahead": {"exp": NOW + 86400},
    "exp as text": {"exp": str(NOW + 180)},
    "exp as list": {"exp": [NOW + 180]},
    "exp true": {"exp": True},
    "exp null": {"exp": None},
    "exp negative": {"exp": -1},
    "exp beyond every calendar": {"exp": 10**40},
    "exp equal to iat": {"iat": NOW, "exp": NOW},
    "exp before iat": {"iat": NOW + 20, "exp": NOW + 10},
    "iat missing": {"iat": ...},
    "iat in the future": {"iat": NOW + YEAR, "exp": NOW + YEAR + 60},
    "iat as text": {"iat": str(NOW)},
    "iat null": {"iat": None},
    "iat at the epoch": {"iat": 0},
    "nbf in the future": {"nbf": NOW + YEAR},
    "nbf as text": {"nbf": "now"},
    "issuer missing": {"iss": ...},
    "issuer null": {"iss": None},
    "issuer a number": {"iss": 1},
    "issuer true": {"iss": True},
    "issuer a list": {"iss": ["genchi"]},
    "issuer an object": {"iss": {"clientKey": "genchi"}},
    "issuer empty": {"iss": ""},
    "issuer of 4,000 characters": {"iss": "a" * 4000},
    "issuer with NUL": {"iss": "a\0b"},
    "issuer in Unicode": {"iss": "gεnchi"},
    "issuer with a lone surrogate": {"iss": "\ud800"},
    "issuer with a line break": {"iss": "a\r\nb"},
    "aud of another app": {"aud": ["https://other.example.com"]},
    "aud of another app as text": {"aud": "https://other.example.com"},
    "aud empty": {"aud": []},
    "aud null": {"aud": None},
    "aud a number": {"aud": 1},
    "aud an object": {"aud": {"a": 1}},
    "aud a list in a list": {"aud": [["x"]]},
    "sub a number": {"sub": 5},
    "sub a list": {"sub": ["a"]},
    "sub with NUL": {"sub": "a\0"},
    "sub that is SQL": {"sub": "' OR 1=1 --"},
    "sub of 4,000 characters": {"sub": "a" * 4000},
    "qsh missing": {"qsh": ...},
    "qsh null": {"qsh": None},
    "qsh empty": {"qsh": ""},
    "qsh a list": {"qsh": ["context-qsh"]},
    "qsh a number": {"qsh": 0},
    "qsh in Unicode": {"qsh": "çontext-qsh"},
    "qsh of zeros": {"qsh": "0" * 64},
    "qsh in upper case": {"qsh": "CONTEXT-QSH"},
    "qsh with a space behind": {"qsh": "context-qsh "},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_signed_token_with_unfit_claims_is_refused(arena, kind, changes):
    arena.refuses(arena.call(kind, token=arena.token(kind, **changes)), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("kind", ["panel", "webhook", "clocks"])
@pytest.mark.parametrize("context", [[], "x", 1], ids=["a list", "a text", "a number"])
def test_a_context_that_is_no_object_is_refused(arena, kind, context):
    arena.refuses(arena.call(kind, token=arena.token(kind, context=context)), 401, "token_invalid", kind=kind)


AUDIENCES = {
    "aud that begins with ours": lambda url: [f"{url}.evil.example.com"],
    "aud that holds ours": lambda url: [f"https://evil.example.com/?{url}"],
    "aud that ours begins with": lambda url: [url[:-1]],
    "aud with a slash behind": lambda url: [url + "/"],
    "aud in upper case": lambda url: [url.upper()],
    "aud ours and another": lambda url: [url, "https://other.example.com"],
    "aud ours as name in an object": lambda url: {url: 1},
    "aud with a space behind": lambda url: f"{url} ",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("aud", AUDIENCES.values(), ids=AUDIENCES.keys())
def test_an_audience_that_resembles_ours_is_refused(arena, kind, aud):
    token = arena.token(kind, aud=aud(arena.stack.url))
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)


BINDINGS = {
    "token for another issue": ("panel", {"target": "/connect/issue?issueId=10002&issueKey=SEC-1&projectId=10000"}),
    "token for the same without a parameter": ("panel", {"target": "/connect/issue?issueId=10001&issueKey=SEC-1"}),
    "token for HEAD on GET": ("panel", {"method": "HEAD"}),
    "token for POST on GET": ("panel", {"method": "POST"}),
    "token for GET on POST": ("webhook", {"method": "GET"}),
    "token for the path below another base": (
        "panel",
        {"target": "/app/connect/issue?issueId=10001&issueKey=SEC-1&projectId=10000"},
    ),
    "token for the path in other case": (
        "panel",
        {"target": "/connect/Issue?issueId=10001&issueKey=SEC-1&projectId=10000"},
    ),
    "context token on a page": ("panel", {"qsh": "context-qsh"}),
    "context token on a webhook": ("webhook", {"qsh": "context-qsh"}),
    "context token on enabled": ("enabled", {"qsh": "context-qsh"}),
    "context token on disabled": ("disabled", {"qsh": "context-qsh"}),
    "install token with context-qsh": ("installed", {"qsh": "context-qsh"}),
    "uninstall token with context-qsh": ("uninstalled", {"qsh": "context-qsh"}),
    "webhook token for another issue": ("webhook", {"target": "/connect/webhooks?issueId=10001"}),
    "webhook token without the query": ("webhook", {"target": "/connect/webhooks"}),
    "enabled token on disabled": ("disabled", {"target": "/connect/enabled"}),
    "disabled token on enabled": ("enabled", {"target": "/connect/disabled"}),
    "install token on uninstalled": ("uninstalled", {"target": "/connect/installed"}),
    "uninstall token on installed": ("installed", {"target": "/connect/uninstalled"}),
    "webhook token on a page": ("panel", {"target": "/connect/webhooks?issueId=99999", "method": "POST"}),
}


@pytest.mark.parametrize(("kind", "minted"), BINDINGS.values(), ids=BINDINGS.keys())
def test_a_genuine_token_for_another_request_is_refused(arena, kind, minted):
    arena.refuses(arena.call(kind, token=arena.token(kind, **minted)), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("of", ["panel", "webhook", "enabled"])
@pytest.mark.parametrize("kind", ["clocks", "fragment"])
def test_a_token_for_one_request_is_no_context_token(arena, kind, of):
    arena.refuses(arena.call(kind, token=arena.token(of)), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("kind", ["clocks", "fragment"])
def test_a_computed_hash_of_this_very_route_is_no_context_token(arena, kind):
    token = arena.token("panel", target=arena.call(kind, token="x").split()[1].decode())
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("kind", ["clocks", "fragment"])
def test_a_context_token_that_names_nobody_is_refused(arena, kind):
    arena.refuses(arena.call(kind, token=arena.token(kind, sub=...)), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("kind", ["panel", "webhook", "enabled", "clocks", "fragment"])
def test_a_token_of_one_site_under_the_name_of_another_is_refused(arena, kind):
    token = arena.token(kind, iss=arena.site("kencha").client_key)
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("kind", ["panel", "webhook", "enabled", "clocks", "fragment"])
def test_a_site_that_never_installed_is_refused(arena, kind):
    token = arena.token(kind, iss=arena.site("genible").client_key)
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)


ISSUERS = {
    "issuer that is SQL": "'OR'1'='1';DROP/**/TABLE/**/registry.tenants;--",
    "issuer that is a pattern": "%",
    "issuer that is a path": "../../genchi",
    "issuer that is a template": "{{7*7}}${jndi:ldap://x}",
}


@pytest.mark.parametrize("kind", ["panel", "webhook", "clocks"])
@pytest.mark.parametrize("iss", ISSUERS.values(), ids=ISSUERS.keys())
def test_an_issuer_that_means_something_elsewhere_is_nobody(arena, kind, iss):
    arena.refuses(arena.call(kind, token=arena.token(kind, iss=iss)), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("kind", ["panel", "webhook", "clocks"])
def test_a_token_of_ours_to_jira_sent_back_to_us_is_refused(arena, kind):
    installation = arena.site().installation
    token = arena.token(kind, iss=installation.descriptor.key, aud=[installation.client_key])
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)
