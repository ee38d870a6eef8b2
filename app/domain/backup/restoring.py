"""Bringing a backup back, in the only order in which nothing of a bad one stays, and nothing erased is served again.

1. The database is empty, the ledger of erasures is that of the backup, and the whole file is read to its end: every
   chunk, every hash, the schema. Until here nothing is written anywhere.
2. The schema as it was then; every row in one transaction, hashed once more; then the newest schema.
3. What was erased after the backup is erased again.
4. The audit log is compared with the anchor, and gets an entry that this was done.
5. Only now are the roles of the app granted anything: before, no process can use the database, however it was started.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from app.domain.audit.entry import Action, AuditEvent
from app.domain.audit.verification import Finding, Kind, Verification
from app.domain.backup.erasing_again import ErasedAgain, ErasingAgain
from app.domain.backup.file_format import Progress, count_rows, read_head, read_tables
from app.domain.backup.model import BackupRefused, Manifest
from app.domain.backup.ports import ErasureLedger, SealedInput, Target
from app.domain.clocks.model import instant_text
from app.domain.identifiers import HOUSE
from app.domain.ports import Database


@dataclass(frozen=True)
class AuditFound:
    """What the log of a restored database says."""

    entries: int
    newer: tuple[Finding, ...]
    """Notes of the anchor that speak of more than the backup has: what was lost with the database."""
    findings: tuple[Finding, ...]
    """Everything else, which no restore explains."""


@dataclass(frozen=True)
class Restored:
    """What is there now."""

    erased: ErasedAgain
    audit: AuditFound
    schema: str
    manifest: Manifest | None
    """None where the server itself has recovered."""


def check(source: SealedInput, *, progress: Progress) -> Manifest:
    """Read it to its end, and load nothing; raises `BackupRefused`."""
    return read_tables(source, read_head(source), load=count_rows, progress=progress)


@dataclass(frozen=True)
class Restoring:
    """The use case, on an empty database or on one that its server has recovered."""

    target: Target
    database: Database
    ledger: ErasureLedger
    erasing: ErasingAgain
    verification: Verification

    def load(
        self, opened: Callable[[], AbstractContextManager[SealedInput]], *, now: datetime, progress: Progress
    ) -> Restored:
        """From a backup; `opened` opens it anew each time.

        Raises `BackupRefused`, `DatabaseNotEmpty`, `LedgerUnfit`, `DatabaseUnavailable`, `OSError`.
        """
        # Refused here, rather than when everything is loaded.
        self.verification.key(), self.verification.anchor()
        self.target.refuse_unless_empty()
        with opened() as source:
            manifest = check(source, progress=lambda line: progress(f"checking {line}"))
        if not self.target.knows(manifest.head.schema):
            raise BackupRefused(f"has the schema {manifest.head.schema}, which this version does not know")
        self.ledger.refuse_unless_follows(manifest.ledger)
        self._fill(opened, manifest, progress=progress)
        return self._finish(since=manifest.head.at, manifest=manifest, now=now, progress=progress)

    def recovered(self, to: datetime, *, now: datetime, progress: Progress) -> Restored:
        """After the server itself has recovered to that instant from its base backup and write-ahead log."""
        self.verification.key(), self.verification.anchor()
        self.target.close_to_app()
        self.target.skip_ids()
        return self._finish(since=to, manifest=None, now=now, progress=progress)

    def _fill(
        self,
        opened: Callable[[], AbstractContextManager[SealedInput]],
        manifest: Manifest,
        *,
        progress: Progress,
    ) -> None:
        is_filled = False
        try:
            self.target.migrate(manifest.head.schema)
            with opened() as source, self.target.loading() as loading:
                again = read_tables(source, read_head(source), load=loading.load, progress=progress)
                if again != manifest:
                    raise BackupRefused("was replaced while it was read")
                loading.keep(again.sequences)
                is_filled = True
        finally:
            if not is_filled:
                self.target.clear()

    def _finish(self, *, since: datetime, manifest: Manifest | None, now: datetime, progress: Progress) -> Restored:
        schema = self.target.migrate(None)
        progress("erasing again what was erased since")
        erased = self.erasing.run(since=since, now=now)
        report = self.verification.run(progress=lambda line: progress(f"audit log: {line}"))
        with self.database.begin(HOUSE) as uow:
            uow.commit(because=AuditEvent(Action.DATABASE_RESTORED, "operator", "database", _detail(since, erased)))
        self.target.open_to_app()
        is_newer = [finding.kind is Kind.ANCHOR_BEYOND for finding in report.findings]
        return Restored(
            erased=erased,
            audit=AuditFound(
                entries=sum(report.sizes.values()),
                newer=tuple(each for each, newer in zip(report.findings, is_newer, strict=True) if newer),
                findings=tuple(each for each, newer in zip(report.findings, is_newer, strict=True) if not newer),
            ),
            schema=schema,
            manifest=manifest,
        )


def _detail(to: datetime, erased: ErasedAgain) -> dict[str, str | int | None]:
    return {"to": instant_text(to), "tenants_erased": erased.tenants, "accounts_erased": erased.accounts}
