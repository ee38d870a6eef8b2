"""SIGKILL of web and worker in the middle of their transactions, while webhooks flow."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

ROUNDS = 20
IN_MID_TRANSACTION = """
    SELECT count(DISTINCT application_name) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = %s
"""
WEB, WORKER = "app.edge", "pledge.worker"


@pytest.fixture(scope="module")
def stack(make_stack):
    with make_stack() as running:
        running.install("genchi")
        yield running


@contextmanager
def held(stack):
    """Locks that the last steps of both transactions need: of a webhook the job, of a read the derived bounds."""
    [(tenant,)] = stack.database.rows("SELECT tenant_id FROM registry.connect_installations")
    with psycopg.connect(stack.database.superuser) as locks:
        locks.execute("LOCK TABLE app.clock_bounds IN EXCLUSIVE MODE")
        worker = waits(stack, WORKER)
        locks.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"read-issues:{tenant}"])
        yield worker, waits(stack, WEB)
        locks.rollback()


def waits(stack, name):
    """Whether that process was seen to stand in the middle of a transaction."""
    try:
        return stack.eventually(lambda: stack.database.rows(IN_MID_TRANSACTION, name) == [(1,)], seconds=2)
    except AssertionError:
        return False


def kill_both_and_start_them_again(stack):
    with held(stack) as in_mid_transaction:
        for process in (stack.web, stack.worker):
            process.kill()
    # The killed worker's heart stopped long ago: time is data here, and no test waits for it to pass.
    stack.database.execute("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    with ThreadPoolExecutor(2) as starters:
        list(starters.map(lambda process: process.start(), (stack.web, stack.worker)))
    stack.await_ready()
    return in_mid_transaction


def test_twenty_kills_in_mid_transaction_lose_and_double_no_acknowledged_webhook(stack, storm, report):
    weather = storm(stack, issues=8)
    weather.settles()
    with weather.blowing():
        rounds = [kill_both_and_start_them_again(stack) for _ in range(ROUNDS)]
    counts = weather.settles()
    hits = {"worker": sum(worker for worker, _ in rounds), "web": sum(web for _, web in rounds)}
    report("SIGKILL of web and worker ×20", counts | {f"{name} hit in mid-transaction": n for name, n in hits.items()})
    assert counts["acknowledged"] > ROUNDS
    assert (counts["lost"], counts["doubled"], counts["half done"], counts["never acknowledged"]) == (0, 0, 0, 0)
    assert min(hits.values()) >= ROUNDS // 2
    assert "500" not in counts["answers"]
