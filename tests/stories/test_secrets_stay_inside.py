"""Secrets whose exact bytes are known are looked for wherever the product writes, after a day on which much failed."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest
import requests

from app.vault.administration import create_keyring

TABLES = """
    SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')
    AND relnamespace IN ('app'::regnamespace, 'registry'::regnamespace, 'jobs'::regnamespace) ORDER BY 1
"""
FAILED_READ = "SELECT attempts FROM app.pending_reads WHERE attempts > 0"
COMMANDS = (
    ["keys", "rotate", "--json"],
    ["keys", "status", "--json"],
    ["doctor"],
    ["installations", "list", "--json"],
    ["jobs", "list", "--json"],
    ["clocks", "due", "--json"],
)


class Day:
    """What was sent, what was answered, what was written, and which secrets were about."""

    def __init__(self, stack, server, ring):
        self.stack, self.server, self.ring = stack, server, ring
        self.written, self.secrets = [], {}

    def keep(self, answer):
        self.written.append(f"{answer.status_code}\n{answer.headers}\n{answer.text}")
        return answer.status_code

    def get(self, path, token):
        return self.keep(requests.get(self.stack.url + path, headers={"Authorization": f"JWT {token}"}, timeout=30))

    def ask(self, statuses):
        """Every kind of caller at once; each answer is one of these."""
        clocks = "/api/v1/issues/10001/clocks"
        answers = {
            self.get(clocks, self.stack.token(kind="context", account="developer")),
            self.keep(self.stack.invoke(clocks, site="kencha")),
        }
        assert answers <= statuses, answers

    def plant(self):
        """The secrets of this moment; earlier ones stay on the list."""
        world = self.stack.simulator.world
        self.secrets["shared secret", len(self.secrets)] = world.sites["genchi"].installation.secret.encode()
        for token in world.forge["kencha"].tokens._grants:
            self.secrets["token", token] = token.encode()
        for entry in json.loads(self.ring.read_text())["keys"]:
            self.secrets["key", entry["id"]] = base64.b64decode(entry["key"])

    def run(self, *arguments):
        command = [sys.executable, "-m", "app.wiring", *arguments]
        done = subprocess.run(command, env=self.stack.env, capture_output=True, text=True, timeout=120, check=False)
        self.written.append(done.stdout + done.stderr)

    def dump(self):
        """Every table as a backup holds it."""
        with psycopg.connect(self.stack.database.superuser) as connection:
            tables = [name for (name,) in connection.execute(TABLES)]
            assert len(tables) > 15
            for table in tables:
                with connection.cursor().copy(f"COPY {table} TO STDOUT") as rows:
                    self.written.append(f"{table}\n" + b"".join(bytes(row) for row in rows).decode())


def forms(secret):
    """As text, as a dump writes bytes, as JSON and headers carry them, as Python prints them."""
    encoded = base64.b64encode(secret).decode()
    texts = [secret.hex(), encoded, base64.urlsafe_b64encode(secret).decode().rstrip("="), repr(secret)[2:-1]]
    return [text for text in texts if len(text) >= 20]


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keyring.json"
    create_keyring(path, now=datetime.now(UTC))
    return path


@pytest.fixture
def day(make_stack, own_server, ring):
    """Jira fails, tokens are bad, the database goes and comes back, a row is damaged, keys are rotated."""
    server, database = own_server
    with make_stack(database=database, PLEDGE_KEYRING_FILE=str(ring)) as stack:
        day = Day(stack, server, ring)
        stack.install("genchi")
        assert stack.forge("install", "kencha")["accepted"]
        stack.tracked(10001)
        day.plant()
        day.ask({200})
        jira_fails(day)
        tokens_are_bad(day)
        a_row_is_damaged(day)
        the_database_goes(day)
        stack.control("/sites/genchi/rotate-secret")
        stack.forge("cron", "kencha")
        day.plant()
        for command in COMMANDS:
            day.run(*command)
        day.plant()
        day.ask({200})
        day.dump()
        stack.stop()
        day.written += [stack.web.output, stack.worker.output]
        yield day
        for process in (stack.web, stack.worker):
            process.start()


def jira_fails(day):
    stack = day.stack
    for site in ("genchi", "kencha"):
        stack.control("/control", site=site, storm={"status": 500, "count": 1000})
        stack.control(f"/sites/{site}/issues", project="SEC", summary="Broken", labels=["security"])
    stack.eventually(lambda: len(stack.database.rows(FAILED_READ)) >= 2)
    day.get("/api/v1/issues/10001/clocks", stack.token(kind="context", account="developer2"))
    for site in ("genchi", "kencha"):
        stack.control("/control", site=site, storm=None)


def tokens_are_bad(day):
    good = day.stack.token(kind="context", account="developer")
    secret = day.stack.simulator.site("genchi").installation.secret
    for bad in (good[:-6] + "AAAAAA", secret, f"{secret}.{secret}.{secret}", good + "." + secret):
        assert day.get("/api/v1/issues/10001/clocks", bad) == 401
        day.keep(requests.get(f"{day.stack.url}/connect/issue?jwt={bad}", timeout=30))
    headers = {"Authorization": f"Bearer {next(iter(day.stack.simulator.world.forge['kencha'].tokens._grants))}"}
    day.keep(requests.get(f"{day.stack.url}/api/v1/issues/10001/clocks", headers=headers, timeout=30))
    day.keep(requests.post(f"{day.stack.url}/forge/events", json={"token": secret}, headers=headers, timeout=30))


def a_row_is_damaged(day):
    flip = "UPDATE app.sealed_secrets SET envelope = set_bit(envelope, 200, 1 - get_bit(envelope, 200))"
    day.stack.database.execute(flip)
    day.stack.web.stop()
    day.stack.web.start()
    day.stack.await_ready()
    token = day.stack.token(kind="context", account="developer")
    assert day.get("/api/v1/issues/10001/clocks", token) == 503
    day.stack.database.execute(flip)


def the_database_goes(day):
    day.server.stop(mode="immediate")
    day.ask({503})
    day.stack.control("/sites/genchi/issues", project="SEC", summary="Unheard", labels=["security"])
    day.server.start()
    day.stack.await_ready()
    day.stack.eventually(lambda: day.stack.clocks(10001).status_code == 200)


def test_no_log_answer_command_job_or_table_holds_a_secret(day):
    assert len([kind for kind, _ in day.secrets if kind == "shared secret"]) >= 2
    assert len([kind for kind, _ in day.secrets if kind == "token"]) >= 2
    assert len([kind for kind, _ in day.secrets if kind == "key"]) == 10  # every purpose was rotated
    text = "\n".join(day.written)
    assert "jira_unavailable" in text
    assert "vault_unavailable" in text
    assert "database_unavailable" in text
    found = [name for name, secret in day.secrets.items() for form in forms(secret) if form in text]
    assert found == []


def test_the_search_finds_what_it_is_to_find():
    secret = b"a-shared-secret-that-is-planted-0001"
    for leak in (secret.decode(), f"\\\\x{secret.hex()}", f"{{'key': {secret!r}}}", base64.b64encode(secret).decode()):
        assert any(form in leak for form in forms(secret))
