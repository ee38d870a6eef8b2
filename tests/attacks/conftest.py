"""What an attacker has: raw sockets, tokens forged by hand, servers of their own; and what must hold after each try.

Tokens are made here byte by byte, with the secrets that the simulated Atlassian holds: no signing code of the product,
and none of a library that would refuse to write what an attacker writes.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import itertools
import json
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import psycopg
import pytest
from atlassian_jwt.url_utils import hash_url
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from psycopg import sql

ISSUE = "10001"
ROUTES = {
    "panel": ("GET", f"/connect/issue?issueId={ISSUE}&issueKey=SEC-1&projectId=10000"),
    "project page": ("GET", "/connect/project?projectId=10000&projectKey=SEC"),
    "site page": ("GET", "/connect/site"),
    "admin page": ("GET", "/connect/admin"),
    "project": ("GET", "/fragments/project?projectId=10000&projectKey=SEC"),
    "site": ("GET", "/fragments/site"),
    "download": ("GET", "/fragments/download?projectId=10000&format=csv"),
    "admin": ("GET", "/fragments/admin"),
    "webhook": ("POST", "/connect/webhooks?issueId=99999"),
    "enabled": ("POST", "/connect/enabled"),
    "disabled": ("POST", "/connect/disabled"),
    "clocks": ("GET", f"/api/v1/issues/{ISSUE}/clocks"),
    "facts": ("GET", f"/api/v1/issues/{ISSUE}/events"),
    "decide": ("POST", f"/api/v1/issues/{ISSUE}/events"),
    "list": ("GET", "/api/v1/clocks"),
    "sheet": ("GET", "/api/v1/clocks.csv"),
    "me": ("GET", "/api/v1/me"),
    "settings": ("GET", "/api/v1/settings"),
    "following": ("GET", "/api/v1/settings/following"),
    "following-changed": ("PUT", "/api/v1/settings/following"),
    "recipients": ("GET", "/api/v1/recipients"),
    "recipient added": ("POST", "/api/v1/recipients"),
    "recipient removed": ("DELETE", "/api/v1/recipients/00000000-0000-4000-8000-000000000000"),
    "calendar made": ("POST", "/api/v1/calendar"),
    "calendar ended": ("DELETE", "/api/v1/calendar"),
    "workspaces": ("POST", "/connect/security/workspaces"),
    "containers": ("POST", "/connect/security/containers"),
    "search": ("GET", "/connect/security/containers/search?workspaceId=pledge&searchQuery="),
    "exports": ("GET", "/api/v1/exports"),
    "ask-export": ("POST", "/api/v1/exports"),
    "requests": ("GET", "/api/v1/privacy/requests"),
    "file-request": ("POST", "/api/v1/privacy/requests"),
    "fragment": ("GET", f"/fragments/issue?issueId={ISSUE}&issueKey=SEC-1"),
    "forms": ("GET", f"/fragments/issue/decisions?issueId={ISSUE}&issueKey=SEC-1"),
    "view kept": ("POST", "/fragments/views"),
    "admin form": ("POST", "/fragments/admin?section=following"),
    "admin right": ("POST", "/fragments/admin/rights?section=privacy"),
    "form sent": ("POST", f"/fragments/issue/decisions?issueId={ISSUE}&issueKey=SEC-1"),
    "installed": ("POST", "/connect/installed"),
    "uninstalled": ("POST", "/connect/uninstalled"),
}
CONTEXT = {"clocks", "facts", "decide", "fragment", "me", "settings", "following", "following-changed", "list", "sheet"}
CONTEXT |= {"project", "site", "admin", "download"}
CONTEXT |= {"recipients", "recipient added", "recipient removed", "calendar made", "calendar ended"}
CONTEXT |= {"exports", "ask-export", "requests", "file-request"}
FRAMED = {"panel", "project page", "site page", "admin page"}
CONTEXT |= {
    "forms",
    "form sent",
    "view kept",
    "admin form",
    "admin right",
    "recipients",
    "recipient added",
    "recipient removed",
    "calendar made",
    "calendar ended",
}
INSTALL = {"installed", "uninstalled"}
HONEST = {"panel": 200, "clocks": 200, "fragment": 200, "webhook": 204, "installed": 204}
UNTRACKED = {"issue": {"fields": {"issuetype": {"name": "Task"}, "labels": []}}}
TABLES = """SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('registry', 'app', 'jobs')
    AND tablename NOT LIKE 'signal%' AND tablename NOT IN ('jira_quota', 'metrics') ORDER BY 1, 2"""
"""But for counts: of refusals, which an attack is meant to move, and of what honest people's questions cost."""
ROWS = sql.SQL(
    "SELECT {name}, md5(string_agg(md5(t.xmin::text || t::text), '' ORDER BY t.ctid)) FROM {table} t {where}"
)
MINUTELY = {
    "audit_entries": sql.SQL("WHERE action <> 'secrets.opened'"),
    "audit_waiting": sql.SQL(
        "WHERE entry_id NOT IN (SELECT entry_id FROM app.audit_entries WHERE action = 'secrets.opened')"
    ),
}
"""Each minute a process records which secrets it opened for whoever was entitled."""


def without_gaps(members):
    """A member that was changed to `...` is left out."""
    return {name: value for name, value in members.items() if value is not ...}


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Canary:
    """An HTTP server that an attacker names; every connection to it is remembered. `pages` are what it serves."""

    def __init__(self):
        self.connections, self.asked, self.pages = 0, [], {}
        canary = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self):
                canary.connections += 1
                super().setup()

            def do_GET(self):
                canary.asked.append(self.path)
                page = canary.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def document(self):
        return json.loads(self.body)

    @property
    def without_trace(self):
        """All of it that must be the same for every 401; how much a caller may still ask is his own affair."""
        return self.document | {"trace_id": None}, self.headers | {"date": None, "ratelimit": None}


class Arena:
    """A running product with two sites installed, its worker at rest so that no row changes by itself."""

    def __init__(self, stack, canary):
        self.stack, self.canary = stack, canary
        self.world = stack.simulator.world
        self.netloc = stack.url.removeprefix("http://")
        self.seconds = []
        self.before_install = int(time.time()) - 60
        self._controls = itertools.cycle(HONEST)
        self.database = psycopg.connect(stack.database.superuser, autocommit=True)

    def track_for_kencha_only(self):
        """An issue whose id and key exist on one site only, tracked, critical, and of a telling summary."""
        self.stack.tracked(ISSUE)
        values = {"summary": "Ruby in the smoke", "labels": ["security"], "priority": "Highest"}
        made = self.stack.control("/sites/kencha/issues", project="SEC", **values)
        self.only_kencha = self.site("kencha").issue(made["id"])
        self.stack.tracked(made["id"], site="kencha")

    def settle(self):
        """From here on nothing may change."""
        for kind in HONEST:  # what happens once: keys and permissions are fetched and remembered
            self.is_honest(kind)
        self.rows, self.rss_at_rest = self.digest(), self.rss_bytes()
        self.unauthorised = self.send(self.request("GET", ROUTES["clocks"][1])).without_trace

    def digest(self):
        """A hash of every row of every table, with the transaction that wrote it: writing the same again counts."""
        names = self.database.execute(TABLES).fetchall()
        parts = [
            ROWS.format(name=".".join(name), table=sql.Identifier(*name), where=MINUTELY.get(name[1], sql.SQL("")))
            for name in names
        ]
        return dict(self.database.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall())

    def rss_bytes(self):
        """Of the web server: its master and everything that this started."""
        master = psutil.Process(self.stack.web.popen.pid)
        return sum(process.memory_info().rss for process in (master, *master.children(recursive=True)))

    def send(self, raw):
        """Send these bytes as they are; the one answer to them."""
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        began = time.perf_counter()
        with socket.create_connection(tuple(self.netloc.split(":")), timeout=10) as connection:
            with contextlib.suppress(ConnectionError):  # an early refusal closes while the rest is still being sent
                connection.sendall(raw)
            answer = http.client.HTTPResponse(connection, method=raw.partition(b" ")[0].decode("latin-1"))
            answer.begin()
            reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        self.seconds.append(time.perf_counter() - began)
        return reply

    def request(self, method, target, *headers, body=None, host=None):
        """An HTTP/1.1 request; `headers` are whole lines."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or self.netloc}", "Connection: close", *headers]
        if body is not None and not any(line.lower().startswith(("transfer-", "content-length")) for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "surrogateescape") + (body or b"")

    def site(self, name="genchi"):
        return self.world.site(name)

    def secret(self, site="genchi"):
        return self.site(site).installation.secret.encode()

    def claims(self, kind, *, site="genchi", target=None, method=None, **changes):
        """Honest claims for that route, but for the changes."""
        (own_method, own_target), now = ROUTES[kind], int(time.time())
        honest = {
            "iss": self.site(site).installation.client_key,
            "iat": now,
            "exp": now + 180,
            "qsh": "context-qsh" if kind in CONTEXT else hash_url(method or own_method, target or own_target),
            "sub": self.site(site).person("developer").account_id,
        }
        if kind in INSTALL:
            honest["aud"] = [self.stack.url]
        return without_gaps(honest | changes)

    def sign(self, header, payload, *, key):
        """A token of this header and payload (bytes as they are, all else as JSON), signed with that key."""
        parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
        signed = ".".join(base64url(part) for part in parts)
        if isinstance(key, bytes):
            return f"{signed}.{base64url(hmac.digest(key, signed.encode(), hashlib.sha256))}"
        return f"{signed}.{base64url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def header(self, kind, **changes):
        honest = {"alg": "RS256", "kid": self.world.install_key.kid} if kind in INSTALL else {"alg": "HS256"}
        return without_gaps({"typ": "JWT"} | honest | changes)

    def token(self, kind, *, site="genchi", header=None, payload=None, key=None, **changes):
        payload = self.claims(kind, site=site, **changes) if payload is None else payload
        key = key or (self.world.install_key.private if kind in INSTALL else self.secret(site))
        return self.sign(self.header(kind, **(header or {})), payload, key=key)

    def body(self, kind="installed", *, site="genchi", **changes):
        """An honest body of that route, as bytes."""
        if kind not in INSTALL:
            return json.dumps(UNTRACKED).encode()
        installation = self.site(site).installation
        honest = {
            "key": installation.descriptor.key,
            "clientKey": installation.client_key,
            "sharedSecret": installation.secret,
            "baseUrl": self.site(site).url,
            "displayUrl": self.site(site).display_url,
            "productType": "jira",
            "eventType": kind,
        }
        return json.dumps(without_gaps(honest | changes)).encode()

    def call(self, kind, *headers, token=None, target=None, method=None, body=None):
        """A request to that route with that token where such tokens are carried."""
        own_method, own_target = ROUTES[kind]
        method, target = method or own_method, target or own_target
        token = self.token(kind, target=target, method=method) if token is None else token
        if kind in FRAMED:
            return self.request(method, f"{target}{'&' if '?' in target else '?'}jwt={token}", *headers)
        lines = (f"Authorization: JWT {token}", *headers)
        if method == "GET":
            return self.request(method, target, *lines)
        if not any(line.lower().startswith("content-type") for line in headers):
            lines += ("Content-Type: application/json",)
        return self.request(method, target, *lines, body=self.body(kind) if body is None else body)

    def honest(self, kind):
        """A genuine request that changes nothing: the lifecycle one is older than what was applied."""
        return self.call(kind, token=self.token(kind, **({"iat": self.before_install} if kind in INSTALL else {})))

    def is_honest(self, kind):
        reply = self.send(self.honest(kind))
        assert reply.status == HONEST[kind], (kind, reply)
        return reply

    def refuses(self, raw, status, code, *, kind=None):
        """The documented refusal, nothing changed, nobody else called, and an honest caller still served."""
        reply = self.send(raw)
        assert (reply.status, reply.document.get("code")) == (status, code), reply
        self.is_problem(reply)
        self.is_untouched()
        self.is_honest(kind if kind in HONEST else next(self._controls))
        return reply

    def is_problem(self, reply):
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.document.keys() == {"type", "title", "status", "code", "trace_id"}
        assert reply.document["status"] == reply.status
        assert len(reply.document["trace_id"]) == 32
        assert reply.status != 401 or reply.without_trace == self.unauthorised
        assert reply.status < 500 or (reply.status == 503 and int(reply.headers["retry-after"]) > 0)
        assert int(reply.headers["strict-transport-security"].partition("max-age=")[2].partition(";")[0]) >= 31_536_000
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert {"no-store", "no-cache"} <= set(reply.headers["cache-control"].split(", "))
        assert reply.headers["content-security-policy"].startswith("default-src 'none'; frame-ancestors 'none'")

    def is_untouched(self):
        before, self.rows = self.rows, self.digest()
        assert self.rows == before
        assert self.canary.connections == 0


MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def measured(pytestconfig):
    """Lines that are printed at the end of the run: said, and never a reason to fail."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(MEASURED, ()):
        terminalreporter.write_line(f"attacks: {line}")


@pytest.fixture(scope="package")
def canary():
    server = Canary()
    yield server
    server.close()


@pytest.fixture(scope="package")
def make_arena(make_stack):
    """A factory of arenas: `with make_arena(canary) as arena`."""

    @contextlib.contextmanager
    def make(canary, *, key_server=None, **options):
        if key_server is not None:
            options["PLEDGE_CONNECT_INSTALL_KEYS_URLS"] = key_server.url
        with make_stack(**options) as stack:
            arena = Arena(stack, canary)
            if key_server is not None:
                key_server.pages[f"/{arena.world.install_key.kid}"] = arena.world.install_key.public_pem.encode()
            for site in ("genchi", "kencha"):
                stack.install(site)
            if stack.worker is not None:
                arena.track_for_kencha_only()
                stack.worker.stop()
            with arena.database:
                yield arena

    return make


@pytest.fixture(scope="package")
def arena(make_arena, canary):
    with make_arena(canary) as made:
        made.settle()
        yield made
