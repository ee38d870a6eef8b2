"""The web server: gunicorn with threads, because calls to Jira wait and computing is short."""

import os
import sys
from collections.abc import Callable, Mapping

from flask import Flask
from gunicorn.app.base import BaseApplication

GRACE_SECONDS = 25
_LONGEST_TARGET = 8190


class Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn has no type information
    """Gunicorn, configured here and nowhere else: not by its files, variables or control socket."""

    def __init__(self, make_app: Callable[[], Flask], options: Mapping[str, object]) -> None:
        self._make_app = make_app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Take our options, and no others."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, made in each worker after the fork: connections are not shared."""
        return self._make_app()


def serve(make_app: Callable[[], Flask], *, host: str, port: int, processes: int, threads: int) -> None:
    """Serve until SIGTERM, then finish what was begun."""
    Gunicorn(
        make_app,
        {
            "bind": f"{host}:{port}",
            "workers": processes,
            "threads": threads,
            "worker_class": "gthread",
            "keepalive": 5,
            "timeout": 60,
            "graceful_timeout": GRACE_SECONDS,
            "limit_request_line": _LONGEST_TARGET,
            "control_socket_disable": True,
            "proc_name": "pledge",
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # noqa: S108  a heartbeat file
            # Whoever stands before us is told by X-Forwarded-For only; nothing here believes it.
            "forwarded_allow_ips": "",
            "when_ready": lambda _: print(f"web ready http://{host}:{port}", file=sys.stderr, flush=True),  # noqa: T201
        },
    ).run()
