"""The store as web and worker open it: real roles, pooled engines, tenants of their own for each test."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from app.domain.audit.entry import Action, AuditEvent
from app.domain.clocks.model import Event, EventKind
from app.domain.identifiers import ClientKey, IssueId
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.tracking.model import IssueRecord, Tracking
from app.store.database import SqlDatabase, open_engines
from app.store.start_check import StartCheck

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ADDED = AuditEvent(Action.INSTALLATION_ADDED, "atlassian", "installation/1")
_NUMBERS = count(1)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def added():
    """A reason to commit that makes an audit entry."""
    return ADDED


@pytest.fixture(scope="module")
def shared(make_database):
    """One database for the tests of a module; each has tenants of its own."""
    with make_database() as made:
        yield made


@pytest.fixture(scope="module")
def open_store():
    """Open a database as one role: `open_store(url, connections=1)`."""
    with ExitStack() as exits:

        def opened(url, *, connections=3, clock=lambda: NOW):
            engine = open_engines(Flask(f"test{next(_NUMBERS)}"), url, connections=connections)
            exits.callback(engine.dispose)
            return SqlDatabase(engine, clock=clock)

        yield opened


@pytest.fixture
def starting():
    """What a process finds when it starts on a database with that URL."""

    def starting(url):
        engine = create_engine(url, poolclass=NullPool)
        return StartCheck(engine).findings()

    return starting


@pytest.fixture(scope="module")
def web(shared, open_store):
    return open_store(shared.web)


@pytest.fixture(scope="module")
def worker(shared, open_store):
    return open_store(shared.worker)


@pytest.fixture
def register():
    """Install a made-up site; returns its registry row."""

    def register(database, **changes):
        number = next(_NUMBERS)
        with database.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, NOW)
            values = {
                "client_key": ClientKey(f"key-{number}"),
                "tenant": tenant,
                "installation": installation,
                "site_url": f"https://site{number}.atlassian.net",
                "state": InstallationState.ACTIVE,
                "secret_version": 1,
                "previous_accepted_until": None,
                "applied_at": NOW,
            }
            registered = Registered(**values | changes)
            uow.enter(tenant)
            uow.registry.save_connect(registered)
            uow.tenants.save_install(install_of(registered), region="global", policy="genchi", now=NOW)
            uow.commit(because=ADDED)
        return registered

    return register


@pytest.fixture
def install():
    return install_of


def install_of(registered, **changes):
    values = {
        "tenant": registered.tenant,
        "installation": registered.installation,
        "client_key": registered.client_key,
        "base_url": registered.site_url,
        "display_url": registered.site_url,
        "cloud_id": "cloud",
        "product_type": "jira",
    }
    return Install(**values | changes)


@pytest.fixture
def tenant(web, register):
    return register(web).tenant


@pytest.fixture
def record():
    """An issue as it is kept."""

    def record(number=10001, **changes):
        events = (Event(kind=EventKind.REPORTED, at=NOW - timedelta(days=1), source="jira:created"),)
        values = {
            "issue": IssueId(number),
            "key": f"SEC-{number}",
            "project": 10000,
            "tracking": Tracking.TRACKED,
            "severity": None,
            "hidden_since": None,
            "read_at": NOW,
            "events": events,
        }
        return IssueRecord(**values | changes)

    return record
