"""An export into a tenant that has nothing of its own yet: all of it in one transaction, or none of it.

What a new installation has read from Jira by itself is no data of its own, and makes room.

The file may come from anybody. Its names are looked up and never used; its rows become rows of this one tenant whatever
they say; what would be trust (installations, secrets, the audit log) is not read in at all.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import TenantId
from app.domain.ports import Database, UnitOfWork
from app.domain.privacy.exporting import FORMAT, MANIFEST, Progress
from app.domain.privacy.model import ExportedTable, ImportRefused
from app.domain.promises.faults import PolicyRefused
from app.domain.promises.model import OwnPolicy
from app.domain.promises.shelf import read_own

_BATCH_LINES = 1000
_LONGEST_LINE_BYTES = 1_048_576
_LONGEST_POLICY = 300_000
_LARGEST_MANIFEST_BYTES = 1_048_576
_TENANT = "app.tenants.jsonl"
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
"""What the library raises for bytes that it cannot make sense of."""


@dataclass(frozen=True)
class Importing:
    """Reads exports in."""

    database: Database
    knows_policy: Callable[[str], bool]

    def read_in(self, tenant: TenantId, source: IO[bytes], *, progress: Progress) -> dict[str, int]:
        """Returns the rows by table. Raises `ImportRefused`, `DatabaseUnavailable`; then nothing was changed."""
        try:
            with zipfile.ZipFile(source) as archive, self.database.begin(tenant) as uow:
                counts = self._read_in(uow, archive, tenant=tenant, progress=progress)
                rows = sum(counts.values())
                uow.commit(because=AuditEvent(Action.TENANT_IMPORTED, "operator", f"tenant/{tenant}", {"rows": rows}))
        except ImportRefused:
            raise
        except _DAMAGED as fault:
            raise ImportRefused("it is no whole ZIP archive of ours") from fault
        return counts

    def _read_in(
        self, uow: UnitOfWork, archive: zipfile.ZipFile, *, tenant: TenantId, progress: Progress
    ) -> dict[str, int]:
        stated = _stated_files(archive, schema=uow.export.schema)
        if not uow.erasure.inventory().site:
            raise ImportRefused(f"there is no tenant {tenant}")
        if occupied := uow.export.occupied():
            raise ImportRefused(f"tenant {tenant} is not empty: {', '.join(occupied)}")
        uow.export.make_room()
        counts: dict[str, int] = {}
        for table in uow.export.tables():
            if table.is_imported and table.file in stated:
                done = sum(counts.values())
                counts[table.name] = _table(uow, archive, table, stated=stated[table.file])
                progress(done + counts[table.name])
        self._choose_policy(uow, archive, stated)
        return counts

    def _choose_policy(self, uow: UnitOfWork, archive: zipfile.ZipFile, stated: dict[str, dict[str, Any]]) -> None:
        """Of the tenant's own row its choice is taken, and nothing else; after the rows, of which it may be one."""
        own = {version.ref.sha256: version.ref for version in uow.policies.versions()}
        for each in own.values():
            _check_policy(each, uow.policies.texts(each.sha256))
        if _TENANT not in stated:
            return
        with archive.open(_TENANT) as file:
            row = _object(file.readline(_LONGEST_LINE_BYTES))
        policy = row.get("policy")
        if not isinstance(policy, str) or not self.knows_policy(policy):
            raise ImportRefused("it names a policy that is not known here")
        sha256 = row.get("policy_sha256")
        if sha256 is None:
            uow.tenants.save_policy(policy)
        elif isinstance(sha256, str) and sha256 in own and own[sha256].base == policy:
            uow.tenants.save_policy(own[sha256])
        else:
            raise ImportRefused("it names a policy of its own that is not in it")


def _check_policy(own: OwnPolicy, texts: object) -> None:
    """What was stored by this app can be read and has its hash; a file may come from anybody."""
    unfit = ImportRefused("a policy of its own cannot be read, or was changed since it was written")
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise unfit
    if sum(map(len, texts.values())) > _LONGEST_POLICY:
        raise unfit
    try:
        read_own(own, texts)
    except PolicyRefused as refused:
        raise unfit from refused


def _table(uow: UnitOfWork, archive: zipfile.ZipFile, table: ExportedTable, *, stated: dict[str, Any]) -> int:
    columns = stated.get("columns")
    if not isinstance(columns, list) or not set(columns) <= set(table.columns):
        raise ImportRefused(f"{table.file} has columns that are not known here")
    digest, rows = hashlib.sha256(), 0
    with archive.open(table.file) as file:
        lines = _lines(file, digest=digest)
        while batch := list(islice(lines, _BATCH_LINES)):
            uow.export.insert(table.name, columns, lines=batch)
            rows += len(batch)
    if (rows, digest.hexdigest()) != (stated.get("rows"), stated.get("sha256")):
        raise ImportRefused(f"{table.file} was changed since it was written")
    return rows


def _lines(file: IO[bytes], *, digest: "hashlib._Hash") -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE_BYTES):
        digest.update(line)
        # Each by itself has to be one object: joined, they could otherwise be more or fewer rows than are counted.
        _object(line)
        yield line.decode().strip()


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError) as fault:
        raise ImportRefused("a line of it is no JSON") from fault
    if not line.endswith(b"\n") or not isinstance(found, dict):
        raise ImportRefused("a line of it is no JSON object, or longer than any that was written")
    return found


def _stated_files(archive: zipfile.ZipFile, *, schema: str) -> dict[str, dict[str, Any]]:
    """What the manifest says of each file, by name."""
    names = archive.namelist()
    if MANIFEST not in names or len(set(names)) != len(names):
        raise ImportRefused("it has no manifest, or files of the same name")
    with archive.open(MANIFEST) as file:
        try:
            manifest = json.loads(file.read(_LARGEST_MANIFEST_BYTES))
        except (ValueError, RecursionError) as fault:
            raise ImportRefused("its manifest is no JSON") from fault
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ImportRefused(f"its format is not {FORMAT}")
    if not isinstance(manifest.get("schema"), str) or manifest["schema"] > schema:
        raise ImportRefused("it was written by a newer version, and has what would be lost here")
    stated = {file["name"]: file for file in _objects(manifest.get("files")) if isinstance(file.get("name"), str)}
    if stated.keys() | {MANIFEST} != set(names):
        raise ImportRefused("its files are not those of its manifest")
    return stated


def _objects(value: object) -> Sequence[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ImportRefused("its manifest lists no files")
    return value
