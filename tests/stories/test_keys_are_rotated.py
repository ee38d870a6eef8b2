"""Keys under the running product: rotated under load, lost, exchanged, given in part."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
import requests

from app.vault.administration import create_keyring

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pledge.keys' AND wait_event_type = 'Lock'"
OPENED = "SELECT tenant_id, actor, target, detail FROM app.audit_entries WHERE action = 'secrets.opened'"


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """A keyring of this module's own."""
    path = tmp_path_factory.mktemp("keys") / "keyring.json"
    create_keyring(path, now=datetime.now(UTC))
    return path


@pytest.fixture(scope="module")
def stack(make_stack, ring):
    """Two sites by Connect, one by Forge; web, worker and each command are processes of their own."""
    with make_stack(PLEDGE_KEYRING_FILE=str(ring)) as running:
        running.install("genchi")
        running.install("kencha")
        assert running.forge("install", "genible")["accepted"]
        for site in ("genchi", "kencha"):
            running.tracked(10001, site=site)
        running.eventually(lambda: asked_through_forge(running).json()["tracking"] == "tracked")
        yield running


@pytest.fixture
def keyring(ring):
    """The file, put back as it was after the test."""
    content = ring.read_bytes()
    yield ring
    replace(ring, content)


def asked_through_forge(stack):
    return stack.invoke("/api/v1/issues/10001/clocks", site="genible")


def pledge(stack, *arguments, code=0, **env):
    """A command of the operator, in a process of its own."""
    command = [sys.executable, "-m", "app.wiring", *arguments]
    done = subprocess.run(command, env=stack.env | env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def primaries(stack):
    """The primary key of each purpose of which anything is stored."""
    rows = json.loads(pledge(stack, "keys", "status", "--json").stdout)
    return {row["purpose"]: row["kek_id"] for row in rows if row["state"] == "primary" and row["data_keys"]}


def replace(path, content):
    """As an administrator does it: never half a file."""
    draft = path.with_name("draft.json")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def restart_web(stack, **changes):
    """Web processes that have opened nothing yet."""
    stack.web.stop()
    stack.web.env = stack.web.env | changes
    stack.web.start()
    stack.await_ready()


def is_ready(stack):
    return requests.get(f"{stack.url}/readyz", timeout=30).status_code == 200


class Load:
    """Requests, webhooks and renewed secrets that flow while the block runs; remembers what was answered."""

    def __init__(self, stack, used):
        self.stack = stack
        self.genchi, self.kencha = used(stack, "genchi"), used(stack, "kencha")
        self.answers = []
        self._stopped = threading.Event()

    @contextmanager
    def flowing(self):
        steps = (self.by_page, self.by_forge, self.by_webhook, self.by_renewal)
        threads = [threading.Thread(target=self._repeat, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        yield
        self._stopped.set()
        for thread in threads:
            thread.join(60)

    def _repeat(self, step):
        while not self._stopped.wait(0.3):
            step()

    def by_page(self):
        self.answers.append(self.stack.clocks(10001).status_code)

    def by_forge(self):
        self.answers.append(asked_through_forge(self.stack).status_code)

    def by_webhook(self):
        self.genchi.change("SEC-1", summary=f"Seen at {datetime.now(UTC).isoformat()}")

    def by_renewal(self):
        """A new secret is sealed with the data key that is being wrapped anew, and asked for at once."""
        self.kencha.lifecycle("rotate-secret")
        self.answers.append(self.stack.clocks(10001, site="kencha").status_code)


def test_keys_are_rotated_and_retired_under_load_without_a_failed_request(stack, used):
    load, backup = (
        Load(stack, used),
        stack.database.rows("SELECT tenant_id, purpose, kek_id, wrapped FROM app.data_keys"),
    )
    with load.flowing():
        for _ in range(2):
            former = primaries(stack)
            assert set(former) == {"connect-secret", "forge-token"}
            pledge(stack, "keys", "rotate")
            for kek_id in former.values():
                pledge(stack, "keys", "retire", kek_id)
    assert len(load.answers) > 20
    assert set(load.answers) == {200}
    attempts = [one["status"] for delivery in load.genchi.deliveries() for one in delivery["attempts"]]
    assert len(attempts) > 5
    assert set(attempts) == {204}
    assert {kek for (kek,) in stack.database.rows("SELECT kek_id FROM app.data_keys")} == set(primaries(stack).values())
    entries = "SELECT tenant_id, actor FROM app.audit_entries WHERE action = 'keys.rewrapped'"
    assert len(stack.database.rows(entries)) == 6
    assert {actor for _, actor in stack.database.rows(entries)} == {"operator"}
    an_old_backup_does_not_open(stack, backup)


def an_old_backup_does_not_open(stack, backup):
    current = stack.database.rows("SELECT tenant_id, purpose, kek_id, wrapped FROM app.data_keys")
    put_back(stack, backup)
    restart_web(stack)
    for answer in (stack.clocks(10001), stack.clocks(10001, site="kencha")):
        assert (answer.status_code, answer.json()["code"]) == (503, "vault_unavailable")
    put_back(stack, current)
    assert stack.clocks(10001).status_code == 200


def put_back(stack, rows):
    for tenant, purpose, kek_id, wrapped in rows:
        stack.database.execute(
            "UPDATE app.data_keys SET kek_id = %s, wrapped = %s WHERE tenant_id = %s AND purpose = %s",
            *(kek_id, wrapped, tenant, purpose),
        )


def test_a_rotation_that_is_killed_half_way_is_gone_on_with(stack):
    tenants = [tenant for (tenant,) in stack.database.rows("SELECT tenant_id FROM app.data_keys ORDER BY 1")]
    with psycopg.connect(stack.database.superuser) as holder:
        holder.execute("SELECT FROM app.data_keys WHERE tenant_id = %s FOR UPDATE", [tenants[1]])
        command = subprocess.Popen([sys.executable, "-m", "app.wiring", "keys", "rotate"], env=stack.env)
        stack.eventually(lambda: stack.database.rows(BLOCKED) == [(1,)] or command.poll() is not None)
        command.kill()
        command.wait(30)
        holder.rollback()
    under = dict(stack.database.rows("SELECT tenant_id, kek_id FROM app.data_keys"))
    assert under[tenants[0]] != under[tenants[1]]
    assert stack.clocks(10001).status_code == stack.clocks(10001, site="kencha").status_code == 200
    assert "2 data keys wrapped anew" in pledge(stack, "keys", "rotate", "--rewrap-only").stdout
    assert {kek for (kek,) in stack.database.rows("SELECT kek_id FROM app.data_keys")} == set(primaries(stack).values())


def test_a_keyring_that_is_gone_makes_the_process_not_ready_and_is_not_made_anew(stack, keyring):
    keyring.rename(keyring.with_name("elsewhere.json"))
    stack.eventually(lambda: not is_ready(stack))
    assert stack.clocks(10001).status_code == 200  # what it holds stays good
    stack.eventually(lambda: f"not ready: PLEDGE_KEYRING_FILE: {keyring} does not exist" in stack.web.output)
    assert f"{keyring} does not exist" in pledge(stack, "doctor", code=1).stdout
    for arguments in (["web"], ["worker"]):
        assert "does not exist" in pledge(stack, *arguments, code=1).stderr
    assert not keyring.exists()
    keyring.with_name("elsewhere.json").rename(keyring)
    stack.eventually(lambda: is_ready(stack))


def test_another_key_under_the_same_id_is_named_and_nothing_is_overwritten(stack, keyring):
    sealed = "SELECT envelope, wrapped FROM app.sealed_secrets JOIN app.data_keys USING (tenant_id, purpose, key_id)"
    before = stack.database.rows(sealed)
    kek_id, document = primaries(stack)["connect-secret"], json.loads(keyring.read_text())
    [entry] = [entry for entry in document["keys"] if entry["id"] == kek_id]
    entry["key"] = base64.b64encode(os.urandom(32)).decode()
    replace(keyring, json.dumps(document).encode())
    stack.eventually(lambda: not is_ready(stack))
    said = f"has under the id {kek_id} another key than the one that wrapped stored data keys"
    stack.eventually(lambda: said in stack.web.output)
    assert said in pledge(stack, "doctor", code=1).stdout
    assert stack.database.rows(sealed) == before


def test_a_process_without_a_purpose_that_it_needs_does_not_start_and_says_which(stack, keyring):
    given = ("--purpose", "connect-secret", "--purpose", "audit-person")
    pledge(stack, "keys", "export", *given, str(keyring.with_name("connect.json")))
    refused = pledge(stack, "web", code=1, PLEDGE_KEYRING_FILE=str(keyring.with_name("connect.json")))
    assert "PLEDGE_KEYRING_FILE has no key for forge-token, which this process needs" in refused.stderr
    replace(keyring, keyring.with_name("connect.json").read_bytes())
    stack.eventually(lambda: not is_ready(stack))
    stack.eventually(lambda: "not ready: PLEDGE_KEYRING_FILE has no key for forge-token" in stack.web.output)


MOVES = {
    "envelopes of two tenants exchanged": (
        "UPDATE app.sealed_secrets own SET envelope = other.envelope FROM app.sealed_secrets other"
        " WHERE own.purpose = other.purpose AND own.tenant_id <> other.tenant_id"
    ),
    "data keys of two tenants exchanged": (
        "UPDATE app.data_keys own SET wrapped = other.wrapped, kek_id = other.kek_id FROM app.data_keys other"
        " WHERE own.purpose = other.purpose AND own.tenant_id <> other.tenant_id"
    ),
    "envelope and data key of another tenant": (
        "WITH moved AS (UPDATE app.data_keys own SET wrapped = other.wrapped FROM app.data_keys other"
        " WHERE own.purpose = other.purpose AND own.tenant_id <> other.tenant_id)"
        " UPDATE app.sealed_secrets own SET envelope = other.envelope FROM app.sealed_secrets other"
        " WHERE own.purpose = other.purpose AND own.tenant_id <> other.tenant_id"
    ),
    "a bit of the envelope flipped": (
        "UPDATE app.sealed_secrets SET envelope = set_bit(envelope, 200, 1 - get_bit(envelope, 200))"
    ),
}


@pytest.mark.parametrize("move", MOVES)
def test_what_a_superuser_moves_between_rows_opens_for_nobody(stack, move):
    """The processes are new and have opened nothing: they have to believe the rows, or refuse."""
    keys = stack.database.rows("SELECT tenant_id, purpose, kek_id, wrapped FROM app.data_keys")
    sealed = stack.database.rows("SELECT tenant_id, purpose, row_id, version, envelope FROM app.sealed_secrets")
    stack.database.execute(MOVES[move])
    restart_web(stack)
    for site in ("genchi", "kencha"):
        answer = stack.clocks(10001, site=site)
        assert (answer.status_code, answer.json()["code"]) == (503, "vault_unavailable")
    put_back(stack, keys)
    for tenant, purpose, row, version, envelope in sealed:
        stack.database.execute(
            "UPDATE app.sealed_secrets SET envelope = %s"
            " WHERE tenant_id = %s AND purpose = %s AND row_id = %s AND version = %s",
            *(envelope, tenant, purpose, row, version),
        )
    assert stack.clocks(10001).status_code == stack.clocks(10001, site="kencha").status_code == 200


def test_what_was_opened_is_in_the_audit_log_when_the_process_ends_and_a_bad_token_is_not(stack, used):
    restart_web(stack)
    stack.database.execute("DELETE FROM app.audit_entries WHERE action = 'secrets.opened'")
    assert stack.clocks(10001).status_code == 200
    bad = used(stack, "kencha").token(kind="context", account="developer")
    bad = bad[:-8] + ("A" * 8 if not bad.endswith("A" * 8) else "B" * 8)
    for _ in range(4):
        answer = requests.get(
            f"{stack.url}/api/v1/issues/10001/clocks", headers={"Authorization": f"JWT {bad}"}, timeout=30
        )
        assert answer.status_code == 401
    stack.web.stop()
    rows = stack.database.rows(OPENED)
    stack.web.start()
    stack.await_ready()
    of_web = [row for row in rows if row[3]["process"].startswith("web-")]
    assert {tenant for tenant, *_ in of_web} == {used(stack, "genchi").tenant}
    for _, actor, target, detail in of_web:
        assert (actor, target) == ("system", "purpose/connect-secret")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00\+00:00", detail["minute"])
    named = [(tenant, target, detail["process"], detail["minute"]) for tenant, _, target, detail in rows]
    assert len(named) == len(set(named))


def test_a_web_process_that_was_given_connect_secrets_only_can_open_nothing_else(stack, ring):
    """The last of this module: a site moves to Forge, so that its system token would have to be opened."""
    subset = ring.with_name("web.json")
    pledge(stack, "keys", "export", "--purpose", "connect-secret", "--purpose", "audit-person", str(subset))
    assert stack.forge("install", "kencha")["accepted"]
    given = {"PLEDGE_KEYRING_FILE": str(subset), "PLEDGE_FORGE_APP_ID": ""}
    restart_web(stack, **given)
    assert stack.clocks(10001).status_code == 200
    moved = stack.clocks(10001, site="kencha")
    assert (moved.status_code, moved.json()["code"]) == (503, "vault_unavailable")
    shown = pledge(stack, "keys", "status", **given).stdout
    for purpose in ("forge-token", "oauth-token"):
        assert f"-  {purpose}  not held" in shown
    whole = json.loads(ring.read_text())["keys"]
    others = [entry["key"] for entry in whole if entry["purpose"] not in {"connect-secret", "audit-person"}]
    assert not any(key in subset.read_text() for key in others)
    restart_web(stack, PLEDGE_KEYRING_FILE=str(ring), PLEDGE_FORGE_APP_ID=stack.env["PLEDGE_FORGE_APP_ID"])
    assert stack.clocks(10001, site="kencha").status_code == 200
