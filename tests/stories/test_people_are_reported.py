"""Reports as they run: commands and workers as processes of their own, over HTTP, with the other side's own ledger."""

import json
import os
import signal
import subprocess
import sys

import pytest
import requests

HOLD = """
    WITH made AS (
        INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
        SELECT %s, 900000 + n, 'SEC-1', 10000, 'tracked', now() FROM generate_series(1, %s) n RETURNING issue_id
    )
    INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at)
    SELECT %s, issue_id, 'x', 'cancelled', now(),
        jsonb_build_object('actor', %s || lpad(to_hex(issue_id), 20, '0'), 'reason', 'duplicate'), now() FROM made
"""
HELD = "SELECT DISTINCT data->>'actor' FROM app.clock_events WHERE data->>'actor' ~ '^[0-9a-f]{24}$'"
LEASES_END = "UPDATE registry.account_reports SET leased_until = now() WHERE leased_until IS NOT NULL"
LEASED = """
    SELECT p.account_id FROM registry.account_reports r JOIN app.people p USING (digest) WHERE r.lease IS NOT NULL
"""


class Running:
    """One product with sites installed, whose people are put there."""

    def __init__(self, stack):
        self.stack, self.database = stack, stack.database
        self.control(reset=True)

    def control(self, **accounts):
        self.stack.control("/control", accounts=accounts)

    def tenant(self, site):
        self.stack.install(site)
        [(tenant,)] = self.database.rows("SELECT max(tenant_id) FROM app.tenants")
        return tenant

    def hold(self, tenant, count, *, prefix):
        """So many people, whose ids begin with these four digits."""
        self.database.execute(HOLD, tenant, count, tenant, prefix)
        return sorted(account for (account,) in self.database.rows(HELD) if account.startswith(prefix))

    def start(self, *arguments):
        command = [sys.executable, "-m", "app.wiring", "privacy", *arguments]
        return subprocess.Popen(command, env=self.stack.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def pledge(self, *arguments):
        process = self.start(*arguments, "--json")
        output, errors = process.communicate(timeout=120)
        assert process.returncode in {0, 2, 3, 5}, errors
        return process.returncode, json.loads(output)

    def ledger(self, expected=()):
        answer = requests.post(
            f"{self.stack.simulator.control_url}/reports", json={"accounts": list(expected)}, timeout=30
        )
        return answer.json()

    def everything(self):
        tables = self.database.rows(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('app', 'registry', 'jobs')"
        )
        return "\n".join(str(self.database.rows(f"SELECT * FROM {table}")) for (table,) in tables)  # noqa: S608  ours


@pytest.fixture
def running(make_stack):
    with make_stack(worker=False) as stack:
        yield Running(stack)


def test_a_week_of_reports_at_connect_sites(running):
    people = [running.hold(running.tenant(site), 100, prefix=f"{n:04}") for n, site in enumerate(("genchi", "kencha"))]
    closed = people[0][7]
    running.control(close=[closed], update=[people[1][3]], malformed=[people[1][50]], cycle_period="14 Days")
    assert running.pledge("status")[0] == 3

    code, run = running.pledge("report", "--now")
    assert (code, run["accounts"], run["closed"], run["updated"], run["set_aside"]) == (0, 199, 1, 1, 1)
    ledger = running.ledger([*people[0], *people[1]])
    assert (ledger["missing"], ledger["doubles"]) == ([people[1][50]], {})
    assert {line["way"] for line in ledger["requests"]} == {"genchi", "kencha"}
    assert all(
        {one["accountId"][:4] for one in line["accounts"]} == {"0000" if line["way"] == "genchi" else "0001"}
        for line in ledger["requests"]
    )
    assert closed not in running.everything()

    code, status = running.pledge("status")
    assert (code, status["state"], status["period_seconds"]) == (0, "on time", 14 * 86400)
    assert (status["accounts"], status["set_aside"], status["way"]) == (199, 1, "site")

    running.control(cycle_period=None)
    # two weeks later, by the data
    running.database.execute(
        "UPDATE registry.account_reports SET due_at = due_at - interval '14 days',"
        " reported_at = reported_at - interval '14 days'"
    )
    assert running.pledge("report", "--now")[1]["accounts"] == 198
    ledger = running.ledger()
    assert len(ledger["reported"][closed]) == 1
    assert set(map(len, ledger["reported"].values())) == {1, 2}


def test_a_forge_app_reports_at_the_api_with_its_system_token(running):
    running.stack.forge("install", "genible")
    running.stack.forge("cron", "genible")
    [(tenant,)] = running.database.rows("SELECT max(tenant_id) FROM app.tenants")
    people = running.hold(tenant, 5, prefix="abcd")
    assert running.pledge("report", "--now")[1]["accounts"] == 5
    ledger = running.ledger(people)
    assert (ledger["missing"], {line["way"] for line in ledger["requests"]}) == ([], {"api"})


def test_killed_again_and_again_and_with_two_at_once_nobody_is_skipped(running):
    people = [
        account
        for number, site in enumerate(("genchi", "kencha", "genible"))
        for account in running.hold(running.tenant(site), 400, prefix=f"{number:04}")
    ]
    running.control(latency_seconds=0.2)
    under_way = set()
    for requests_before_kill in (1, 3, 2):
        seen = len(running.ledger()["requests"])
        process = running.start("report", "--now")
        wanted = seen + requests_before_kill
        running.stack.eventually(lambda wanted=wanted: len(running.ledger()["requests"]) >= wanted)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        under_way.update(account for (account,) in running.database.rows(LEASED))
        running.database.execute(LEASES_END)
    running.control(latency_seconds=0)
    both = [running.start("report", "--now") for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    ledger = running.ledger(people)
    assert ledger["missing"] == []
    # what the other side had heard of when the worker died nobody here can know: that is said again, and only that
    assert set(ledger["doubles"]) <= under_way
    assert len(under_way) <= 3 * 90


HOSTILE = {
    "an unknown status": {"status": 200, "body": '{"accounts":[{"accountId":"%s","status":"gone"}]}'},
    "somebody else": {"status": 200, "body": '{"accounts":[{"accountId":"ffff","status":"closed"}]}'},
    "twice": {
        "status": 200,
        "body": '{"accounts":[{"accountId":"%s","status":"closed"},{"accountId":"%s","status":"closed"}]}',
    },
    "html": {"status": 200, "body": "<!doctype html>", "content_type": "text/html"},
    "no body": {"status": 200},
    "fifty megabytes": {
        "status": 200, "body": '{"accounts":[{"accountId":"%s","status":"closed"}]} ', "size": 50_000_000,
    },
}  # fmt: skip


def test_an_answer_that_means_nothing_is_refused_and_told_and_erases_nobody(running):
    tenant = running.tenant("genchi")
    people = running.hold(tenant, 3, prefix="beef")
    for name, answer in HOSTILE.items():
        filled = answer | {"body": answer.get("body", "").replace("%s", people[0])}
        running.control(answers=[filled])
        code, run = running.pledge("report", "--now")
        assert (code, run["failed"], run["closed"], run["accounts"]) == (5, 1, 0, 0), name
        assert sorted(account for (account,) in running.database.rows(HELD)) == people, name
        running.database.execute(LEASES_END)
    told = running.database.rows("SELECT detail->>'why' FROM app.audit_entries WHERE action = 'report.refused'")
    assert sorted(why for (why,) in told) == sorted(
        ["unknown_status", "unknown_account", "duplicate_account", "not_as_documented", "no_body", "AnswerTooLarge"]
    )
    assert running.pledge("report", "--now")[1]["accounts"] == 3


def test_the_worker_does_it_by_itself(make_stack):
    with make_stack() as stack:
        running = Running(stack)
        people = running.hold(running.tenant("genchi"), 200, prefix="cafe")

        def tick(number):
            running.database.execute(
                "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args) VALUES ('default', %s, %s)",
                "report-accounts",
                json.dumps({"timestamp": number}),
            )

        # the schedule may have had a look when there was nobody yet
        running.database.execute("UPDATE registry.report_cycle SET listed_at = NULL")
        tick(1)
        stack.eventually(lambda: running.database.rows("SELECT count(*) FROM app.people") == [(200,)])
        # a week later, by the data
        running.database.execute("UPDATE registry.account_reports SET due_at = now() - interval '13 hours'")
        tick(2)
        stack.eventually(lambda: not running.ledger(people)["missing"])
        assert running.ledger()["doubles"] == {}
        assert [len(line["accounts"]) for line in running.ledger()["requests"]] == [90, 90, 20]
        assert "cafe0" not in stack.worker.output
