"""Everything about a tenant in one file.

Format law (`pledge-export-1`): a ZIP archive; `<table>.jsonl` has one JSON object per line and row; `manifest.json` is
its last file, with schema version, and of each file its rows, its SHA-256 and its columns. Files and fields are only
added. It is written from one snapshot, row by row: memory does not grow with it.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from app.domain.clocks.model import instant_text
from app.domain.identifiers import TenantId
from app.domain.ports import Database

FORMAT = "pledge-export-1"
MANIFEST = "manifest.json"
_TOLD_EVERY_ROWS = 10_000

Progress = Callable[[int], None]
"""Hears how many rows there were so far; may raise what is to break the work off."""


@dataclass(frozen=True)
class Exporting:
    """Writes exports; secrets are in none."""

    database: Database

    def write(self, tenant: TenantId, target: IO[bytes], *, now: datetime, progress: Progress) -> dict[str, Any]:
        """Write the archive to `target`, which need not be able to seek; returns its manifest.

        Raises `LookupError` where there is no such tenant, `OSError`, `DatabaseUnavailable`.
        """
        with self.database.snapshot(tenant) as uow:
            site, files, done = uow.erasure.inventory().site, [], 0
            if not site:
                raise LookupError(f"there is no tenant {tenant}, or it is erased")
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for table in uow.export.tables():
                    with archive.open(_entry(table.file, now), "w", force_zip64=True) as file:
                        rows, digest = _write(file, uow.export.lines(table.name), after=done, progress=progress)
                    stated = {"name": table.file, "rows": rows, "sha256": digest, "imported": table.is_imported}
                    files.append({**stated, "columns": list(table.columns)})
                    done += rows
                manifest = {
                    "format": FORMAT,
                    "schema": uow.export.schema,
                    "exported_at": instant_text(now),
                    "site": site,
                    "files": files,
                    "left_out": dict(uow.export.left_out()),
                }
                with archive.open(_entry(MANIFEST, now), "w") as file:
                    file.write(json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        return manifest


def _write(file: IO[bytes], lines: Iterable[str], *, after: int, progress: Progress) -> tuple[int, str]:
    """How many lines there were, and the SHA-256 over them."""
    digest, rows = hashlib.sha256(), 0
    for rows, line in enumerate(lines, start=1):
        encoded = line.encode() + b"\n"
        digest.update(encoded)
        file.write(encoded)
        if rows % _TOLD_EVERY_ROWS == 0:
            progress(after + rows)
    return rows, digest.hexdigest()


def _entry(name: str, now: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, now.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
