"""The commands of backups, as far as they need no database."""

import pytest

from tests.jobs.conftest import Untouchable


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore"],
        ["restore", "--check"],
        ["restore", "file", "--recovered", "2026-11-22T09:00:00Z"],
        ["restore", "--recovered", "2026-11-22T09:00:00Z", "--check"],
        ["restore", "--recovered", "yesterday"],
        ["restore", "--recovered", "2026-11-22T09:00:00"],
        ["seal", "-", "file"],
        ["unseal", "file", "file"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_question_of_usage(pledge, arguments):
    assert pledge(*arguments, operations=Untouchable()).code == 4


@pytest.fixture
def key_file(pledge, tmp_path, monkeypatch):
    path = tmp_path / "backup.key"
    monkeypatch.setenv("PLEDGE_BACKUP_KEY_FILE", str(path))
    monkeypatch.setenv("PLEDGE_PROFILE", "development")
    assert pledge("keys", "backup").code == 0
    return path


def test_a_file_is_sealed_once_and_a_server_may_hand_it_over_again(pledge, key_file, tmp_path):
    plain, archived = tmp_path / "000000010000000000000001", tmp_path / "archived"
    plain.write_bytes(bytes(1_000_000))
    assert [pledge("seal", str(plain), str(archived)).code for _ in range(2)] == [0, 0]
    before = archived.read_bytes()
    plain.write_bytes(bytes(999_999))
    assert pledge("seal", str(plain), str(archived)).code == 1
    assert archived.read_bytes() == before
    assert pledge("unseal", str(archived), str(tmp_path / "back")).code == 0
    assert (tmp_path / "back").read_bytes() == bytes(1_000_000)


def test_what_is_not_in_the_archive_is_an_error_and_makes_no_file(pledge, key_file, tmp_path):
    assert pledge("unseal", str(tmp_path / "nothing"), str(tmp_path / "back")).code == 1
    assert not (tmp_path / "back").exists()


def test_of_a_file_that_was_worked_on_nothing_is_opened(pledge, key_file, tmp_path):
    plain, archived = tmp_path / "plain", tmp_path / "archived"
    plain.write_bytes(bytes(1_000_000))
    pledge("seal", str(plain), str(archived))
    archived.write_bytes(archived.read_bytes()[:-1])
    assert pledge("unseal", str(archived), str(tmp_path / "back")).code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archived", "backup.key", "plain"]


def test_without_a_key_or_a_ledger_nothing_is_begun(pledge, key_file, tmp_path, monkeypatch):
    key_file.unlink()
    outcome = pledge("backup", str(tmp_path / "backup"))
    assert (outcome.code, "pledge keys backup" in outcome.err) == (1, True)
    assert not (tmp_path / "backup").exists()
