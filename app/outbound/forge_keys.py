"""Public keys of Forge invocation tokens: one key set, fetched when a kid is missing, at most every half minute.

Source: https://developer.atlassian.com/platform/forge/remote/essentials/
"""

import threading
import time
from collections.abc import Callable, Mapping

import requests

from app.domain.installations.admission import KeysUnavailable
from app.outbound.session import GuardedSession
from app.protocol.refusals import KeySetUnfit
from app.protocol.signatures import read_key_set

_TIMEOUT_SECONDS = 2.0
_BODY_LIMIT_BYTES = 256 * 1024
_COOL_DOWN_SECONDS = 30.0
_STALE_SECONDS = 24 * 3600.0


class ForgeKeys:
    """see `app.domain.installations.ports.ForgeKeyDirectory`. `elapsed` is a monotonic clock in seconds."""

    def __init__(self, url: str, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._elapsed = elapsed
        self._keys: Mapping[str, bytes] = {}
        self._good_at = 0.0
        self._tried_at: float | None = None
        self._lock = threading.Lock()

    def keys(self, kid: str) -> Mapping[str, bytes]:
        """PEM by kid. A kid that even the fresh set does not have is for the protocol to refuse."""
        if kid not in self._keys or self._is_stale():
            with self._lock:
                if (kid not in self._keys or self._is_stale()) and self._may_fetch():
                    self._fetch()
        if not self._keys or self._is_stale():
            raise KeysUnavailable(int(_COOL_DOWN_SECONDS))
        return self._keys

    def _is_stale(self) -> bool:
        """Known keys serve on while the key set cannot be had, but not for ever: one may have been withdrawn."""
        return self._elapsed() - self._good_at > _STALE_SECONDS

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._elapsed() - self._tried_at >= _COOL_DOWN_SECONDS

    def _fetch(self) -> None:
        self._tried_at = self._elapsed()
        with GuardedSession(
            allowed=lambda url: url == self._url,
            timeout_seconds=_TIMEOUT_SECONDS,
            body_limit_bytes=_BODY_LIMIT_BYTES,
        ) as session:
            try:
                answer = session.get(self._url)
                answer.raise_for_status()
                self._keys = read_key_set(answer.content)
            except (requests.RequestException, KeySetUnfit):
                return
        self._good_at = self._elapsed()
