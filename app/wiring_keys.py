"""The part of the composition root that is about the keyring: what `pledge keys` does, and what a process must hold."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from flask import Flask

from app.domain.keys.operations import KeyUpkeep
from app.domain.keys.queries import KeyUse, Readiness
from app.domain.ports import DatabaseUnavailable
from app.domain.secrets import Purpose
from app.setting_values import PREFIX, SettingsRefused
from app.settings import DEVELOPMENT_FOLDER, Settings, read_settings
from app.store.database import SqlDatabase, open_engines
from app.vault import administration
from app.vault.administration import KeyFacts
from app.vault.door import Door

Rows = Sequence[Mapping[str, str]]


def needed_purposes(settings: Settings) -> frozenset[Purpose]:
    """Whose keys a process of this configuration cannot do without."""
    asked = {
        Purpose.CONNECT_SECRET: settings.connect_app_key,
        Purpose.FORGE_TOKEN: settings.forge_app_id,
        Purpose.AUDIT_PERSON: settings.connect_app_key or settings.forge_app_id,
        Purpose.MAIL_ADDRESS: settings.smtp_url,
        Purpose.OAUTH_TOKEN: settings.oauth_client_id,
    }
    return frozenset(purpose for purpose, needing in asked.items() if needing is not None)


def refuse_unfit_keyring(settings: Settings) -> None:
    """Raises `KeyringUnusable` or, for one that lacks a purpose, `SettingsRefused`."""
    for fault in Door.from_keyring_file(settings.keyring_file).faults(needed=needed_purposes(settings), proofs=()):
        raise SettingsRefused(f"{fault.text}; make a keyring that has it with `pledge keys export`, or `rotate`")


@dataclass(frozen=True)
class KeyDesk:
    """See `app.domain.operator.KeyOperations`."""

    database: Callable[[Settings], AbstractContextManager[Settings]]
    clock: Callable[[], datetime]

    def init(self) -> Rows:
        """Make a keyring."""
        return _rows(administration.create_keyring(_file(), now=self.clock()))

    def status(self) -> Rows:
        """Facts about every key of the file."""
        return _rows(administration.keyring_status(_file()))

    def faults(self) -> tuple[str, ...]:
        """Why a process with this keyring is not ready."""
        settings = read_settings(os.environ)
        vault, needed = Door.from_keyring_file(settings.keyring_file), needed_purposes(settings)
        try:
            with self._store("database_url") as database:
                found = Readiness(database, vault, needed).faults()
        except DatabaseUnavailable:
            found = vault.faults(needed=needed, proofs=())
        return tuple(fault.text for fault in found if fault.code.startswith("keyring"))

    def rotate(self, purpose: Purpose | Literal["all"]) -> Rows:
        """A new primary in the file."""
        return _rows(administration.rotate(_file(), purpose=purpose, now=self.clock()))

    def export(self, file: Path, *, purposes: Sequence[Purpose], replace: bool) -> Rows:
        """A keyring with fewer purposes."""
        return _rows(administration.export(_file(), file, purposes=purposes, replace=replace))

    def retire(self, kek_id: str) -> Rows:
        """That key opens nothing any more."""
        with self.upkeep() as upkeep:
            return _rows(administration.retire(_file(), kek_id, release=lambda: upkeep.release(kek_id)))

    def destroy(self, kek_id: str) -> Rows:
        """That retired key is gone from the file."""
        return _rows(administration.destroy(_file(), kek_id))

    def counts(self) -> Mapping[tuple[Purpose, str], int]:
        """How many stored data keys each key wraps."""
        with self._store("database_worker_url") as database:
            _require_current(database)
            return KeyUse(database).counts()

    @contextmanager
    def upkeep(self) -> Iterator[KeyUpkeep]:
        """Work on stored data keys."""
        vault = Door.from_keyring_file(_file())
        with self._store("database_worker_url") as database:
            _require_current(database)
            yield KeyUpkeep(database, vault)

    @contextmanager
    def _store(self, role: str) -> Iterator[SqlDatabase]:
        configured = read_settings(os.environ)
        if configured.database_url is None and not (DEVELOPMENT_FOLDER / "postgres").exists():
            raise DatabaseUnavailable("there is no database yet")
        with self.database(configured) as settings:
            url = getattr(settings, role)
            if url is None:
                raise SettingsRefused(f"{PREFIX}{role.upper()} is not set; give the PostgreSQL URL of that role")
            engines = open_engines(Flask("pledge.keys"), url, connections=1)
            try:
                yield SqlDatabase(engines, clock=self.clock)
            finally:
                engines.dispose()


def _file() -> Path:
    return read_settings(os.environ).keyring_file


def _require_current(database: SqlDatabase) -> None:
    if not database.is_current():
        raise DatabaseUnavailable("the database cannot be reached, or `pledge db upgrade` is due; nothing was changed")


def _rows(keys: Sequence[KeyFacts]) -> Rows:
    return [{name: str(value) for name, value in asdict(key).items()} for key in keys]
