"""Telling on the real database with the roles of the product, a real vault, and a real mail server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask

import app
from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.clocks.model import Bounds, Severity
from app.domain.identifiers import ClientKey, IssueId
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.notices.letters import Letters
from app.domain.notices.model import Medium, Recipient, RecipientId
from app.domain.notices.operations import Telling
from app.domain.notices.recipients import Recipients
from app.domain.promises.shelf import PolicyShelf
from app.domain.secrets import Secret
from app.domain.tracking.model import IssueRecord, Tracking
from app.outbound.mail import MailChannel
from app.store.database import SqlDatabase, open_engines
from app.vault.door import Door
from tests.mail_server import MailServer
from tests.stored_bounds import save_bounds

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def mail():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def shared(make_database):
    with make_database() as made:
        yield made


@pytest.fixture(scope="module")
def roles(shared):
    """The database as web and as worker open it."""
    opened = [
        open_engines(Flask(f"notices-{role}"), url, connections=4)
        for role, url in (("web", shared.web), ("worker", shared.worker))
    ]
    yield [SqlDatabase(engine, clock=lambda: NOW) for engine in opened]
    for engine in opened:
        engine.dispose()


class Site:
    """A made-up tenant with issues whose bounds a test gives, and people who are told."""

    def __init__(self, roles, mail, keyring_file, rows):
        self.web, self.worker = roles
        self.mail, self.rows = mail, rows
        self.vault = Door.from_keyring_file(keyring_file)
        shelf = PolicyShelf(lambda name: (Path(app.__file__).parent / "policies" / f"{name}.toml").read_text())
        self.telling = Telling(
            database=self.worker,
            letters=Letters(self.worker, self.vault, "https://app.example.com"),
            channels={Medium.MAIL: MailChannel(mail.url, sender="pledge@example.org", allow_plain_loopback=True)},
            in_force=shelf.in_force,
        )
        self.people = Recipients(self.web, self.vault)
        self.tenant = self._install()
        mail.box.__init__()

    @property
    def box(self):
        return self.mail.box

    def _install(self):
        name = uuid4().hex
        self.url = f"https://{name}.example.com"
        with self.web.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, NOW)
            uow.enter(tenant)
            state = InstallationState.ACTIVE
            uow.registry.save_connect(Registered(ClientKey(name), tenant, installation, self.url, state, 1, None, NOW))
            install = Install(tenant, installation, ClientKey(name), self.url, self.url, None, "jira")
            uow.tenants.save_install(install, region="global", policy="genchi", now=NOW)
            uow.commit(because=AuditEvent(Action.INSTALLATION_ADDED, "atlassian", "installation/1"))
        return tenant

    def person(self, address="oncall@example.com", **changes):
        """Somebody who has been told of things for long."""
        values = {
            "recipient": RecipientId(uuid4()),
            "label": "On call",
            "medium": Medium.MAIL,
            "added_at": NOW - 400 * DAY,
        }
        made = Recipient(**values | changes)
        self.people.add(self.tenant, made, address=Secret(address) if address else None, actor="administrator")
        return made

    def clock(self, number=1, *, due, given=10 * DAY, silent_before=None, promise="security-bug-fix", **changes):
        """An issue whose clock is due then."""
        values = {
            "cycle": 1,
            "severity": Severity.HIGH,
            "started_at": due - given,
            "due_at": due,
            "at_risk_at": due - given / 5,
        }
        record = IssueRecord(
            issue=IssueId(10000 + number),
            key=f"SEC-{number}",
            project=10000,
            tracking=Tracking.TRACKED,
            severity=None,
            hidden_since=None,
            read_at=NOW,
            events=(),
        )
        with self.worker.begin(self.tenant) as uow:
            uow.issues.save(record, NOW)
            bounds = Bounds(**values | changes)
            save_bounds(uow, record.issue, silent_before=silent_before, **{promise: [bounds]})
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)
        return bounds

    def tell(self, at=NOW, **changes):
        return replace(self.telling, **changes).tell(self.tenant, now=at)

    def actions(self):
        query = "SELECT action, detail FROM app.audit_entries WHERE tenant_id = %s ORDER BY at, entry_id"
        return [(action, detail) for action, detail in self.rows(query, self.tenant)]


@pytest.fixture
def site(roles, mail, keyring_file, shared):
    return Site(roles, mail, keyring_file, shared.rows)
