"""Reading the keyring file, and refusing it."""

import base64
import json
import os
import re
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.secrets import Purpose
from app.vault._cipher import Plain
from app.vault._keyring_file import KeyringUnusable, KeyState, _weakness, document_of, read_keys

_KEY = re.compile(rb'"([A-Za-z0-9+/]{42,}=*)"')


def _document(path) -> dict:
    return json.loads(path.read_text())


def _rewrite(path, document) -> None:
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def _key(value: bytes) -> str:
    return base64.b64encode(value).decode()


@pytest.fixture
def refusal_of(report):
    """What is said of that file; the whole error report shows no key that the file holds."""

    def refusal_of(path) -> str:
        keys = _KEY.findall(path.read_bytes()) if path.is_file() else []
        with pytest.raises(KeyringUnusable) as refusal:
            read_keys(path)
        shown = report(refusal.value)
        for key in keys:
            assert key.decode() not in shown
            assert repr(base64.b64decode(key))[2:-1] not in shown
        return str(refusal.value)

    return refusal_of


def test_what_was_written_is_read_again(keyring_path, now):
    keys = read_keys(keyring_path)
    assert {kek.facts.purpose for kek in keys} == set(Purpose)
    assert {(kek.facts.state, kek.facts.created_at) for kek in keys} == {(KeyState.PRIMARY, now)}
    keyring_path.write_bytes(document_of(keys))
    assert [(kek.facts, kek.key.reveal()) for kek in read_keys(keyring_path)] == [
        (kek.facts, kek.key.reveal()) for kek in keys
    ]


def test_the_age_of_a_key_is_in_whole_days(keyring_path, now):
    facts = read_keys(keyring_path)[0].facts
    assert facts.age_days(now + timedelta(days=89, hours=23)) == 89


def test_a_missing_file_is_refused_with_setting_reason_and_remedy(tmp_path, refusal_of):
    text = refusal_of(tmp_path / "none.json")
    assert "PLEDGE_KEYRING_FILE" in text
    assert "none.json does not exist" in text
    assert "pledge keys init" in text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666, 0o777])
def test_a_file_open_to_other_users_is_refused_with_the_remedy(keyring_path, mode, refusal_of):
    keyring_path.chmod(mode)
    text = refusal_of(keyring_path)
    assert f"open to other users (mode {mode:04o})" in text
    assert f"chmod 600 {keyring_path}" in text


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_open_to_its_owner_only_is_read(keyring_path, mode):
    keyring_path.chmod(mode)
    assert read_keys(keyring_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_refused(keyring_path, refusal_of):
    os.chown(keyring_path, 12345, 12345)
    assert "belongs to another user" in refusal_of(keyring_path)


def test_a_folder_is_refused(tmp_path, refusal_of):
    assert "is not a file" in refusal_of(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path, refusal_of):
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a file" in refusal_of(tmp_path / "pipe")


def test_a_path_through_a_file_is_refused(keyring_path, refusal_of):
    assert "cannot be read (Not a directory)" in refusal_of(keyring_path / "deeper")


def test_a_file_too_large_to_be_a_keyring_is_refused(keyring_path, refusal_of):
    keyring_path.write_bytes(b" " * 1_048_576)
    assert "larger than any such file" in refusal_of(keyring_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"format": "pledge-keyring-2", "keys": []}',
        "[" * 100_000,
        "\xff",
    ],
)
def test_what_is_not_a_keyring_is_refused(keyring_path, content, refusal_of):
    keyring_path.write_bytes(content.encode("latin-1"))
    assert 'is not JSON of format "pledge-keyring-1"' in refusal_of(keyring_path)


def test_a_cut_file_is_refused_without_showing_its_keys(keyring_path, refusal_of):
    keyring_path.write_bytes(keyring_path.read_bytes()[:-40])
    assert "is not JSON" in refusal_of(keyring_path)


@pytest.mark.parametrize("keys", [[], None, {}, "text"])
def test_a_ring_without_keys_is_refused(keyring_path, keys, refusal_of):
    _rewrite(keyring_path, {"format": "pledge-keyring-1", "keys": keys})
    assert "holds no key" in refusal_of(keyring_path)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("id", "", "cannot be"),
        ("id", "A b", "cannot be"),
        ("id", "key." * 17, "cannot be"),
        ("id", ["list"], "cannot be"),
        ("purpose", "cooking", "cannot be"),
        ("purpose", None, "cannot be"),
        ("state", "secondary", "cannot be"),
        ("created_at", "yesterday", "cannot be"),
        ("created_at", "2026-11-22T09:00:00", "cannot be"),
        ("created_at", 0, "cannot be"),
        ("key", "not base64!", "not base64 of 32 bytes"),
        ("key", "ü", "not base64 of 32 bytes"),
        ("key", "\ud800", "not base64 of 32 bytes"),
        ("key", 7, "not base64 of 32 bytes"),
        ("key", None, "not base64 of 32 bytes"),
        ("key", "", "not base64 of 32 bytes"),
        ("comment", "more", "exactly created_at, id, key, purpose, state"),
    ],
)
def test_a_field_that_cannot_be_is_refused_with_its_position(keyring_path, field, value, reason, refusal_of):
    document = _document(keyring_path)
    document["keys"][1][field] = value
    _rewrite(keyring_path, document)
    text = refusal_of(keyring_path)
    assert "key 2 " in text
    assert reason in text


@pytest.mark.parametrize("field", ["id", "purpose", "state", "created_at", "key"])
def test_a_missing_field_is_refused(keyring_path, field, refusal_of):
    document = _document(keyring_path)
    del document["keys"][0][field]
    _rewrite(keyring_path, document)
    assert "key 1 must have exactly" in refusal_of(keyring_path)


def test_an_entry_that_is_no_object_is_refused(keyring_path, refusal_of):
    _rewrite(keyring_path, {"format": "pledge-keyring-1", "keys": ["text"]})
    assert "key 1 must have exactly" in refusal_of(keyring_path)


def test_a_key_under_a_misspelt_name_stays_out_of_the_error_report(keyring_path, refusal_of):
    document = _document(keyring_path)
    document["keys"][0]["kye"] = document["keys"][0].pop("key")
    _rewrite(keyring_path, document)
    assert "key 1 must have exactly" in refusal_of(keyring_path)


@pytest.mark.parametrize("length", [0, 1, 16, 24, 31, 33, 64])
def test_a_key_of_another_length_is_refused(keyring_path, length, refusal_of):
    document = _document(keyring_path)
    document["keys"][0]["key"] = _key(os.urandom(length))
    _rewrite(keyring_path, document)
    assert "key 1 is not base64 of 32 bytes" in refusal_of(keyring_path)


WELL_KNOWN = [
    pytest.param(bytes(32), "repeats itself", id="all zero"),
    pytest.param(b"\xff" * 32, "repeats itself", id="all ones"),
    pytest.param(bytes.fromhex("deadbeef") * 8, "repeats itself", id="deadbeef"),
    pytest.param(bytes(range(200, 216)) * 2, "repeats itself", id="two equal halves"),
    pytest.param(bytes(31) + b"\x01", "repeats itself", id="one"),
    pytest.param(bytes(range(32)), "counts up or down", id="counting up"),
    pytest.param(bytes(range(255, 223, -1)), "counts up or down", id="counting down"),
    pytest.param(bytes(7 * n % 256 for n in range(32)), "counts up or down", id="counting by seven"),
    pytest.param(b"correct horse battery staple 12!", "is text", id="ascii words"),
    pytest.param(b"changemechangemechangemechangeme", "is text", id="changeme"),
    pytest.param(b"0123456789abcdef0123456789abcdef", "is text", id="hex digits instead of bytes"),
]


@pytest.mark.parametrize(("value", "reason"), WELL_KNOWN)
def test_a_well_known_key_is_refused_with_its_id_and_reason(keyring_path, value, reason, refusal_of):
    document = _document(keyring_path)
    document["keys"][0]["key"] = _key(value)
    _rewrite(keyring_path, document)
    text = refusal_of(keyring_path)
    assert f"{document['keys'][0]['id']} {reason}" in text


@given(st.binary())
def test_random_keys_are_not_called_weak(seed):
    assert _weakness(Plain(sha256(seed).digest())) is None


def test_a_repeated_key_id_is_refused(keyring_path, refusal_of):
    document = _document(keyring_path)
    document["keys"][1]["id"] = document["keys"][0]["id"]
    _rewrite(keyring_path, document)
    assert "names the same key id twice" in refusal_of(keyring_path)


def test_a_repeated_key_is_refused(keyring_path, refusal_of):
    document = _document(keyring_path)
    document["keys"][1]["key"] = document["keys"][0]["key"]
    _rewrite(keyring_path, document)
    assert "holds the same key twice" in refusal_of(keyring_path)


@pytest.mark.parametrize("state", ["live", "retired"])
def test_a_purpose_without_a_primary_is_refused(keyring_path, state, refusal_of):
    document = _document(keyring_path)
    document["keys"][0]["state"] = state
    _rewrite(keyring_path, document)
    assert f"has 0 primary keys for {document['keys'][0]['purpose']}" in refusal_of(keyring_path)


def test_a_purpose_with_two_primaries_is_refused(keyring_path, refusal_of):
    document = _document(keyring_path)
    document["keys"].append({**document["keys"][0], "id": "another", "key": _key(os.urandom(32))})
    _rewrite(keyring_path, document)
    assert f"has 2 primary keys for {document['keys'][0]['purpose']}" in refusal_of(keyring_path)
