"""Our own house on a real PostgreSQL, and the simulated authorization server over HTTP; time is moved by hand."""

import json
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask

from app.domain.integrations.connecting import Connecting
from app.domain.integrations.disconnecting import Disconnecting
from app.domain.integrations.operations import Integrations
from app.domain.integrations.queries import IntegrationStatus
from app.domain.integrations.reports import GrantedAsk
from app.domain.integrations.sealing import Keeping
from app.domain.integrations.tokens import AccessTokens
from app.outbound.authorization_server import AtlassianAuthorization
from app.outbound.privacy_api import SHARED_PATH, ReportApi
from app.store.database import SqlDatabase, open_engines
from app.vault.checkpoint_key import CheckpointKeyFile
from app.vault.client_secret import ClientSecretFile
from app.vault.door import Door
from simulator.oauth import client_secret
from simulator.running import Simulator

CLIENT = "made-up-client"
CALLBACK = "http://127.0.0.1:8000/oauth/callback"
_NUMBERS = count(1)
EVERYTHING = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('app', 'registry', 'jobs')"


class House:
    """The vendor. `process()` gives the use cases of one more process, with a vault and a pool of its own."""

    def __init__(self, sql, simulator, folder, keyring, exits):
        self.sql, self.simulator, self._keyring, self._exits = sql, simulator, Path(keyring), exits
        self.moved = timedelta()
        self.secret = folder / "client-secret"
        self.secret.write_text(client_secret(CLIENT) + "\n")
        self.secret.chmod(0o600)
        self.web, self.worker = self.process(sql.web), self.process(sql.worker)

    def now(self):
        return datetime.now(UTC) + self.moved

    def pass_time(self, **duration):
        """For both sides."""
        self.moved += timedelta(**duration)
        self.control_all(advance_seconds=timedelta(**duration).total_seconds())

    def process(self, url):
        engines = open_engines(Flask(f"integrations{next(_NUMBERS)}"), url, connections=3)
        self._exits.callback(engines.dispose)
        return Process(self, SqlDatabase(engines, clock=self.now), Door.from_keyring_file(self._keyring))

    @property
    def key(self):
        return CheckpointKeyFile(self._keyring.with_name("audit-signing.key"))

    def control_all(self, **body):
        requests.post(f"{self.simulator.control_url}/control", json=body, timeout=30).raise_for_status()

    def control(self, **oauth):
        """Faults of the authorization server."""
        self.control_all(oauth=oauth)

    def consent(self, url):
        """The query with which the browser comes back."""
        answer = requests.get(url, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"].partition("?")[2]

    def connect(self):
        """All of it: the web process takes the callback, a worker exchanges the code."""
        url = self.worker.connecting.begin(redirect_uri=None, now=self.now())
        self.web.connecting.receive(self.consent(url), now=self.now())
        self.worker.integrations.tend(now=self.now())
        assert self.state == "connected", self.status
        return url

    @property
    def status(self):
        return self.worker.integrations.status.read(now=self.now())

    @property
    def state(self):
        return self.status["state"]

    def asked(self, kind):
        """The statuses of what was asked of the authorization server."""
        ledger = requests.get(f"{self.simulator.control_url}/grants", timeout=30).json()
        return [line["status"] for line in ledger["requests"] if line["kind"] == kind]

    @property
    def living(self):
        return requests.get(f"{self.simulator.control_url}/grants", timeout=30).json()["living"]

    def entries(self):
        query = "SELECT action, detail FROM app.audit_entries WHERE action LIKE 'integration.%%' ORDER BY at"
        return self.sql.rows(query)

    def everything(self):
        """Whatever the database holds, as text."""
        tables = [table for (table,) in self.sql.rows(EVERYTHING)]
        return "\n".join(str(self.sql.rows(f"SELECT t::text FROM {table} t")) for table in tables)  # noqa: S608  ours

    def sealed(self):
        return self.sql.rows("SELECT row_id, version FROM app.sealed_secrets ORDER BY row_id")

    def held(self):
        """The tokens as the other side has them: what must be nowhere in the clear."""
        server = self.simulator.world.authorization
        return [one for grant in server._grants for one in (*grant.access, *grant.used, grant.refresh)]


class Process:
    def __init__(self, house, database, vault):
        self.house, self.database, self.vault = house, database, vault
        keeping = self.keeping = Keeping(database, vault)
        control = house.simulator.control_url
        secret = ClientSecretFile(house.secret)
        server = AtlassianAuthorization(f"{control}/oauth", lambda: CLIENT, secret.put_in_form)
        self.connecting = Connecting(database, keeping, server, CALLBACK)
        self.disconnecting = Disconnecting(
            database, keeping, server, key=lambda: house.key, backups_kept=timedelta(days=14)
        )
        self.integrations = Integrations(self.connecting, self.disconnecting, IntegrationStatus(database))
        self.paused = threading.Event()
        self.tokens = AccessTokens(database, keeping, server, clock=house.now, pause=self._pause)
        self.ask = GrantedAsk(self.tokens, keeping, partial(ReportApi, control + SHARED_PATH))

    def _pause(self, seconds):
        self.paused.set()
        threading.Event().wait(seconds / 10)


@pytest.fixture(scope="module")
def simulator():
    with Simulator(seed=1) as running:
        yield running


@pytest.fixture
def house(database, simulator, tmp_path, keyring_file):
    with ExitStack() as exits:
        made = House(database, simulator, tmp_path, keyring_file, exits)
        made.control_all(reset=True, oauth={"reset": True}, accounts={"reset": True})
        yield made


@pytest.fixture
def parameters():
    """The parameters of a URL, each once."""

    def parameters(url):
        return {name: value for name, [value] in parse_qs(urlsplit(url).query, strict_parsing=True).items()}

    return parameters


@pytest.fixture
def canned():
    """An answer of the server as JSON."""

    def canned(status=200, **body):
        return {"status": status, "body": json.dumps(body)}

    return canned
