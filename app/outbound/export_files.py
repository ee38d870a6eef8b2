"""Finished exports as files in one folder, which web processes and workers share: mode 0600, in a folder of mode 0700.

Not encrypted by us: what would open them lay beside them. The disk has to be, as that of the database has to be.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import UUID

from app.domain.identifiers import TenantId

_NAME = re.compile(r"([0-9]{1,18})-([0-9a-f]{32})\.(?:zip|part)")


class ExportFolder:
    """See `app.domain.privacy.handing_over.ExportFiles`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def create(self, tenant: TenantId, export: UUID) -> Iterator[IO[bytes]]:
        """Under another name until it is whole: nobody can fetch half of it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._path(tenant, export, ".part")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            unfinished.rename(self._path(tenant, export, ".zip"))
        finally:
            unfinished.unlink(missing_ok=True)

    def open(self, tenant: TenantId, export: UUID) -> IO[bytes]:
        """The finished one."""
        return self._path(tenant, export, ".zip").open("rb")

    def delete(self, tenant: TenantId, export: UUID) -> None:
        """Finished or not."""
        for suffix in (".zip", ".part"):
            self._path(tenant, export, suffix).unlink(missing_ok=True)

    def delete_of(self, tenant: TenantId) -> None:
        """By the name, which begins with the tenant."""
        for each, export in self.names():
            if each == tenant:
                self.delete(each, export)

    def names(self) -> Iterator[tuple[TenantId, UUID]]:
        """Files of another name are not ours, and are left alone."""
        try:
            found = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return
        for name in found:
            if match := _NAME.fullmatch(name):
                yield TenantId(int(match[1])), UUID(match[2])

    def _path(self, tenant: TenantId, export: UUID, suffix: str) -> Path:
        return self._folder / f"{tenant}-{export.hex}{suffix}"
