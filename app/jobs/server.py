"""The web server: gunicorn with threads, because calls to Jira wait and computing is short."""

from __future__ import annotations

import gc
import json
import logging
import mmap
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("pledge.web")
_waits = threading.local()

GRACE_SECONDS = 25
_HEAD = (
    "Connection: close",
    "Content-Type: application/problem+json",
    "Cache-Control: no-store, no-cache",
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy: no-referrer",
    "Strict-Transport-Security: max-age=63072000; includeSubDomains",
    "X-Content-Type-Options: nosniff",
)
"""As `app.edge.shields` puts them on every answer of the app."""
_LONGEST_TARGET = 8190


class _Lines(Logger):  # type: ignore[misc]  # gunicorn has no type information
    """Gunicorn's own messages, written as ours are."""

    def setup(self, cfg: Config) -> None:
        """No handler of its own: the root's writes them."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Threads(ThreadWorker):  # type: ignore[misc]  # gunicorn has no type information
    """Gunicorn's threads, silent about what they could not read."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """When this process ends: take what already waits to be accepted, and refuse the rest at once.

        Gunicorn keeps the socket open until the last request is done: whoever connects meanwhile would be let wait
        by the kernel for an answer that nobody gives.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                seen = -1
                while self.nr_conns > seen:
                    seen = self.nr_conns
                    self.accept(listener)
                listener.close()
            self.sockets: list[socket.socket] = []

    def enqueue_req(self, conn: TConn) -> None:
        """Remember when: a request waits here while all threads are busy."""
        conn.queued_seconds = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> object:
        """In a thread of the pool; what the client then takes to send its request is no wait of ours."""
        _waits.seconds = time.monotonic() - conn.queued_seconds
        return super().handle(conn)

    def handle_error(self, req: Request | None, client: socket.socket, addr: tuple[str, int], exc: Exception) -> None:
        """Answer bytes that are no HTTP request (`req` is None), or a request whose answer failed outside the app.

        Gunicorn's own method writes the request line or header into the log and back to the caller: a token that is
        sent in a mangled request would stand in the log.
        """
        status, reason = (400, "Bad Request") if req is None else (500, "Internal Server Error")
        trace_id = uuid4().hex
        fields = {"trace_id": trace_id, "status": status, "code": type(exc).__name__}
        if req is None:
            log.warning("not served", extra=fields)
        else:
            log.error("not served", extra=fields, exc_info=exc)
        with suppress(OSError):
            client.sendall(_answer(status, reason, trace_id=trace_id))


class _Arbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no type information
    """Gunicorn's master, which says that it will stop, and does so when that has been heard."""

    def __init__(self, app: Gunicorn) -> None:
        self._draining = app.draining
        self._drain_seconds = app.drain_seconds
        self._drained_at: float | None = None
        super().__init__(app)

    def handle_term(self) -> None:
        """SIGTERM; a second one ends the waiting."""
        if not self._drain_seconds or self._drained_at is not None:
            raise StopIteration
        log.info("web drains")
        self._draining[0] = 1
        self._drained_at = time.monotonic() + self._drain_seconds

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """As ever, until it is time to stop."""
        if self._drained_at is not None:
            timeout = min(timeout, self._drained_at - time.monotonic())
            if timeout <= 0:
                raise StopIteration
        found: list[int] = super().wait_for_signals(timeout)
        return found


class _Told:
    """The application, told of each request how long it has waited, and whether this server is about to stop."""

    def __init__(self, app: Flask, draining: mmap.mmap) -> None:
        self.app = app
        self._draining = draining

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["pledge.waited_seconds"] = _waits.seconds
        environ["pledge.is_draining"] = self._draining[0] == 1
        return self.app(environ, start_response)


def _answer(status: int, reason: str, *, trace_id: str) -> bytes:
    document = {
        "type": "urn:pledge:problem:not_served",
        "title": reason,
        "status": status,
        "code": "not_served",
        "trace_id": trace_id,
    }
    body = json.dumps(document).encode()
    head = (f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *_HEAD, "", "")
    return "\r\n".join(head).encode() + body


class Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn has no type information
    """Gunicorn, configured here and nowhere else: not by its files, variables or control socket."""

    def __init__(self, make_app: Callable[[], Flask], options: Mapping[str, object], *, drain_seconds: int = 0) -> None:
        self._make_app = make_app
        self.drain_seconds = drain_seconds
        # One byte that the master writes and its processes read: a signal could come before a process handles it.
        self.draining = mmap.mmap(-1, 1)
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Take our options, and no others."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until told to stop."""
        _Arbiter(self).run()

    def load(self) -> _Told:
        """The application, made in each worker after the fork: connections are not shared."""
        return _Told(self._make_app(), self.draining)


def _record_the_rest(told: _Told | None) -> None:
    if told is not None:
        told.app.extensions["pledge.recorder"].stop()


def _leave_shared(_arbiter: object, _worker: object) -> None:
    """Take what is loaded out of the collector's walks: it writes to all that it looks at, and makes a copy of that.

    Measured: after one full collection a web process has 35 MB more of its own without this.
    """
    gc.collect()
    gc.freeze()


def serve(
    make_app: Callable[[], Flask], *, host: str, port: int, processes: int, threads: int, drain_seconds: int = 0
) -> None:
    """Serve until SIGTERM; be not ready for `drain_seconds`, and serve; then finish what was begun."""
    Gunicorn(
        make_app,
        {
            "bind": f"{host}:{port}",
            "workers": processes,
            "threads": threads,
            "worker_class": _Threads,
            "logger_class": _Lines,
            "keepalive": 5,
            "timeout": 60,
            "graceful_timeout": GRACE_SECONDS,
            "limit_request_line": _LONGEST_TARGET,
            "control_socket_disable": True,
            "proc_name": "pledge",
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # noqa: S108  a heartbeat file
            # Whoever stands before us is told by X-Forwarded-For only; nothing here believes it.
            "forwarded_allow_ips": "",
            # The process is about to end: what it has not yet recorded would be lost.
            "worker_exit": lambda _, worker: _record_the_rest(worker.wsgi),
            "pre_fork": _leave_shared,
            "when_ready": lambda _: log.info(f"web ready http://{host}:{port}"),
        },
        drain_seconds=drain_seconds,
    ).run()
