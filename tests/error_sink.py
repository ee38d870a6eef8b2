"""A Sentry of the test's own: it takes envelopes on loopback, keeps them, and can be slow."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ErrorSink:
    """Where a DSN leads. `received` is everything that came, headers included; `answering` holds answers back."""

    def __init__(self):
        self.received = []
        self.answering = threading.Event()
        self.answering.set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.received.append((f"{self.path} {self.headers}", body))
                sink.answering.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def dsn(self):
        return f"http://0123456789abcdef@127.0.0.1:{self._server.server_port}/7"

    @property
    def text(self):
        """All that came over the wire."""
        return "\n".join(head + body.decode() for head, body in self.received)

    @property
    def events(self):
        """The reports, without the lines that hold them together."""
        found = []
        for _, body in self.received:
            lines = body.split(b"\n")
            assert json.loads(lines[1])["type"] == "event"
            found.append(json.loads(lines[2]))
        return found

    def close(self):
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
