"""A simulator on free ports, and a tiny app that keeps every request it receives."""

import json
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
import requests
from atlassian_jwt.url_utils import hash_url

from simulator.forge_app import APP_ID
from simulator.running import Simulator

APP_KEY = "com.example.receiver"


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def token(self):
        return self.headers["Authorization"].partition(" ")[2]


@dataclass
class ReceivingApp:
    """An app on a port of its own: serves a descriptor, keeps what it gets, answers what it is told to."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    delays: deque[float] = field(default_factory=deque)
    replies: dict[str, object] = field(default_factory=dict)
    page: str = ""

    def received(self, path):
        return [one for one in self.requests if one.target.partition("?")[0] == path]

    def descriptor(self):
        events = ("created", "updated", "deleted")
        hook = "/hooks?issueId=${issue.id}"
        panel = {"type": "web_panel", "url": "/panel?issueId={issue.id}&issueKey={issue.key}"}
        return {
            "key": APP_KEY,
            "baseUrl": self.url,
            "lifecycle": {name: f"/{name}" for name in ("installed", "uninstalled", "enabled")},
            "modules": {
                "webhooks": [{"event": f"jira:issue_{event}", "url": hook} for event in events],
                "jiraIssueContexts": [{"key": "panel", "name": {"value": "Receiver"}, "target": panel}],
            },
        }

    def sign(self, secret, method, target, **claims):
        """Return an app's request token, with claims added or (None) taken away."""
        now = int(time.time())
        whole = {"iss": APP_KEY, "iat": now, "exp": now + 180, "qsh": hash_url(method, target)} | claims
        return jwt.encode({name: value for name, value in whole.items() if value is not None}, secret)


@pytest.fixture
def app():
    receiver = ReceivingApp()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            panel = self.path.startswith("/panel")
            page = receiver.page if panel else json.dumps(receiver.descriptor())
            self._answer(200, page.encode(), "text/html" if panel else "application/json")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.requests.append(Received("POST", self.path, dict(self.headers), body))
            time.sleep(receiver.delays.popleft() if receiver.delays else 0)
            reply = receiver.replies.get(self.path)
            status = receiver.answers.popleft() if receiver.answers else 204 if reply is None else 200
            self._answer(status, b"" if reply is None else json.dumps(reply).encode(), "application/json")

        def _answer(self, status, body, kind="text/plain"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # Whoever has waited long enough is gone; a traceback from another thread can break CPython's `ast.parse`.
            with suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture
def simulator():
    with Simulator(seed=7) as running:
        yield running


@pytest.fixture
def control(simulator):
    """Call the control port; return the JSON answer."""

    def call(method, path, **more):
        answer = requests.request(method, simulator.control_url + path, timeout=20, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return call


@pytest.fixture
def installed(app, control):
    """The receiving app, installed on genchi."""
    outcome = control("POST", "/sites/genchi/install", params={"app": app.url, "as": "connect"})
    assert outcome["accepted"]
    return app


@pytest.fixture
def secret(installed):
    return installed.received("/installed")[-1].json["sharedSecret"]


@pytest.fixture
def rest(simulator, installed, secret):
    """Call genchi's REST API as the app; return the response."""

    def call(method, target, **more):
        token = installed.sign(secret, method, target)
        headers = {"Authorization": f"JWT {token}"}
        url = simulator.site("genchi").url + target
        return requests.request(method, url, headers=headers, timeout=20, **more)

    return call


@pytest.fixture
def forge(app, control):
    """The receiving app, installed on genchi as a Forge app."""
    outcome = control("POST", "/sites/genchi/install", params={"app": app.url, "as": "forge"})
    assert outcome["accepted"]
    return app


@pytest.fixture
def ledger(control):
    """The system calls of genchi, once none is pending."""
    return lambda: control("GET", "/sites/genchi/events", params={"wait": 15})["deliveries"]


@pytest.fixture
def verify(simulator):
    """Check a FIT as an app does, with PyJWT and the served key set; return its claims."""

    def check(received):
        key_set = requests.get(f"{simulator.control_url}/.well-known/jwks.json", timeout=30).json()
        kid = jwt.get_unverified_header(received.token)["kid"]
        return jwt.decode(
            received.token,
            jwt.PyJWKSet.from_dict(key_set)[kid],
            algorithms=["RS256"],
            audience=APP_ID,
            issuer="forge/invocation-token",
            options={"require": ["exp", "iat", "nbf", "aud", "iss", "jti"], "strict_aud": True},
        )

    return check


@pytest.fixture
def ask(simulator):
    """Call Jira by cloud id with a bearer token; return the response."""

    def call(token, target, method="GET", site="genchi", **more):
        url = f"{simulator.control_url}/ex/jira/{simulator.site(site).cloud_id}{target}"
        return requests.request(method, url, headers={"Authorization": f"Bearer {token}"}, timeout=20, **more)

    return call
