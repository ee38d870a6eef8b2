"""How far long work is, on a terminal and elsewhere."""

import io
import sys

import pytest

from app.jobs.commands import progress
from app.jobs.commands.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on(monkeypatch):
    """Do so many steps, a second each by the clock, and return what stderr shows."""

    def on(stream, steps):
        seconds = iter(range(1000))
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
        shown = Progress(steps, what="sites")
        for _ in range(steps):
            shown.step()
        return stream.getvalue()

    return on


def test_on_a_terminal_one_line_changes_and_ends(on):
    assert on(Terminal(), 3) == "\r1 of 3 sites\r2 of 3 sites\r3 of 3 sites\n"


def test_elsewhere_a_line_comes_every_few_seconds_and_not_for_every_step(on):
    lines = on(io.StringIO(), 20).splitlines()
    assert 2 <= len(lines) <= 4
    assert lines[0] == "5 of 20 sites"


def test_many_may_be_done_in_one_step(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    shown = Progress(5, what="issues")
    shown.step(3)
    shown.step(2)
    assert sys.stderr.getvalue() == "\r3 of 5 issues\r5 of 5 issues\n"


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_without_anything_to_do_nothing_is_shown(on, stream):
    assert on(stream(), 0) == ""
