"""Sealing any file, and telling whether it was sealed already."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.backup.model import BackupRefused
from app.domain.backup.wrapping import holds, seal_all
from app.vault.backup_key import BackupKeyFile, create_backup_key

CHUNK = 256 * 1024
CONTENTS = st.builds(lambda head, filling: head + bytes(filling), st.binary(max_size=50), st.integers(0, 2 * CHUNK + 9))


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "backup.key"
    create_backup_key(path)
    return BackupKeyFile(path)


def sealed(key, content):
    file = io.BytesIO()
    seal_all(io.BytesIO(content), key.sealing(file))
    return file.getvalue()


@given(CONTENTS)
def test_what_was_sealed_comes_out(key, content):
    assert b"".join(key.opening(io.BytesIO(sealed(key, content))).rest()) == content


@given(CONTENTS, CONTENTS)
def test_a_file_is_held_by_its_own_seal_and_by_no_other(key, one, other):
    data = sealed(key, one)
    assert holds(key.opening(io.BytesIO(data)), io.BytesIO(one))
    assert holds(key.opening(io.BytesIO(data)), io.BytesIO(other)) is (one == other)


def test_a_file_that_is_longer_or_shorter_is_another_one(key):
    content = bytes(CHUNK)
    for other in (content[:-1], content + b"\0", content * 2, b""):
        assert not holds(key.opening(io.BytesIO(sealed(key, content))), io.BytesIO(other))


def test_of_a_file_that_was_cut_off_nobody_says_that_it_is_whole(key):
    data = sealed(key, bytes(3 * CHUNK))
    with pytest.raises(BackupRefused):
        list(key.opening(io.BytesIO(data[:-100])).rest())
    with pytest.raises(BackupRefused):
        holds(key.opening(io.BytesIO(data[:-100])), io.BytesIO(bytes(3 * CHUNK)))
