"""`pledge doctor` names whatever a process of a set-up would stumble over, by setting and with the remedy."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app import wiring
from tests.conftest import free_port

ADDRESS = "file:/dev/null/anchor.jsonl"


@pytest.fixture(scope="module")
def shared(make_database):
    with make_database() as made:
        yield made


@pytest.fixture
def examined(pledge, shared, keyring_file, monkeypatch):
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
        "METRICS_TOKEN_FILE": str(keyring_file.with_name("metrics-token")),
    }

    def examined(*options, **changed):
        for name, value in (sound | changed).items():
            if value is not None:
                monkeypatch.setenv(f"PLEDGE_{name}", value)
        outcome = pledge("doctor", "--json", *(options or ("--processes", "1")))
        document = json.loads(outcome.out)
        assert outcome.code == (1 if document["findings"] else 0)
        return document["findings"]

    return examined


def test_nothing_is_found_in_a_production_that_is_in_order(examined):
    assert examined() == []


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
