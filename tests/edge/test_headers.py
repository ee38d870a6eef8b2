"""Every answer of every route, whatever its status, carries the headers that protect it; asked of the running server.

The server's own refusals, of what never becomes a request, are among them.
"""

import http.client
import socket
from dataclasses import replace
from email.message import Message
from io import BytesIO

import psycopg
import pytest
import requests

from app.edge.mounts import MOUNTS
from tests import every_route
from tests.edge.header_lint import flaws

FILE = "/static/<path:name>"
HUGE = "a" * 9_000
OWN_REFUSALS = {
    "no request line": b"nonsense\r\n\r\n",
    "a request line that is too long": f"GET /{HUGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "a header that is too large": f"GET / HTTP/1.1\r\nHost: x\r\nX-A: {HUGE}\r\n\r\n".encode(),
    "too many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: a\r\n" * 200 + b"\r\n",
    "a version that is none": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "a coding that is unknown": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "an expectation that nobody can meet": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
}
"""What the server answers by itself. It says 400 also where RFC 6585 has 431: one answer that tells nothing."""


@pytest.fixture(scope="module")
def served(make_stack):
    settings = {"PLEDGE_SECURITY_CONTACT": "mailto:security@example.com", "PLEDGE_SECURITY_TAB": "on"}
    with make_stack(**settings) as stack:
        every_route.install_and_read(stack)
        yield stack


@pytest.fixture(scope="module")
def without_database(make_stack, make_database):
    """The product, installed, whose database then takes no connection any more."""
    with make_database() as database, make_stack(database=database, worker=False) as stack:
        every_route.install(stack)
        calls = [
            (mount, every_route.call(stack, mount, host=host, role=role))
            for mount, host, role in every_route.admitted()
        ]
        server = database.superuser.replace(f"/{database.name}?", "/postgres?")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database.name]
            )
        yield stack, calls


FORMS, NO_PROBLEM = "/fragments/issue/decisions", "a refusal that is no problem document"


def faults_of(stack, mount, answer):
    """What is wrong with that answer of that route."""
    framed = mount.rule in every_route.FRAMED and answer.status_code == 200
    ancestors = [stack.simulator.site(every_route.SITES["Connect"]).url] if framed else []
    found = flaws(answer.status_code, answer.headers, ancestors=ancestors, is_file=mount.rule == FILE)
    if mount.rule == FORMS and answer.headers.get("Content-Type") == "application/json":
        # the same document, under the one type that passes through Forge
        return [flaw for flaw in found if flaw != NO_PROBLEM or not answer.json().keys() >= {"status", "trace_id"}]
    return found


@pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: mount.endpoint)
def test_every_answer_of_a_route_to_whoever_asks_carries_the_shields(served, mount):
    seen = set()
    for host in every_route.SITES:
        for role in every_route.roles_of(mount):
            for method in (mount.method, "HEAD", "OPTIONS", "DELETE", "POST"):
                answer = every_route.call(served, mount, host=host, role=role, method=method).send(served)
                every_route.settle(served, mount)
                assert faults_of(served, mount, answer) == [], (answer.status_code, method, role, host)
                seen.add(answer.status_code)
    assert seen & every_route.GIVEN or mount.rule in every_route.ONCE
    assert 405 in seen


@pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: mount.endpoint)
def test_every_refusal_of_what_a_request_holds_carries_the_shields(served, mount):
    """Nothing below the route, a body of another type, a body that is none or too large, a token that is none."""
    seen = set()
    for host in every_route.SITES:
        for role in ("Jira admin", "app"):
            call = every_route.call(served, mount, host=host, role=role)
            below = replace(call, target=call.target.partition("?")[0] + "/nothing/at/all")
            odd = [replace(call, body=body) for body in (b"[", b'{"a": NaN}', b"x" * 5_000_000)]
            no_token = replace(call, headers={"Authorization": "JWT x.y.z"})
            answers = [each.send(served) for each in (below, no_token, *odd)]
            answers.append(replace(call, body=b"{}").send(served, **{"Content-Type": "text/plain"}))
            every_route.settle(served, mount)
            for answer in answers:
                assert faults_of(served, mount, answer) == [], answer.status_code
            seen |= {answer.status_code for answer in answers}
    assert 404 in seen


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Modified-Since"])
def test_a_file_that_did_not_change_answers_304_with_the_shields(served, condition):
    url = f"{served.url}/static/pledge.css"
    known = requests.get(url, timeout=30).headers
    value = known["ETag"] if condition == "If-None-Match" else known["Last-Modified"]
    answer = requests.get(url, headers={condition: value}, timeout=30)
    assert answer.status_code == 304
    assert flaws(304, answer.headers, is_file=True) == []


def test_every_route_without_its_database_answers_with_the_shields(without_database):
    stack, calls = without_database
    statuses = {}
    for mount, call in calls:
        answer = call.send(stack)
        assert flaws(answer.status_code, answer.headers, is_file=mount.rule == FILE) == [], mount.rule
        statuses.setdefault(mount.endpoint, set()).add(answer.status_code)
    down = {endpoint for endpoint, found in statuses.items() if found == {503}}
    public = {mount.endpoint for mount in MOUNTS if mount.is_public}
    assert down >= {mount.endpoint for mount in MOUNTS} - public - {"connect_lifecycle.uninstalled"}
    assert "public.ready" in down


@pytest.mark.parametrize("path", ["/", "/nowhere", "/connect/", "/healthz/", "/%2e%2e/settings", "/favicon.ico"])
def test_what_is_no_route_answers_with_the_shields(served, path):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        answer = requests.request(method, served.url + path, timeout=30, allow_redirects=False)
        assert answer.status_code == 404
        assert flaws(404, answer.headers) == [], method


@pytest.mark.parametrize("sent", OWN_REFUSALS.values(), ids=OWN_REFUSALS.keys())
def test_the_servers_own_refusal_carries_the_shields_and_says_nothing_of_it(served, sent):
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(sent)
        told = b"".join(iter(lambda: connection.recv(65_536), b""))
    line, _, rest = told.partition(b"\r\n")
    headers: Message = http.client.parse_headers(BytesIO(rest))
    assert line == b"HTTP/1.1 400 Bad Request"
    assert flaws(400, dict(headers)) == []
    assert b"gunicorn" not in told
    assert HUGE.encode()[:100] not in told
