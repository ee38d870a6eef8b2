"""The lifecycle and the gates on the real database and a real vault; the claims are those that a gate hands on."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from atlassian_jwt.url_utils import hash_url
from flask import Flask

from app.domain.identifiers import ClientKey
from app.domain.installations.admission import Admission
from app.domain.installations.model import ConnectInstallBody
from app.domain.installations.operations import Lifecycle, LifecycleRules
from app.domain.ports import SiteAccess
from app.domain.secrets import Secret
from app.protocol.connect_jwt import InstallClaims, SignedRequest
from app.protocol.refusals import KeyUnknown
from app.store.database import SqlDatabase, open_engines
from app.vault.door import Door

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
AUDIENCE = "https://pledge.example.com"
SECRET = "s" * 40


@pytest.fixture
def now():
    return NOW


@pytest.fixture(scope="module")
def shared(make_database):
    with make_database() as made:
        yield made


@pytest.fixture(scope="module")
def database(shared):
    engine = open_engines(Flask("installations"), shared.web, connections=4)
    yield SqlDatabase(engine, clock=lambda: NOW)
    engine.dispose()


@pytest.fixture
def rules():
    return LifecycleRules(
        app_key="io.pledge.app",
        allowed_hosts=("atlassian.net", "jira.com"),
        allow_http_loopback=False,
        secret_grace_seconds=0,
        region="global",
        policy="genchi",
    )


class Sites:
    """Jira as the lifecycle asks it: which base URLs still take what their present tenant signs."""

    def __init__(self):
        self.trusting = set()

    def accepts(self, site):
        return site.base_url in self.trusting


@pytest.fixture
def sites():
    return Sites()


@pytest.fixture
def lifecycle(database, keyring_file, rules, sites):
    door = Door.from_keyring_file(Path(keyring_file))

    def site_of(tenant, person_token):
        return SiteAccess(database.view_tenant(tenant).base_url, authorize=lambda headers, *, method, target: None)

    return Lifecycle(database, door, sites, site_of, rules)


class NoKeys:
    """A key directory that has none."""

    def key(self, kid):
        raise KeyUnknown


@pytest.fixture
def admission(database, keyring_file):
    """Its vault is another process's: nothing opened before is remembered."""
    return Admission(database, Door.from_keyring_file(Path(keyring_file)), NoKeys(), frozenset({AUDIENCE}), "global")


@pytest.fixture
def body():
    def body(client_key, /, **changes):
        values = {
            "key": "io.pledge.app",
            "client_key": ClientKey(client_key),
            "base_url": f"https://{client_key}.atlassian.net",
            "display_url": f"https://{client_key}.atlassian.net",
            "cloud_id": "cloud",
            "product_type": "jira",
            "shared_secret": Secret(SECRET),
        }
        return ConnectInstallBody(**values | changes)

    return body


@pytest.fixture
def claims():
    def claims(client_key, at=NOW, *, token=None):
        return InstallClaims(client_key, None, at, at, token or os.urandom(32))

    return claims


@pytest.fixture
def name():
    """A client key of this test's own."""
    return f"key-{time.monotonic_ns()}"


@pytest.fixture
def admit(admission):
    """Ask with a token that Jira signs with that secret."""

    def admit(client_key, secret=SECRET, *, at=NOW, mode="context", account="person"):
        target = "/connect/issue?issueId=1"
        qsh = "context-qsh" if mode == "context" else hash_url("GET", target)
        issued = int(at.timestamp())
        token = {"iss": client_key, "iat": issued, "exp": issued + 180, "qsh": qsh, "sub": account}
        signed = jwt.encode({k: v for k, v in token.items() if v is not None}, secret, algorithm="HS256")
        return admission.admit_connect(SignedRequest("GET", target, "", signed), mode=mode, now=at)

    return admit
