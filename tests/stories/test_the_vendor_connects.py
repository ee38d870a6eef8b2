"""Our own grant from consent to receipt: web, worker and commands over HTTP, with the other side's own ledgers."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import requests

from app import wiring
from simulator.oauth import client_secret

CLIENT = "made-up-client"
PEOPLE = """
    WITH made AS (
        INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
        SELECT %s, 900000 + n, 'SEC-1', 10000, 'tracked', now() FROM generate_series(1, 5) n RETURNING issue_id
    )
    INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at)
    SELECT %s, issue_id, 'x', 'cancelled', now(),
        jsonb_build_object('actor', 'feed' || lpad(to_hex(issue_id), 20, '0'), 'reason', 'duplicate'), now() FROM made
"""
DUE = "UPDATE registry.account_reports SET due_at = now() - interval '13 hours', reported_at = NULL"
TABLES = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('app', 'registry', 'jobs')"


class Vendor:
    """`workers`: the use cases as two more workers have them; commands run as processes of their own."""

    def __init__(self, stack, workers):
        self.stack, self.database, self.workers = stack, stack.database, workers
        self.seen = set()
        """Every token and code that there ever was."""

    def start(self, *arguments):
        command = [sys.executable, "-m", "app.wiring", *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.stack.env, **pipes)

    def pledge(self, *arguments):
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=120)
        return process.returncode, output, errors

    def control(self, **body):
        self.stack.control("/control", **body)

    def grants(self):
        return requests.get(f"{self.stack.simulator.control_url}/grants", timeout=30).json()

    def refreshes(self):
        return [line["status"] for line in self.grants()["requests"] if line["kind"] == "refresh_token"]

    def reported(self):
        """How many accounts Atlassian has heard of, each as often as it has; the worker may be the one who tells."""
        answer = requests.get(f"{self.stack.simulator.control_url}/reports", timeout=30).json()
        return sum(map(len, answer["reported"].values()))

    def report(self, worker=0):
        return self.workers[worker].reporting.run(at_once=True)

    def state(self):
        """State, and whether there is a receipt."""
        status = self.workers[0].integrations.status.read(now=datetime.now(UTC))
        return status["state"], status["has_receipt"]

    def connect(self):
        """By the public route: the command waits, the browser goes there and comes back."""
        process = self.start("integrations", "connect", "atlassian")
        url = process.stdout.readline().strip()
        came = requests.get(url, timeout=30)
        assert (came.status_code, came.url.partition("?")[0]) == (200, f"{self.stack.url}/oauth/callback"), came.text
        assert "default-src 'none'" in came.headers["Content-Security-Policy"]
        code = came.url.partition("code=")[2].partition("&")[0]
        assert code
        assert code not in came.text
        replayed = requests.get(came.url, timeout=30)
        assert (replayed.status_code, replayed.json()["code"]) == (404, "not_found")
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 0, errors
        self.remember(code)

    def remember(self, *more):
        server = self.stack.simulator.world.authorization
        for grant in server._grants:
            self.seen.update((*grant.access, *grant.used, grant.refresh))
        self.seen.update(more)

    def is_clean(self):
        """No token, code or client secret in the database, in jobs, or in any line that a process has written."""
        self.remember(client_secret(CLIENT))
        tables = [table for (table,) in self.database.rows(TABLES)]
        texts = [str(self.database.rows(f"SELECT t::text FROM {table} t")) for table in tables]  # noqa: S608  ours
        texts += [self.stack.web.output, self.stack.worker.output]
        assert len(self.seen) >= 3
        return not [one for one in self.seen for text in texts if one in text]


@pytest.fixture(scope="module")
def vendor(make_stack, tmp_path_factory):
    secret = tmp_path_factory.mktemp("oauth") / "client-secret"
    secret.write_text(client_secret(CLIENT))
    secret.chmod(0o600)
    wanted = {"PLEDGE_REPORT_AUTH": "oauth", "PLEDGE_OAUTH_CLIENT_ID": CLIENT}
    with ExitStack() as exits:
        stack = exits.enter_context(make_stack(**wanted, PLEDGE_OAUTH_CLIENT_SECRET_FILE=str(secret)))
        environment = exits.enter_context(pytest.MonkeyPatch.context())
        for name in [name for name in stack.env if name.startswith("PLEDGE_")]:
            environment.setenv(name, stack.env[name])
        yield Vendor(stack, [exits.enter_context(wiring.Operations().services()) for _ in range(2)])


def test_from_consent_to_receipt(vendor, tmp_path):
    stack = vendor.stack
    stack.install("genchi")
    [(tenant,)] = vendor.database.rows("SELECT max(tenant_id) FROM app.tenants")
    vendor.database.execute(PEOPLE, tenant, tenant)

    # nobody has connected: the reports wait and say so
    run = vendor.report()
    assert (run.waits_for, run.requests) == ("atlassian is not connected", 0)
    assert "nobody can be asked: atlassian is not connected" in vendor.pledge("privacy", "status")[1]

    vendor.connect()
    assert vendor.state() == ("connected", False)
    vendor.report()
    stack.eventually(lambda: vendor.reported() == 5)
    assert vendor.is_clean()

    # the token ends; two workers find it at once and ask once
    vendor.database.execute("UPDATE app.integrations SET access_expires_at = now()")
    vendor.control(oauth={"expire": True})
    vendor.database.execute(DUE)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(vendor.report, range(2)))
    stack.eventually(lambda: vendor.reported() == 10)
    assert vendor.refreshes() == [200]
    assert vendor.is_clean()

    # the person ends the grant at Atlassian: found by the next report, told, and kept apart from everything else
    vendor.control(oauth={"revoke": True})
    vendor.database.execute(DUE)
    assert vendor.report().waits_for is not None
    assert vendor.state() == ("needs reconnecting", False)
    assert vendor.pledge("integrations", "status")[0] == 2
    raised = "SELECT detail->>'rule' FROM app.audit_entries WHERE action = 'alert.raised'"
    stack.eventually(lambda: ("PRIV-03",) in vendor.database.rows(raised), seconds=60)

    # connected again, the reports go on at once
    vendor.connect()
    vendor.report()
    stack.eventually(lambda: vendor.reported() == 15)

    # disconnected while the provider is away: nothing is asked any more, the worker ends it
    vendor.remember()
    vendor.control(oauth={"revocations": [{"status": 503}]})
    code, output, errors = vendor.pledge("integrations", "disconnect", "atlassian", "--json")
    assert (code, json.loads(output)["state"]) == (5, "disconnecting"), errors
    stack.eventually(lambda: vendor.database.rows("SELECT waits_until > now() FROM app.integrations") == [(True,)])
    vendor.database.execute("UPDATE app.integrations SET waits_until = now()")
    vendor.database.execute(
        "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args) VALUES ('default', %s, %s)",
        "tend-integrations-due",
        json.dumps({"timestamp": 1}),
    )
    stack.eventually(lambda: vendor.state() == ("disconnected", True), seconds=60)
    assert vendor.grants()["living"] == 0
    assert vendor.database.rows("SELECT 1 FROM app.sealed_secrets WHERE purpose = 'oauth-token'") == []
    assert vendor.database.rows("SELECT 1 FROM app.data_keys WHERE purpose = 'oauth-token'") == []
    assert vendor.is_clean()

    # whoever has the published key can verify the receipt without us
    receipt, key = tmp_path / "receipt", vendor.pledge("privacy", "receipt", "key")[1].strip()
    receipt.write_text(vendor.pledge("integrations", "receipt", "atlassian")[1])
    code, output, _ = vendor.pledge("privacy", "receipt", "verify", str(receipt), "--key", key, "--json")
    assert (code, json.loads(output)["receipt"]["subject"]) == (0, "integration/atlassian")


def test_by_pasting_the_address_and_what_strangers_learn(vendor):
    process = vendor.start("integrations", "connect", "atlassian", "--paste")
    url = process.stdout.readline().strip()
    target = requests.get(url, allow_redirects=False, timeout=30).headers["Location"]
    answers = [
        requests.get(vendor.stack.url + "/oauth/callback", params=params, timeout=30, allow_redirects=False)
        for params in (
            {},
            {"code": "secret-of-somebody", "state": "A" * 43},
            {"code": "secret-of-somebody", "state": "A" * 43, "redirect": "https://attacker.example.com/"},
            {"error": "<script>alert(1)</script>", "state": "A" * 43, "error_description": "secret-of-somebody"},
        )
    ]
    shown = [{**answer.json(), "trace_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert shown == shown[:1] * 4
    assert "secret-of-somebody" not in "".join(str(answer.headers) + answer.text for answer in answers)
    errors = process.communicate(target + "\n", timeout=60)[1]
    assert process.returncode == 0, errors
    assert "secret-of-somebody" not in vendor.stack.web.output
    assert vendor.pledge("integrations", "list")[1] == "atlassian  connected\n"


def test_an_address_that_is_not_ours_is_not_taken(vendor):
    process = vendor.start("integrations", "connect", "atlassian", "--paste")
    process.stdout.readline()
    _, errors = process.communicate("https://attacker.example.com/?code=c&state=s\n", timeout=60)
    assert (process.returncode, "no answer to a question of ours" in errors) == (1, True)
