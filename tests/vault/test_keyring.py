"""Key-encryption keys in use."""

import json
import os
import threading

import pytest

from app.domain.secrets import Purpose
from app.vault import _keyring
from app.vault._cipher import DoesNotDecrypt, Plain
from app.vault._keyring import FileKeyring, KekNotHeld, PurposeNotHeld
from app.vault._keyring_file import KeyringUnusable, KeyState
from app.vault.administration import create_keyring, destroy, keyring_status, retire, rotate

CONNECT = Purpose.CONNECT_SECRET
DATA_KEY = Plain(bytes(range(50, 82)))


def _wrapped(keyring: FileKeyring) -> dict:
    kek_id, wrapped = keyring.wrap(CONNECT, data_key=DATA_KEY, binding=b"tenant 3")
    return {"kek_id": kek_id, "wrapped": wrapped, "binding": b"tenant 3"}


def _opens(keyring: FileKeyring, wrapped: dict) -> bool:
    return keyring.unwrap(CONNECT, **wrapped).reveal() == DATA_KEY.reveal()


def test_the_primary_wraps_and_unwraps(keyring_path):
    keyring = FileKeyring(keyring_path)
    wrapped = _wrapped(keyring)
    assert wrapped["kek_id"] == keyring.primary(CONNECT)
    assert _opens(keyring, wrapped)
    assert _opens(FileKeyring(keyring_path), wrapped)


def test_a_wrapped_key_with_another_binding_does_not_open(keyring_path):
    keyring = FileKeyring(keyring_path)
    with pytest.raises(DoesNotDecrypt):
        keyring.unwrap(CONNECT, **{**_wrapped(keyring), "binding": b"tenant 4"})


def test_a_wrapped_key_under_another_key_id_does_not_open(keyring_path, now):
    keyring = FileKeyring(keyring_path)
    wrapped = _wrapped(keyring)
    rotate(keyring_path, purpose=CONNECT, now=now)
    with pytest.raises(DoesNotDecrypt):
        keyring.unwrap(CONNECT, **{**wrapped, "kek_id": keyring.primary(CONNECT)})


def test_the_same_key_under_a_new_name_does_not_open(keyring_path):
    """The id is bound: a renamed key cannot stand in for the one that an audit names."""
    wrapped = _wrapped(FileKeyring(keyring_path))
    keyring_path.write_text(keyring_path.read_text().replace(wrapped["kek_id"], "renamed"))
    with pytest.raises(DoesNotDecrypt):
        FileKeyring(keyring_path).unwrap(CONNECT, **{**wrapped, "kek_id": "renamed"})


def test_a_key_of_another_purpose_does_not_unwrap(keyring_path):
    keyring = FileKeyring(keyring_path)
    with pytest.raises(KekNotHeld):
        keyring.unwrap(Purpose.OAUTH_TOKEN, **_wrapped(keyring))


def test_a_lost_key_is_said_to_be_lost(keyring_path, tmp_path, now):
    wrapped = _wrapped(FileKeyring(keyring_path))
    create_keyring(tmp_path / "other.json", now=now)
    with pytest.raises(KekNotHeld):
        FileKeyring(tmp_path / "other.json").unwrap(CONNECT, **wrapped)


def test_a_process_with_fewer_purposes_neither_wraps_nor_unwraps_the_others(keyring_path):
    wrapped = _wrapped(FileKeyring(keyring_path))
    keyring = FileKeyring(keyring_path, purposes=[Purpose.OAUTH_TOKEN])
    assert {key.purpose for key in keyring.facts()} == {Purpose.OAUTH_TOKEN}
    with pytest.raises(PurposeNotHeld, match="not given the keys of connect-secret"):
        _wrapped(keyring)
    with pytest.raises(PurposeNotHeld):
        keyring.unwrap(CONNECT, **wrapped)


def test_a_purpose_that_is_needed_and_missing_stops_the_start(keyring_path):
    document = json.loads(keyring_path.read_text())
    document["keys"] = [key for key in document["keys"] if key["purpose"] != CONNECT]
    keyring_path.write_text(json.dumps(document))
    assert CONNECT not in {key.purpose for key in FileKeyring(keyring_path).facts()}
    with pytest.raises(KeyringUnusable, match=r"has no key for connect-secret. Add it with `pledge keys rotate`"):
        FileKeyring(keyring_path, purposes=[CONNECT])


def test_a_rotation_is_taken_over_without_a_restart(keyring_path, now):
    running = FileKeyring(keyring_path)
    wrapped = _wrapped(running)
    rotate(keyring_path, purpose=CONNECT, now=now)
    renewed = _wrapped(running)
    assert renewed["kek_id"] != wrapped["kek_id"]
    assert _opens(running, wrapped)
    assert _opens(running, renewed)


def test_a_retired_key_opens_nothing_any_more_not_even_in_a_running_process(keyring_path, now):
    running = FileKeyring(keyring_path)
    wrapped = _wrapped(running)
    rotate(keyring_path, purpose=CONNECT, now=now)
    retire(keyring_path, wrapped["kek_id"])
    for keyring in (running, FileKeyring(keyring_path)):
        with pytest.raises(KekNotHeld):
            keyring.unwrap(CONNECT, **wrapped)
    destroy(keyring_path, wrapped["kek_id"])
    with pytest.raises(KekNotHeld):
        running.unwrap(CONNECT, **wrapped)


@pytest.mark.parametrize("accident", ["removed", "emptied", "opened to others"])
def test_a_file_that_breaks_later_changes_nothing_but_is_reported(keyring_path, accident):
    keyring = FileKeyring(keyring_path)
    wrapped = _wrapped(keyring)
    assert keyring.flaw() is None
    content = keyring_path.read_bytes()
    keyring_path.unlink()
    if accident == "emptied":
        keyring_path.touch(mode=0o600)
    if accident == "opened to others":
        keyring_path.write_bytes(content)
        keyring_path.chmod(0o644)
    assert _opens(keyring, wrapped)
    assert "PLEDGE_KEYRING_FILE" in str(keyring.flaw())
    keyring_path.unlink(missing_ok=True)
    with open(os.open(keyring_path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(content)
    assert keyring.flaw() is None


def test_an_unchanged_file_is_not_read_again(keyring_path, monkeypatch):
    keyring = FileKeyring(keyring_path)
    reads = []
    monkeypatch.setattr(_keyring, "read_keys", lambda path: reads.append(path))
    for _ in range(10):
        _opens(keyring, _wrapped(keyring))
    assert reads == []


def test_a_broken_file_is_read_once_and_not_at_every_request(keyring_path, monkeypatch):
    keyring, reads = FileKeyring(keyring_path), []

    def broken(path):
        reads.append(path)
        raise KeyringUnusable(path, "is broken", fix="Mend it.")

    keyring_path.touch()
    monkeypatch.setattr(_keyring, "read_keys", broken)
    for _ in range(10):
        _opens(keyring, _wrapped(keyring))
    assert len(reads) == 1


@pytest.mark.parametrize("fault", ["opens to something else", "does not open"])
def test_a_library_that_does_not_open_what_it_wrapped_stops_the_start(keyring_path, monkeypatch, fault):
    def faulty(closed: bytes, *, key: Plain, bound_to: bytes) -> Plain:
        if fault == "does not open":
            raise DoesNotDecrypt
        return Plain(closed)

    monkeypatch.setattr(_keyring, "disclose", faulty)
    with pytest.raises(KeyringUnusable, match=r"does not open what it wraps. Reinstall"):
        FileKeyring(keyring_path)


def test_the_facts_hold_primary_and_live_keys_but_no_retired_one(keyring_path, now):
    former = FileKeyring(keyring_path).primary(CONNECT)
    rotate(keyring_path, purpose=CONNECT, now=now)
    assert {key.state for key in FileKeyring(keyring_path).facts()} == {KeyState.PRIMARY, KeyState.LIVE}
    retire(keyring_path, former)
    assert former not in {key.kek_id for key in FileKeyring(keyring_path).facts()}
    assert former in {key.kek_id for key in keyring_status(keyring_path)}


def test_rotations_under_load_fail_no_request(keyring_path, now):
    """Threads wrap and unwrap while the file is replaced five times; keys are re-wrapped before each retirement."""
    keyring = FileKeyring(keyring_path)
    ready, failures, opened = threading.Event(), [], []

    def work() -> None:
        while not ready.is_set():
            try:
                opened.append(_opens(keyring, _wrapped(keyring)))
            except (KekNotHeld, DoesNotDecrypt, PurposeNotHeld) as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        rotate(keyring_path, purpose=CONNECT, now=now)
        keyring.primary(CONNECT)
    ready.set()
    for thread in threads:
        thread.join(10)
    assert failures == []
    assert opened
    assert all(opened)
