"""Snapshots of issues as Jira shows them, Jira's side in memory, and the database as web and worker open it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask

import app
from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import ClientKey, IssueId
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.ports import IssueHidden, SiteAccess
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking.model import Change, IssueSnapshot
from app.domain.tracking.operations import Following
from app.domain.tracking.rule import TrackingRule
from app.store.database import SqlDatabase, open_engines

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CREATED = NOW - timedelta(days=10)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def snapshot():
    def snapshot(*changes, number=10001, **values):
        """`changes` are (id, days after creation, field, before, after)."""
        told = [Change(c[0], CREATED + timedelta(days=c[1]), *c[2:]) for c in changes]
        defaults = {
            "issue": IssueId(number),
            "key": f"SEC-{number}",
            "project": 10000,
            "issue_type": "Bug",
            "labels": frozenset({"security"}),
            "priority": None,
            "status_is_done": False,
            "resolution": None,
            "resolved_at": None,
            "created_at": CREATED,
            "cvss_vector": None,
            "cvss_score": None,
            "vector_field": "customfield_1",
            "score_field": "customfield_2",
            "changes": tuple(told),
        }
        return IssueSnapshot(**defaults | values)

    return snapshot


class Board:
    """Jira's side of the port `JiraSites`, kept in memory: issues by id, or what is raised when one is read."""

    def __init__(self):
        self.issues = {}
        self.browsers = set()
        self.asked = []

    def read_issue(self, site, issue, choice):
        self.asked.append((site.base_url, issue))
        found = self.issues.get(issue, IssueHidden())
        if isinstance(found, Exception):
            raise found
        return found

    def may_browse(self, site, account, issue):
        return (account, issue) in self.browsers


@pytest.fixture
def board():
    return Board()


@pytest.fixture(scope="module")
def shared(make_database):
    with make_database() as made:
        yield made


@pytest.fixture(scope="module")
def roles(shared):
    """The database as web and as worker open it."""
    opened = [
        open_engines(Flask(f"tracking-{role}"), url, connections=2)
        for role, url in (("web", shared.web), ("worker", shared.worker))
    ]
    yield [SqlDatabase(engine, clock=lambda: NOW) for engine in opened]
    for engine in opened:
        engine.dispose()


@pytest.fixture
def register(roles):
    """Install a made-up site under a policy."""

    def register(state=InstallationState.ACTIVE):
        name = uuid4().hex
        url = f"https://{name}.example.com"
        with roles[0].begin() as uow:
            tenant, installation = uow.registry.next_ids(None, NOW)
            uow.enter(tenant)
            uow.registry.save_connect(Registered(ClientKey(name), tenant, installation, url, state, 1, None, NOW))
            install = Install(tenant, installation, ClientKey(name), url, url, None, "jira")
            uow.tenants.save_install(install, region="global", policy="atlassian-marketplace", now=NOW)
            uow.commit(because=AuditEvent(Action.INSTALLATION_ADDED, "atlassian", "installation/1"))
        return tenant

    return register


@pytest.fixture
def tenant(register):
    return register()


@pytest.fixture
def following(roles, board):
    """The use case as the web has it, and as the worker has it."""
    shelf = PolicyShelf(lambda name: (Path(app.__file__).parent / "policies" / f"{name}.toml").read_text())

    def made(database):
        def site_of(tenant, person_token):
            return SiteAccess(database.view_tenant(tenant).base_url, authorize=lambda headers, *, method, target: None)

        return Following(database, board, site_of, TrackingRule(), shelf.in_force)

    return [made(database) for database in roles]
