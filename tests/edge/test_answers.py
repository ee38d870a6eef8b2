"""What every answer carries, refusals included, and the form in which a refusal is told."""

import json
import re

import pytest
from sqlalchemy.exc import OperationalError

from app.edge.mounts import MOUNTS
from tests.edge.conftest import SECRET

PAGE = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=1"
PROJECT = "projectId=10000&projectKey=SEC"
PAGES = ("200 page", "200 project page", "200 site page", "200 admin page")
CLOCKS = "/api/v1/issues/10001/clocks"
EVENTS = "/api/v1/issues/10001/events"
FORMS = "/fragments/issue/decisions?issueId=10001&issueKey=SEC-1"
FOLLOWING = "/api/v1/settings/following"
HOOK = "/connect/webhooks?issueId=10001"
JSON = "application/json"
TAB = "/connect/security"
IDS = b'{"ids": ["pledge"]}'
LARGE = b'{"a": "' + b"x" * 70_000 + b'"}'
CASES = {
    "200 descriptor": (200, "GET", "/atlassian-connect.json", {}),
    "200 healthz": (200, "GET", "/healthz", {}),
    "200 readyz": (200, "GET", "/readyz", {}),
    "200 security.txt": (200, "GET", "/.well-known/security.txt", {}),
    "200 page": (200, "GET", PAGE, {"kind": "request"}),
    "200 fragment": (200, "GET", "/fragments/issue?issueId=10001&issueKey=SEC-1", {"kind": "context"}),
    "200 project page": (200, "GET", f"/connect/project?{PROJECT}", {"kind": "request"}),
    "200 site page": (200, "GET", "/connect/site", {"kind": "request"}),
    "200 admin page": (200, "GET", "/connect/admin", {"kind": "request"}),
    "200 project": (200, "GET", f"/fragments/project?{PROJECT}", {"kind": "context"}),
    "200 site": (200, "GET", "/fragments/site?section=promises", {"kind": "context"}),
    "200 download": (200, "GET", "/fragments/download?projectId=10000&format=csv", {"kind": "context"}),
    "400 download": (400, "GET", "/fragments/download?projectId=10000&format=exe", {"kind": "context"}),
    "401 download": (401, "GET", "/fragments/download?format=csv", {"kind": "request"}),
    "200 admin": (200, "GET", "/fragments/admin", {"kind": "context"}),
    "400 project page": (400, "GET", "/connect/project?projectId=SEC&projectKey=SEC", {"kind": "request"}),
    "400 project": (400, "GET", "/fragments/project?projectId=10000", {"kind": "context"}),
    "400 site": (400, "GET", "/fragments/site?section=nowhere", {"kind": "context"}),
    "401 project page": (401, "GET", f"/connect/project?{PROJECT}", {}),
    "401 site page": (401, "GET", "/connect/site", {"kind": "context"}),
    "401 admin page": (401, "GET", "/connect/admin", {}),
    "401 project": (401, "GET", f"/fragments/project?{PROJECT}", {"kind": "request"}),
    "401 site": (401, "GET", "/fragments/site", {}),
    "401 admin": (401, "GET", "/fragments/admin", {"kind": "request"}),
    "401 admin right": (401, "POST", "/fragments/admin/rights", {"kind": "request"}),
    "503 admin right": (503, "POST", "/fragments/admin/rights", {"kind": "context"}),
    "401 view": (401, "POST", "/fragments/views", {"kind": "request"}),
    "400 view": (400, "POST", "/fragments/views?state=bogus", {"kind": "context"}),
    "401 admin form": (401, "POST", "/fragments/admin", {"kind": "request"}),
    "400 admin form": (400, "POST", "/fragments/admin?section=nowhere", {"kind": "context"}),
    "503 admin form": (503, "POST", "/fragments/admin?section=following", {"kind": "context"}),
    "200 static": (200, "GET", "/static/pledge.css", {}),
    "200 head": (200, "HEAD", "/healthz", {}),
    "204 installed": (204, "POST", "/connect/installed", {"kind": "install", "body": True}),
    "204 enabled": (204, "POST", "/connect/enabled", {"kind": "request"}),
    "204 disabled": (204, "POST", "/connect/disabled", {"kind": "request"}),
    "204 webhook": (204, "POST", HOOK, {"kind": "request", "data": b"{}", "content_type": JSON}),
    "400 page": (400, "GET", PAGE.replace("SEC-1", "x"), {"kind": "request"}),
    "400 installed": (400, "POST", "/connect/installed", {"kind": "install", "data": b"[]", "content_type": JSON}),
    "400 webhook": (400, "POST", "/connect/webhooks?issueId=x", {"kind": "request"}),
    "400 clocks": (400, "GET", "/api/v1/issues/x/clocks", {"kind": "context"}),
    "400 events": (400, "GET", "/api/v1/issues/x/events", {"kind": "context"}),
    "400 decision": (400, "POST", "/api/v1/issues/x/events", {"kind": "context"}),
    "401 events": (401, "GET", EVENTS, {}),
    "401 decision": (401, "POST", EVENTS, {"kind": "request"}),
    "404 decision": (404, "POST", "/api/v1/issues/SEC-999/events", {"kind": "context"}),
    "503 decision": (503, "POST", EVENTS, {"kind": "context"}),
    "400 forms": (400, "GET", FORMS.replace("10001", "x"), {"kind": "context"}),
    "401 forms": (401, "GET", FORMS, {"kind": "request"}),
    "401 form sent": (401, "POST", FORMS, {"kind": "request"}),
    "503 forms": (503, "GET", FORMS, {"kind": "context"}),
    "503 form sent": (503, "POST", FORMS, {"kind": "context"}),
    "401 page": (401, "GET", PAGE, {}),
    "401 clocks": (401, "GET", CLOCKS, {"kind": "request"}),
    "401 fragment": (401, "GET", "/fragments/issue", {}),
    "401 webhook": (401, "POST", HOOK, {"kind": "context"}),
    "401 installed": (401, "POST", "/connect/installed", {"kind": "request"}),
    "401 uninstalled": (401, "POST", "/connect/uninstalled", {}),
    "401 enabled": (401, "POST", "/connect/enabled", {}),
    "401 disabled": (401, "POST", "/connect/disabled", {}),
    "400 list": (400, "GET", "/api/v1/clocks?cursor=x", {"kind": "context"}),
    "200 list": (200, "GET", "/api/v1/clocks?state=breached&limit=100", {"kind": "context"}),
    "200 sheet": (200, "GET", "/api/v1/clocks.csv", {"kind": "context"}),
    "401 list": (401, "GET", "/api/v1/clocks", {"kind": "request"}),
    "200 unsubscribe page": (200, "GET", "/unsubscribe/a-token", {}),
    "200 unsubscribe": (200, "POST", "/unsubscribe/a-token", {"data": b"List-Unsubscribe=One-Click"}),
    "201 calendar": (201, "POST", "/api/v1/calendar", {"kind": "context"}),
    "204 calendar": (204, "DELETE", "/api/v1/calendar", {"kind": "context"}),
    "404 no calendar": (404, "DELETE", "/api/v1/calendar", {"kind": "context"}),
    "404 feed": (404, "GET", "/calendar/a-token.ics", {}),
    "401 calendar": (401, "POST", "/api/v1/calendar", {"kind": "request"}),
    "401 recipients": (401, "GET", "/api/v1/recipients", {}),
    "401 recipient added": (401, "POST", "/api/v1/recipients", {"kind": "request"}),
    "401 recipient removed": (401, "DELETE", "/api/v1/recipients/x", {"kind": "request"}),
    "503 recipients": (503, "GET", "/api/v1/recipients", {"kind": "context"}),
    "400 me": (400, "GET", "/api/v1/me?projectId=SEC", {"kind": "context"}),
    "401 me": (401, "GET", "/api/v1/me", {"kind": "request"}),
    "401 following": (401, "GET", FOLLOWING, {}),
    "401 following changed": (401, "PUT", FOLLOWING, {"kind": "request", "data": b"{}", "content_type": JSON}),
    "401 settings": (401, "GET", "/api/v1/settings", {}),
    "401 exports": (401, "GET", "/api/v1/exports", {}),
    "401 ask export": (401, "POST", "/api/v1/exports", {}),
    "401 requests": (401, "GET", "/api/v1/privacy/requests", {}),
    "401 file request": (401, "POST", "/api/v1/privacy/requests", {}),
    "404 callback": (404, "GET", "/oauth/callback?code=from-outside&state=from-outside", {}),
    "404 export of nothing": (404, "GET", "/exports/of-nothing", {}),
    "404 receipt of nothing": (404, "GET", "/receipts/of-nothing", {}),
    "403 installed": (403, "POST", "/connect/installed", {"kind": "install", "body": {"key": "another.app"}}),
    "404 nowhere": (404, "GET", "/nowhere", {}),
    "404 static": (404, "GET", "/static/no-such.css", {}),
    "404 static traversal": (404, "GET", "/static/..%2f..%2fsettings.py", {}),
    "404 forge lifecycle": (404, "POST", "/forge/lifecycle", {}),
    "404 forge events": (404, "POST", "/forge/events", {}),
    "404 forge cron": (404, "POST", "/forge/cron", {}),
    "404 clocks": (404, "GET", "/api/v1/issues/SEC-999/clocks", {"kind": "context"}),
    "404 metrics": (404, "GET", "/metrics", {}),
    "405 healthz": (405, "POST", "/healthz", {}),
    "405 installed": (405, "GET", "/connect/installed", {}),
    "405 options": (405, "OPTIONS", CLOCKS, {}),
    "200 workspaces": (200, "POST", f"{TAB}/workspaces", {"kind": "request", "data": IDS, "content_type": JSON}),
    "200 containers": (200, "POST", f"{TAB}/containers", {"kind": "request", "data": IDS, "content_type": JSON}),
    "200 search": (200, "GET", f"{TAB}/containers/search?workspaceId=pledge&searchQuery=", {"kind": "request"}),
    "400 workspaces": (400, "POST", f"{TAB}/workspaces", {"kind": "request", "data": b"{}", "content_type": JSON}),
    "400 search": (400, "GET", f"{TAB}/containers/search?searchQuery=S", {"kind": "request"}),
    "401 security workspaces": (401, "POST", f"{TAB}/workspaces", {}),
    "413 installed": (413, "POST", "/connect/installed", {"kind": "install", "data": LARGE, "content_type": JSON}),
    "413 webhook": (413, "POST", HOOK, {"kind": "request", "data": LARGE * 70, "content_type": JSON}),
    "415 installed": (
        415,
        "POST",
        "/connect/installed",
        {"kind": "install", "data": b"{}", "content_type": "text/plain"},
    ),
    "415 uninstalled": (415, "POST", "/connect/uninstalled", {"kind": "install", "data": b"{}"}),
    "415 webhook": (415, "POST", HOOK, {"kind": "request", "data": b"{}", "content_type": "text/plain"}),
    "429 clocks": (429, "GET", CLOCKS, {"kind": "context", "too_often": True}),
    "503 clocks": (503, "GET", CLOCKS, {"kind": "context"}),
    "503 me": (503, "GET", "/api/v1/me", {"kind": "context"}),
    "503 settings": (503, "GET", "/api/v1/settings", {"kind": "context"}),
    "503 following": (503, "GET", FOLLOWING, {"kind": "context"}),
    "503 following changed": (503, "PUT", FOLLOWING, {"kind": "context", "data": b"{}", "content_type": JSON}),
}


@pytest.fixture(scope="module")
def answers(web):
    """Every case's answer, asked for once."""
    made = {}
    for name, (_, method, target, sent) in CASES.items():
        sent = dict(sent)
        body = sent.pop("body", None)
        too_often = sent.pop("too_often", False)
        if body is not None:
            changed = {} if body is True else body
            sent |= {"data": web.lifecycle_body(**changed), "content_type": JSON}
        web.counts.reset()
        if too_often:
            web.use_up("reads.tenant", web.key_of())
        made[name] = web.ask(
            method, target, headers={"X-Request-Id": "from-outside", "traceparent": "from-outside"}, **sent
        )
        made[name].get_data()
    web.counts.reset()
    yield made
    for answer in made.values():
        answer.close()


each_case = pytest.mark.parametrize("name", CASES)
each_refusal = pytest.mark.parametrize("name", [name for name, (status, *_) in CASES.items() if status >= 400])


def test_every_route_is_among_the_cases():
    asked = {(method, target.partition("?")[0]) for _, method, target, _ in CASES.values()}
    for mount in MOUNTS:
        pattern = re.sub(r"<[^>]+>", ".+", mount.rule)
        assert any(method == mount.method and re.fullmatch(pattern, path) for method, path in asked), mount.rule


@each_case
def test_the_status_is_the_documented_one(answers, name):
    assert answers[name].status_code == CASES[name][0]


@each_case
def test_every_answer_carries_the_shields(answers, name):
    headers = answers[name].headers
    (age,) = re.findall(r"max-age=(\d+)", headers["Strict-Transport-Security"])
    assert int(age) >= 365 * 24 * 3600
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    assert "*" not in policy
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@each_case
def test_nothing_but_our_own_files_is_kept_by_anybody(answers, name):
    control = {part.strip() for part in answers[name].headers["Cache-Control"].split(",")}
    if name == "200 static":
        assert control == {"public", "max-age=31536000", "immutable"}
    else:
        assert control == {"no-store", "no-cache"}


@each_case
def test_only_a_page_may_be_framed_and_only_by_the_hosts_of_its_tenant(web, answers, name):
    policy = answers[name].headers["Content-Security-Policy"]
    (ancestors,) = re.findall(r"frame-ancestors ([^;]+)", policy)
    assert ancestors == (web.site_url if name in PAGES else "'none'")
    assert "X-Frame-Options" not in answers[name].headers


@each_case
def test_what_comes_from_outside_is_not_echoed(answers, name):
    assert "from-outside" not in str(answers[name].headers) + answers[name].get_data(as_text=True)


@each_refusal
def test_a_refusal_is_a_problem_document(answers, name):
    answer = answers[name]
    assert answer.mimetype == "application/problem+json"
    document = json.loads(answer.get_data())
    assert set(document) == {"type", "title", "status", "code", "trace_id"}
    assert document["status"] == answer.status_code
    assert re.fullmatch("[0-9a-f]{32}", document["trace_id"])
    assert re.fullmatch("[a-z0-9_]+", document["code"])


def test_every_refusal_has_a_trace_id_of_its_own(answers):
    refusals = [answer for answer in answers.values() if answer.status_code >= 400]
    assert len({answer.get_json()["trace_id"] for answer in refusals}) == len(refusals)


def test_a_401_never_says_why(answers):
    told = {
        (answer.get_json()["code"], answer.get_json()["title"])
        for answer in answers.values()
        if answer.status_code == 401
    }
    assert len(told) == 1
    assert told.pop()[0] == "token_invalid"


def test_a_404_is_the_same_for_what_is_not_there_and_what_may_not_be_seen(answers):
    told = {answer.get_json()["title"] for answer in answers.values() if answer.status_code == 404}
    assert len(told) == 1


@pytest.mark.parametrize("name", [name for name, (status, *_) in CASES.items() if status in {429, 503}])
def test_a_429_and_a_503_say_when_to_come_back(answers, name):
    assert int(answers[name].headers["Retry-After"]) > 0


@each_case
def test_what_is_counted_says_so_and_nothing_else_does(answers, name):
    """A gate, or what stands before it, refuses without counting; `healthz` and `readyz` are not limited."""
    counted_too = (
        "404 static",
        "404 clocks",
        "404 decision",
        "404 no calendar",
        "404 feed",
        "404 export",
        "404 receipt",
        "404 callback",
    )
    is_counted = name.startswith(("2", "400", "403", "413", "415", "429", "503", *counted_too))
    is_counted &= name not in {"200 healthz", "200 readyz", "200 head"}
    assert ("RateLimit" in answers[name].headers) is ("RateLimit-Policy" in answers[name].headers) is is_counted


@pytest.mark.parametrize("name", [name for name, (status, *_) in CASES.items() if status == 405])
def test_a_405_says_what_is_allowed(answers, name):
    assert answers[name].headers["Allow"] in {"GET, HEAD", "POST"}


def test_the_page_loads_scripts_only_of_ours_and_of_the_host(web, answers):
    policy = dict(
        part.strip().split(" ", 1) for part in answers["200 page"].headers["Content-Security-Policy"].split(";")
    )
    assert policy["script-src"] == "'self' https://connect-cdn.atl-paas.net"
    assert policy["connect-src"] == "'self'"
    assert policy["base-uri"] == "'none'"


def test_an_error_that_nobody_expected_answers_500_and_tells_nothing(web, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("canary")

    monkeypatch.setattr("app.edge.public.config", broken)
    answer = web.client.get("/.well-known/security.txt")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "unexpected")
    assert "canary" not in answer.get_data(as_text=True)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_database_that_is_gone_answers_503(web, monkeypatch):
    services = web.app.extensions["pledge.services"]

    class Gone:
        def raw_connection(self):
            raise OperationalError("SELECT", {}, Exception("canary"))

    monkeypatch.setattr(services.database._reading, "_engine", Gone())
    answer = web.ask("GET", CLOCKS, kind="context")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "canary" not in answer.get_data(as_text=True)


def test_a_tenant_who_uninstalled_is_refused_like_a_stranger(web):
    body = {"data": web.lifecycle_body(), "content_type": JSON}
    assert web.ask("POST", "/connect/uninstalled", kind="install", **body).status_code == 204
    gone = web.ask("GET", CLOCKS, kind="context")
    stranger = web.ask("GET", CLOCKS, token=web.token(kind="context", iss="nobody", secret=SECRET))
    assert gone.status_code == stranger.status_code == 401
    assert {**gone.get_json(), "trace_id": ""} == {**stranger.get_json(), "trace_id": ""}
    assert web.ask("POST", "/connect/installed", kind="install", **body).status_code == 204
