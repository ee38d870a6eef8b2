"""The app as the wiring builds it, on a real database, with one installed site whose tokens tests can mint."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from atlassian_jwt.url_utils import hash_url

from app import wiring
from app.domain.identifiers import ClientKey
from app.domain.installations.model import ConnectInstallBody
from app.domain.secrets import Secret
from app.edge import limits
from app.protocol.connect_jwt import InstallClaims
from simulator.running import Simulator

BASE_URL = "http://127.0.0.1:8000"
SECRET = "a-made-up-shared-secret-of-more-than-32-bytes"
ACCOUNT = "5b10ac8d82e05b22cc7d4ef5"


@dataclass(frozen=True)
class Web:
    """The running app, and the site that installed it."""

    app: Any
    database: Any
    simulator: Any
    site_url: str
    client_key: str = "made-up-client-key"

    @property
    def client(self):
        return self.app.test_client()

    def token(self, method="GET", target="/", *, kind="request", secret=SECRET, remove=(), **claims):
        """A token of that site for one request (`request`), for our pages (`context`) or by the host (`install`)."""
        now = int(datetime.now(UTC).timestamp())
        qsh = "context-qsh" if kind == "context" else hash_url(method, target)
        made = {"iss": self.client_key, "iat": now, "exp": now + 180, "qsh": qsh, "sub": ACCOUNT} | claims
        for name in remove:
            del made[name]
        if kind == "install":
            key = self.simulator.world.install_key
            return jwt.encode({**made, "aud": [BASE_URL]}, key.private, algorithm="RS256", headers={"kid": key.kid})
        return jwt.encode(made, secret, algorithm="HS256")

    def ask(self, method, target, *, kind=None, token=None, headers=None, **sent):
        """The answer to one request, with a genuine token of that kind if one is asked for."""
        headers = dict(headers or {})
        if kind is not None:
            token = self.token(method, target.partition("#")[0], kind=kind)
        if token is not None:
            headers["Authorization"] = f"JWT {token}"
        return self.client.open(target, method=method, headers=headers, **sent)

    @property
    def counts(self):
        """Who called how often."""
        return self.app.extensions["pledge.limits"]._limiter.storage

    def key_of(self, account=None):
        """By what this site is counted, or that person on it."""
        ((tenant,),) = self.database.rows("SELECT tenant_id FROM registry.connect_installations")
        return f"tenant:{tenant}" if account is None else f"subject:{limits._hash(f'{tenant}:{account}')}"

    def use_up(self, name, key, *, but=0):
        """As if that many had called."""
        rate = limits.rates(())[name]
        assert self.counts.acquire_entry(f"LIMITER/{key}/{name}/{rate}/1/minute", rate, 60, rate - but)

    def lifecycle_body(self, **changed):
        """What a lifecycle route takes."""
        body = {
            "key": "io.pledge.app",
            "clientKey": self.client_key,
            "baseUrl": self.site_url,
            "sharedSecret": SECRET,
            "productType": "jira",
        }
        return json.dumps(body | changed)


@pytest.fixture(scope="session")
def atlassian():
    """The key server of signed installs, and a site."""
    with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def make_web(make_database, keyring_file, atlassian):
    """A factory of apps with one installed site: `with make_web(FORGE_APP_ID=…) as web`."""

    @contextmanager
    def make(**settings):
        with make_database() as database, pytest.MonkeyPatch.context() as environment:
            for name, value in {
                "PROFILE": "development",
                "BASE_URL": BASE_URL,
                "KEYRING_FILE": str(keyring_file),
                "DATABASE_URL": database.web,
                "CONNECT_INSTALL_KEYS_URLS": f"{atlassian.control_url}/install-keys",
                "SECURITY_CONTACT": "mailto:security@example.com",
                "SECURITY_TAB": "on",
                **settings,
            }.items():
                environment.setenv(f"PLEDGE_{name}", value)
            environment.setattr(wiring.logs, "configure", lambda _: None)  # the log belongs to pytest here
            app = wiring.web_app()
            services = app.extensions["pledge.services"]
            made = Web(app=app, database=database, simulator=atlassian, site_url=atlassian.site("genchi").url)
            now = datetime.now(UTC).replace(microsecond=0)  # as a token says it
            services.lifecycle.installed(
                ConnectInstallBody(
                    key="io.pledge.app",
                    client_key=ClientKey(made.client_key),
                    base_url=made.site_url,
                    display_url=made.site_url,
                    cloud_id=None,
                    product_type="jira",
                    shared_secret=Secret(SECRET),
                ),
                InstallClaims(made.client_key, None, now, now, b"t" * 32),
                now=now,
            )
            yield made
            services.database._engines.dispose()

    return make


@pytest.fixture(scope="module")
def web(make_web):
    with make_web() as made:
        yield made
