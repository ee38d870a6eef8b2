"""The server hands over the request target as it was sent, and is silent about what it could not read."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import Process, Stack, free_port

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "qsh_vectors.json").read_text("utf-8"))["vectors"]
NOT_A_REQUEST_LINE = {
    "empty-path": "a request line needs a target",
    "empty-path-query": "a target begins with a slash (origin form)",
    "no-leading-slash": "a target begins with a slash (origin form)",
    "unicode-raw-value": "a target is ASCII",
    "fragment": "a fragment is never sent",
    "space-in-path-raw": "a space ends the target",
}
"""Vectors that no HTTP client can send (RFC 9112 §3.2), each with the reason."""
CANARY = "eyJ-canary-token-7f3a"
SERVER = """
import base64, gc, logging, sys
from app.jobs import logs, server
from app.protocol.connect_qsh import canonical_request

def make_app():
    def app(environ, start_response):
        if environ["RAW_URI"] == "/fails":
            raise ValueError(environ["HTTP_AUTHORIZATION"])
        base_path = environ.get("HTTP_X_BASE_PATH", "")
        canonical = canonical_request(environ["REQUEST_METHOD"], environ["RAW_URI"], base_path=base_path)
        body = base64.b64encode(canonical.encode())
        if environ["RAW_URI"] == "/frozen":
            body = str(gc.get_freeze_count()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    return app

logs.configure("json")
server.serve(make_app, host="127.0.0.1", port=int(sys.argv[1]), processes=1, threads=4)
"""


class Server(Process):
    """The server of the product around a small application."""

    def start(self):
        self.port = free_port()
        self._ready.clear()
        self.popen = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.port)],
            env={**os.environ, "PYTHONWARNINGS": "error"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.popen,), daemon=True)
        self._reader.start()
        assert self._ready.wait(20), self.output

    def send(self, sent):
        """The bytes that come back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(sent)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer


@pytest.fixture(scope="module")
def server():
    running = Server(env={}, ready="web ready")
    yield running
    running.stop()


def test_the_vectors_that_cannot_be_sent_are_known():
    sendable = re.compile(r"/[!-~]*")
    cannot = {v["id"] for v in VECTORS if not sendable.fullmatch(v["url"]) or "#" in v["url"]}
    assert cannot == set(NOT_A_REQUEST_LINE)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["id"] not in NOT_A_REQUEST_LINE], ids=lambda v: v["id"])
def test_a_vector_sent_over_http_has_its_canonical_form(server, vector):
    # a method is case-sensitive on the wire, and the server takes upper case only
    method, base_path = vector["method"].upper(), urlsplit(vector["base_url"] or "").path
    head = f"{method} {vector['url']} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Base-Path: {base_path}\r\n\r\n"
    answer = server.send(head.encode("ascii"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    body = answer.partition(b"\r\n\r\n")[2]
    assert base64.b64decode(body).decode() == vector["recommended"]["canonical"]


@pytest.mark.parametrize(
    "sent",
    [
        f"GET /connect/issue?jwt={CANARY}\r\n\r\n",
        f"GET /connect/issue?jwt={CANARY} HTTP/9.9\r\n\r\n",
        f"G@T /connect/issue?jwt={CANARY} HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization JWT {CANARY}\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthori zation: JWT {CANARY}\r\n\r\n",
        f"GET /{CANARY * 500} HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization: JWT {CANARY * 500}\r\n\r\n",
        f"GET / HTTP/1.1\r\nTransfer-Encoding: {CANARY}\r\n\r\n",
        f"GET / HTTP/1.1\r\nContent-Length: {CANARY}\r\n\r\n",
    ],
    ids=["no-version", "version", "method", "header", "header-name", "long-line", "long-header", "coding", "length"],
)
def test_a_mangled_request_is_refused_without_a_trace_of_its_token(server, sent):
    answer = server.send(sent.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    for name in (
        b"Strict-Transport-Security",
        b"X-Content-Type-Options",
        b"Referrer-Policy",
        b"Content-Security-Policy",
    ):
        assert name in head
    assert b"no-store, no-cache" in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "not_served")
    assert f"Content-Length: {len(body)}".encode() in head
    Stack.eventually(lambda: problem["trace_id"] in server.output)
    assert CANARY.encode() not in answer
    assert CANARY not in server.output


def test_an_application_that_fails_outside_its_own_handlers_answers_500_and_keeps_quiet(server):
    answer = server.send(f"GET /fails HTTP/1.1\r\nHost: x\r\nAuthorization: JWT {CANARY}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 500 ")
    trace_id = json.loads(answer.partition(b"\r\n\r\n")[2])["trace_id"]
    Stack.eventually(lambda: trace_id in server.output)
    assert CANARY.encode() not in answer
    assert CANARY not in server.output


def test_every_line_of_the_server_is_json(server):
    server.send(b"nonsense\r\n\r\n")
    Stack.eventually(lambda: "not served" in server.output)
    lines = [json.loads(line) for line in server.output.splitlines()]
    assert any(line["event"].startswith("web ready http://127.0.0.1:") for line in lines)
    assert any(line["event"] == "not served" for line in lines)


def test_what_was_loaded_before_the_fork_stays_out_of_the_collectors_walks(server):
    answer = server.send(b"GET /frozen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert int(answer.partition(b"\r\n\r\n")[2]) > 10_000
