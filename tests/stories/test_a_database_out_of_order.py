"""A process that starts on a database where one tenant could see another serves nobody, and says why."""

import pytest
import requests

from tests.conftest import Process

SPOIL = "ALTER POLICY tenant ON app.issues USING (true)"
MEND = "ALTER POLICY tenant ON app.issues USING (tenant_id = (SELECT current_setting('app.tenant')::bigint))"
RULE = "the_policy_is_not_the_canonical_one"


@pytest.fixture
def waiting(make_stack):
    """A running web process, and a job that no worker has taken yet."""
    with make_stack(worker=False) as stack:
        stack.install()
        stack.clocks("10001")
        yield stack


def jobs(stack):
    """The read that the look asked for; the import of the site is a job of its own."""
    return stack.database.rows("SELECT status::text FROM jobs.procrastinate_jobs WHERE task_name = 'read-issues'")


def test_a_worker_takes_nothing_until_the_database_is_mended_and_what_ran_already_is_not_disturbed(waiting):
    waiting.database.execute(SPOIL)
    worker = Process("worker", env=waiting.env, ready=RULE)
    worker.stop()
    assert "worker ready" not in worker.output
    assert jobs(waiting) == [("todo",)]
    assert requests.get(f"{waiting.url}/readyz", timeout=30).status_code == 200
    waiting.database.execute(MEND)
    worker = Process("worker", env=waiting.env, ready="worker ready")
    waiting.eventually(lambda: jobs(waiting) == [])
    worker.stop()


def test_a_web_process_is_not_ready_and_its_log_says_by_which_rule(waiting):
    waiting.database.execute(SPOIL)
    waiting.web.stop()
    waiting.web.start()
    answer = waiting.eventually(lambda: [requests.get(f"{waiting.url}/readyz", timeout=30)])[0]
    assert (answer.status_code, answer.text) == (503, "unavailable")
    waiting.eventually(lambda: RULE in waiting.web.output)
