"""The one HTTP client: fixed hosts, no redirects, a time limit on the whole answer, a cap on its size."""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter

_CHUNK_BYTES = 16_384
_ADAPTER = HTTPAdapter(pool_connections=64, pool_maxsize=16, max_retries=0)
"""Connections are kept for all sessions of the process; a session itself lives for one use."""


class HostRefused(requests.RequestException):
    """This URL is not on the list of hosts that may be called."""


class AnswerTooLarge(requests.RequestException):
    """The answer is larger than the cap."""


class AnswerTooSlow(requests.Timeout):
    """The answer did not arrive in time."""


class Redirected(requests.RequestException):
    """The answer points elsewhere; nothing is followed, and a redirect is no answer to what was asked."""


class Meter(Protocol):
    """Whoever counts requests, and may keep one from being sent."""

    def before(self, request: requests.PreparedRequest) -> None:
        """Return if it may be sent now."""

    def after(self, request: requests.PreparedRequest, answer: requests.Response | None) -> None:
        """What came of it; None = no answer."""


class GuardedSession(requests.Session):
    """A `requests.Session` that an answer cannot lead anywhere, hold up or fill.

    `allowed` sees every URL before it is called. `timeout_seconds` covers connecting, waiting and reading, so that a
    peer that sends one byte a second does not hold a thread. What `meter` raises goes through.
    """

    def __init__(
        self,
        *,
        allowed: Callable[[str], bool],
        timeout_seconds: float,
        body_limit_bytes: int,
        meter: Meter | None = None,
    ) -> None:
        super().__init__()
        # Otherwise a `.netrc` or proxy variable of the machine could replace our signature or read our traffic.
        self.trust_env = False
        self._allowed = allowed
        self._timeout_seconds = timeout_seconds
        self._body_limit_bytes = body_limit_bytes
        self._meter = meter
        self.mount("https://", _ADAPTER)
        self.mount("http://", _ADAPTER)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # noqa: ANN401  requests'
        """Send one request and read the whole answer; raises `requests.RequestException`."""
        if not self._allowed(str(request.url)):
            raise HostRefused(HostRefused.__doc__)
        if self._meter is None:
            return self._exchange(request, kwargs)
        self._meter.before(request)
        try:
            answer = self._exchange(request, kwargs)
        except requests.RequestException:
            self._meter.after(request, None)
            raise
        self._meter.after(request, answer)
        return answer

    def _exchange(self, request: requests.PreparedRequest, kwargs: dict[str, Any]) -> requests.Response:
        ends_at = time.monotonic() + self._timeout_seconds
        kwargs |= {"allow_redirects": False, "stream": True, "timeout": self._timeout_seconds}
        response = super().send(request, **kwargs)
        if 300 <= response.status_code < 400:
            response.close()
            raise Redirected(Redirected.__doc__)
        # Each wait for a byte has a limit of its own, which a peer that drips never reaches: this one ends the read.
        bell = threading.Timer(max(0.0, ends_at - time.monotonic()), response.raw.shutdown)
        bell.daemon = True
        bell.start()
        try:
            body = self._read(response)
        except requests.RequestException as failure:
            if isinstance(failure, AnswerTooLarge) or time.monotonic() < ends_at:
                raise
            raise AnswerTooSlow(AnswerTooSlow.__doc__) from failure
        finally:
            bell.cancel()
            response.close()
        if time.monotonic() >= ends_at:
            # An answer without a length ends where it is cut.
            raise AnswerTooSlow(AnswerTooSlow.__doc__)
        response._content = body  # noqa: SLF001  as `Response.content` does when it reads the stream itself
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001  the same
        return response

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._body_limit_bytes:
                raise AnswerTooLarge(AnswerTooLarge.__doc__)
        return bytes(body)
