"""`pledge keys` as an operator gives it, with and without a database."""

import json

import pytest

from app import wiring
from app.domain.identifiers import ClientKey
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.keys.operations import own_data_key
from app.domain.secrets import Purpose
from app.vault.door import Door

UNKNOWN = {"data_keys": None}


@pytest.fixture
def on_database(pledge, database, monkeypatch, tmp_path):
    """The command line on a migrated database, with a keyring of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLEDGE_PROFILE", "development")
    for name, url in (("", database.web), ("WORKER_", database.worker), ("OWNER_", database.owner)):
        monkeypatch.setenv(f"PLEDGE_DATABASE_{name}URL", url)
    pledge("keys", "init")
    return pledge


def add_tenant():
    """A tenant with a data key for Connect secrets."""
    with wiring.KeyDesk(database=wiring._database, clock=wiring.now)._store("database_url") as database:
        door = Door.from_keyring_file(wiring.Path(".pledge/keyring.json"))
        with database.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, wiring.now())
            uow.enter(tenant)
            key, url = ClientKey(f"key-{tenant}"), f"https://site{tenant}.example.com"
            row = Registered(key, tenant, installation, url, InstallationState.ACTIVE, 1, None, wiring.now())
            uow.registry.save_connect(row)
            install = Install(tenant, installation, key, url, url, None, "jira")
            uow.tenants.save_install(install, region="global", policy="genchi", now=wiring.now())
            own_data_key(uow, door, tenant, purpose=Purpose.CONNECT_SECRET, now=wiring.now())
            uow._connection.commit()


def status(pledge):
    """The rows of `keys status`, by purpose and state."""
    rows = json.loads(pledge("keys", "status", "--json").out)
    return {(row["purpose"], row["state"]): row for row in rows}


def test_a_rotation_says_what_it_did_and_status_counts_what_each_key_wraps(on_database):
    add_tenant()
    former = status(on_database)["connect-secret", "primary"]
    assert former["data_keys"] == 1
    outcome = on_database("keys", "rotate", "--purpose", "connect-secret", "--json")
    assert outcome.code == 0
    report = json.loads(outcome.out)
    assert (report["tenants"], report["data_keys"], report["stuck"]) == (1, 1, [])
    after = status(on_database)
    assert after["connect-secret", "live"] == former | {"state": "live", "data_keys": 0}
    assert after["connect-secret", "primary"]["data_keys"] == 1
    line = on_database("keys", "status").out.splitlines()[-1]
    assert line.endswith("wraps 1 data keys")
    assert line.startswith(after["connect-secret", "primary"]["kek_id"])


def test_a_key_goes_from_primary_to_live_to_retired_to_gone(on_database):
    add_tenant()
    kek_id = status(on_database)["connect-secret", "primary"]["kek_id"]
    assert "is primary; `pledge keys rotate` first" in on_database("keys", "retire", kek_id).err
    assert on_database("keys", "rotate", "--file-only").code == 0
    refused = on_database("keys", "retire", kek_id)
    assert (refused.code, "still wraps 1 data keys" in refused.err) == (1, True)
    assert "`pledge keys retire` first" in on_database("keys", "destroy", kek_id).err
    assert on_database("keys", "rotate", "--rewrap-only").out == "1 data keys wrapped anew, 1 tenants\n"
    assert on_database("keys", "retire", kek_id).code == 0
    assert status(on_database)["connect-secret", "retired"]["kek_id"] == kek_id
    assert on_database("keys", "destroy", kek_id).code == 0
    assert kek_id not in on_database("keys", "status").out
    assert on_database("audit", "init").code == 0
    assert on_database("doctor").code == 0


def test_what_does_not_open_makes_a_rotation_partial(on_database, database):
    add_tenant()
    database.execute("UPDATE app.data_keys SET wrapped = wrapped || 'x'")
    outcome = on_database("keys", "rotate")
    assert outcome.code == 5
    assert "1 data keys under connect-secret." in outcome.out
    assert "do not open and stay as they are" in outcome.out


def test_a_key_that_wraps_and_is_not_in_the_file_is_shown(on_database, database):
    add_tenant()
    database.execute("UPDATE app.data_keys SET kek_id = 'connect-secret.elsewhere'")
    row = status(on_database)["connect-secret", "not in this file"]
    assert (row["kek_id"], row["data_keys"]) == ("connect-secret.elsewhere", 1)


@pytest.mark.parametrize("step", [["rotate"], ["rotate", "--rewrap-only"], ["retire", "connect-secret.0"]])
def test_without_a_database_nothing_is_changed(pledge, empty_place, step):
    pledge("keys", "init")
    before = (empty_place / ".pledge" / "keyring.json").read_bytes()
    outcome = pledge("keys", *step)
    assert outcome.code == 1
    assert outcome.err.startswith("error: the database cannot be reached")
    assert (empty_place / ".pledge" / "keyring.json").read_bytes() == before


def test_where_no_database_was_ever_made_none_is_started_for_a_question(pledge, empty_place, monkeypatch):
    for name in ("DATABASE_URL", "DATABASE_WORKER_URL"):
        monkeypatch.delenv(f"PLEDGE_{name}")
    pledge("keys", "init")
    outcome = pledge("keys", "status")
    assert (outcome.code, "there is no database yet" in outcome.err) == (0, True)
    assert [entry.name for entry in (empty_place / ".pledge").iterdir()] == ["keyring.json"]


def test_the_file_alone_is_rotated_without_a_database(pledge, empty_place):
    pledge("keys", "init")
    assert pledge("keys", "rotate", "--file-only", "--purpose", "oauth-token").code == 0
    shown = status(pledge)
    assert shown["oauth-token", "live"] | UNKNOWN == shown["oauth-token", "live"]
    assert ("connect-secret", "live") not in shown


def test_an_export_holds_the_asked_purposes_only_and_shows_no_key(pledge, empty_place, monkeypatch):
    pledge("keys", "init")
    pledge("keys", "rotate", "--file-only")
    outcome = pledge("keys", "export", "--purpose", "connect-secret", "web.json", "--json")
    assert outcome.code == 0
    file = empty_place / "web.json"
    assert file.stat().st_mode & 0o777 == 0o600
    entries = json.loads(file.read_text())["keys"]
    assert {(entry["purpose"], entry["state"]) for entry in entries} == {
        ("connect-secret", "live"),
        ("connect-secret", "primary"),
    }
    assert not any(entry["key"] in outcome.out + outcome.err for entry in entries)
    monkeypatch.setenv("PLEDGE_KEYRING_FILE", "web.json")
    for purpose in ("audit-person", "oauth-token", "forge-token"):
        assert status(pledge)[purpose, "not held"]["kek_id"] is None


def test_an_export_is_renewed_but_never_overwrites_a_key_that_would_be_lost(pledge, empty_place):
    pledge("keys", "init")
    export = ("keys", "export", "--purpose", "connect-secret")
    pledge(*export, "web.json")
    pledge("keys", "rotate", "--file-only")
    again = pledge(*export, "web.json")
    assert (again.code, "it exists; --replace renews" in again.err) == (1, True)
    assert pledge(*export, "--replace", "web.json").code == 0
    assert len(json.loads((empty_place / "web.json").read_text())["keys"]) == 2

    whole = (empty_place / ".pledge" / "keyring.json").read_bytes()
    assert pledge(*export, "--replace", ".pledge/keyring.json").code == 1
    assert (empty_place / ".pledge" / "keyring.json").read_bytes() == whole
    (empty_place / ".pledge" / "keyring.json").rename(empty_place / "of-another-time.json")
    pledge("keys", "init")
    lost = pledge(*export, "--replace", "of-another-time.json")
    assert (lost.code, "a key that would be lost" in lost.err) == (1, True)
    assert (empty_place / "of-another-time.json").read_bytes() == whole


@pytest.mark.parametrize(
    "arguments",
    [
        ["rotate", "--file-only", "--rewrap-only"],
        ["rotate", "--purpose", "none"],
        ["export", "web.json"],
        ["export", "--purpose", "none", "web.json"],
        ["retire"],
    ],
    ids=" ".join,
)
def test_a_mistake_of_usage_changes_nothing(pledge, empty_place, arguments):
    pledge("keys", "init")
    before = (empty_place / ".pledge" / "keyring.json").read_bytes()
    assert pledge("keys", *arguments).code == 4
    assert (empty_place / ".pledge" / "keyring.json").read_bytes() == before
    assert not (empty_place / "web.json").exists()
