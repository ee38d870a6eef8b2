"""What rate limits count: requests by key, never more than the limit in any window, whatever the clocks do.

Two storages of the library `limits`, chosen by URL: `pledge+memory:` counts in this process; `pledge+redis:`,
`pledge+rediss:` and `pledge+unix:` count in a Redis or Valkey that all processes share, and in this process while it
does not answer. Both replace the library's own counting, which follows the wall clock of each process: a clock that
steps, or two machines whose clocks differ, would let more than the limit pass.

A window is cut into slots. An admission counts until a whole window after the end of its slot, so a limit may be
kept up to a slot too long, and never too short; a key takes a few bytes per slot however high its limit is.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from limits.storage import MemoryStorage, RedisStorage
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger("pledge.limits")

SLOTS = 20
STAYS_HERE = "network:"
"""A key that has this in it is counted in this process only: what is made of an address is never handed on."""
TIMEOUT_SECONDS = 0.25
_PATIENCE_SECONDS = 2.0
"""Of an operator who asks whether it answers."""
_REST_SECONDS = 1.0
"""How long a store that failed is not asked again."""
_MOST_KEYS = 50_000
_KEPT_SECONDS = 3600
"""How long the store keeps a key after its last admission. It is the store's own clock that ends it, so a step of
that clock by more than this would forget what was counted."""


def fault_of(redis_url: str) -> str | None:
    """Why that store does not answer; None if it does."""
    store = Redis.from_url(redis_url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS)
    try:
        with store:
            store.ping()
    except RedisError as failure:
        return _kind(failure)
    return None


class Verdict(NamedTuple):
    """What became of a request."""

    is_admitted: bool
    counted: int
    """In the window, this one included."""
    seconds: float
    """Until the oldest of them is counted no longer."""


def storage_url(redis_url: str | None) -> str:
    """The storage for that store, or of this process if there is none."""
    return "pledge+memory:" if redis_url is None else f"pledge+{redis_url}"


class _Window:
    """The admissions of one key."""

    __slots__ = ("count", "slots")

    def __init__(self) -> None:
        self.slots: deque[list[int]] = deque()
        self.count = 0

    def forget(self, *, until: int) -> None:
        while self.slots and self.slots[0][0] <= until:
            self.count -= self.slots.popleft()[1]

    def add(self, slot: int, amount: int) -> None:
        if self.slots and self.slots[-1][0] == slot:
            self.slots[-1][1] += amount
        else:
            self.slots.append([slot, amount])
        self.count += amount


class LocalWindows(MemoryStorage):
    """Counts in this process. `elapsed` are seconds that never step."""

    STORAGE_SCHEME = ["pledge+memory"]  # noqa: RUF012  as the library declares it

    def __init__(
        self, uri: str | None = None, wrap_exceptions: bool = False, *, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(uri, wrap_exceptions)
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        """The key that was asked for last comes last."""

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count that many requests unless more than the limit would then be in one window."""
        return self.verdict(key, limit=limit, expiry=expiry, amount=amount).is_admitted

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the window began, relative to now, and how many are counted in it."""
        verdict = self.verdict(key, limit=limit, expiry=expiry, amount=0)
        return verdict.seconds - expiry, verdict.counted

    def verdict(self, key: str, *, limit: int, expiry: int, amount: int) -> Verdict:
        """The same as one value."""
        length = expiry / SLOTS
        with self._lock:
            now = self._elapsed()
            slot = int(now / length)
            window = self._windows.pop(key, None) or _Window()
            self._windows[key] = window
            window.forget(until=slot - SLOTS - 1)
            is_admitted = window.count + amount <= limit
            if is_admitted and amount:
                window.add(slot, amount)
            self._drop_idle(until=slot - SLOTS - 1)
            oldest = window.slots[0][0] if window.slots else slot
        return Verdict(is_admitted, window.count, (oldest + SLOTS + 1) * length - now)

    def clear(self, key: str) -> None:
        """Forget that key."""
        self._windows.pop(key, None)

    def reset(self) -> int:
        """Forget every key; how many there were."""
        known = len(self._windows)
        self._windows.clear()
        return known

    def _drop_idle(self, *, until: int) -> None:
        """Strangers choose their networks: what was asked for longest ago goes, at once if there are too many."""
        while len(self._windows) > 1:
            key = next(iter(self._windows))
            slots = self._windows[key].slots
            if slots and slots[-1][0] > until and len(self._windows) <= _MOST_KEYS:
                return
            del self._windows[key]


_ACQUIRE = """
-- KEYS: the admissions of one key by slot; the clock that all processes share. ARGV: limit, slots in a window,
-- seconds in a slot, amount, latest instant that the caller can believe in ('' = it cannot tell), seconds to keep.
local told = redis.call('TIME')
told = told[1] + told[2] / 1000000
local clock = redis.call('HMGET', KEYS[2], 'behind', 'last')
local now = told - (tonumber(clock[1]) or 0)
local latest = tonumber(ARGV[5])
if latest and now > latest then now = latest end
now = math.max(now, tonumber(clock[2]) or 0)
redis.call('HSET', KEYS[2], 'behind', string.format('%.6f', told - now), 'last', string.format('%.6f', now))

local limit, slots, length, amount = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local slot = math.floor(now / length)
local count, oldest = 0, slot
local kept = redis.call('HGETALL', KEYS[1])
for i = 1, #kept, 2 do
    local each = tonumber(kept[i])
    if each < slot - slots then
        redis.call('HDEL', KEYS[1], kept[i])
    else
        count = count + tonumber(kept[i + 1])
        oldest = math.min(oldest, each)
    end
end
local admitted = count + amount <= limit
if admitted and amount > 0 then
    count = count + amount
    redis.call('HINCRBY', KEYS[1], string.format('%d', slot), amount)
    redis.call('EXPIRE', KEYS[1], ARGV[6])
end
local seconds = (oldest + slots + 1) * length - now
return {admitted and 1 or 0, count, string.format('%.6f', seconds), string.format('%.6f', now)}
"""


class SharedWindows(RedisStorage):
    """Counts in a store that all processes share; in this process while the store does not answer in time.

    Time is the store's, corrected: it may be set by an administrator or a time server, and a window must not end by
    that. Backward it never goes. A step forward is seen by every process that asked before it, because between two
    questions of a process no more time can have passed than its own steady clock says; the correction is kept beside
    the counts, for all. Not seen is only a step between the last question of all processes and the first of a new one.
    """

    STORAGE_SCHEME = ["pledge+redis", "pledge+rediss", "pledge+unix"]  # noqa: RUF012  as the library declares it

    def __init__(
        self, uri: str, *, wrap_exceptions: bool = False, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(
            uri.removeprefix("pledge+"),
            key_prefix="pledge:limits",
            wrap_exceptions=wrap_exceptions,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # options of the client go through as they are
        )
        self.floor = LocalWindows(elapsed=elapsed)
        self.failures = 0
        """How often the store did not answer."""
        self._acquire = self.storage.register_script(_ACQUIRE)
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._ahead: float | None = None
        """The store's time less ours, at most."""
        self._is_down = False
        self._asked_again_at = 0.0
        self._said = threading.local()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count that many requests unless more than the limit would then be in one window."""
        verdict = self._verdict(key, limit=limit, expiry=expiry, amount=amount)
        self._remember(key, verdict)
        return verdict.is_admitted

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the window began, relative to now, and how many were counted in it when this thread last asked."""
        verdict = self._remembered().get(key) or self._verdict(key, limit=limit, expiry=expiry, amount=0)
        return verdict.seconds - expiry, verdict.counted

    def _remembered(self) -> dict[str, Verdict]:
        found: dict[str, Verdict] = vars(self._said).setdefault("verdicts", {})
        return found

    def _remember(self, key: str, verdict: Verdict) -> None:
        """A request asks by few keys, and once more for the headers: that would cost another message each."""
        verdicts = self._remembered()
        verdicts.pop(key, None)
        verdicts[key] = verdict
        if len(verdicts) > 4:
            del verdicts[next(iter(verdicts))]

    def _verdict(self, key: str, *, limit: int, expiry: int, amount: int) -> Verdict:
        if STAYS_HERE not in key and self._may_be_asked():
            try:
                verdict = self._ask(key, limit=limit, expiry=expiry, amount=amount)
            except RedisError as failure:
                self._failed(failure)
            else:
                self._answered()
                return verdict
        return self.floor.verdict(key, limit=limit, expiry=expiry, amount=amount)

    def _ask(self, key: str, *, limit: int, expiry: int, amount: int) -> Verdict:
        keys = [self.prefixed_key(key), self.prefixed_key("clock")]
        # An answer may be under way for as long as we wait, so a step of that much, twice, may pass for that. Windows
        # are longer by it.
        length = (expiry + 2 * TIMEOUT_SECONDS) / SLOTS
        sent_at = self._elapsed()
        latest = "" if self._ahead is None else f"{sent_at + self._ahead + TIMEOUT_SECONDS:.6f}"
        is_admitted, count, seconds, told = self._acquire(keys, [limit, SLOTS, length, amount, latest, _KEPT_SECONDS])
        ahead = float(told) - sent_at
        with self._lock:
            self._ahead = ahead if self._ahead is None else min(self._ahead, ahead)
        return Verdict(bool(is_admitted), int(count), float(seconds))

    def _may_be_asked(self) -> bool:
        if not self._is_down:
            return True
        with self._lock:
            now = self._elapsed()
            may = now >= self._asked_again_at
            if may:
                # One request finds out; the others do not wait with it.
                self._asked_again_at = now + _REST_SECONDS
        return may

    def _failed(self, failure: RedisError) -> None:
        with self._lock:
            is_news = not self._is_down
            self._is_down, self._asked_again_at = True, self._elapsed() + _REST_SECONDS
            self.failures += 1
        if is_news:
            log.warning("each process counts for itself", extra={"code": "limiter_store_down", "kind": _kind(failure)})

    def _answered(self) -> None:
        if self._is_down:
            with self._lock:
                is_news, self._is_down = self._is_down, False
            if is_news:
                log.info("the processes count together", extra={"code": "limiter_store_back"})


def _kind(failure: RedisError) -> str:
    """The class of the failure: its message may quote the address, and that a password."""
    return type(failure).__name__
