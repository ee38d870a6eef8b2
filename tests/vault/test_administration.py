"""Making and changing the keyring file."""

import json
import multiprocessing
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from app.domain.secrets import Purpose
from app.vault.administration import (
    KeyringChangeRefused,
    KeyringUnusable,
    KeyState,
    create_keyring,
    destroy,
    keyring_status,
    retire,
    rotate,
)


def _primaries(path) -> dict[Purpose, str]:
    return {key.purpose: key.kek_id for key in keyring_status(path) if key.state is KeyState.PRIMARY}


def test_a_new_keyring_has_one_primary_per_purpose_and_says_nothing_secret(tmp_path, now):
    path = tmp_path / "keyring.json"
    facts = create_keyring(path, now=now)
    assert facts == keyring_status(path)
    assert sorted(key.purpose for key in facts) == sorted(Purpose)
    for entry in json.loads(path.read_text())["keys"]:
        assert entry["key"] not in repr(facts)


@pytest.mark.parametrize("umask", [0, 0o022, 0o377])
def test_a_new_keyring_is_readable_by_its_owner_only_whatever_the_umask(tmp_path, now, umask):
    former = os.umask(umask)
    try:
        create_keyring(tmp_path / "keyring.json", now=now)
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "keyring.json").stat().st_mode) == 0o600


def test_a_missing_folder_is_made_for_its_owner_only(tmp_path, now):
    create_keyring(tmp_path / ".pledge" / "keyring.json", now=now)
    assert stat.S_IMODE((tmp_path / ".pledge").stat().st_mode) == 0o700


@pytest.mark.parametrize("there", ["a keyring", "an empty file", "a link to nowhere"])
def test_making_a_keyring_never_overwrites_what_is_there(tmp_path, now, there):
    path = tmp_path / "keyring.json"
    if there == "a keyring":
        create_keyring(path, now=now)
    elif there == "an empty file":
        path.touch()
    else:
        path.symlink_to(tmp_path / "nowhere")
    before = path.lstat()
    with pytest.raises(KeyringChangeRefused, match=r"PLEDGE_KEYRING_FILE: .* it exists; `pledge keys rotate`"):
        create_keyring(path, now=now)
    assert (path.lstat().st_ino, path.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [entry.name for entry in tmp_path.iterdir()] == ["keyring.json"]


def test_a_naive_instant_is_refused(tmp_path):
    with pytest.raises(ValueError, match="now must be aware"):
        create_keyring(tmp_path / "keyring.json", now=datetime(2026, 11, 22))  # noqa: DTZ001  the mistake tested


def test_rotation_makes_a_new_primary_and_keeps_the_former_alive(keyring_path, now):
    before = {key.kek_id: key for key in keyring_status(keyring_path)}
    former = _primaries(keyring_path)[Purpose.CONNECT_SECRET]
    later = now + timedelta(days=90)
    after = {key.kek_id: key for key in rotate(keyring_path, purpose=Purpose.CONNECT_SECRET, now=later)}
    (new,) = after.keys() - before.keys()
    assert (after[new].purpose, after[new].state, after[new].created_at) == (
        Purpose.CONNECT_SECRET,
        KeyState.PRIMARY,
        later,
    )
    assert after[former].state is KeyState.LIVE
    untouched = before.keys() - {former}
    assert {kek_id: after[kek_id] for kek_id in untouched} == {kek_id: before[kek_id] for kek_id in untouched}


def test_rotating_everything_gives_each_purpose_a_new_primary(keyring_path, now):
    before = _primaries(keyring_path)
    rotate(keyring_path, purpose="all", now=now)
    after = _primaries(keyring_path)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_rotating_everything_adds_no_purpose_to_a_process_with_fewer(keyring_path, now):
    document = json.loads(keyring_path.read_text())
    document["keys"] = [key for key in document["keys"] if key["purpose"] == "connect-secret"]
    keyring_path.write_text(json.dumps(document))
    assert {key.purpose for key in rotate(keyring_path, purpose="all", now=now)} == {Purpose.CONNECT_SECRET}


def test_rotating_a_purpose_that_the_file_lacks_adds_it(keyring_path, now):
    document = json.loads(keyring_path.read_text())
    document["keys"] = [key for key in document["keys"] if key["purpose"] != "forge-token"]
    keyring_path.write_text(json.dumps(document))
    rotate(keyring_path, purpose=Purpose.FORGE_TOKEN, now=now)
    assert Purpose.FORGE_TOKEN in _primaries(keyring_path)


def test_a_live_key_is_retired_and_then_destroyed(keyring_path, now):
    former = _primaries(keyring_path)[Purpose.OAUTH_TOKEN]
    rotate(keyring_path, purpose=Purpose.OAUTH_TOKEN, now=now)
    assert {key.kek_id: key.state for key in retire(keyring_path, former)}[former] is KeyState.RETIRED
    assert former in keyring_path.read_text()
    assert former not in {key.kek_id for key in destroy(keyring_path, former)}
    assert former not in keyring_path.read_text()


def test_a_primary_is_neither_retired_nor_destroyed(keyring_path):
    primary = _primaries(keyring_path)[Purpose.OAUTH_TOKEN]
    before = keyring_path.read_bytes()
    with pytest.raises(KeyringChangeRefused, match="is primary; `pledge keys rotate` first"):
        retire(keyring_path, primary)
    with pytest.raises(KeyringChangeRefused, match="is still in use; `pledge keys retire` first"):
        destroy(keyring_path, primary)
    assert keyring_path.read_bytes() == before


@pytest.mark.parametrize("step", [retire, destroy])
def test_an_unknown_key_id_changes_nothing(keyring_path, step):
    before = keyring_path.read_bytes()
    with pytest.raises(KeyringChangeRefused, match=r"left as it is: it has no key oauth-token\.0"):
        step(keyring_path, "oauth-token.0")
    assert keyring_path.read_bytes() == before


def test_a_broken_keyring_is_not_changed(keyring_path, now):
    keyring_path.write_text("{}")
    with pytest.raises(KeyringUnusable):
        rotate(keyring_path, purpose="all", now=now)
    assert keyring_path.read_text() == "{}"


def test_a_change_that_would_not_load_again_is_not_written(keyring_path, now, monkeypatch):
    before = keyring_path.read_bytes()
    weak = type("WeakSource", (), {"urandom": staticmethod(bytes)})
    monkeypatch.setattr("app.vault._cipher.os", weak)
    with pytest.raises(KeyringUnusable, match="anybody can guess"):
        rotate(keyring_path, purpose=Purpose.OAUTH_TOKEN, now=now)
    assert keyring_path.read_bytes() == before


def test_a_disk_that_fails_half_way_leaves_the_former_file_and_no_draft(keyring_path, now, monkeypatch, report):
    before = keyring_path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.vault.administration.os.fsync", full)
    with pytest.raises(KeyringChangeRefused, match=r"cannot write there \(No space left on device\)") as refusal:
        rotate(keyring_path, purpose="all", now=now)
    assert keyring_path.read_bytes() == before
    assert [entry.name for entry in keyring_path.parent.iterdir()] == ["keyring.json"]
    for entry in json.loads(before)["keys"]:
        assert entry["key"] not in report(refusal.value)


def test_a_folder_that_is_missing_is_said(tmp_path, now):
    with pytest.raises(KeyringChangeRefused, match="No such file or directory"):
        rotate(tmp_path / "none" / "keyring.json", purpose="all", now=now)


def test_a_keyring_behind_a_link_is_changed_where_it_is(keyring_path, tmp_path, now):
    link = tmp_path / "link.json"
    link.symlink_to(keyring_path)
    rotate(link, purpose="all", now=now)
    assert link.is_symlink()
    assert len(keyring_status(keyring_path)) == 2 * len(Purpose)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_keyring_changed_by_root_still_belongs_to_the_service(keyring_path, now, monkeypatch):
    os.chown(keyring_path, 12345, 12345)
    monkeypatch.setattr("app.vault._private_file.os.geteuid", lambda: 12345)
    rotate(keyring_path, purpose="all", now=now)
    changed = keyring_path.stat()
    assert (changed.st_uid, changed.st_gid, stat.S_IMODE(changed.st_mode)) == (12345, 12345, 0o600)


def _rotate(arguments) -> None:
    path, now = arguments
    rotate(path, purpose=Purpose.OAUTH_TOKEN, now=now)


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_rotations_at_the_same_time_lose_no_key(keyring_path, now, pool):
    """A lost key would be the primary of whoever read the file in between: what it sealed would never open."""
    if pool == "threads":
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(_rotate, [(keyring_path, now)] * 12))
    else:
        with multiprocessing.get_context("spawn").Pool(2) as processes:
            processes.map(_rotate, [(keyring_path, now)] * 12)
    assert sum(key.purpose is Purpose.OAUTH_TOKEN for key in keyring_status(keyring_path)) == 13
