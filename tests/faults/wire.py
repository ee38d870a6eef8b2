"""A wire between two programs that breaks in the ways in which wires break; on Unix sockets or on loopback."""

import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

POSTGRESQL = ".s.PGSQL.5432"
_AT_ONCE_BYTES = 65_536


class Wire:
    """Forwards what comes in at `listener` to a connection that `connect` makes, and back, until it is told otherwise.

    Nothing that is broken here mends by itself: a connection that lost a byte is dead for good, as on a real wire.
    """

    def __init__(self, listener, connect):
        self._listener, self._connect = listener, connect
        self._links = set()
        self._swallowing, self._dripping = threading.Event(), threading.Event()
        self._commits_to_lose = 0
        self._lock = threading.Lock()
        self.swallowed = self.lost_answers = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """End every connection in both directions, as a balancer that restarts; returns how many there were."""
        links = tuple(self._links)
        for link in links:
            link.cut()
        return len(links)

    @contextmanager
    def swallowing(self):
        """Both ends keep their connections, and nothing arrives any more: half open."""
        self._swallowing.set()
        yield
        self._swallowing.clear()

    @contextmanager
    def dripping(self):
        """What the far end answers comes at one byte a second."""
        self._dripping.set()
        yield
        self._dripping.clear()

    def lose_commit_answers(self, count):
        """So many of the next COMMITs reach the database; its answer does not come back, and the connection ends."""
        with self._lock:
            self._commits_to_lose = count

    @property
    def commits_to_lose(self):
        return self._commits_to_lose

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                link = _Link(near, self._connect())
            except OSError:
                near.close()  # nobody is there: the near end learns it as it would without a wire
                continue
            self._links.add(link)
            for pump in (self._there, self._back):
                threading.Thread(target=self._run, args=(pump, link), daemon=True).start()

    def _run(self, pump, link):
        try:
            pump(link)
        except OSError:
            pass  # the other pump, or a cut, has ended it
        finally:
            link.cut()
            self._links.discard(link)

    def _there(self, link):
        while data := link.near.recv(_AT_ONCE_BYTES):
            if b"COMMIT" in data:
                with self._lock:
                    link.loses_answer = self._commits_to_lose > 0
                    self._commits_to_lose -= link.loses_answer
            self._forward(link, link.far, data)

    def _back(self, link):
        while data := link.far.recv(_AT_ONCE_BYTES):
            if link.loses_answer:
                # What the database answers to a COMMIT it says after it was done.
                self.lost_answers += 1
                return
            while self._dripping.is_set() and len(data) > 1:
                link.near.sendall(data[:1])
                data = data[1:]
                time.sleep(1)
            self._forward(link, link.near, data)

    def _forward(self, link, sink, data):
        link.is_dead |= self._swallowing.is_set()
        if link.is_dead:
            self.swallowed += len(data)
        else:
            sink.sendall(data)


class _Link:
    """One connection and its other half."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.is_dead = self.loses_answer = False

    def cut(self):
        for end in (self.near, self.far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wire_to_postgresql(url):
    """A wire to the socket that this URL names; yields it, and what makes of such a URL one that leads through it."""
    [target] = parse_qs(urlsplit(url).query)["host"]

    def connect():
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(f"{target}/{POSTGRESQL}")
        except OSError:
            far.close()
            raise
        return far

    # Not below pytest's own folder: its names are long, and a socket's path may not be.
    with tempfile.TemporaryDirectory(prefix="pledge-") as folder:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(Path(folder, POSTGRESQL)))
        listener.listen(64)
        wire = Wire(listener, connect)
        yield wire, lambda other: other.replace(f"host={quote(target, safe='')}", f"host={quote(folder, safe='')}")
        wire.close()


@contextmanager
def wire_to_site(site):
    """A wire to a simulated site, which calls itself by its address while the block runs."""
    parts = urlsplit(site.url)
    listener = socket.create_server(("127.0.0.1", 0))
    wire = Wire(listener, lambda: socket.create_connection((parts.hostname, parts.port)))
    before, port = site.url, listener.getsockname()[1]
    site.url = site.display_url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{port}"))
    yield wire
    site.url = site.display_url = before
    wire.close()
