"""The file of the keys of backups."""

import io
import stat

import pytest

from app.vault.backup_key import BackupKeyFile, BackupKeyUnusable, create_backup_key


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "backup.key"


def sealed(key):
    file = io.BytesIO()
    output = key.sealing(file)
    output.write(b"rows")
    output.end()
    return file.getvalue()


def test_a_new_key_is_for_its_owner_only(path):
    create_backup_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["backup.key"]


def test_a_further_key_is_used_from_then_on_and_the_earlier_one_still_opens_its_backups(path):
    create_backup_key(path)
    earlier = sealed(BackupKeyFile(path))
    newer_id = create_backup_key(path)
    both = BackupKeyFile(path)
    assert both.opening(io.BytesIO(earlier)).read(4) == b"rows"
    assert newer_id.encode() in sealed(both)[:40]


FAULTS = {
    "other users": (lambda path: path.chmod(0o640), "chmod 600"),
    "no key": (lambda path: path.write_text(""), "has no key"),
    "another form": (lambda path: path.write_text("AGE-SECRET-KEY-1\n"), "is no key"),
    "a short key": (lambda path: path.write_text("pledge-backup-key-1+00000000+AAAA\n"), "is no key"),
    "a changed key": (lambda path: path.write_text(path.read_text().replace("+", "+0", 1)), "changed|is no key"),
    "not there": (lambda path: path.unlink(), "does not exist"),
    "a folder": (lambda path: (path.unlink(), path.mkdir(mode=0o700)), "is not a file"),
}


@pytest.mark.parametrize(("spoil", "said"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_cannot_be_trusted_is_refused_and_the_text_shows_no_key(path, spoil, said):
    create_backup_key(path)
    secret = path.read_text().strip().rpartition("+")[2]
    spoil(path)
    with pytest.raises(BackupKeyUnusable, match=said) as refusal:
        BackupKeyFile(path)
    assert secret not in str(refusal.value)


def test_neither_file_nor_sealer_shows_the_key(path):
    create_backup_key(path)
    secret = path.read_text().strip().rpartition("+")[2]
    key = BackupKeyFile(path)
    assert secret not in repr(key) + repr(vars(key)) + repr(vars(key.sealing(io.BytesIO())))
