"""A backup has its name only when it is whole."""

import stat

import pytest

from app.outbound.backup_file import existing_file, new_file


def test_a_file_is_there_when_it_is_complete_and_for_its_owner_only(tmp_path):
    with new_file(tmp_path / "backup") as file:
        file.write(b"all of it")
        assert not (tmp_path / "backup").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    with existing_file(tmp_path / "backup") as file:
        assert file.read() == b"all of it"


def half_written(path):
    with new_file(path) as file:
        file.write(b"half of it")
        raise OSError("no space left on device")


def test_of_one_that_was_broken_off_nothing_stays(tmp_path):
    with pytest.raises(OSError, match="no space"):
        half_written(tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def overtaken(path):
    with new_file(path) as file:
        file.write(b"today's")
        path.write_bytes(b"somebody was faster")


def test_what_a_kill_left_unfinished_is_in_nobodys_way(tmp_path):
    (tmp_path / "backup.unfinished").write_bytes(b"half of it")
    with new_file(tmp_path / "backup") as file:
        file.write(b"all of it")
    assert (tmp_path / "backup").read_bytes() == b"all of it"


def test_no_backup_is_ever_replaced(tmp_path):
    (tmp_path / "backup").write_bytes(b"yesterday's")
    with pytest.raises(FileExistsError), new_file(tmp_path / "backup"):
        pytest.fail("this may not be reached")
    with pytest.raises(FileExistsError):
        overtaken(tmp_path / "other")
    assert (tmp_path / "backup").read_bytes() == b"yesterday's"
    assert (tmp_path / "other").read_bytes() == b"somebody was faster"
