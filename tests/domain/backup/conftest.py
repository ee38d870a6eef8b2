"""A database with tenants, their logs and a queue; an empty one beside it; keys, anchor and ledger outside of both."""

import io
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from flask import Flask

from app.domain.audit.entry import Action, AuditEvent
from app.domain.audit.log import AuditLog
from app.domain.backup.erasing_again import ErasingAgain, ErasureRecords
from app.domain.backup.file_format import write_backup
from app.domain.backup.restoring import Restoring
from app.domain.identifiers import ClientKey
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.leaving import Leaving
from app.domain.privacy.restored import ErasingRestored
from app.outbound.anchor_file import AnchorFile
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.store.backup_source import open_source
from app.store.backup_target import SqlTarget
from app.store.database import SqlDatabase, open_engines
from app.vault.backup_key import BackupKeyFile, create_backup_key
from app.vault.checkpoint_key import CheckpointKeyFile, create_checkpoint_key
from tests.conftest import TestDatabase

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def silent(_):
    """Nobody looks on."""


class Erases:
    """What erases in the product, on that database as its owner; remembers what it was asked for."""

    def __init__(self, kept, target):
        database = kept.open(target.owner)
        key = CheckpointKeyFile(kept.folder / "signing.key")
        times = {"retention": timedelta(days=30), "backups_kept": timedelta(days=14)}
        leaving = Leaving(database, lambda: key, **times, delete_files=lambda _: None, records=kept.recording)
        self._again = ErasingRestored(leaving, Erasing(database, kept.recording))
        self.database, self.done = target, []

    def tenant(self, tenant, *, now):
        self.done.append(tenant)
        return self._again.tenant(tenant, now=now)

    def accounts(self, tenant, is_erased, *, now):
        count = self._again.accounts(tenant, is_erased, now=now)
        self.done.append((tenant, count))
        return count


class Kept:
    """One product, of which there is more than a database."""

    def __init__(self, database, folder):
        self.database, self.folder, self._engines = database, folder, []
        create_checkpoint_key(folder / "signing.key", name="app.example.com/audit")
        create_backup_key(folder / "backup.key")
        self.key = BackupKeyFile(folder / "backup.key")
        self.ledger = ErasureLedgerFile(folder / "erasures.jsonl")
        self.recording = ErasureRecords(lambda: self.ledger)
        self.web, self.worker = self.open(database.web), self.open(database.worker)

    def open(self, url):
        engines = open_engines(Flask(f"backup{len(self._engines)}"), url, connections=3)
        self._engines.append(engines)
        return SqlDatabase(engines, clock=lambda: datetime.now(UTC))

    def close(self):
        for engines in self._engines:
            engines.dispose()

    def log(self, database):
        return AuditLog(
            database=database,
            key=lambda: CheckpointKeyFile(self.folder / "signing.key"),
            anchor=lambda: AnchorFile(self.folder / "anchor.jsonl"),
        )

    def sequence(self):
        while self.log(self.worker).sequencing.advance(now=NOW):
            pass

    def tenant(self):
        """A new tenant, whose log has one entry and whose queue one job."""
        with self.web.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, NOW)
            site = f"https://site{tenant}.atlassian.net"
            names = {"tenant": tenant, "installation": installation, "client_key": ClientKey(f"key-{tenant}")}
            uow.enter(tenant)
            uow.registry.save_connect(
                Registered(
                    **names,
                    site_url=site,
                    state=InstallationState.ACTIVE,
                    secret_version=1,
                    previous_accepted_until=None,
                    applied_at=NOW,
                )
            )
            install = Install(**names, base_url=site, display_url=site, cloud_id="cloud", product_type="jira")
            uow.tenants.save_install(install, region="global", policy="genchi", now=NOW)
            uow.enqueue("read-issues", tenant)
            uow.commit(because=AuditEvent(Action.INSTALLATION_ADDED, "atlassian", f"installation/{installation}"))
        return tenant

    def hold(self, tenant, account):
        """Somebody decided something there."""
        with psycopg.connect(self.database.superuser, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)"
                " VALUES (%s, 10001, 'SEC-1', 10000, 'tracked', now())",
                [tenant],
            )
            connection.execute(
                "INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at)"
                " VALUES (%s, 10001, 'form:1', 'cancelled', now(), jsonb_build_object('actor', %s::text), now())",
                [tenant, account],
            )

    def backup(self, database=None):
        """The bytes of one, and what it says of itself."""
        file, mark = io.BytesIO(), self.ledger.mark()
        with open_source((database or self.database).backup) as source:
            manifest = write_backup(source, self.key.sealing(file), ledger=mark, progress=silent)
        return file.getvalue(), manifest

    def opening(self, data):
        @contextmanager
        def opened():
            yield self.key.opening(io.BytesIO(data))

        return opened

    def restoring(self, target, *, again):
        database = self.open(target.owner)
        return Restoring(
            target=SqlTarget(target.owner),
            database=database,
            ledger=self.ledger,
            erasing=ErasingAgain(database, self.ledger, again=again),
            verification=self.log(database).verification,
        )

    def restore(self, data, target, *, again=None):
        restoring = self.restoring(target, again=again or Erases(self, target))
        return restoring.load(self.opening(data), now=datetime.now(UTC), progress=silent)


@pytest.fixture(scope="module")
def kept(make_database, tmp_path_factory):
    with make_database() as database:
        made = Kept(database, tmp_path_factory.mktemp("outside"))
        for _ in range(3):
            made.tenant()
        made.sequence()
        yield made
        made.close()


@pytest.fixture
def vacant(cluster):
    """A database of the owner's with nothing in it."""
    with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE vacant TEMPLATE template0 OWNER pledge_owner")
    yield TestDatabase.on(cluster, "vacant")
    with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE vacant WITH (FORCE)")
