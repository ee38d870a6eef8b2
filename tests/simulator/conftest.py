"""A simulator on free ports, and a tiny app that keeps every request it receives."""

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
import requests
from atlassian_jwt.url_utils import hash_url

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
        return self.headers["Authorization"].removeprefix("JWT ")


@dataclass
class ReceivingApp:
    """An app on a port of its own: serves a descriptor, keeps what it gets, answers what it is told to."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
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
            self._answer(receiver.answers.popleft() if receiver.answers else 204, b"")

        def _answer(self, status, body, kind="text/plain"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
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
