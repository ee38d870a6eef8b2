"""The evaluator on the real database, with the worker's rights; counts come in with those of the web process."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from app.domain.alerts.operations import Watch
from app.domain.alerts.ports import Signal
from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import HOUSE, TenantId
from app.store.database import SqlDatabase, open_engines

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Scene:
    """Counts of a made-up past, and what the evaluator makes of them."""

    def __init__(self, database, web, worker):
        self.database = database
        self.web = web
        self.worker = worker
        self.told = []
        self.watch = Watch(database=worker, tell=self.told.append)

    def count(self, code, at, *, endpoint="audit", tenant=HOUSE, times=1):
        with self.web.begin() as uow:
            uow.signals.add({Signal(code, endpoint, TenantId(tenant)): times}, at=at)
            uow.commit(because=Bookkeeping.SIGNALS_COUNTED)

    def raised(self, now):
        return [alert.rule.rule_id for alert in self.watch.evaluate(now=now)]

    def forget(self):
        self.database.execute("DELETE FROM registry.signals")
        self.database.execute("DELETE FROM registry.alerts")
        self.database.execute("DELETE FROM registry.audit_waiting")
        self.database.execute("TRUNCATE registry.audit_anchor_leaves, registry.audit_anchor_heads")

    def entries(self, tenant=HOUSE):
        return self.database.rows(
            "SELECT target, detail->>'rule' FROM app.audit_entries WHERE action = 'alert.raised' AND tenant_id = %s",
            tenant,
        )


@pytest.fixture
def now():
    return NOW


@pytest.fixture(scope="module")
def shared(make_database):
    with make_database() as made:
        yield made


@pytest.fixture(scope="module")
def stores(shared):
    engines = [open_engines(Flask(f"alerts {url}"), url, connections=3) for url in (shared.web, shared.worker)]
    yield [SqlDatabase(each, clock=lambda: NOW) for each in engines]
    for each in engines:
        each.dispose()


@pytest.fixture
def scene(shared, stores):
    scene = Scene(shared, *stores)
    scene.forget()
    return scene


@pytest.fixture
def tenant(scene):
    rows = "INSERT INTO registry.tenants (created_at) VALUES (now()) RETURNING tenant_id"
    ((tenant,),) = scene.database.rows(rows)
    scene.database.execute(
        "INSERT INTO app.tenants (tenant_id, region, policy, current_installation, created_at)"
        " VALUES (%s, 'global', 'genchi', 0, now())",
        tenant,
    )
    return tenant
