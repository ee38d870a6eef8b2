"""The sealed file of a backup: what was written comes out, and of anything else nothing that passes for it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.backup.model import BackupRefused
from app.vault._backup_stream import CHUNK_BYTES, HEADER_BYTES, TAG_BYTES
from app.vault.backup_key import BackupKeyFile, create_backup_key

SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
CONTENT = bytes(range(256)) * 4096  # a MiB: four chunks, all of them full


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "backup.key"
    create_backup_key(path)
    return BackupKeyFile(path)


@pytest.fixture(scope="module")
def sealed(key):
    return seal(key, CONTENT)


def seal(key, *parts):
    file = io.BytesIO()
    output = key.sealing(file)
    for part in parts:
        output.write(part)
    output.end()
    return file.getvalue()


def opened(key, data, size):
    source = key.opening(io.BytesIO(data))
    content = source.read(size)
    source.end()
    return content


def chunks(sealed):
    body = sealed[HEADER_BYTES:]
    return [body[start : start + SEALED_BYTES] for start in range(0, len(body), SEALED_BYTES)]


@given(st.lists(st.binary(max_size=3000), max_size=5), st.integers(0, 2 * CHUNK_BYTES))
def test_what_was_written_in_any_parts_comes_out_in_any_parts(key, parts, padding):
    parts = [*parts, bytes(padding)]
    source = key.opening(io.BytesIO(seal(key, *parts)))
    for part in parts:
        assert source.read(len(part)) == part
    source.end()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_a_last_chunk_of_any_size_is_the_last(key, size):
    assert opened(key, seal(key, bytes(size)), size) == bytes(size)


def test_nothing_of_the_content_can_be_seen(key, sealed):
    assert CONTENT[:32] not in sealed
    assert len(set(chunks(seal(key, bytes(4 * CHUNK_BYTES))))) == 4


def test_the_same_content_is_another_file_each_time(key, sealed):
    assert not set(chunks(seal(key, CONTENT))) & set(chunks(sealed))


@given(where=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_found(key, sealed, where, bit):
    changed = bytearray(sealed)
    changed[where % len(sealed)] ^= 1 << bit
    with pytest.raises(BackupRefused):
        opened(key, bytes(changed), len(CONTENT))


@given(st.integers(0, 10**9))
def test_a_file_that_was_cut_off_anywhere_is_found(key, sealed, where):
    with pytest.raises(BackupRefused):
        opened(key, sealed[: where % len(sealed)], len(CONTENT))


def test_a_file_cut_off_between_two_chunks_is_found_though_every_chunk_is_whole(key, sealed):
    cut = sealed[:-SEALED_BYTES]
    with pytest.raises(BackupRefused, match="the end"):
        opened(key, cut, len(CONTENT) - CHUNK_BYTES)


ORDERS = {
    "swapped": [1, 0, 2, 3],
    "doubled": [0, 0, 1, 2, 3],
    "left out": [0, 2, 3],
    "last one first": [3, 0, 1, 2],
    "appended again": [0, 1, 2, 3, 3],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_chunks_put_together_anew_are_found(key, sealed, order):
    whole = chunks(sealed)
    forged = sealed[:HEADER_BYTES] + b"".join(whole[number] for number in order)
    with pytest.raises(BackupRefused):
        opened(key, forged, len(CONTENT))


def test_a_chunk_of_another_backup_under_the_same_key_is_found(key, sealed):
    other = chunks(seal(key, CONTENT))
    forged = sealed[:HEADER_BYTES] + b"".join([other[0], *chunks(sealed)[1:]])
    with pytest.raises(BackupRefused):
        opened(key, forged, len(CONTENT))


def test_the_header_of_another_backup_is_found(key, sealed):
    with pytest.raises(BackupRefused):
        opened(key, seal(key, CONTENT)[:HEADER_BYTES] + sealed[HEADER_BYTES:], len(CONTENT))


def test_bytes_after_the_end_are_found(key, sealed):
    with pytest.raises(BackupRefused):
        opened(key, sealed + b"\0", len(CONTENT))


def test_who_stops_reading_before_the_end_has_not_seen_a_whole_backup(key, sealed):
    source = key.opening(io.BytesIO(sealed))
    source.read(len(CONTENT) - 1)
    with pytest.raises(BackupRefused, match="after its end"):
        source.end()


def test_another_key_is_named_and_opens_nothing(sealed, tmp_path):
    create_backup_key(tmp_path / "other.key")
    with pytest.raises(BackupRefused, match="was made with the key"):
        BackupKeyFile(tmp_path / "other.key").opening(io.BytesIO(sealed))


def test_another_key_under_the_same_id_opens_nothing(key, sealed, tmp_path):
    create_backup_key(tmp_path / "other.key")
    other = BackupKeyFile(tmp_path / "other.key")
    forged = sealed[: HEADER_BYTES - 24] + seal(other, b"")[HEADER_BYTES - 24 : HEADER_BYTES - 16]
    with pytest.raises(BackupRefused):
        opened(other, forged + sealed[HEADER_BYTES - 16 :], len(CONTENT))


@pytest.mark.parametrize("data", [b"", b"PGDMP", b"pledge-backup-2\n" + bytes(24), bytes(1000)])
def test_what_is_no_backup_is_refused(key, data):
    with pytest.raises(BackupRefused, match="does not begin"):
        key.opening(io.BytesIO(data))
