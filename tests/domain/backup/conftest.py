"""A database with tenants, their logs and a queue; an empty one beside it; keys, anchor and ledger outside of both."""

import io
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from flask import Flask

from app.domain.audit.entry import Action, AuditEvent
from app.domain.audit.log import AuditLog
from app.domain.backup.erasing_again import ErasingAgain, Remembering
from app.domain.backup.file_format import write_backup
from app.domain.backup.restoring import Restoring
from app.domain.identifiers import ClientKey
from app.domain.installations.model import Install, InstallationState, Registered
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


class DeletesTenants:
    """What erases in these tests: as a superuser, by one statement per table that there is."""

    def __init__(self, database):
        self.database, self.done = database, []

    def tenant(self, tenant, *, now):
        self.done.append(tenant)
        tables = self.database.rows(
            "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'"
        )
        with psycopg.connect(self.database.superuser, options="-c session_replication_role=replica") as connection:
            found = {
                name: connection.execute(f"DELETE FROM app.{name} WHERE tenant_id = %s", [tenant]).rowcount  # noqa: S608  a table of ours
                for (name,) in tables
                if not name.startswith("audit_")
            }
        return found["tenants"] == 1

    def accounts(self, tenant, is_erased, *, now):
        holds = [name for name in ("account-1", "account-2", "account-3") if is_erased(name)]
        self.done.append((tenant, holds))
        return len(holds)


class Kept:
    """One product, of which there is more than a database."""

    def __init__(self, database, folder):
        self.database, self.folder, self._engines = database, folder, []
        create_checkpoint_key(folder / "signing.key", name="app.example.com/audit")
        create_backup_key(folder / "backup.key")
        self.key = BackupKeyFile(folder / "backup.key")
        self.ledger = ErasureLedgerFile(folder / "erasures.jsonl")
        self.remembering = Remembering(lambda: self.ledger, clock=lambda: datetime.now(UTC))
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

    def restoring(self, target, *, again=None):
        database = self.open(target.owner)
        return Restoring(
            target=SqlTarget(target.owner),
            database=database,
            ledger=self.ledger,
            erasing=ErasingAgain(database, self.ledger, again or DeletesTenants(target)),
            verification=self.log(database).verification,
        )

    def restore(self, data, target, *, again=None):
        return self.restoring(target, again=again).load(self.opening(data), now=datetime.now(UTC), progress=silent)


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
