"""The table of faults: each breaks and mends the same running product again and again, while webhooks flow.

Two web processes, two workers, PostgreSQL and the simulated Jira; the wires to the last two can be broken.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import psycopg
import pytest

from app.store.postgres_programs import EmbeddedPostgresRefused
from app.vault.administration import create_keyring
from simulator.faults import RETRY_AFTER
from tests.conftest import Process
from tests.faults.conftest import ALL
from tests.faults.forge_days import ForgeDays
from tests.faults.wire import wire_to_postgresql, wire_to_site

WEB, WORKER = "app.edge", "pledge.worker"
IN_MID_TRANSACTION = """
    SELECT count(DISTINCT application_name) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = %s
"""
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE usename IN ('pledge_web', 'pledge_worker')"
TERMINATED = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename IN ('pledge_web', 'pledge_worker')
"""
BETWEEN_ROUNDS = 5
"""So many webhooks are acknowledged before the next thing breaks."""


@dataclass
class Cell:
    """What runs, and what is between its parts."""

    stack: object
    server: object
    workers: tuple
    to_database: object
    to_jira: object
    hits: int = 0
    """In how many rounds the fault met something."""

    @property
    def database(self):
        return self.stack.database

    @property
    def processes(self):
        return (self.stack.web, *self.workers)

    def pledge(self, *arguments, code=0):
        command = [sys.executable, "-m", "app.wiring", *arguments]
        done = subprocess.run(command, env=self.stack.env, capture_output=True, text=True, timeout=120, check=False)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def waits(self, name):
        """Whether that process is seen to stand in the middle of a transaction."""
        try:
            return self.stack.eventually(lambda: self.database.rows(IN_MID_TRANSACTION, name) == [(1,)], seconds=10)
        except AssertionError:
            return False

    def database_starts(self):
        """Whether it does; what a killed server has left behind may still be about to end."""
        try:
            self.server.stop()
            self.server.start()
        except EmbeddedPostgresRefused:
            return False
        return True

    @contextmanager
    def asked(self):
        """Count it as a hit if Jira was asked for anything meanwhile."""
        faults = self.stack.simulator.site("genchi").faults
        before = faults.asked
        yield
        self.hits += faults.asked > before

    def jira(self, **faults):
        self.stack.control("/control", site="genchi", **faults)

    def acknowledges(self, weather):
        """Wait until some more webhooks are acknowledged."""
        known = weather.delivered()
        self.stack.eventually(lambda: weather.delivered() >= known + BETWEEN_ROUNDS, seconds=120)


@pytest.fixture(scope="module")
def cell(make_stack, make_server, tmp_path_factory):
    ring = tmp_path_factory.mktemp("keys") / "keyring.json"
    create_keyring(ring, now=datetime.now(UTC))
    with make_server() as (server, database), wire_to_postgresql(database.web) as (to_database, through):
        settings = {
            "PLEDGE_DATABASE_URL": through(database.web),
            "PLEDGE_DATABASE_WORKER_URL": through(database.worker),
            "PLEDGE_KEYRING_FILE": str(ring),
        }
        with make_stack(database=database, processes=2, **settings) as stack:
            second = Process("worker", ready="worker ready", env=stack.env)
            with wire_to_site(stack.simulator.site("genchi")) as to_jira:
                stack.install("genchi")
                yield Cell(stack, server, (stack.worker, second), to_database, to_jira)
                second.stop()


@contextmanager
def killed(cell, _weather, _number):
    """SIGKILL while locks are held that the last steps of both transactions need."""
    [(tenant,)] = cell.database.rows("SELECT tenant_id FROM registry.connect_installations")
    with psycopg.connect(cell.database.superuser) as locks:
        locks.execute("LOCK TABLE app.clock_bounds IN EXCLUSIVE MODE")
        worker = cell.waits(WORKER)
        locks.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"read-issues:{tenant}"])
        cell.hits += worker and cell.waits(WEB)
        for process in cell.processes:
            process.kill()
        locks.rollback()
    yield
    # The killed workers' hearts stopped long ago: time is data here, and no test waits for it to pass.
    cell.database.execute("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    with ThreadPoolExecutor(len(cell.processes)) as starters:
        list(starters.map(lambda process: process.start(), cell.processes))
    cell.stack.await_ready()


@contextmanager
def dropped(cell, _weather, number):
    """By turns on the wire, without a word, and by the server, which says so."""
    cell.hits += bool(cell.to_database.cut() if number % 2 else cell.database.rows(TERMINATED)[0][0])
    yield


@contextmanager
def answers_lost(cell, _weather, _number):
    """PostgreSQL commits, and nobody hears of it."""
    before = cell.to_database.lost_answers
    cell.to_database.lose_commit_answers(3)
    cell.stack.eventually(lambda: cell.to_database.lost_answers >= before + 3)
    cell.hits += 1
    yield


@contextmanager
def database_stopped(cell, _weather, _number):
    cell.server.stop(mode="immediate")
    yield
    cell.stack.eventually(cell.database_starts, seconds=90)
    cell.hits += 1


@contextmanager
def postmaster_killed(cell, _weather, _number):
    os.kill(cell.server.postmaster_pid, signal.SIGKILL)
    yield
    cell.stack.eventually(cell.database_starts, seconds=90)
    cell.hits += 1


@contextmanager
def backends_frozen(cell, _weather, _number):
    frozen = [pid for (pid,) in cell.database.rows(BACKENDS)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    cell.hits += bool(frozen)


@contextmanager
def jira_slow(cell, _weather, _number):
    with cell.asked():
        cell.jira(latency_seconds=30)
        yield
        cell.jira(latency_seconds=0)
    cell.database.let_time_pass()


@contextmanager
def jira_half_open(cell, _weather, _number):
    before = cell.to_jira.swallowed
    with cell.to_jira.swallowing():
        yield
    cell.hits += cell.to_jira.swallowed > before
    cell.database.let_time_pass()


@contextmanager
def jira_drips(cell, _weather, _number):
    with cell.asked(), cell.to_jira.dripping():
        yield
    cell.database.let_time_pass()


@contextmanager
def jira_refuses(cell, _weather, number):
    """Every form of `Retry-After` that is known, with 429 and with 503: it asks for five minutes."""
    status, form = list(product((429, 503), RETRY_AFTER))[number % (2 * len(RETRY_AFTER))]
    with cell.asked():
        cell.jira(storm={"status": status, "retry_after": form, "seconds": 300, "count": 1000})
        yield
        cell.jira(storm=None)
    cell.database.let_time_pass()


@contextmanager
def poisoned(cell, weather, _number):
    """One issue cannot be stored, however often it is tried."""
    bad = int(weather.issues[0].id)
    cell.database.execute(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN IF NEW.issue_id = {bad} THEN RAISE ''poison''; END IF; RETURN NEW; END'"
    )
    cell.database.execute(
        "CREATE TRIGGER poison BEFORE INSERT ON app.clock_events FOR EACH ROW EXECUTE FUNCTION poison()"
    )
    weather.world.change(weather.site, weather.issues[0], values={"cvss_score": 9.8}, author=weather.author)
    # Seen at once: the next change of that issue asks for it as if it had never been tried.
    tried = "SELECT FROM app.pending_reads WHERE issue_id = %s AND attempts > 0"
    cell.hits += bool(cell.stack.eventually(lambda: cell.database.rows(tried, bad), seconds=90))
    yield
    cell.database.execute("DROP FUNCTION poison() CASCADE")
    for job in json.loads(cell.pledge("jobs", "failed", "--json", code=None)):
        cell.pledge("jobs", "retry", str(job["id"]), code=None)  # refused where the same work waits already


@contextmanager
def keys_rotated(cell, _weather, _number):
    """New primary keys, everything wrapped under them, the former ones retired."""
    used = "SELECT DISTINCT kek_id FROM app.data_keys"
    before = {kek for (kek,) in cell.database.rows(used)}
    cell.pledge("keys", "rotate")
    for kek in before:
        cell.pledge("keys", "retire", kek)
    yield
    cell.hits += before.isdisjoint(kek for (kek,) in cell.database.rows(used))


@dataclass(frozen=True)
class Fault:
    """One row: breaks when it is entered, and mends when it is left."""

    name: str
    breaks: Callable
    few: int
    """How often with all other tests; 0 = only in `make faults-all`."""
    every: int
    lasts_seconds: float = 0.0
    issues: int = 8
    hits: float = 0.5
    """The least part of the rounds in which it meets something: a Jira known to be slow is not asked for a while."""


FAULTS = (
    Fault("SIGKILL of both web processes and both workers in mid-transaction", killed, few=6, every=40),
    Fault("every database connection dropped", dropped, few=20, every=40),
    Fault("three answers to COMMIT lost", answers_lost, few=5, every=40),
    Fault("PostgreSQL stopped at once", database_stopped, few=1, every=10, lasts_seconds=1),
    Fault("postmaster killed", postmaster_killed, few=1, every=5),
    Fault("all backends frozen for 6 s, of which Jira waits for 5", backends_frozen, few=1, every=5, lasts_seconds=6),
    Fault("Jira takes 30 s, for 10 s", jira_slow, few=0, every=3, lasts_seconds=10, hits=0.3),
    Fault("Jira's connections half open, for 10 s", jira_half_open, few=0, every=3, lasts_seconds=10, hits=0.3),
    Fault("Jira answers a byte a second, for 10 s", jira_drips, few=0, every=3, lasts_seconds=10, hits=0.3),
    Fault("429 and 503, each form of Retry-After", jira_refuses, few=0, every=2 * len(RETRY_AFTER), lasts_seconds=2),
    Fault("one of 101 issues poisoned, for 20 s", poisoned, few=0, every=2, lasts_seconds=20, issues=101),
    Fault("keys rotated and retired", keys_rotated, few=0, every=5),
)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if ALL or fault.few], ids=lambda fault: fault.name)
def test_nothing_that_was_acknowledged_is_lost_done_twice_or_half_done(cell, fault, storm, report, rounds):
    weather = storm(cell.stack, issues=fault.issues)
    weather.settles()
    count, cell.hits = rounds(fault.few, fault.every), 0
    with weather.blowing():
        for number in range(count):
            with fault.breaks(cell, weather, number):
                time.sleep(fault.lasts_seconds)
            cell.acknowledges(weather)
    counts = weather.settles()
    report(
        f"{fault.name} ×{count}", counts, weather=weather, note=f"{cell.hits} of {count} hit; answers {answers(counts)}"
    )
    assert counts["acknowledged"] >= count
    assert (counts["lost"], counts["doubled"], counts["half done"], counts["never acknowledged"]) == (0, 0, 0, 0)
    assert cell.hits >= count * fault.hits
    assert "500" not in counts["answers"]
    assert {process.popen.poll() for process in cell.processes} == {None}


def answers(counts):
    return ", ".join("none" if one == "None" else one for one in counts["answers"])


def test_calls_of_forge_twice_in_any_order_and_a_day_late_end_as_the_oracle_says(cell, report, rounds):
    installations = rounds(2, 20)
    sites = [ForgeDays(cell.stack, name, seed=9) for name in ("genible", "kencha")]
    with ThreadPoolExecutor(len(sites)) as senders:
        list(senders.map(lambda site: site.pass_by(installations, stays=site.site.name == "genible"), sites))
    answered = sum((site.answers for site in sites), Counter())
    wrong = [site.counts() for site in sites]
    counts = {"acknowledged": answered[200]} | {name: sum(each[name] for each in wrong) for name in wrong[0]}
    note = (
        f"{answered.total()} requests of {installations} installations of 2 sites; {answered[403]} after a removal and"
        f" {answered[401]} under yesterday's tokens refused"
    )
    report("Forge's lifecycle and events twice, in any order, a day late", counts, note=note)
    assert [surprise for site in sites for surprise in site.surprises] == []
    assert (counts["lost"], counts["doubled"], counts["half done"]) == (0, 0, 0)
