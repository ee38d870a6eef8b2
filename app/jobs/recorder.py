"""Writes what a process has counted, beside its work: every few seconds what was seen, by the minute opened secrets."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import TracebackType
from typing import Self

from app.domain.alerts.counting import SignalCounts
from app.domain.keys.operations import Openings
from app.domain.ports import DatabaseUnavailable

log = logging.getLogger("pledge.recorder")

_STOP_SECONDS = 10.0
_AFTER_THE_MINUTE_SECONDS = 0.1
FLUSH_SECONDS = 5.0


class Recorder:
    """One per process, and started in it: a thread does not come along when a process forks."""

    def __init__(
        self,
        openings: Openings,
        signals: SignalCounts,
        *,
        clock: Callable[[], datetime],
        others: Sequence[Callable[[datetime], object]] = (),
    ) -> None:
        self._openings = openings
        self._often = (signals.flush, *others)
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> Self:
        """Record from now on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Record what is left, and end."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            since = self._clock()
            rest_seconds = 60 - since.second - since.microsecond / 1e6 + _AFTER_THE_MINUTE_SECONDS
            # Asked before the writing: what is counted while it is written has one more turn.
            is_last = self._stopping.wait(min(FLUSH_SECONDS, rest_seconds))
            for what in self._often:
                self._write(what, self._clock())
            if is_last or rest_seconds <= FLUSH_SECONDS:
                self._write(self._openings.record, since)

    def _write(self, what: Callable[[datetime], object], at: datetime) -> None:
        # A failure ends its own thread, not this one: what was counted is written the next time.
        with ThreadPoolExecutor(1) as alone:
            error = alone.submit(what, at).exception()
        if error is not None:
            level = logging.WARNING if isinstance(error, DatabaseUnavailable) else logging.ERROR
            log.log(level, "counts could not be recorded", extra={"code": type(error).__name__}, exc_info=error)
