"""Jobs that fail, wait, are asked for at an unlucky moment, or are told to end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests
from flask import Flask

from app import wiring
from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import IssueId, TenantId
from app.settings import read_settings
from app.store.database import SqlDatabase, open_engines

DOING = "SELECT 1 FROM jobs.procrastinate_jobs WHERE status = 'doing'"


@pytest.fixture(scope="module")
def stack(make_stack):
    with make_stack() as running:
        running.install("genchi")
        yield running


@pytest.fixture
def weather(stack, storm):
    made = storm(stack, issues=1)
    made.settles()
    return made


def tenant_of(stack):
    [(number,)] = stack.database.rows("SELECT tenant_id FROM registry.connect_installations")
    return TenantId(number)


def pledge(stack, *arguments):
    command = [sys.executable, "-m", "app.wiring", *arguments]
    return subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=60, check=False)


def test_a_poisoned_issue_holds_up_no_other_and_ends_in_sight(stack, weather):
    database = stack.database
    poisoned = weather.issues[0]
    database.execute(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN IF NEW.issue_id = {int(poisoned.id)} THEN RAISE ''poison''; END IF; RETURN NEW; END'"
    )
    database.execute("CREATE TRIGGER poison BEFORE INSERT ON app.clock_events FOR EACH ROW EXECUTE FUNCTION poison()")
    weather.world.change(weather.site, poisoned, values={"cvss_score": 9.8}, author=weather.author)
    others = [weather.create({"labels": ["security"], "cvss_score": 8.1}) for _ in range(25)]
    for other in others:
        stack.eventually(lambda other=other: weather.stored(other) == weather.oracle(other))

    def failed():
        stack.database.let_time_pass()
        return json.loads(pledge(stack, "jobs", "failed", "--json").stdout)

    [job, *_] = stack.eventually(failed, seconds=60)
    assert (job["task"], job["args"]["attempt"] >= 5) == ("read-issues", True)
    assert pledge(stack, "jobs", "failed").returncode == 1
    last = weather.create({"labels": ["security"], "cvss_score": 8.1})
    stack.eventually(lambda: weather.stored(last) == weather.oracle(last))
    assert weather.stored(poisoned) != weather.oracle(poisoned)

    database.execute("DROP FUNCTION poison() CASCADE")
    stack.database.let_time_pass()
    assert pledge(stack, "jobs", "retry", str(job["id"])).returncode == 0
    stack.eventually(lambda: weather.stored(poisoned) == weather.oracle(poisoned))


@pytest.fixture
def services(stack, monkeypatch):
    """The use cases in this process, as the worker has them, and a database to put them off balance."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    engine = open_engines(Flask("app"), stack.database.worker, connections=4)
    yield wiring.services_of(read_settings(stack.env), engine, process="test"), SqlDatabase(engine, clock=wiring.now)
    engine.dispose()


def test_sigterm_lets_the_worker_finish_what_it_has_begun_and_begin_no_more(stack, weather, services):
    publishing, tenant = services[0].publishing, tenant_of(stack)
    stack.control("/control", site="genchi", latency_seconds=1)
    # The labels of all issues, to a slow site: far more calls than there is time for.
    assert publishing.counts(tenant)["labels"] > 25
    publishing.ask_again(tenant)
    publishing.wake(now=wiring.now())
    stack.eventually(lambda: stack.database.rows(f"{DOING} AND task_name = 'publish-labels'"))
    weather.issues = [weather.create({"labels": ["security"], "cvss_score": 8.1})]
    begun = "SELECT 1 FROM app.pending_reads WHERE issue_id = %s AND attempts = 1"
    stack.eventually(lambda: stack.database.rows(begun, int(weather.issues[0].id)))
    stack.worker.stop()
    stack.control("/control", site="genchi", latency_seconds=0)
    assert stack.worker.popen.returncode == 0
    assert weather.stored(weather.issues[0]) == weather.oracle(weather.issues[0])
    assert stack.database.rows(DOING) == []
    stack.worker.start()


def test_sigterm_lets_the_web_process_answer_what_it_was_asked(stack, weather):
    stack.control("/control", site="genchi", latency_seconds=1.5)
    token = stack.token(kind="context", account="developer2")
    url = f"{stack.url}/api/v1/issues/{weather.issues[0].id}/clocks"
    with ThreadPoolExecutor(1) as person:
        answer = person.submit(requests.get, url, headers={"Authorization": f"JWT {token}"}, timeout=10)
        time.sleep(0.7)
        assert not answer.done()
        os.kill(stack.web.popen.pid, signal.SIGTERM)
        assert answer.result().status_code == 200
    stack.control("/control", site="genchi", latency_seconds=0)
    stack.web.stop()
    assert stack.web.popen.returncode == 0
    stack.web.start()


def test_a_webhook_that_finds_a_job_waiting_is_seen_by_that_job_though_it_commits_later(stack, weather, services):
    """Otherwise: the webhook adds no job because one waits; that one starts, sees nothing yet, and ends."""
    following, database = services[0].following, services[1]
    stack.worker.stop()
    tenant, issue = tenant_of(stack), IssueId(int(weather.issues[0].id))
    with database.begin(tenant) as uow:
        uow.enqueue("read-issues", tenant)
        uow.commit(because=Bookkeeping.READ_ASKED)
    with database.begin(tenant) as webhook:
        webhook.issues.ask_read(issue, now=datetime.now(UTC))
        webhook.enqueue("read-issues", tenant)
        stack.database.execute("UPDATE jobs.procrastinate_jobs SET status = 'doing' WHERE task_name = 'read-issues'")
        done = []
        job = threading.Thread(target=lambda: done.append(following.read_pending(tenant, now=wiring.now())))
        job.start()
        job.join(timeout=0.5)
        assert job.is_alive()
        webhook.commit(because=Bookkeeping.WEBHOOK_STORED)
    job.join(timeout=60)
    assert done == [1]
    stack.database.execute("DELETE FROM jobs.procrastinate_jobs WHERE status = 'doing'")
    stack.worker.start()


def test_reads_of_a_site_that_left_wait_for_its_return_and_are_no_failed_jobs(stack, weather, services):
    stack.control("/control", site="genchi", storm={"status": 503, "count": 1000})
    issue = weather.create({"labels": ["security"], "cvss_score": 8.1})
    pending = "SELECT attempts FROM app.pending_reads WHERE issue_id = %s"
    stack.eventually(lambda: stack.database.rows(pending, int(issue.id)))
    stack.control("/sites/genchi/uninstall")
    stack.control("/control", site="genchi", storm=None)
    stack.database.let_time_pass()
    stack.eventually(lambda: stack.database.rows("SELECT 1 FROM jobs.procrastinate_jobs") == [])
    assert stack.database.rows(pending, int(issue.id))
    stack.install("genchi")
    services[0].following.wake(now=datetime.now(UTC))  # what the schedule does every ten minutes
    stack.eventually(lambda: weather.stored(issue) == weather.oracle(issue))
