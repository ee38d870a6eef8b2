"""What procrastinate's worker does not survive by itself: a connection that is half open.

That a database which restarts does not end it, `test_every_fault.py` shows.
"""

import pytest

from tests.faults.wire import wire_to_postgresql


def read_of_a_new_issue(stack, weather):
    """A webhook goes all the way."""
    issue = weather.create({"issuetype": "Vulnerability", "labels": ["security"], "cvss_score": 8.1})
    weather.issues = [issue]
    counts = weather.settles()
    assert (counts["lost"], counts["never acknowledged"]) == (0, 0)


@pytest.fixture
def half_open(make_database):
    """A database, and a wire through which the worker reaches it."""
    with make_database() as database, wire_to_postgresql(database.worker) as (wire, through):
        yield database, wire, through(database.worker)


def test_a_worker_on_a_half_open_connection_starts_anew_and_reads_what_came_meanwhile(make_stack, half_open, storm):
    database, proxy, url = half_open
    with make_stack(database=database, PLEDGE_DATABASE_WORKER_URL=url) as stack:
        stack.install("genchi")
        weather = storm(stack, issues=1)
        weather.settles()
        pid = stack.worker.popen.pid
        with proxy.swallowing():
            stack.eventually(lambda: proxy.swallowed)
            weather.world.change(weather.site, weather.issues[0], values={"cvss_score": 3.1}, author=weather.author)
        stack.eventually(lambda: "worker hangs, starting anew" in stack.worker.output, seconds=120)
        counts = weather.settles()
        assert (counts["lost"], counts["never acknowledged"]) == (0, 0)
        assert (stack.worker.popen.poll(), stack.worker.popen.pid) == (None, pid)
        read_of_a_new_issue(stack, weather)
