"""Whether a process has the keys that it needs, and which key wraps how much."""

import base64
import json
import os

import pytest
from flask import Flask

from app.domain.keys import queries
from app.domain.keys.queries import KeyUse, Readiness, each_tenant
from app.domain.secrets import Purpose
from app.store.database import SqlDatabase, open_engines
from app.vault.administration import retire, rotate
from app.vault.door import Door

CONNECT = Purpose.CONNECT_SECRET


@pytest.fixture
def readiness(web, door):
    return Readiness(web, door, frozenset({CONNECT}))


def change(path, **values):
    """Another key, or another state, under the id of the connect secrets' primary."""
    document = json.loads(path.read_text())
    for entry in document["keys"]:
        if entry["purpose"] == CONNECT:
            entry.update(values)
    path.write_text(json.dumps(document))
    return next(entry["id"] for entry in document["keys"] if entry["purpose"] == CONNECT)


def test_every_tenant_is_walked_over_once_in_order(install, worker, monkeypatch):
    monkeypatch.setattr("app.store.registry._TENANTS_AT_ONCE", 2)
    tenants = [install().tenant for _ in range(5)]
    assert list(each_tenant(worker)) == sorted(tenants)


def test_data_keys_are_counted_by_the_key_that_wraps_them(install, worker, upkeep, keyring_path, now):
    first = [install() for _ in range(2)] and upkeep.vault.primaries()[CONNECT]
    rotate(keyring_path, purpose=CONNECT, now=now)
    install()
    install(purpose=Purpose.FORGE_TOKEN)
    primaries = upkeep.vault.primaries()
    assert KeyUse(worker).counts() == {
        (CONNECT, first): 2,
        (CONNECT, primaries[CONNECT]): 1,
        (Purpose.FORGE_TOKEN, primaries[Purpose.FORGE_TOKEN]): 1,
    }


def test_a_process_with_the_keys_it_needs_is_ready(install, readiness, keyring_path, now):
    assert readiness.faults() == ()
    install()
    assert readiness.faults() == ()
    rotate(keyring_path, purpose="all", now=now)
    install()
    assert readiness.faults() == ()


def test_another_key_under_the_same_id_is_found_before_a_secret_is_asked_for(install, readiness, keyring_path):
    install()
    kek_id = change(keyring_path, key=base64.b64encode(os.urandom(32)).decode())
    [fault] = readiness.faults()
    assert fault.code == "keyring_key_wrong"
    assert f"under the id {kek_id} another key than the one that wrapped" in fault.text


def test_a_key_under_which_data_keys_are_wrapped_and_that_is_gone_is_named(install, readiness, keyring_path, now):
    install()
    former = readiness.vault.primaries()[CONNECT]
    rotate(keyring_path, purpose=CONNECT, now=now)
    retire(keyring_path, former)  # a hasty hand: nobody asked whether it still wraps
    [fault] = readiness.faults()
    assert (fault.code, former in fault.text) == ("keyring_key_missing", True)


def test_a_needed_purpose_that_the_file_lacks_is_named(install, web, keyring_path):
    document = json.loads(keyring_path.read_text())
    document["keys"] = [entry for entry in document["keys"] if entry["purpose"] != CONNECT]
    keyring_path.write_text(json.dumps(document))
    readiness = Readiness(web, Door.from_keyring_file(keyring_path), frozenset({CONNECT, Purpose.FORGE_TOKEN}))
    assert [(fault.code, "connect-secret" in fault.text) for fault in readiness.faults()] == [
        ("keyring_lacks_purpose", True)
    ]


def test_a_purpose_that_is_not_held_and_not_needed_is_no_fault(install, web, keyring_path):
    install(purpose=Purpose.FORGE_TOKEN)
    door = Door.from_keyring_file(keyring_path, purposes=[CONNECT])
    assert Readiness(web, door, frozenset({CONNECT})).faults() == ()


def test_a_file_that_is_gone_is_named_without_asking_the_database(readiness, keyring_path):
    keyring_path.unlink()
    [fault] = readiness.faults()
    assert fault.code == "keyring_flawed"
    assert f"{keyring_path} does not exist" in fault.text
    assert not keyring_path.exists()


def test_a_database_that_cannot_be_reached_is_the_fault(door):
    engines = open_engines(Flask("nowhere"), "postgresql+psycopg://nobody@127.0.0.1:1/none", connections=1)
    nowhere = SqlDatabase(engines, clock=lambda: None)
    assert Readiness(nowhere, door, frozenset()).faults() == (queries.NO_DATABASE,)


def test_a_key_that_is_retired_this_very_moment_is_no_fault(install, readiness, upkeep, keyring_path, now, monkeypatch):
    install()
    former = upkeep.vault.primaries()[CONNECT]
    rotate(keyring_path, purpose=CONNECT, now=now)
    list(upkeep.rewrap(now))
    faults = readiness.vault.faults

    def retired_meanwhile(*, needed, proofs):
        if proofs and former in {proof.kek_id for proof in proofs}:
            retire(keyring_path, former, release=lambda: upkeep.release(former))
        return faults(needed=needed, proofs=proofs)

    monkeypatch.setattr(readiness.vault, "faults", retired_meanwhile)
    assert readiness.faults() == ()
