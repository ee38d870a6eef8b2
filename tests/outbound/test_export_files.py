"""The folder of exports: whole files only, for nobody else's eyes, and gone when they are to be."""

from uuid import UUID

import pytest

from app.outbound.export_files import ExportFolder

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "exports"


@pytest.fixture
def files(folder):
    return ExportFolder(folder)


def write(files, tenant, export, content=b"content"):
    with files.create(tenant, export) as file:
        file.writelines(map(bytes, content if not isinstance(content, bytes) else [content]))


def test_a_file_can_be_opened_once_it_is_whole_and_by_its_owner_only(files, folder):
    with files.create(7, ONE) as file:
        file.write(b"half")
        with pytest.raises(FileNotFoundError):
            files.open(7, ONE)
    with files.open(7, ONE) as file:
        assert file.read() == b"half"
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o700, 0o600]


def test_what_is_not_written_to_its_end_leaves_nothing(files, folder):
    class Full:
        """What a disk that is full does to whoever writes."""

        def __bytes__(self):
            raise OSError

    with pytest.raises(OSError, match=r"^$"):
        write(files, 7, ONE, iter([Full()]))
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_is_found_and_written_anew(files, folder):
    write(files, 7, OTHER)
    (folder / f"7-{ONE.hex}.part").write_bytes(b"left by a killed one, and longer")
    assert set(files.names()) == {(7, ONE), (7, OTHER)}
    write(files, 7, ONE, b"new")
    with files.open(7, ONE) as file:
        assert file.read() == b"new"


def test_the_files_of_one_tenant_go_and_those_of_another_and_of_others_stay(files, folder):
    for tenant, export in ((7, ONE), (7, OTHER), (77, ONE)):
        write(files, tenant, export)
    (folder / "notes.txt").write_text("not ours")
    files.delete_of(7)
    assert list(files.names()) == [(77, ONE)]
    assert (folder / "notes.txt").exists()


def test_to_delete_what_is_not_there_is_no_error(files):
    files.delete(7, ONE)
    files.delete_of(7)
    assert list(files.names()) == []
