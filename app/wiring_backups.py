"""The part of the composition root that is about backups. Everything of a restore is done as the owner of the database:
the roles of the app are granted nothing before it has ended."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flask import Flask

from app.domain.backup.erasing_again import ErasingAgain
from app.domain.backup.erasures import LedgerUnfit
from app.domain.backup.file_format import write_backup
from app.domain.backup.model import BackupRefused, DatabaseNotEmpty, Manifest, MigrationUnderWay
from app.domain.backup.ports import SealedInput
from app.domain.backup.restoring import Restored, Restoring, check
from app.domain.backup.wrapping import holds, seal_all
from app.domain.privacy.again import Again
from app.outbound.backup_file import existing_file, new_file
from app.setting_values import PREFIX, SettingsRefused, required
from app.settings import Settings, read_settings
from app.store.backup_source import open_source
from app.store.backup_target import SqlTarget
from app.store.database import open_engines
from app.vault.backup_key import BackupKeyFile, BackupKeyUnusable, create_backup_key
from app.wiring_services import erasure_ledger, now, services_of

KNOWN_ERRORS: tuple[type[Exception], ...] = (
    BackupKeyUnusable,
    BackupRefused,
    DatabaseNotEmpty,
    LedgerUnfit,
    MigrationUnderWay,
)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class BackupDesk:
    """See `app.domain.operator.BackupOperations`."""

    database: Callable[[Settings], AbstractContextManager[Settings]]

    def make_key(self) -> str:
        """A new key of backups."""
        return create_backup_key(required("BACKUP_KEY_FILE", read_settings(os.environ).backup_key_file))

    def make(self, path: Path, *, progress: Progress) -> Manifest:
        """A backup of the database as it is now."""
        configured = read_settings(os.environ)
        key, ledger = _key(configured), erasure_ledger(configured)
        with self.database(configured) as settings, new_file(path) as file:
            mark = ledger.mark()
            with open_source(_url(settings, "database_backup_url")) as source:
                return write_backup(source, key.sealing(file), ledger=mark, progress=progress)

    def check(self, path: Path, *, progress: Progress) -> Manifest:
        """Read that backup to its end."""
        with _opened(_key(read_settings(os.environ)), path) as source:
            return check(source, progress=progress)

    def restore(self, path: Path, *, progress: Progress) -> Restored:
        """Bring that backup back."""
        key = _key(read_settings(os.environ))
        with self._restoring() as restoring:
            return restoring.load(lambda: _opened(key, path), now=now(), progress=progress)

    def seal(self, source: Path | None, target: Path, *, key_file: Path) -> None:
        """Any file into a sealed one. A server whose archiving was broken off hands the same one over again."""
        key = BackupKeyFile(key_file)
        with existing_file(source) as plain:
            if source is not None and target.exists():
                with existing_file(target) as sealed:
                    if holds(key.opening(sealed), plain):
                        return
            with new_file(target) as file:
                seal_all(plain, key.sealing(file))

    def unseal(self, source: Path, target: Path, *, key_file: Path) -> None:
        """What was sealed."""
        with existing_file(source) as sealed, new_file(target) as file:
            for block in BackupKeyFile(key_file).opening(sealed).rest():
                file.write(block)

    def finish(self, *, recovered_to: datetime, progress: Progress) -> Restored:
        """What is left to do after the server itself has recovered."""
        with self._restoring() as restoring:
            return restoring.recovered(recovered_to, now=now(), progress=progress)

    @contextmanager
    def _restoring(self) -> Iterator[Restoring]:
        with self.database(read_settings(os.environ)) as settings:
            url, ledger = _url(settings, "database_owner_url"), erasure_ledger(settings)
            engines = open_engines(Flask("pledge.restore"), url, connections=2)
            try:
                services = services_of(settings, engines, process="operator")
                yield Restoring(
                    target=SqlTarget(url),
                    database=services.database,
                    ledger=ledger,
                    erasing=ErasingAgain(services.database, ledger, Again(services.leaving, services.erasing)),
                    verification=services.audit.verification,
                )
            finally:
                engines.dispose()


def _key(settings: Settings) -> BackupKeyFile:
    return BackupKeyFile(required("BACKUP_KEY_FILE", settings.backup_key_file))


@contextmanager
def _opened(key: BackupKeyFile, path: Path) -> Iterator[SealedInput]:
    with existing_file(path) as file:
        yield key.opening(file)


def _url(settings: Settings, name: str) -> str:
    url: str | None = getattr(settings, name)
    if url is None:
        raise SettingsRefused(f"{PREFIX}{name.upper()} is not set; give the PostgreSQL URL of that role")
    return url
