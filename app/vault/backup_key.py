"""The key of backups: it makes sealed files and opens them, and never leaves."""

from pathlib import Path
from typing import BinaryIO

from app.domain.backup.model import BackupRefused
from app.domain.backup.ports import SealedInput, SealedOutput
from app.vault._backup_key_file import BackupKeyUnusable, read_keys, write_key
from app.vault._backup_stream import HEADER_BYTES, SealedReader, SealedWriter, file_cipher, key_id_of, new_header

__all__ = ["BackupKeyFile", "BackupKeyUnusable", "create_backup_key"]


class BackupKeyFile:
    """The keys of one file. Raises BackupKeyUnusable when it is made."""

    def __init__(self, path: Path) -> None:
        self._path, self._keys = path, read_keys(path)

    def sealing(self, file: BinaryIO) -> SealedOutput:
        """A new backup in that file, under the first key."""
        name, key = next(iter(self._keys.items()))
        header = new_header(name)
        return SealedWriter(file, file_cipher(key, header), header)

    def opening(self, file: BinaryIO) -> SealedInput:
        """The backup in that file; raises `BackupRefused`."""
        header = file.read(HEADER_BYTES)
        name = key_id_of(header)
        if name not in self._keys:
            raise BackupRefused(f"was made with the key {name!r}, and {self._path} has {', '.join(self._keys)}")
        return SealedReader(file, file_cipher(self._keys[name], header), header)


def create_backup_key(path: Path) -> str:
    """A new key, first of its file: it makes backups from now on, earlier ones open theirs. Returns its id."""
    return write_key(path)
