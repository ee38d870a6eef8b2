"""How fast this process calls: by site, endpoint and method, and by issue that is written.

Jira takes 100 GET or POST and 50 PUT or DELETE a second on one endpoint of one site, from all apps together, and 20
writes of one issue in 2 s, 100 in 30 s (https://developer.atlassian.com/cloud/jira/platform/rate-limiting/). How many
processes of ours there are, and what other apps do, nobody tells a process: it keeps to a quarter of each, which one
job that makes its calls one after the other hardly reaches. Where that is too much still, Jira says so and is heeded.

Each key has one number, the instant at which its next call would be due at an even pace; a call may be ahead of that
by a few. So in no stretch of `s` seconds more than `ahead + s * rate` calls are made.
"""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_KEYS = 10_000


@dataclass(frozen=True)
class Pace:
    """So many a second, and so many at once."""

    rate: float
    ahead: int


READS = Pace(rate=20.0, ahead=5)
CHANGES = Pace(rate=10.0, ahead=2)
ISSUE_WRITES = Pace(rate=20 / 30, ahead=5)
NEAR_LIMIT = Pace(rate=5.0, ahead=1)
"""After Jira has said that less than a fifth is left."""


class Bursts:
    """The paces of one process; safe between threads. `elapsed` is a monotonic clock in seconds."""

    def __init__(self, *, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._due: dict[Hashable, float] = {}

    def claim(self, key: Hashable, pace: Pace, *, patience_seconds: float) -> float:
        """Take the next place in that pace; returns in how many seconds it comes. One that is too far is not taken."""
        with self._lock:
            now = self._elapsed()
            if len(self._due) > _KEYS:
                self._due = {each: at for each, at in self._due.items() if at > now}
            due = max(self._due.get(key, 0.0), now)
            pause = max(0.0, due - now - (pace.ahead - 1) / pace.rate)
            if pause <= patience_seconds:
                self._due[key] = due + 1 / pace.rate
            return pause
