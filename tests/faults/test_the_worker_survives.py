"""What procrastinate's worker does not survive by itself: a database that restarts, a connection that is half open."""

import re
import socket
import tempfile
import threading
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, quote, urlsplit

import pytest

SOCKET = ".s.PGSQL.5432"


def read_of_a_new_issue(stack, weather):
    """A webhook goes all the way."""
    issue = weather.create({"issuetype": "Vulnerability", "labels": ["security"], "cvss_score": 8.1})
    weather.issues = [issue]
    counts = weather.settles()
    assert (counts["lost"], counts["never acknowledged"]) == (0, 0)


def test_web_and_worker_go_on_after_postgresql_has_crashed_and_recovered(make_stack, own_server, storm):
    server, database = own_server
    with make_stack(database=database) as stack:
        stack.install("genchi")
        weather = storm(stack, issues=2)
        weather.settles()
        with weather.blowing():
            server.stop(mode="immediate")
            stack.eventually(lambda: "worker lost its database" in stack.worker.output)
            server.start()
        counts = weather.settles()
        assert (counts["lost"], counts["doubled"], counts["never acknowledged"]) == (0, 0, 0)
        assert "500" not in counts["answers"]
        assert stack.worker.popen.poll() is None
        read_of_a_new_issue(stack, weather)


class HalfOpen:
    """A proxy between Unix sockets that can swallow: both ends keep their connection, and nothing arrives any more."""

    def __init__(self, folder, target):
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{folder}/{SOCKET}")
        self._listener.listen(64)
        self._swallowing = threading.Event()
        self.swallowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def swallowing(self):
        """Whatever is sent meanwhile is lost, and its connection is dead for good."""
        self._swallowing.set()
        yield
        self._swallowing.clear()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            dead = threading.Event()
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink, dead), daemon=True).start()

    def _pump(self, source, sink, dead):
        try:
            while data := source.recv(65536):
                if self._swallowing.is_set():
                    dead.set()
                if dead.is_set():
                    self.swallowed += len(data)
                else:
                    sink.sendall(data)
        except OSError:
            pass  # the other pump has closed them
        finally:
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


@pytest.fixture
def half_open(make_database):
    """A database, and a proxy through which the worker reaches it."""
    # Not below pytest's own folder: its names are long, and a socket's path may not be.
    with make_database() as database, tempfile.TemporaryDirectory(prefix="pledge-") as folder:
        [host] = parse_qs(urlsplit(database.worker).query)["host"]
        proxy = HalfOpen(folder, f"{host}/{SOCKET}")
        url = re.sub(r"host=[^&]*", f"host={quote(folder, safe='')}", database.worker)
        yield database, proxy, url
        proxy.close()


def test_a_worker_on_a_half_open_connection_starts_anew_and_reads_what_came_meanwhile(make_stack, half_open, storm):
    database, proxy, url = half_open
    with make_stack(database=database, PLEDGE_DATABASE_WORKER_URL=url) as stack:
        stack.install("genchi")
        weather = storm(stack, issues=1)
        weather.settles()
        pid = stack.worker.popen.pid
        with proxy.swallowing():
            stack.eventually(lambda: proxy.swallowed, seconds=10)
            weather.world.change(weather.site, weather.issues[0], values={"cvss_score": 3.1}, author=weather.author)
        stack.eventually(lambda: "worker hangs, starting anew" in stack.worker.output, seconds=40)
        counts = weather.settles()
        assert (counts["lost"], counts["never acknowledged"]) == (0, 0)
        assert (stack.worker.popen.poll(), stack.worker.popen.pid) == (None, pid)
        read_of_a_new_issue(stack, weather)
