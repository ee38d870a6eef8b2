"""How long people wait for Jira: few at a time per site, and nobody while a site is known to be down."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.ports import JiraRefused, JiraUnavailable, TurnAwaited

_AT_ONCE = 3
"""Of the threads of a process, so that one slow site cannot take them all."""
_FAILURES = 3
_OPEN_SECONDS = 20.0
_SITES = 10_000


@dataclass
class _Site:
    waiting: int = 0
    failures: int = 0
    closed_until: float = 0.0


class Patience:
    """A bulkhead and a breaker per site. `elapsed` is a monotonic clock in seconds."""

    def __init__(self, *, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._sites: dict[str, _Site] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, base_url: str) -> Iterator[None]:
        """Ask that site now, or raise `JiraUnavailable` at once."""
        site = self._enter(base_url)
        try:
            yield
        except JiraUnavailable as failure:
            self._leave(site, failed=not isinstance(failure, (JiraRefused, TurnAwaited)))
            raise
        except BaseException:
            self._leave(site, failed=False)
            raise
        self._leave(site, failed=False)

    def _enter(self, base_url: str) -> _Site:
        with self._lock:
            if len(self._sites) > _SITES:
                self._sites.clear()
            site = self._sites.setdefault(base_url, _Site())
            if site.closed_until > self._elapsed() or site.waiting >= _AT_ONCE:
                raise JiraUnavailable(max(1, int(site.closed_until - self._elapsed())))
            site.waiting += 1
            return site

    def _leave(self, site: _Site, *, failed: bool) -> None:
        with self._lock:
            site.waiting -= 1
            site.failures = site.failures + 1 if failed else 0
            if site.failures >= _FAILURES:
                # One call is let through when the time is over; its failure closes the site again at once.
                site.failures = _FAILURES - 1
                site.closed_until = self._elapsed() + _OPEN_SECONDS
