"""What procrastinate's worker does not survive by itself: a connection that is half open, an end that is not stored.

That a database which restarts does not end it, `test_every_fault.py` shows.
"""

from contextlib import contextmanager

import pytest

from tests.faults.wire import wire_to_postgresql

REFUSE = """
    CREATE SEQUENCE public.refusals;
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            PERFORM nextval('public.refusals');
            RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full';
        END
    $$;
    CREATE TRIGGER refused BEFORE {what} ON jobs.procrastinate_jobs FOR EACH ROW WHEN ({when})
        EXECUTE FUNCTION public.refuse()"""
"""A sequence alone remembers what was undone."""


@contextmanager
def refusing(stack, what, *, when="true"):
    """The queue has no room for that, and it was refused at least once."""
    stack.database.execute(REFUSE.format(what=what, when=when))
    try:
        yield
        stack.eventually(lambda: stack.database.rows("SELECT 1 FROM public.refusals WHERE is_called"))
    finally:
        stack.database.execute("DROP FUNCTION public.refuse CASCADE; DROP SEQUENCE public.refusals")


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


@pytest.fixture(scope="module")
def stack(make_stack):
    """Everything, once for what follows."""
    with make_stack() as running:
        running.install("genchi")
        yield running


def test_a_job_whose_end_could_not_be_stored_does_not_hold_its_tenant(stack, storm):
    weather = storm(stack, issues=1)
    weather.settles()
    with refusing(stack, "DELETE"):
        weather.world.change(weather.site, weather.issues[0], values={"cvss_score": 3.1}, author=weather.author)
    read_of_a_new_issue(stack, weather)


def test_a_job_that_failed_and_could_not_be_asked_for_again_is_tried_again(stack, storm):
    weather = storm(stack, issues=1)
    weather.settles()
    stack.control("/control", site="genchi", storm={"status": 503, "count": 1000, "retry_after": "absent"})
    with refusing(stack, "INSERT", when="starts_with(NEW.task_name, 'wake:')"):
        weather.world.change(weather.site, weather.issues[0], values={"cvss_score": 3.1}, author=weather.author)
    stack.control("/control", site="genchi", storm=None)
    counts = weather.settles()
    assert (counts["lost"], counts["never acknowledged"]) == (0, 0)
