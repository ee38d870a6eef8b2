"""Opened secrets, kept for less than a minute so that a warm request costs no database read."""

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable

from app.domain.secrets import SecretPlace
from app.vault._cipher import Plain

USABLE_SECONDS = 50.0
SWEEP_SECONDS = 5.0
"""Usable + one sweep = 55 s: what nobody asks for again is gone from memory within the promised 60 s."""
CAPACITY = 10_000


class Opened(Plain):
    """An opened secret; `is_counted` once it has been of use."""

    __slots__ = ("is_counted",)

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self.is_counted = False


class OpenedSecrets:
    """A bounded cache by place and version, the least recently used goes first; safe between threads.

    The place holds the version, so a rotated secret is never answered from here. Two threads that miss at the
    same time both open: waiting for each other would let one slow database read hold up every tenant.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        capacity: int = CAPACITY,
        usable_seconds: float = USABLE_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._monotonic = monotonic
        self._capacity = capacity
        self._usable_seconds = usable_seconds
        self._sweep_seconds = sweep_seconds
        self._entries: OrderedDict[SecretPlace, tuple[float, Opened]] = OrderedDict()
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, place: SecretPlace) -> Opened | None:
        with self._lock:
            expires, opened = self._entries.get(place, (0.0, None))
            if opened is None:
                return None
            if self._monotonic() >= expires:
                del self._entries[place]
                return None
            self._entries.move_to_end(place)
            return opened

    def keep(self, place: SecretPlace, opened: Opened) -> None:
        with self._lock:
            self._entries[place] = (self._monotonic() + self._usable_seconds, opened)
            self._entries.move_to_end(place)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
            self._start_sweeper()

    def sweep(self) -> bool:
        """Forgets what has expired. False when nothing is left to sweep, and then the sweeper ends."""
        with self._lock:
            now = self._monotonic()
            for place in [place for place, (expires, _) in self._entries.items() if now >= expires]:
                del self._entries[place]
            if not self._entries:
                self._sweeper = None
            return bool(self._entries)

    def _start_sweeper(self) -> None:
        # not alive although set: the process was forked, and threads do not come along
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = threading.Thread(
                target=_sweep_regularly,
                args=(weakref.ref(self), self._sweep_seconds),
                name="vault-sweeper",
                daemon=True,
            )
            self._sweeper.start()


def _sweep_regularly(reference: "weakref.ref[OpenedSecrets]", seconds: float) -> None:
    """Holds the cache only while it sweeps, so that a discarded door takes its secrets along."""
    while True:
        time.sleep(seconds)
        opened = reference()
        if opened is None or not opened.sweep():
            return
        del opened
