"""Tenants with a sealed secret each, on the real database with the real roles, and a keyring that may be rotated."""

from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace

import jwt
import pytest
from atlassian_jwt.url_utils import hash_url
from flask import Flask

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import ClientKey
from app.domain.installations.model import Install, InstallationState, Registered
from app.domain.keys.operations import KeyUpkeep, own_data_key
from app.domain.secrets import Purpose, Secret, SecretPlace
from app.protocol.connect_jwt import SignedRequest
from app.store.database import SqlDatabase, open_engines
from app.vault.administration import create_keyring
from app.vault.door import Door

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TARGET = "/connect/issue?issueId=10042"
_NUMBERS = count(1)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def keyring_path(tmp_path):
    path = tmp_path / "keyring.json"
    create_keyring(path, now=NOW)
    return path


@pytest.fixture
def opened_as(database):
    """The database as one of the roles: `opened_as("web")`."""
    engines = []

    def opened(role):
        engines.append(open_engines(Flask(f"keys{next(_NUMBERS)}"), getattr(database, role), connections=3))
        return SqlDatabase(engines[-1], clock=lambda: NOW)

    yield opened
    for engine in engines:
        engine.dispose()


@pytest.fixture
def web(opened_as):
    return opened_as("web")


@pytest.fixture
def worker(opened_as):
    return opened_as("worker")


@pytest.fixture
def door(keyring_path):
    return Door.from_keyring_file(keyring_path)


@pytest.fixture
def upkeep(worker, keyring_path):
    return KeyUpkeep(worker, Door.from_keyring_file(keyring_path))


@pytest.fixture
def install(web, door):
    """A made-up site whose shared secret is sealed; `before_commit` is called in its transaction."""

    def install(*, purpose=Purpose.CONNECT_SECRET, before_commit=lambda: None):
        number = next(_NUMBERS)
        secret = f"shared-secret-of-site-number-{number:012}"
        with web.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, NOW)
            uow.enter(tenant)
            url = f"https://site{number}.example.com"
            uow.registry.save_connect(
                Registered(
                    ClientKey(f"key-{number}"), tenant, installation, url, InstallationState.ACTIVE, 1, None, NOW
                )
            )
            uow.tenants.save_install(
                Install(tenant, installation, ClientKey(f"key-{number}"), url, url, None, "jira"),
                region="global",
                policy="genchi",
                now=NOW,
            )
            place = SecretPlace(tenant, purpose, str(installation), 1)
            data_key = own_data_key(uow, door, tenant, purpose=purpose, now=NOW)
            uow.tenants.add_sealed(door.seal(Secret(secret), place=place, data_key=data_key))
            before_commit()
            uow.commit(because=AuditEvent(Action.INSTALLATION_ADDED, "atlassian", f"installation/{installation}"))
        return SimpleNamespace(tenant=tenant, place=place, secret=secret)

    return install


@pytest.fixture
def opens(web):
    """Whether that door lets a token of the site in, by what the database holds."""

    def opens(door, site):
        def fetch(place):
            with web.begin(site.tenant) as uow:
                return uow.tenants.sealed(place)

        claims = {"iss": "key", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60}
        token = jwt.encode(claims | {"qsh": hash_url("GET", TARGET)}, site.secret, algorithm="HS256")
        request = SignedRequest(method="GET", raw_target=TARGET, base_path="", token=token)
        audiences = frozenset({"https://pledge.example.com"})
        return door.check_connect_token(
            request, mode="computed", places=[site.place], fetch=fetch, audiences=audiences, now=NOW
        )

    return opens
