"""What was opened is recorded minute by minute, and once more at the end, whatever goes wrong in between."""

import logging
import threading
import time
from datetime import UTC, datetime

from app.domain.ports import DatabaseUnavailable
from app.jobs import recorder
from app.jobs.recorder import Recorder

LATE = datetime(2026, 11, 22, 9, 0, 59, 990_000, tzinfo=UTC)
EARLY = datetime(2026, 11, 22, 9, 0, 1, tzinfo=UTC)


class Openings:
    """Notes for which minutes it is asked to record; the first time, it cannot."""

    def __init__(self, *, fails=0):
        self.minutes = []
        self.fails = fails
        self.asked = threading.Semaphore(0)

    def record(self, minute):
        self.minutes.append(minute)
        self.asked.release()
        if len(self.minutes) <= self.fails:
            raise ZeroDivisionError
        return 0


class Signals:
    """Notes when it is asked to store what was counted."""

    def __init__(self):
        self.asked = []

    def flush(self, now):
        self.asked.append(now)


def test_each_minute_is_recorded_when_it_is_over():
    openings = Openings()
    with Recorder(openings, Signals(), clock=lambda: LATE):
        assert all(openings.asked.acquire(timeout=30) for _ in range(3))
    assert set(openings.minutes) == {LATE}


def test_the_rest_is_recorded_when_the_process_ends():
    openings, signals = Openings(), Signals()
    with Recorder(openings, signals, clock=lambda: EARLY):
        assert openings.minutes == []
    assert (openings.minutes, signals.asked) == ([EARLY], [EARLY])


def test_signals_are_stored_within_seconds_and_not_only_when_the_minute_is_over(monkeypatch):
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.01)
    openings, signals = Openings(), Signals()
    with Recorder(openings, signals, clock=lambda: EARLY):
        ends_at = time.monotonic() + 30
        while len(signals.asked) < 3 and time.monotonic() < ends_at:
            time.sleep(0.01)
        assert openings.minutes == []
    assert len(signals.asked) > 3


def test_others_have_their_turn_each_time_also_after_one_that_failed_and_when_the_process_ends(monkeypatch, caplog):
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.01)
    asked = threading.Semaphore(0)

    def away(now):
        raise DatabaseUnavailable

    def other(now):
        asked.release()

    with Recorder(Openings(), Signals(), clock=lambda: EARLY, others=[away, other]):
        assert all(asked.acquire(timeout=30) for _ in range(3))
    assert {(line.levelname, line.code) for line in caplog.records} == {("WARNING", "DatabaseUnavailable")}


def test_a_failure_is_logged_and_ends_no_later_recording(caplog):
    openings = Openings(fails=1)
    with caplog.at_level(logging.ERROR), Recorder(openings, Signals(), clock=lambda: LATE):
        assert all(openings.asked.acquire(timeout=30) for _ in range(3))
    [line] = caplog.records
    assert (line.message, line.code) == ("counts could not be recorded", "ZeroDivisionError")
    assert line.exc_info[0] is ZeroDivisionError


def test_what_is_counted_while_the_counts_are_written_is_not_lost_when_the_process_ends(monkeypatch):
    """A command counts what it found and ends at once; the counts of before may just be on their way."""
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.01)
    counted, stored, is_writing, may_end = [], [], threading.Event(), threading.Event()

    class Slow:
        def flush(self, now):
            stored.extend(counted)
            counted.clear()
            is_writing.set()
            assert may_end.wait(30)

    def let_it_end():
        while not recording._stopping.is_set():
            time.sleep(0.001)
        may_end.set()

    with Recorder(Openings(), Slow(), clock=lambda: EARLY) as recording:
        assert is_writing.wait(30)
        counted.append("found")
        threading.Thread(target=let_it_end).start()
    assert (stored, counted) == (["found"], [])
