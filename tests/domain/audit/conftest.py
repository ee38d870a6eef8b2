"""A log in a real PostgreSQL: the web role writes entries, the worker role sequences, a superuser does as it likes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask

from app.domain.audit.entry import Action, AuditEvent
from app.domain.audit.log import AuditLog
from app.domain.identifiers import ClientKey
from app.domain.installations.model import Install, InstallationState, Registered
from app.outbound.anchor_file import AnchorFile
from app.store.database import SqlDatabase, open_engines
from app.vault.checkpoint_key import CheckpointKeyFile, create_checkpoint_key

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Kept:
    """One database with its log, its key and its anchor."""

    def __init__(self, database, folder):
        self.database, self.now, self._engines = database, NOW, []
        self.key_file, self.anchor_file = folder / "signing.key", folder / "anchor.jsonl"
        create_checkpoint_key(self.key_file, name="app.example.com/audit")
        self.web, self.worker = self.open(database.web), self.open(database.worker)

    def open(self, url):
        engines = open_engines(Flask(f"audit{len(self._engines)}"), url, connections=3)
        self._engines.append(engines)
        return SqlDatabase(engines, clock=lambda: self.now)

    def close(self):
        for engines in self._engines:
            engines.dispose()

    def log(self, *, database=None, key_file=None, anchor_file=None):
        """The log; with another key or another anchor it is an attacker's."""
        return AuditLog(
            database=database or self.worker,
            key=lambda: CheckpointKeyFile(key_file or self.key_file),
            anchor=lambda: AnchorFile(anchor_file or self.anchor_file),
        )

    def tenant(self):
        """A new tenant, with the one entry that its installation makes."""
        with self.web.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, self.now)
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
                    applied_at=self.now,
                )
            )
            install = Install(**names, base_url=site, display_url=site, cloud_id="cloud", product_type="jira")
            uow.tenants.save_install(install, region="global", policy="genchi", now=self.now)
            uow.commit(because=AuditEvent(Action.INSTALLATION_ADDED, "atlassian", f"installation/{installation}"))
        return tenant

    def write(self, tenant, count, *, person=None):
        """So many entries, each a second after the one before."""
        for _ in range(count):
            self.now += timedelta(seconds=1)
            with self.web.begin(tenant) as uow:
                event = AuditEvent(Action.ISSUE_TRACKED, "system", f"issue/{self.now:%H%M%S}", {"n": 1}, person)
                uow.commit(because=event)

    def sequence(self, **other):
        while self.log(**other).sequencing.advance(now=self.now):
            pass

    def verify(self, **other):
        return self.log(**other).verification.run()

    def kinds(self, **other):
        """What is found, by kind."""
        return {finding.kind for finding in self.verify(**other).findings}

    def entries(self, tenant):
        """The ids in order of the log."""
        query = "SELECT entry_id FROM app.audit_leaves WHERE tenant_id = %s ORDER BY position"
        return [UUID(str(row[0])) for row in self.database.rows(query, tenant)]


@pytest.fixture
def kept(database, tmp_path):
    made = Kept(database, tmp_path)
    yield made
    made.close()


@pytest.fixture
def logged(kept):
    """Two tenants whose logs grew in three steps: the first has 1 + 3 + 3 + 2 entries, the second 1 + 2."""
    first, second = kept.tenant(), kept.tenant()
    kept.sequence()
    kept.write(first, 3)
    kept.sequence()
    kept.write(second, 2)
    kept.write(first, 3)
    kept.sequence()
    kept.write(first, 2)
    kept.sequence()
    assert kept.kinds() == set()
    return first, second
