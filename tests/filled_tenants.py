"""Tenants with something in every table, on a real database, as web and worker; the receipts are really signed."""
# ruff: noqa: S608  (joined from the names of our own tables)

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
from flask import Flask
from sqlalchemy import CheckConstraint

from app.domain.audit.entry import Action, AuditEvent, PersonalPart
from app.domain.audit.log import AuditLog
from app.domain.backup.erasing_again import Remembering
from app.domain.identifiers import ClientKey
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.keys.operations import own_data_key
from app.domain.privacy.leaving import Leaving
from app.domain.promises.reading import read_policy
from app.domain.secrets import Purpose, Secret, SecretPlace
from app.outbound.anchor_file import AnchorFile
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.outbound.export_files import ExportFolder
from app.store import tables as _tables  # noqa: F401  its import fills the metadata
from app.store.database import SqlDatabase, open_engines
from app.store.db import Base
from app.store.tenant_erasure import STAYS
from app.vault.checkpoint_key import CheckpointKeyFile
from app.vault.door import Door

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)

_BY_TYPE = {
    int: "{n}",
    str: "'canary-{tenant}-{n}'",
    bool: "true",
    date: "'2026-11-22'",
    time: "'09:00'",
    datetime: "'2026-11-22T09:00:00Z'",
    UUID: "md5('{tenant}-{n}')::uuid",
    bytes: "convert_to('canary-{tenant}-{n}', 'UTF8')",
    object: '\'{{"actor": "canary-{tenant}-{n}"}}\'',
    Decimal: "7.1",
    list: "'{{}}'",
}
"""A value of each type, so that a new table is filled without a word about it here."""


def own_policy(version):
    """A site's own policy on top of a small one, as columns of its row: nothing else can be read in again."""
    head = 'title = "t"\nversion = {}\ndated = 2026-11-22\nsource = "s"\n'
    texts = {
        "genchi": 'name = "genchi"\n' + head.format(1),
        "genchi.own": 'name = "genchi.own"\nextends = "genchi"\n' + head.format(version),
    }
    sha256 = read_policy("genchi.own", texts.__getitem__).sha256
    return {"base": "genchi", "sha256": sha256, "version": version, "texts": json.dumps(texts)}


def literal_of(column, *, tenant, n):
    """The first value that a check of the table names, or one of the type of the column."""
    checks = [str(each.sqltext) for each in column.table.constraints if isinstance(each, CheckConstraint)]
    for check in checks:
        if named := re.match(rf"{column.name} IN \(('[^']*')", check):
            return named[1]
    return _BY_TYPE[column.type.python_type].format(tenant=tenant, n=n)


_AS_FAR_AS_IT_MAY = " ON CONFLICT DO NOTHING"
"""Some tables have one row per tenant and no more."""


@dataclass
class Filled:
    """One database, seen as the product sees it and as a superuser does."""

    database: object
    folder: Path
    keyring: Path

    def __post_init__(self):
        self.now, self._engines = NOW, []
        self.web, self.worker = self.open(self.database.web), self.open(self.database.worker)
        self.vault = Door.from_keyring_file(self.keyring)
        self.files = ExportFolder(self.folder / "exports")
        self.anchor = self.folder / "anchor.jsonl"
        self.ledger = ErasureLedgerFile(self.folder / "erasures.jsonl")
        self.remembering = Remembering(lambda: self.ledger, clock=lambda: self.now)

    def open(self, url):
        engines = open_engines(Flask(f"privacy{len(self._engines)}"), url, connections=3)
        self._engines.append(engines)
        return SqlDatabase(engines, clock=lambda: self.now)

    def close(self):
        for engines in self._engines:
            engines.dispose()

    @staticmethod
    def key_of(keyring):
        return CheckpointKeyFile(keyring.with_name("audit-signing.key"))

    @property
    def key(self):
        return self.key_of(self.keyring)

    @property
    def log(self):
        return AuditLog(self.worker, key=lambda: self.key, anchor=lambda: AnchorFile(self.anchor))

    @property
    def leaving(self):
        times = {"retention": 30 * DAY, "backups_kept": 14 * DAY}
        return Leaving(
            self.worker, lambda: self.key, **times, delete_files=self.files.delete_of, remembering=self.remembering
        )

    def tenant(self, **changes):
        """A new tenant by Connect, with a sealed secret and an entry about a person."""
        with self.web.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, self.now)
            site = f"https://site{tenant}.atlassian.net"
            names = {"tenant": tenant, "installation": installation, "client_key": ClientKey(f"key-{tenant}")}
            values = {
                "site_url": site,
                "state": InstallationState.ACTIVE,
                "secret_version": 1,
                "previous_accepted_until": None,
                "applied_at": self.now,
            }
            uow.enter(tenant)
            uow.registry.save_connect(Registered(**names | values | changes))
            install = Install(**names, base_url=site, display_url=site, cloud_id="cloud", product_type="jira")
            uow.tenants.save_install(install, region="global", policy="genchi", now=self.now)
            place = SecretPlace(tenant, Purpose.CONNECT_SECRET, str(installation), 1)
            data_key = own_data_key(uow, self.vault, tenant, purpose=Purpose.CONNECT_SECRET, now=self.now)
            uow.tenants.add_sealed(self.vault.seal(Secret("s" * 40), place=place, data_key=data_key))
            person = PersonalPart(subject=data_key.key_id, sealed=b"canary")
            event = AuditEvent(Action.INSTALLATION_ADDED, "atlassian", f"installation/{installation}", {}, person)
            uow.commit(because=event)
        return tenant

    def uninstall(self, tenant, *, at):
        """As Jira says it."""
        with self.web.begin(tenant) as uow:
            [known] = [one for one in uow.registry.list_connect() if one.tenant == tenant]
            uow.registry.save_connect(
                Registered(**{**vars(known), "state": InstallationState.UNINSTALLED, "applied_at": at})
            )
            uow.tenants.mark_uninstalled(known.installation, at)
            uow.commit(because=AuditEvent(Action.INSTALLATION_REMOVED, "atlassian", "installation/1"))
        return tenant

    def fill(self, tenant, rows=3):
        """So many rows in every table of schema `app` that can have more than one, whatever tables there are."""
        skipped = {*STAYS, "app.tenants", "app.installations", "app.data_keys", "app.sealed_secrets"}
        skipped |= {"app.forge_tokens", "app.audit_persons"}
        with psycopg.connect(self.database.superuser, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for table in Base.metadata.sorted_tables:
                if table.schema == "app" and table.fullname not in skipped:
                    for n in range(1, rows + 1):
                        connection.execute(self._insert(table, tenant, n))
        return tenant

    @staticmethod
    def _insert(table, tenant, n):
        values = {column.name: literal_of(column, tenant=tenant, n=n) for column in table.columns}
        values |= {"tenant_id": str(tenant)}
        if table.fullname == "app.policy_texts":
            values |= {name: f"'{value}'" for name, value in own_policy(n).items()}
        return (
            f"INSERT INTO {table.fullname} ({', '.join(values)}) VALUES ({', '.join(values.values())})"
            + _AS_FAR_AS_IT_MAY
        )

    def rows(self, tenant):
        """How many rows each table has of that tenant; tables without any are left out."""
        found = {}
        for table in Base.metadata.sorted_tables:
            if "tenant_id" in table.columns:
                [(count,)] = self.database.rows(f"SELECT count(*) FROM {table.fullname} WHERE tenant_id = %s", tenant)
                found |= {table.fullname: count} if count else {}
        return found

    @property
    def reason(self):
        return AuditEvent(Action.ISSUE_TRACKED, "system", "issue/10001")

    def mentions(self, text, tenant):
        """The tables in which that text stands in a row of that tenant."""
        named = [table.fullname for table in Base.metadata.sorted_tables if "tenant_id" in table.columns]
        query = "SELECT count(*) FROM {0} t WHERE tenant_id = %s AND strpos(t::text, %s) > 0"
        return [name for name in named if self.database.rows(query.format(name), tenant, text) != [(0,)]]

    def erase(self, tenant, *, now):
        """Step by step to the end; returns how many steps it took."""
        steps = 1
        while self.leaving.step(tenant, now=now):
            steps += 1
        return steps
