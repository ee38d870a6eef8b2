"""The drill: the product runs, a backup is made under load, the database is lost, and what was acknowledged is back."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from app import wiring
from app.jobs import commands
from app.vault.backup_key import create_backup_key
from tests.conftest import TestDatabase

ISSUES = 12
NOWHERE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Where key, ledger and backups are: on no machine of the database."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def stack(make_stack, outside):
    settings = {
        "PLEDGE_BACKUP_KEY_FILE": str(outside / "backup.key"),
        "PLEDGE_ERASURE_LEDGER": f"file:{outside / 'erasures.jsonl'}",
    }
    with make_stack(**settings) as running:
        yield running


def pledge(env, *arguments):
    command = [sys.executable, "-m", "app.wiring", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)


@pytest.fixture
def here(monkeypatch, capsys):
    """The same in this process, where no figure is taken: exit code, output, errors."""

    def run(env, *arguments):
        for name in [name for name in os.environ if name.startswith("PLEDGE_")]:
            monkeypatch.delenv(name)
        for name, value in env.items():
            if name.startswith("PLEDGE_"):
                monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["pledge", *map(str, arguments)])
        capsys.readouterr()
        code = commands.main(commands.pledge, wiring.Operations())
        return code, *capsys.readouterr()

    return run


def told(run):
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def vacant(cluster):
    """A factory of empty databases of the owner's."""
    count = iter(range(100))

    @contextmanager
    def make():
        name = f"vacant{next(count)}"
        with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 OWNER pledge_owner")
        yield TestDatabase.on(cluster, name)
        with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return make


def env_of(stack, database, **others):
    urls = {
        "PLEDGE_DATABASE_URL": database.web,
        "PLEDGE_DATABASE_WORKER_URL": database.worker,
        "PLEDGE_DATABASE_OWNER_URL": database.owner,
        "PLEDGE_DATABASE_BACKUP_URL": database.backup,
    }
    return stack.env | urls | others


def is_untouched(database):
    return database.rows("SELECT relname FROM pg_class WHERE relname IN ('tenants', 'alembic_version')") == []


class Events:
    """Webhooks that flow from a thread of their own."""

    def __init__(self, site):
        self.site, self._stopped = site, threading.Event()
        self.issues = [site.create(**site.cvss["high"]) for _ in range(ISSUES)]

    @contextmanager
    def flowing(self):
        blower = threading.Thread(target=self._blow, daemon=True)
        blower.start()
        yield
        self._stopped.set()
        blower.join(timeout=30)

    def _blow(self):
        turn = 0
        while not self._stopped.wait(0.05):
            self.site.change(self.issues[turn % ISSUES], summary=f"Turn {turn}")
            turn += 1


@pytest.fixture(scope="module")
def taken(stack, genchi, outside):
    """A backup made while events flow; which events had been acknowledged before it began; and the figures of it."""
    create_backup_key(outside / "backup.key")
    # More than two chunks, so that there is an order to forge; in rows that no job takes away again.
    stack.database.execute(
        "INSERT INTO app.policy_texts (tenant_id, sha256, version, base, texts, made_at)"
        " SELECT %s, n, n, 'genchi', jsonb_build_object('x', repeat('x', 2000)), now() FROM generate_series(1, 500) n",
        genchi.tenant,
    )
    events = Events(genchi)
    with events.flowing():
        stack.eventually(lambda: len(events_stored(stack.database)) > ISSUES + 20)
        before = events_stored(stack.database)
        began = datetime.now(UTC)
        manifest = told(pledge(stack.env, "backup", outside / "backup", "--json"))
        seconds = (datetime.now(UTC) - began).total_seconds()
        stack.eventually(lambda: len(events_stored(stack.database)) > len(before) + 20)
    return {
        "file": outside / "backup",
        "before": before,
        "manifest": manifest,
        "seconds": seconds,
        "issues": events.issues,
    }


@pytest.fixture(scope="module")
def refusing(vacant):
    """An empty database for those who try in vain."""
    with vacant() as database:
        yield database


def events_stored(database):
    """When each delivery that is stored, and was therefore acknowledged, came."""
    return dict(database.rows("SELECT delivery_id, received_at FROM app.webhook_deliveries"))


def cut_off(data):
    return data[:-1]


def one_bit_changed(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def put_in_another_order(data):
    header, chunk = 40, 256 * 1024 + 16
    assert len(data) > header + 2 * chunk
    return (
        data[:header]
        + data[header + chunk : header + 2 * chunk]
        + data[header : header + chunk]
        + data[header + 2 * chunk :]
    )


def continued_with_itself(data):
    return data + data[40:]


@pytest.mark.parametrize("attack", [cut_off, one_bit_changed, put_in_another_order, continued_with_itself])
def test_a_backup_that_somebody_worked_on_is_refused_in_one_line_and_leaves_nothing(
    stack, taken, refusing, here, attack
):
    forged = taken["file"].with_name(attack.__name__)
    forged.write_bytes(attack(taken["file"].read_bytes()))
    code, out, err = here(env_of(stack, refusing), "restore", forged)
    assert (code, out) == (1, "")
    assert err.startswith("error: the backup is refused: it ")
    assert err.count("\n") == 1
    assert is_untouched(refusing)


def test_who_has_the_backup_but_not_its_key_has_nothing(stack, taken, refusing, outside, here):
    other = env_of(stack, refusing, PLEDGE_BACKUP_KEY_FILE=str(outside / "another.key"))
    assert here(other, "keys", "backup")[0] == 0
    code, _, err = here(other, "restore", taken["file"])
    assert code == 1
    assert "was made with the key" in err
    assert is_untouched(refusing)
    assert stack.simulator.site("genchi").client_key.encode() not in taken["file"].read_bytes()


def test_neither_a_backup_nor_a_database_is_ever_written_over(stack, taken, here):
    before = taken["file"].read_bytes()
    assert here(stack.env, "backup", taken["file"])[0] == 1
    assert taken["file"].read_bytes() == before
    code, _, err = here(stack.env, "restore", taken["file"])
    assert code == 1
    assert "the database is not empty" in err


def test_a_backup_can_be_read_to_its_end_without_any_database(stack, taken, here):
    nowhere = dict.fromkeys((f"PLEDGE_DATABASE{role}_URL" for role in ("", "_WORKER", "_OWNER", "_BACKUP")), NOWHERE)
    code, out, _ = here(stack.env | nowhere, "restore", "--check", taken["file"], "--json")
    assert (code, json.loads(out)) == (0, taken["manifest"])


def test_the_backup_role_reads_and_can_do_nothing_else(stack, taken):
    with psycopg.connect(stack.database.backup) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM app.issues")


def test_what_was_acknowledged_before_the_backup_is_there_after_the_restore_and_the_product_goes_on(
    stack, genchi, taken, vacant, report, keyring_file, here
):
    stack.stop()
    lost_at, lost = datetime.now(UTC), events_stored(stack.database)
    with vacant() as database:
        run = pledge(env_of(stack, database), "restore", taken["file"], "--json")
        assert run.returncode == 0, run.stdout + run.stderr
        document = json.loads(run.stdout)
        assert document["audit"]["findings"] == []
        assert document["backup"] == taken["manifest"]
        restored = events_stored(database)
        assert taken["before"].items() <= restored.items()
        assert set(restored) < set(lost)
        # A new anchor: the old one is the record of what was lost.
        anchor = f"file:{keyring_file.with_name('anchor-after-the-restore.jsonl')}"
        stack.env.update(env_of(stack, database, PLEDGE_AUDIT_ANCHOR=anchor))
        stack.database = database
        for process in (stack.web, stack.worker):
            process.start()
        stack.await_ready()
        back_at = datetime.now(UTC)
        for command in (["db", "check"], ["doctor"]):
            assert here(stack.env, *command)[0] == 0
        # The shared secret opens, a page token is taken, and Jira is read again.
        assert genchi.read_again(taken["issues"][0])["tracking"] == "tracked"
        stack.eventually(lambda: here(stack.env, "audit", "verify")[0] == 0)
        for process in (stack.worker, stack.web):
            process.stop()
    report(
        "restored after the database was lost",
        {
            "acknowledged before the backup": len(taken["before"]),
            "lost of these": len(set(taken["before"]) - set(restored)),
            "acknowledged after it, and lost": len(set(lost) - set(restored)),
            "RPO s": round((lost_at - max(restored.values())).total_seconds(), 1),
            "RTO s": round((back_at - lost_at).total_seconds(), 1),
            "backup s": round(taken["seconds"], 1),
            "rows": document["backup"]["rows"],
        },
    )
