"""`pledge doctor` names whatever a process of a set-up would stumble over, by setting and with the remedy."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app import wiring
from tests.conftest import free_port

FORGETFUL = (
    "the database has fsync, full_page_writes, synchronous_commit off; what was acknowledged could be lost, switch that"
    " on"
)
ADDRESS = "file:/dev/null/anchor.jsonl"


@pytest.fixture(scope="module")
def shared(make_database):
    with make_database() as made:
        yield made


@pytest.fixture
def found(pledge, shared, keyring_file, monkeypatch):
    """What doctor finds in a production that is in order but for these settings; None unsets one."""
    sound = {
        "BASE_URL": "https://app.example.com",
        "CONNECT_APP_KEY": "com.example.pledge",
        "DATABASE_URL": shared.web,
        "DATABASE_WORKER_URL": shared.worker,
        "DATABASE_OWNER_URL": shared.owner,
        "KEYRING_FILE": str(keyring_file),
        "AUDIT_SIGNING_KEY_FILE": str(keyring_file.with_name("audit-signing.key")),
        "AUDIT_ANCHOR": f"file:{keyring_file.with_name('doctor-anchor.jsonl')}",
        "ERASURE_LEDGER": f"file:{keyring_file.with_name('doctor-erasures.jsonl')}",
        "METRICS_TOKEN_FILE": str(keyring_file.with_name("metrics-token")),
    }

    def found(*options, **changed):
        for name, value in (sound | changed).items():
            if value is not None:
                monkeypatch.setenv(f"PLEDGE_{name}", value)
        outcome = pledge("doctor", "--json", *(options or ("--processes", "1")))
        document = json.loads(outcome.out)
        assert outcome.code == (1 if document["findings"] else 0)
        return document["findings"]

    return found


@pytest.fixture
def examined(found):
    """The same without what is so of every database of the tests."""
    return lambda *options, **changed: [each for each in found(*options, **changed) if each != FORGETFUL]


def test_nothing_is_found_in_a_production_that_is_in_order(examined):
    assert examined() == []


def test_a_database_that_can_lose_what_was_acknowledged_is_named(found):
    """That of the tests, which is thrown away anyway, never waits for its disk."""
    assert found() == [FORGETFUL]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"CONNECT_APP_KEY": None}, "PLEDGE_CONNECT_APP_KEY and PLEDGE_FORGE_APP_ID are not set"),
        ({"POLICY": "no-such-policy"}, "PLEDGE_POLICY is 'no-such-policy'; `pledge policy list`"),
        ({"RATE_LIMITS": "reads.nobody=1"}, "PLEDGE_RATE_LIMITS names 'reads.nobody'; the limits are "),
        ({"METRICS_TOKEN_FILE": "/dev/null"}, "PLEDGE_METRICS_TOKEN_FILE holds no token"),
        ({"AUDIT_SIGNING_KEY_FILE": None}, "PLEDGE_AUDIT_SIGNING_KEY_FILE is not set; "),
        ({"AUDIT_ANCHOR": None}, "PLEDGE_AUDIT_ANCHOR is not set; "),
        ({"AUDIT_ANCHOR": ADDRESS}, "PLEDGE_AUDIT_ANCHOR: /dev/null/anchor.jsonl cannot be written here"),
        ({"ERASURE_LEDGER": None}, "PLEDGE_ERASURE_LEDGER is not set; "),
        ({"ERASURE_LEDGER": ADDRESS}, "PLEDGE_ERASURE_LEDGER: /dev/null/anchor.jsonl cannot be written here"),
        ({"EXPORT_DIR": "/dev/null"}, "PLEDGE_EXPORT_DIR: /dev/null cannot be written here"),
        ({"OAUTH_CLIENT_ID": "made-up", "OAUTH_CLIENT_SECRET_FILE": "/dev/null"}, "PLEDGE_OAUTH_CLIENT_SECRET_FILE"),
        ({"KEYRING_FILE": "/dev/null"}, "PLEDGE_KEYRING_FILE: "),
        ({"CELLS": "EU=https://eu.example.com"}, "global"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_single_fault_is_a_single_finding(examined, changed, said):
    (finding,) = examined(**changed)
    assert said in finding


@pytest.mark.parametrize(
    ("setting", "role", "wanted"),
    [
        ("DATABASE_URL", "worker", "pledge_web"),
        ("DATABASE_URL", "superuser", "pledge_web"),
        ("DATABASE_WORKER_URL", "owner", "pledge_worker"),
        ("DATABASE_BACKUP_URL", "worker", "pledge_backup"),
    ],
)
def test_a_url_of_another_role_is_named_though_everything_works_with_it(examined, shared, setting, role, wanted):
    findings = examined(**{setting: getattr(shared, role)})
    assert any(f"PLEDGE_{setting} connects as " in finding and wanted in finding for finding in findings)


def test_a_database_that_is_away_is_named_once(examined):
    away = f"postgresql://somebody@127.0.0.1:{free_port()}/pledge?connect_timeout=2"
    findings = examined(DATABASE_URL=away, DATABASE_WORKER_URL=away, DATABASE_OWNER_URL=away)
    assert len([finding for finding in findings if "127.0.0.1" in finding]) == 1


def test_several_web_processes_in_production_need_a_store_that_answers(examined):
    (missing,) = examined("--processes", "2")
    assert missing.startswith("PLEDGE_REDIS_URL is not set, but 2 web processes")
    (silent,) = examined("--processes", "2", REDIS_URL=f"redis://:made-up-password@127.0.0.1:{free_port()}/0")
    assert silent.startswith("PLEDGE_REDIS_URL: the shared store does not answer (ConnectionError)")
    assert "made-up-password" not in silent


def test_a_store_that_answers_is_nothing_to_tell(examined, redis_server):
    assert examined("--processes", "2", REDIS_URL=redis_server.url) == []


def test_a_clock_that_is_off_is_found_before_every_token_is_refused(examined, monkeypatch):
    monkeypatch.setattr(wiring, "now", lambda: datetime.now(UTC) + timedelta(seconds=90))
    findings = examined()
    assert any("of this machine and of the database are" in finding for finding in findings)


def test_a_web_process_of_its_own_is_asked_for_nothing_of_the_worker(examined):
    findings = examined(DATABASE_WORKER_URL=None, AUDIT_SIGNING_KEY_FILE=None, AUDIT_ANCHOR=None)
    assert findings == []


def test_a_ledger_that_is_another_file_is_named_before_an_erasure_needs_it(examined, keyring_file, tmp_path):
    other = tmp_path / "no-ledger.jsonl"
    other.write_text('{"format": "of another program"}\n')
    (finding,) = examined(ERASURE_LEDGER=f"file:{other}")
    assert finding.startswith(f"PLEDGE_ERASURE_LEDGER: {other} does not begin as a ledger")
    assert other.read_text() == '{"format": "of another program"}\n'


def test_looking_at_a_ledger_that_is_not_there_yet_makes_none(examined, tmp_path):
    assert examined(ERASURE_LEDGER=f"file:{tmp_path / 'erasures.jsonl'}") == []
    assert list(tmp_path.iterdir()) == []


def test_one_file_for_ledger_and_anchor_is_named(examined, tmp_path):
    both = f"file:{tmp_path / 'both.jsonl'}"
    (finding,) = examined(ERASURE_LEDGER=both, AUDIT_ANCHOR=both)
    assert finding.startswith("PLEDGE_ERASURE_LEDGER and PLEDGE_AUDIT_ANCHOR are one file")


def test_who_makes_backups_needs_their_key_and_a_ledger(examined, shared, tmp_path):
    (missing,) = examined(DATABASE_BACKUP_URL=shared.backup)
    assert missing.startswith("PLEDGE_BACKUP_KEY_FILE is not set; ")
    key = tmp_path / "backup.key"
    key.write_text("no key")
    key.chmod(0o600)
    (unusable,) = examined(DATABASE_BACKUP_URL=shared.backup, BACKUP_KEY_FILE=str(key))
    assert str(key) in unusable


def test_two_processes_on_two_databases_are_named_though_each_of_them_works(examined, make_database):
    with make_database() as other:
        (finding,) = examined(DATABASE_WORKER_URL=other.worker)
    assert finding.startswith("PLEDGE_DATABASE_URL and PLEDGE_DATABASE_WORKER_URL and PLEDGE_DATABASE_OWNER_URL do not")


def test_more_processes_than_the_database_has_connections_for_are_named(examined, redis_server):
    (finding,) = examined("--processes", "40", REDIS_URL=redis_server.url)
    assert "40 web processes and a worker open up to 662; raise its max_connections" in finding
