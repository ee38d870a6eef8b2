"""`pledge privacy requests` from filing to fulfilment, on a real database."""

import json
from datetime import UTC, datetime

import pytest

from app.domain.clocks.model import Event, EventKind
from app.domain.identifiers import IssueId
from app.domain.tracking.model import IssueRecord, Tracking
from tests.filled_tenants import Filled

PERSON = "5b10a2844c20165700ede21g"


@pytest.fixture
def requests(pledge, installed_tenant):
    """Run one of the commands on that tenant; exit code and what it printed as JSON."""

    def run(command, *arguments):
        outcome = pledge("privacy", "requests", command, str(installed_tenant), *arguments, "--json")
        return outcome.code, json.loads(outcome.out) if outcome.code in {0, 2} else outcome.err

    return run


def test_a_persons_data_is_handed_over_and_then_erased(requests, installed_tenant, database, tmp_path):
    _, asked = requests("file", "--kind", "access", "--account", PERSON)
    assert (asked["state"], asked["filed_by"], asked["verified"]) == ("received", "operator", None)
    file = tmp_path / "person.json"
    code, said = requests("fulfil", asked["id"], "--to", str(file))
    assert (code, file.exists()) == (1, False)
    assert "received" in said
    requests("verify", asked["id"], "--by", "support", "--how", "signed in at the site")
    assert requests("fulfil", asked["id"], "--to", str(file))[1]["state"] == "fulfilled"
    held = json.loads(file.read_text())["held"]
    assert held["app.clock_events"][0]["data"]["actor"] == PERSON
    assert file.stat().st_mode & 0o777 == 0o600

    _, asked = requests("file", "--kind", "erasure", "--account", PERSON, "--received", "2026-01-31")
    assert asked["required_before"] == "2026-03-01T00:00:00Z"
    code, listed = requests("list")
    assert code == 2  # the month is over
    assert [each["late"] for each in listed if each["id"] == asked["id"]] == [True]
    requests("verify", asked["id"], "--by", "support", "--how", "signed in at the site")
    done = requests("fulfil", asked["id"])[1]
    assert done["receipt"].startswith("app.example.com/audit/receipt\n")
    assert requests("list")[0] == 0
    [(rows,)] = database.rows("SELECT string_agg(data::text, '') FROM app.clock_events")
    assert PERSON not in rows


def test_a_request_is_extended_once_and_another_is_refused(requests):
    _, asked = requests("file", "--kind", "erasure", "--account", PERSON)
    extended = requests("extend", asked["id"], "--months", "2", "--reason", "many sources")[1]
    assert extended["due_at"] > asked["due_at"]
    assert requests("extend", asked["id"], "--months", "1", "--reason", "again")[0] == 1
    refused = requests("refuse", asked["id"], "--reason", "not the person")[1]
    assert refused["refused"]["reason"] == "not the person"
    assert requests("extend", asked["id"], "--months", "3", "--reason", "x")[0] == 4


def test_a_request_cannot_have_been_received_tomorrow(requests):
    assert requests("file", "--kind", "erasure", "--received", "2999-01-01")[0] == 4


@pytest.fixture
def installed_tenant(monkeypatch, keyring_file, tmp_path, database, a_tenant):
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "PROFILE": "development",
        "KEYRING_FILE": keyring_file,
        "AUDIT_SIGNING_KEY_FILE": keyring_file.with_name("audit-signing.key"),
        "DATABASE_URL": database.web,
        "DATABASE_WORKER_URL": database.worker,
    }.items():
        monkeypatch.setenv(f"PLEDGE_{name}", str(value))
    return a_tenant


@pytest.fixture
def a_tenant(database, keyring_file, tmp_path):
    """A tenant in which that person has cancelled something."""
    filled, now = Filled(database, tmp_path, keyring_file), datetime.now(UTC)
    tenant = filled.tenant()
    fact = Event(kind=EventKind.CANCELLED, at=now, source="decision", actor=PERSON, reason="duplicate")
    record = IssueRecord(
        issue=IssueId(10001),
        key="SEC-1",
        project=10000,
        tracking=Tracking.TRACKED,
        severity=None,
        hidden_since=None,
        read_at=now,
        events=(fact,),
    )
    with filled.worker.begin(tenant) as uow:
        uow.issues.save(record, now)
        uow.commit(because=filled.reason)
    filled.close()
    return tenant
