"""Public keys of signed installs: `{base}/{kid}`, tried in the configured order.

A kid never gets another key (Atlassian staff, community thread 49046), so a known key is kept for good. Unknown ones
cost a fetch each, which a stranger can ask for at will: one at a time per kid, and a few a minute in all.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from urllib.parse import quote

import requests

from app.domain.installations.admission import KeysUnavailable
from app.outbound.session import GuardedSession
from app.protocol.refusals import KeyUnknown, PublicKeyUnfit
from app.protocol.signatures import read_public_key

_KEPT = 1_000
_TIMEOUT_SECONDS = 2.0
_BODY_LIMIT_BYTES = 16_384
_FETCHES = 10
_PER_SECONDS = 60.0


class InstallKeys:
    """see `app.domain.installations.ports.KeyDirectory`. `elapsed` is a monotonic clock in seconds."""

    def __init__(self, bases: tuple[str, ...], *, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._bases = bases
        self._elapsed = elapsed
        self._keys: OrderedDict[str, bytes] = OrderedDict()
        self._fetched_at: deque[float] = deque()
        self._lock = threading.Lock()
        self._fetching = threading.Lock()

    def key(self, kid: str) -> bytes:
        """PEM of that key id; raises `KeyUnknown` or `KeysUnavailable`."""
        known = self._find(kid)
        if known is not None:
            return known
        self._refuse_if_spent()
        # One fetch at a time in this process; whoever asked for the same kid finds it when its turn comes.
        if not self._fetching.acquire(timeout=_TIMEOUT_SECONDS):
            raise KeysUnavailable(int(_TIMEOUT_SECONDS))
        try:
            known = self._find(kid)
            if known is not None:
                return known
            self._refuse_if_spent()
            self._fetched_at.append(self._elapsed())
            key = self._fetch(kid)
        finally:
            self._fetching.release()
        with self._lock:
            self._keys[kid] = key
            while len(self._keys) > _KEPT:
                self._keys.popitem(last=False)
        return key

    def _find(self, kid: str) -> bytes | None:
        with self._lock:
            return self._keys.get(kid)

    def _refuse_if_spent(self) -> None:
        """A flood of unknown kids is sent away here: it neither goes out nor holds a thread."""
        now = self._elapsed()
        with self._lock:
            while self._fetched_at and now - self._fetched_at[0] >= _PER_SECONDS:
                self._fetched_at.popleft()
            if len(self._fetched_at) >= _FETCHES:
                raise KeysUnavailable(int(_PER_SECONDS - (now - self._fetched_at[0])) + 1)

    def _fetch(self, kid: str) -> bytes:
        """The key from the first server that has it; unknown only if every server said so."""
        said_unknown = 0
        for base in self._bases:
            # The kid was validated by the protocol; quoting each segment is the second belt against `..` and `@`.
            url = "/".join([base, *(quote(segment, safe="") for segment in kid.split("/"))])
            try:
                with self._session() as session:
                    answer = session.get(url)
            except requests.RequestException:
                continue
            if answer.status_code == 200 and _is_key(answer.content):
                return answer.content
            said_unknown += answer.status_code == 404
        if said_unknown == len(self._bases):
            raise KeyUnknown
        raise KeysUnavailable(10)

    def _session(self) -> GuardedSession:
        return GuardedSession(
            allowed=lambda url: any(url.startswith(base + "/") for base in self._bases),
            timeout_seconds=_TIMEOUT_SECONDS,
            body_limit_bytes=_BODY_LIMIT_BYTES,
        )


def _is_key(answer: bytes) -> bool:
    """Whether it may be kept for good: an error page with status 200 would lock its kid out until a restart."""
    try:
        read_public_key(answer)
    except PublicKeyUnfit:
        return False
    return True
