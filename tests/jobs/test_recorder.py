"""What was opened is recorded minute by minute, and once more at the end, whatever goes wrong in between."""

import logging
import threading
from datetime import UTC, datetime

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


def test_each_minute_is_recorded_when_it_is_over():
    openings = Openings()
    with Recorder(openings, clock=lambda: LATE):
        assert all(openings.asked.acquire(timeout=30) for _ in range(3))
    assert set(openings.minutes) == {LATE}


def test_the_rest_is_recorded_when_the_process_ends():
    openings = Openings()
    with Recorder(openings, clock=lambda: EARLY):
        assert openings.minutes == []
    assert openings.minutes == [EARLY]


def test_a_failure_is_logged_and_ends_no_later_recording(caplog):
    openings = Openings(fails=1)
    with caplog.at_level(logging.ERROR), Recorder(openings, clock=lambda: LATE):
        assert all(openings.asked.acquire(timeout=30) for _ in range(3))
    [line] = caplog.records
    assert (line.message, line.code) == ("opened secrets could not be recorded", "ZeroDivisionError")
