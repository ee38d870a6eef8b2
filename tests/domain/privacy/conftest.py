"""Tenants that hold people's accounts in a real PostgreSQL, and a reporting API that answers as it is told to."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from psycopg.types.json import Jsonb

from app.domain.audit.entry import Action, AuditEvent
from app.domain.backup.erasing_again import Remembering
from app.domain.identifiers import AccountId, ClientKey, IssueId
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.ports import JiraUnavailable
from app.domain.privacy.acting import Acting
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.evidence import ReportStatus
from app.domain.privacy.ports import Answer, Outcome, Routes
from app.domain.privacy.reporting import Reporting
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.store.database import SqlDatabase, open_engines
from tests import filled_tenants

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ADDED = AuditEvent(Action.INSTALLATION_ADDED, "atlassian", "installation/1")
_NUMBERS = count(1)


@dataclass
class Api:
    """Answers every request as `answers` says, in order; then that nothing is to be done."""

    answers: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    """(whose, accounts)"""
    closed: set = field(default_factory=set)
    malformed: set = field(default_factory=set)
    refused: set = field(default_factory=set)
    """Tenants whose credential is refused."""
    missing: set = field(default_factory=set)
    """Tenants without a credential."""
    on_ask: object = None

    def routes(self, *, is_shared=True):
        return Routes("test", self._way, is_shared=is_shared)

    def _way(self, tenant):
        if tenant in self.missing:
            raise JiraUnavailable(1)
        return lambda accounts: self._answer(tenant, accounts)

    def _answer(self, tenant, accounts):
        self.requests.append((tenant, tuple(accounts)))
        if self.on_ask is not None:
            self.on_ask(accounts)
        if self.answers:
            return self.answers.pop(0)
        if tenant in self.refused:
            return Answer(Outcome.UNAUTHORIZED, status=401)
        ids = {one.account for one in accounts}
        if ids & self.malformed:
            return Answer(Outcome.MALFORMED, status=400)
        return Answer(Outcome.TAKEN, status=200, closed=frozenset(ids & self.closed))

    @property
    def asked(self):
        return [one.account for _, accounts in self.requests for one in accounts]


class Held:
    """One database with people in it. Time is moved by hand."""

    def __init__(self, database, exits, ledger):
        self.ledger = ErasureLedgerFile(ledger)
        self.remembering = Remembering(lambda: self.ledger, clock=lambda: self.now)
        self.sql, self.now, self._exits = database, NOW, exits
        self.web, self.worker = self.open(database.web), self.open(database.worker)
        self.api = Api()

    def open(self, url):
        engines = open_engines(Flask(f"people{next(_NUMBERS)}"), url, connections=3)
        self._exits.callback(engines.dispose)
        return SqlDatabase(engines, clock=lambda: self.now)

    def tenant(self):
        with self.web.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, self.now)
            site = f"https://site{tenant}.atlassian.net"
            names = {"tenant": tenant, "installation": installation, "client_key": ClientKey(f"key-{tenant}")}
            uow.enter(tenant)
            state = {"state": InstallationState.ACTIVE, "secret_version": 1, "previous_accepted_until": None}
            uow.registry.save_connect(Registered(**names, site_url=site, applied_at=self.now, **state))
            install = Install(**names, base_url=site, display_url=site, cloud_id="cloud", product_type="jira")
            uow.tenants.save_install(install, region="global", policy="genchi", now=self.now)
            uow.commit(because=ADDED)
        return tenant

    def hold(self, tenant, *accounts):
        """That tenant's clocks were changed by these people, one issue each, stored now."""
        rows = [(tenant, next(_NUMBERS), account) for account in accounts]
        with psycopg.connect(self.sql.superuser, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)"
                " VALUES (%s, %s, 'SEC-1', 10000, 'tracked', now())",
                [row[:2] for row in rows],
            )
            cursor.executemany(
                "INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at)"
                " VALUES (%s, %s, 'x', 'cancelled', %s, %s, %s)",
                [(*row[:2], self.now, Jsonb({"actor": row[2], "reason": "duplicate"}), self.now) for row in rows],
            )

    def actors(self, tenant):
        query = "SELECT data->>'actor' FROM app.clock_events WHERE tenant_id = %s ORDER BY issue_id"
        return [actor for (actor,) in self.sql.rows(query, tenant)]

    def list(self, *, period=timedelta(days=7)):
        return Acting(self.worker, self.erasing).list_accounts(period=period, now=self.now)

    def reporting(self, *, is_shared=True, database=None):
        return Reporting(
            database or self.worker, self.api.routes(is_shared=is_shared), clock=lambda: self.now, erasing=self.erasing
        )

    def run(self, *, at_once=True, is_shared=True):
        return self.reporting(is_shared=is_shared).run(at_once=at_once)

    def pass_time(self, **duration):
        self.now += timedelta(**duration)

    @property
    def erasing(self):
        return Erasing(self.worker, self.remembering)

    @property
    def status(self):
        return ReportStatus(self.worker, way="test").read(now=self.now)

    def entries(self, tenant=0):
        query = "SELECT action, target, detail FROM app.audit_entries WHERE tenant_id = %s ORDER BY at"
        return self.sql.rows(query, tenant)


@pytest.fixture
def held(database, tmp_path):
    with ExitStack() as exits:
        yield Held(database, exits, tmp_path / "erasures.jsonl")


@pytest.fixture
def people():
    """So many account ids, of both forms."""

    def people(number, prefix="5be24ad8b16532403769"):
        return [AccountId(f"{prefix}{index:04x}") for index in range(number)]

    return people


@pytest.fixture
def now():
    return filled_tenants.NOW


@pytest.fixture
def issue():
    return IssueId(10001)


@pytest.fixture
def filled(database, tmp_path, keyring_file):
    made = filled_tenants.Filled(database, tmp_path, Path(keyring_file))
    yield made
    made.close()
