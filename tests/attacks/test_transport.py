"""Requests that two readers could understand differently: where the token is, how the path is spelled, which method."""

import pytest

PANEL = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=10000"
QUERY = PANEL.partition("?")[2]
CLOCKS = "/api/v1/issues/10001/clocks"
JSON = "Content-Type: application/json"


def bearer(arena, kind, scheme="Bearer"):
    return f"Authorization: {scheme} {arena.token(kind)}"


CARRIED = {
    "no token on a page": lambda a: a.request("GET", PANEL),
    "no token on a webhook": lambda a: a.request("POST", "/connect/webhooks?issueId=1", JSON, body=b"{}"),
    "no token on installed": lambda a: a.request("POST", "/connect/installed", JSON, body=a.body()),
    "no token on uninstalled": lambda a: a.request("POST", "/connect/uninstalled", JSON, body=a.body()),
    "no token on enabled": lambda a: a.request("POST", "/connect/enabled", JSON, body=a.body()),
    "no token on a fragment": lambda a: a.request("GET", f"/fragments/issue?{QUERY}"),
    "an empty token in the query": lambda a: a.request("GET", f"{PANEL}&jwt="),
    "an empty token in the header": lambda a: a.request("GET", CLOCKS, "Authorization: JWT "),
    "an empty header": lambda a: a.request("GET", CLOCKS, "Authorization:"),
    "a scheme without a token": lambda a: a.request("GET", CLOCKS, "Authorization: JWT"),
    "Bearer on a page": lambda a: a.request("GET", PANEL, bearer(a, "panel")),
    "Bearer on the API": lambda a: a.request("GET", CLOCKS, bearer(a, "clocks")),
    "Bearer on a webhook": lambda a: a.request("POST", "/connect/webhooks?issueId=99999", bearer(a, "webhook"), JSON),
    "Bearer on installed": lambda a: a.request(
        "POST", "/connect/installed", bearer(a, "installed"), JSON, body=a.body()
    ),
    "Basic on the API": lambda a: a.request("GET", CLOCKS, bearer(a, "clocks", "Basic")),
    "jwt in lower case": lambda a: a.request("GET", CLOCKS, bearer(a, "clocks", "jwt")),
    "Jwt in mixed case on a page": lambda a: a.request("GET", PANEL, bearer(a, "panel", "Jwt")),
    "a scheme with a colon": lambda a: a.request("GET", CLOCKS, bearer(a, "clocks", "JWT:")),
    "two spaces": lambda a: a.request("GET", CLOCKS, bearer(a, "clocks", "JWT ")),
    "a tab for the space": lambda a: a.request("GET", CLOCKS, f"Authorization: JWT\t{a.token('clocks')}"),
    "something behind the token": lambda a: a.request("GET", CLOCKS, bearer(a, "clocks") + " x"),
    "two schemes in one header": lambda a: a.request("GET", CLOCKS, bearer(a, "clocks", "Bearer x, JWT")),
    "two headers with different tokens": lambda a: a.request(
        "GET", CLOCKS, bearer(a, "clocks", "JWT"), f"Authorization: JWT {a.token('clocks', site='kencha')}"
    ),
    "two headers with the same token": lambda a: a.request(
        "GET", CLOCKS, *[f"Authorization: JWT {a.token('clocks')}"] * 2
    ),
    "different tokens in query and header": lambda a: a.request(
        "GET", f"{PANEL}&jwt={a.token('panel')}", f"Authorization: JWT {a.token('panel', site='kencha')}"
    ),
    "a good token in the query and a bad one in the header": lambda a: a.request(
        "GET", f"{PANEL}&jwt={a.token('panel')}", "Authorization: JWT x.y.z"
    ),
    "a bad token in the query and a good one in the header": lambda a: a.request(
        "GET", f"{PANEL}&jwt=x.y.z", f"Authorization: JWT {a.token('panel')}"
    ),
    "two different tokens in the query": lambda a: a.request(
        "GET", f"{PANEL}&jwt={a.token('panel')}&jwt={a.token('panel', site='kencha')}"
    ),
    "a token in the query and Bearer in the header": lambda a: a.request(
        "GET", f"{PANEL}&jwt={a.token('panel')}", bearer(a, "panel")
    ),
    "a token in the query of the API": lambda a: a.request("GET", f"{CLOCKS}?jwt={a.token('clocks')}"),
    "a token in query and header of the API": lambda a: a.call("clocks", target=f"{CLOCKS}?jwt=x"),
    "an encoded name of the token on the API": lambda a: a.call("clocks", target=f"{CLOCKS}?%6Awt=x"),
    "a token in the query of a fragment": lambda a: a.request(
        "GET", f"/fragments/issue?{QUERY}&jwt={a.token('fragment')}"
    ),
    "a token as JWT in upper case": lambda a: a.request("GET", f"{PANEL}&JWT={a.token('panel')}"),
    "a token as jwt[]": lambda a: a.request("GET", f"{PANEL}&jwt[]={a.token('panel')}"),
    "a token behind a semicolon": lambda a: a.request("GET", f"{PANEL};jwt={a.token('panel')}"),
    "a token in a cookie": lambda a: a.request("GET", PANEL, f"Cookie: jwt={a.token('panel')}"),
    "a token in a form": lambda a: a.request(
        "POST",
        "/connect/webhooks?issueId=99999",
        "Content-Type: application/x-www-form-urlencoded",
        body=f"jwt={a.token('webhook')}".encode(),
    ),
    "a token as acpt": lambda a: a.request("GET", f"{PANEL}&acpt={a.token('panel')}", f"X-acpt: {a.token('panel')}"),
    "a token in Proxy-Authorization": lambda a: a.request(
        "GET", CLOCKS, f"Proxy-Authorization: JWT {a.token('clocks')}"
    ),
}


@pytest.mark.parametrize("make", CARRIED.values(), ids=CARRIED.keys())
def test_a_token_counts_once_and_where_it_belongs(arena, make):
    arena.refuses(make(arena), 401, "token_invalid")


def page(path):
    """That spelling of the page's path, with a token for the honest one."""
    return lambda a: a.request("GET", f"{path}?{QUERY}&jwt={a.token('panel')}")


def own_page(path):
    """That spelling of the page's path, with a token for this very spelling."""
    return lambda a: a.request("GET", f"{path}?{QUERY}&jwt={a.token('panel', target=f'{path}?{QUERY}')}")


ODD = {
    "a letter encoded": "/connect/%69ssue",
    "a letter encoded in the first segment": "/%63onnect/issue",
    "all letters encoded": "/connect/%69%73%73%75%65",
    "three slashes in front": "///connect/issue",
    "two slashes in front": "//connect/issue",
    "a slash encoded": "/connect%2Fissue",
}
ELSEWHERE = {
    "a slash encoded and one not": "/connect/%2Fissue",
    "two slashes": "/connect//issue",
    "a host in front": "//evil.example.com/connect/issue",
    "a slash behind": "/connect/issue/",
    "a dot segment": "/connect/./issue",
    "a dot segment behind": "/connect/issue/.",
    "up and down again": "/connect/x/../issue",
    "up and down again, encoded": "/connect/x/%2e%2e/issue",
    "up and down again, half encoded": "/connect/x/.%2e/issue",
    "up and down again, encoded twice": "/connect/%252e%252e/connect/issue",
    "up beyond the root": "/../connect/issue",
    "a path parameter": "/connect/issue;jsessionid=1",
    "a path parameter in the middle": "/connect;x/issue",
    "a path parameter, encoded": "/connect/issue%3Bx",
    "up by a path parameter": "/connect/x/..;/issue",
    "upper case": "/CONNECT/ISSUE",
    "a capital letter": "/connect/Issue",
    "a backslash": "/connect\\issue",
    "a backslash, encoded": "/connect%5Cissue",
    "NUL behind, encoded": "/connect/issue%00",
    "NUL and a suffix, encoded": "/connect/issue%00.json",
    "a line break, encoded": "/connect/issue%0d%0aX-A:%20b",
    "a space behind, encoded": "/connect/issue%20",
    "a question mark, encoded": "/connect/issue%3FissueId=10001",
    "a hash sign, encoded": "/connect/issue%23",
    "a suffix": "/connect/issue.json",
    "overlong UTF-8": "/connect/%c0%afissue",
    "invalid UTF-8": "/connect/issue%ff",
    "a full-width letter": "/connect/%EF%BD%89ssue",
    "a letter encoded by IIS": "/connect/%u0069ssue",
    "a percent sign alone": "/connect/issue%",
    "an ampersand": "/connect/issue&x=1",
    "another base path": "/app/connect/issue",
}


@pytest.mark.parametrize("signed", [page, own_page])
@pytest.mark.parametrize("path", ODD.values(), ids=ODD.keys())
def test_a_path_that_only_the_router_understands_is_refused(arena, path, signed):
    arena.refuses(signed(path)(arena), 401, "token_invalid", kind="panel")


@pytest.mark.parametrize("signed", [page, own_page])
@pytest.mark.parametrize("path", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_another_path_is_no_route(arena, path, signed):
    arena.refuses(signed(path)(arena), 404, "not_found", kind="panel")


FORMS = {
    "absolute form of another host": lambda a: a.request("GET", f"{a.canary.url}{PANEL}&jwt={a.token('panel')}"),
    "absolute form of our own host": lambda a: a.request("GET", f"{a.stack.url}{PANEL}&jwt={a.token('panel')}"),
    "absolute form with user information": lambda a: a.request(
        "GET", f"http://{a.netloc}@{a.canary.host}{PANEL}&jwt={a.token('panel')}"
    ),
    "a fragment before the query": lambda a: a.request("GET", f"/connect/issue#?{QUERY}&jwt={a.token('panel')}"),
    "a fragment that hides the rest": lambda a: a.request(
        "GET", f"/connect/issue?issueId=10001#&{QUERY}&jwt={a.token('panel')}"
    ),
    "the same twice, joined by a comma": lambda a: a.request(
        "GET",
        "/connect/issue?issueId=10001,10002&jwt="
        + a.token("panel", target="/connect/issue?issueId=10001&issueId=10002"),
    ),
    "a parameter more": lambda a: a.request("GET", f"{PANEL}&issueId=10002&jwt={a.token('panel')}"),
    "a parameter more in front": lambda a: a.request(
        "GET", f"/connect/issue?issueId=10002&{QUERY}&jwt={a.token('panel')}"
    ),
    "an empty parameter more": lambda a: a.request("GET", f"{PANEL}&x&jwt={a.token('panel')}"),
    "a name in other case": lambda a: a.request("GET", f"{PANEL.replace('issueId', 'issueid')}&jwt={a.token('panel')}"),
}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS.keys())
def test_a_target_that_was_not_signed_is_refused(arena, make):
    arena.refuses(make(arena), 401, "token_invalid", kind="panel")


NAMED = {
    "Host": "{host}",
    "X-Forwarded-Host": "{host}",
    "X-Forwarded-Server": "{host}",
    "X-Forwarded-For": "{host}",
    "X-Forwarded-Prefix": "/connect",
    "X-Original-URL": "/healthz",
    "X-Rewrite-URL": "http://{host}/",
    "X-Original-Host": "{host}",
    "Forwarded": "host={host};proto=http",
    "Referer": "http://{host}/",
    "Origin": "http://{host}",
    "Destination": "http://{host}/",
    "SCRIPT_NAME": "/connect",
    "Script-Name": "/connect",
    "Upgrade": "h2c",
    "X-HTTP-Method-Override": "POST",
}


@pytest.mark.parametrize(("name", "value"), NAMED.items(), ids=NAMED.keys())
def test_a_header_that_names_another_host_changes_nothing(arena, name, value):
    line, host = value.format(host=arena.canary.host), None
    if name == "Host":
        line, host, name = "x", arena.canary.host, "X-Nothing"
    reply = arena.send(arena.request("GET", f"{PANEL}&jwt={arena.token('panel')}", f"{name}: {line}", host=host))
    assert reply.status == 200
    assert arena.canary.host.encode() not in reply.body
    assert arena.canary.host not in str(reply.headers)
    arena.is_untouched()


TABLE = {
    "/atlassian-connect.json": "GET",
    "/connect/installed": "POST",
    "/connect/uninstalled": "POST",
    "/connect/enabled": "POST",
    "/connect/disabled": "POST",
    "/connect/webhooks": "POST",
    "/connect/issue": "GET",
    "/connect/project": "GET",
    "/connect/site": "GET",
    "/connect/admin": "GET",
    "/fragments/issue": "GET",
    "/fragments/project": "GET",
    "/fragments/site": "GET",
    "/fragments/download": "GET",
    "/fragments/admin/rights": "POST",
    "/fragments/views": "POST",
    "/api/v1/issues/10001/clocks": "GET",
    "/healthz": "GET",
    "/readyz": "GET",
    "/.well-known/security.txt": "GET",
    "/static/icon.svg": "GET",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO")


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for path, own in TABLE.items() for method in METHODS if method != own],
)
def test_no_route_answers_another_method(arena, method, path):
    override = ("X-HTTP-Method-Override: " + TABLE[path], "X-Method-Override: " + TABLE[path])
    arena.refuses(arena.request(method, f"{path}?_method={TABLE[path]}", *override), 405, "method_not_allowed")


@pytest.mark.parametrize("path", TABLE)
def test_head_admits_nobody_whom_get_would_not(arena, path):
    expected = 405 if TABLE[path] == "POST" else arena.send(arena.request("GET", path)).status
    reply = arena.send(arena.request("HEAD", path))
    assert (reply.status, reply.body) == (expected, b"")
    arena.is_untouched()


def test_head_with_a_token_for_get_is_refused(arena):
    assert arena.send(arena.request("HEAD", f"{PANEL}&jwt={arena.token('panel')}")).status == 401
    arena.is_untouched()
