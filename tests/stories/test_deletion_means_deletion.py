"""Canaries that the product took in are looked for everywhere after an erasure: rows, jobs, logs, files, disk, backup.

What is found where nothing but time removes it has to be what the receipt says.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import requests

from app.domain.identifiers import InstallationId, TenantId
from app.domain.secrets import Purpose, Sealed, SecretPlace, WrappedKey
from app.store.embedded import EmbeddedPostgres
from app.vault.administration import create_keyring, destroy, keyring_status, retire, rotate
from app.vault.checkpoint_key import create_checkpoint_key
from app.vault.door import Door, SecretDoesNotOpen
from tests.conftest import TestDatabase

PERSON = "5b10canary844c20165700ede21g"
TEXTS = {
    "summary": "canary-summary-of-an-issue",
    "account": PERSON,
    "e-mail": "canary.person@example.com",
    "vector": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:L/I:L/A:N",
}
KEPT_NOWHERE = {"summary"}
"""What the product never stores to begin with."""
TABLES = """
    SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')
    AND relnamespace IN ('app'::regnamespace, 'registry'::regnamespace, 'jobs'::regnamespace) ORDER BY 1
"""


class Planted:
    """A site that used the product, and what must be nowhere once it is erased."""

    def __init__(self, stack, server, exports, ring):
        self.stack, self.server, self.exports, self.ring = stack, server, exports, ring
        site = stack.simulator.site("genchi")
        self.canaries = TEXTS | {"cloud id": site.cloud_id, "client key": site.client_key, "site": site.url}
        self.canaries |= {"issue key": "SEC-1", "viewer": site.people["developer"].account_id}
        query = "SELECT tenant_id, installation_id FROM registry.connect_installations"
        [(self.tenant, self.installation)] = stack.database.rows(query)

    def pledge(self, *arguments):
        command = [sys.executable, "-m", "app.wiring", *arguments]
        done = subprocess.run(command, env=self.stack.env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def found(self, *texts):
        """Which canaries stand in these texts or bytes."""
        raw = [text.encode() if isinstance(text, str) else text for text in texts]
        return {name for name, canary in self.canaries.items() if any(canary.encode() in each for each in raw)}

    def in_tables(self, database):
        with psycopg.connect(database.superuser) as connection:
            tables = [name for (name,) in connection.execute(TABLES)]
            assert len(tables) > 15
            query = "SELECT coalesce(string_agg(t::text, ' '), '') FROM {} t"
            return self.found(*(connection.execute(query.format(table)).fetchone()[0] for table in tables))

    def on_disk(self):
        """Canaries by the folder of the server's files in which their bytes are."""
        data = self.server._data
        found = {}
        for path in sorted(path for path in data.rglob("*") if path.is_file()):
            for name in self.found(path.read_bytes()):
                found.setdefault(path.relative_to(data).parts[0], set()).add(name)
        return found

    def settle_disk(self):
        self.pledge("db", "rewrite")
        self.stack.database.execute("CHECKPOINT")

    @contextmanager
    def stopped(self):
        """The database is down for a moment, as for a backup of its files; the product survives that."""
        self.server.stop()
        yield
        self.server.start()
        self.stack.await_ready()


@pytest.fixture
def planted(make_stack, own_server, tmp_path):
    server, database = own_server
    ring, exports = tmp_path / "keys" / "keyring.json", tmp_path / "exports"
    create_keyring(ring, now=datetime.now(UTC))
    create_checkpoint_key(ring.with_name("audit-signing.key"), name="app.example.com/audit")
    settings = {
        "PLEDGE_KEYRING_FILE": str(ring),
        "PLEDGE_AUDIT_SIGNING_KEY_FILE": str(ring.with_name("audit-signing.key")),
        "PLEDGE_EXPORT_DIR": str(exports),
    }
    with make_stack(database=database, **settings) as stack:
        stack.install("genchi")
        values = {"summary": TEXTS["summary"], "cvss_vector": TEXTS["vector"], "cvss_score": 4.0}
        made = stack.control(
            "/sites/genchi/issues", project="SEC", issuetype="Vulnerability", labels=["security"], **values
        )
        stack.tracked(made["id"])
        stack.tracked(10001)
        post(
            stack,
            "/api/v1/privacy/requests",
            kind="access",
            account=PERSON,
            verified_how=f"wrote from {TEXTS['e-mail']}",
        )
        post(stack, "/api/v1/exports")
        stack.eventually(lambda: list(exports.glob("*.zip")))
        # The statistics of the planner quote values, too.
        database.execute("ANALYZE")
        yield Planted(stack, server, exports, ring)


def post(stack, path, **body):
    token = stack.token(kind="context", account="admin")
    answer = requests.post(stack.url + path, headers={"Authorization": f"JWT {token}"}, json=body, timeout=30)
    assert answer.status_code in {201, 202}, answer.text


def erased(planted):
    """The site uninstalls and is erased; returns what the receipt says."""
    stack = planted.stack
    stack.control("/sites/genchi/uninstall")
    stack.database.execute("UPDATE registry.connect_installations SET applied_at = applied_at - interval '2 hours'")
    name = planted.canaries["site"].partition("://")[2]
    done = planted.pledge("installations", "erase", str(planted.tenant), "--now", "--yes", name, "--json")
    receipt = json.loads(done)["receipt"]
    return json.loads(receipt[receipt.index("{") : receipt.rindex("}") + 1])


@contextmanager
def restored(backup):
    """A server on the copied files."""
    with EmbeddedPostgres(backup) as server:
        yield TestDatabase.on(server, "own")


def secret_in(database, planted):
    """The sealed shared secret as that database holds it: its place, and how the vault gets it."""
    query = """SELECT s.version, s.envelope, k.key_id, k.kek_id, k.wrapped FROM app.sealed_secrets s
        JOIN app.data_keys k USING (tenant_id, purpose, key_id) WHERE s.purpose = 'connect-secret'"""
    [(version, envelope, key_id, kek_id, wrapped)] = database.rows(query)
    tenant, purpose = TenantId(planted.tenant), Purpose.CONNECT_SECRET
    place = SecretPlace(tenant, purpose, str(InstallationId(planted.installation)), version)
    key = WrappedKey(tenant, purpose, key_id, kek_id, bytes(wrapped))
    return place, lambda _: Sealed(place, bytes(envelope), key)


def opens(planted, place, fetch):
    """Whether a process with the keyring as it is now can sign with that secret."""
    asked = {"method": "GET", "target": "/", "base_path": "", "app_key": "io.pledge.app", "client_key": "any"}
    try:
        Door.from_keyring_file(planted.ring).sign_connect_token(
            **asked, place=place, fetch=fetch, now=datetime.now(UTC)
        )
    except SecretDoesNotOpen:
        return False
    return True


def test_an_erased_site_is_nowhere_but_where_the_receipt_says(planted):
    stack = planted.stack
    stored = set(planted.canaries) - KEPT_NOWHERE - {"viewer"}
    assert planted.in_tables(stack.database) == stored  # or there would be nothing to find
    backup = Path(tempfile.mkdtemp(prefix="pledge-"))
    with planted.stopped():
        assert planted.on_disk()["base"] == stored
        subprocess.run(["cp", "-a", str(planted.server._data), str(backup / "data")], check=True)

    receipt = erased(planted)
    assert planted.in_tables(stack.database) == set()
    assert list(planted.exports.iterdir()) == []
    assert planted.found(*stack.web.lines, *stack.worker.lines) == set()
    assert planted.found(json.dumps(receipt)) == set()

    planted.settle_disk()
    with planted.stopped():
        left = planted.on_disk()
    # What is left is the journal of the database, which its next rounds write over; the receipt names it, with a date.
    assert set(left) <= {"pg_wal"}, left
    told = [each["what"] for each in receipt["only_ageing_removes"]]
    assert any("write-ahead log" in each and "disk" in each for each in told)
    assert any(each.startswith("backups") for each in told)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", each["until"]) for each in receipt["only_ageing_removes"])

    with restored(backup) as old:
        assert planted.in_tables(old) == stored  # a backup is what it was: the receipt says until when
        place, fetch = secret_in(old, planted)
        assert opens(planted, place, fetch)  # as long as the key-encryption key lives
        first = [key.kek_id for key in keyring_status(planted.ring) if key.purpose is Purpose.CONNECT_SECRET]
        rotate(planted.ring, purpose=Purpose.CONNECT_SECRET, now=datetime.now(UTC))
        retire(planted.ring, first[0], release=lambda: None)
        destroy(planted.ring, first[0])
        assert not opens(planted, place, fetch)
    shutil.rmtree(backup)


def test_the_search_finds_what_it_is_to_find(planted):
    for name, canary in planted.canaries.items():
        assert name in planted.found(f"…{canary}…", b"\0\0")
