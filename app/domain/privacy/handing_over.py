"""Exports that a site's administrator asks for: written by the worker, fetched once by a link that expires.

The link is shown when it is asked for and never again: what is stored is its hash. It is good until the file has been
fetched to its last byte, in as many parts as it takes, or until it expires; then file and link are gone. A new export
takes the place of the one before.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import IO, Any, Protocol
from uuid import UUID, uuid4

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.clocks.model import instant_text
from app.domain.identifiers import AccountId, TenantId
from app.domain.ports import Database, Vault
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.model import ExportRecord, ExportState, Link
from app.domain.privacy.persons import by_person

KEPT = timedelta(hours=48)
"""From being asked for: long enough for a large site and a weekend's connection, short enough for what it holds."""
_TOKEN_BYTES = 32
_HASHED_BYTES = 1_048_576
_OPEN = {ExportState.WAITING, ExportState.RUNNING}


class NoSuchExport(LookupError):
    """This link leads to nothing: it never did, it expired, or the export was fetched."""


class ExportsOff(Exception):
    """No place for exports is configured here."""


class ExportFiles(Protocol):
    """Where finished exports lie until they are fetched: not in the database, and for nobody else's eyes."""

    def create(self, tenant: TenantId, export: UUID) -> AbstractContextManager[IO[bytes]]:
        """A new file, in place of an unfinished one; gone again if it is not written to its end."""

    def open(self, tenant: TenantId, export: UUID) -> IO[bytes]:
        """To be read; raises `FileNotFoundError`."""

    def delete(self, tenant: TenantId, export: UUID) -> None:
        """Gone, also if it was."""

    def delete_of(self, tenant: TenantId) -> None:
        """All of that tenant are gone."""

    def names(self) -> Iterator[tuple[TenantId, UUID]]:
        """What there is."""


@dataclass(frozen=True)
class Download:
    """One export, open for one answer."""

    link: Link
    file: IO[bytes]
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True)
class HandingOver:
    """From being asked for to being fetched."""

    database: Database
    exporting: Exporting
    files: ExportFiles | None
    vault: Vault

    def ask(self, tenant: TenantId, *, now: datetime, by: AccountId | None = None) -> tuple[ExportRecord, str]:
        """A new export and the token of its link; raises `ExportsOff`, `VaultCannotAnswer`."""
        self._files()
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        record = ExportRecord(uuid4(), asked_at=now, expires_at=now + KEPT, state=ExportState.WAITING)
        with self.database.begin(tenant) as uow:
            for former in uow.exports.list_all():
                if former.state in {*_OPEN, ExportState.READY}:
                    uow.exports.save(replace(former, state=ExportState.EXPIRED))
            uow.export_links.forget_of(tenant)
            uow.exports.add(record)
            uow.export_links.add(Link(_hash(token), tenant, record.export, record.expires_at))
            uow.enqueue("export-tenant", tenant)
            event = AuditEvent(Action.EXPORT_ASKED, "site", f"export/{record.export}")
            uow.commit(because=by_person(event, by, uow=uow, vault=self.vault, tenant=tenant, now=now))
        return record, token

    def list_of(self, tenant: TenantId, *, now: datetime) -> tuple[ExportRecord, ...]:
        """The exports of that tenant, the newest first."""
        with self.database.begin(tenant) as uow:
            found = uow.exports.list_all()
        return tuple(each if now < each.expires_at else each.ended() for each in found)

    def run(self, tenant: TenantId, *, now: datetime) -> bool:
        """Write the export that waits, or that a killed worker left; returns whether there was one."""
        files = self._files()
        with self.database.begin(tenant) as uow:
            found = next((each for each in uow.exports.list_all() if each.state in _OPEN), None)
            if found is None or now >= found.expires_at:
                return False
            uow.exports.save(replace(found, state=ExportState.RUNNING, rows=0))
            uow.commit(because=Bookkeeping.EXPORT_MOVED)
        with files.create(tenant, found.export) as file:
            manifest = self.exporting.write(
                tenant, file, now=now, progress=lambda rows: self._note_progress(tenant, found, rows=rows)
            )
        rows = sum(each["rows"] for each in manifest["files"])
        size, digest = _measured(files.open(tenant, found.export))
        ready = replace(found, state=ExportState.READY, rows=rows, size_bytes=size, sha256=digest)
        with self.database.begin(tenant) as uow:
            uow.exports.save_running(ready)
            detail = {"rows": rows, "bytes": size}
            uow.commit(because=AuditEvent(Action.EXPORT_READY, "system", f"export/{found.export}", detail))
        return True

    def open(self, token: str, *, now: datetime) -> Download:
        """What that link leads to; raises `NoSuchExport` for every reason alike, also while it is not ready."""
        with self.database.begin() as uow:
            link = uow.export_links.find(_hash(token))
        if self.files is None or link is None or now >= link.expires_at:
            raise NoSuchExport(NoSuchExport.__doc__)
        with self.database.begin(link.tenant) as uow:
            record = uow.exports.find(link.export)
        if record is None or record.state is not ExportState.READY or record.sha256 is None:
            raise NoSuchExport(NoSuchExport.__doc__)
        try:
            file = self.files.open(link.tenant, link.export)
        except FileNotFoundError as fault:
            raise NoSuchExport(NoSuchExport.__doc__) from fault
        return Download(link, file, record.size_bytes, record.sha256)

    def sent(self, download: Download, *, first: int, end: int) -> None:
        """Bytes from `first` up to `end` were handed to the network; with the last one, link and file are gone."""
        link = download.link
        with self.database.begin(link.tenant) as uow:
            so_far = uow.export_links.note_sent(link.token_sha256, first=first, end=end)
            if so_far is None:
                return
            if so_far < download.size_bytes:
                uow.commit(because=Bookkeeping.EXPORT_MOVED)
                return
            uow.export_links.forget_of(link.tenant)
            record = uow.exports.find(link.export)
            if record is not None:
                uow.exports.save(replace(record, state=ExportState.TAKEN))
            uow.commit(because=AuditEvent(Action.EXPORT_TAKEN, "site", f"export/{link.export}"))
        self._files().delete(link.tenant, link.export)

    def tidy(self, *, now: datetime) -> int:
        """Links that expired, and files to which none leads any more, are gone; returns how many files.

        Links to receipts expire as well; the receipts stay.
        """
        with self.database.begin() as uow:
            uow.export_links.forget_expired(now)
            uow.receipt_links.forget_expired(now)
            uow.commit(because=Bookkeeping.EXPORT_MOVED)
        deleted = 0
        for tenant, export in () if self.files is None else self.files.names():
            with self.database.begin(tenant) as uow:
                record = uow.exports.find(export)
            if record is None or now >= record.expires_at or record.state not in {*_OPEN, ExportState.READY}:
                self._files().delete(tenant, export)
                deleted += 1
        return deleted

    def _note_progress(self, tenant: TenantId, found: ExportRecord, *, rows: int) -> None:
        with self.database.begin(tenant) as uow:
            uow.exports.save_running(replace(found, state=ExportState.RUNNING, rows=rows))
            uow.commit(because=Bookkeeping.EXPORT_MOVED)

    def _files(self) -> ExportFiles:
        if self.files is None:
            raise ExportsOff(ExportsOff.__doc__)
        return self.files


def export_document(record: ExportRecord) -> dict[str, Any]:
    """An export as it is told."""
    return {
        "id": str(record.export),
        "state": record.state.value,
        "asked_at": instant_text(record.asked_at),
        "expires_at": instant_text(record.expires_at),
        "rows": record.rows,
        "size_bytes": record.size_bytes,
        "sha256": None if record.sha256 is None else record.sha256.hex(),
    }


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _measured(file: IO[bytes]) -> tuple[int, bytes]:
    digest, size = hashlib.sha256(), 0
    with file:
        while part := file.read(_HASHED_BYTES):
            digest.update(part)
            size += len(part)
    return size, digest.digest()
