"""`pledge demo` starts everything in order and ends it in reverse; the database is the last to go."""

import re
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.domain.installations.model import InstallationState
from app.jobs.commands import processes
from descriptor.forge import RESOURCE_PATH


class Steps:
    """An operator's set-up and a supervisor that note what happens when."""

    known_errors = ()

    def __init__(self, keyring):
        self.keyring = keyring
        self.seen = []
        self.children = []
        self.site_port = 8101
        self.policies = {0: "genchi", 1: "atlassian-marketplace", 2: "atlassian-marketplace"}

    def settings(self):
        signing_key = self.keyring.with_name("signing.key")
        return {"PLEDGE_KEYRING_FILE": str(self.keyring), "PLEDGE_AUDIT_SIGNING_KEY_FILE": str(signing_key)}

    def keys(self):
        return self

    def init(self):
        self.seen.append("keyring made")

    def audit_init(self, *, name):
        assert name is None
        self.seen.append("signing key made")

    @contextmanager
    def private_database(self):
        self.seen.append("database starts")
        yield {"PLEDGE_DATABASE_URL": "postgresql+psycopg://example"}
        self.seen.append("database stops")

    def database_upgrade(self):
        self.seen.append("migrated")
        return "0001"

    @contextmanager
    def services(self):
        yield SimpleNamespace(database=self, lifecycle=self)

    @contextmanager
    def begin(self):
        yield SimpleNamespace(registry=self)

    def list_connect(self):
        active, gone = InstallationState.ACTIVE, InstallationState.SUSPENDED
        sites = [(f"http://127.0.0.1:{self.site_port + number}", number, active) for number in (2, 0, 1)]
        sites.append(("http://127.0.0.1:8101", 9, gone))
        return [SimpleNamespace(site_url=url, tenant=tenant, state=state) for url, tenant, state in sites]

    def view_tenant(self, tenant):
        return SimpleNamespace(policy=self.policies[tenant])

    def choose_policy(self, tenant, policy):
        self.seen.append("policy chosen")
        self.policies[tenant] = policy

    def __call__(self, **_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.seen.append("processes stop")

    def start(self, child):
        self.seen.append(f"{child.name} starts")
        self.children.append(child)
        return re.match("(.*)", "http://127.0.0.1:8101/browse/SEC-1")

    def start_beside(self, child):
        self.seen.append(f"{child.name} is packed")
        self.children.append(child)

    def wait(self):
        self.seen.append("ready")


@pytest.fixture
def steps(monkeypatch, tmp_path):
    names = ("PROFILE", "BASE_URL", "CONNECT_INSTALL_KEYS_URLS", "CONNECT_HOST_SCRIPT_URL", "DATABASE_URL")
    for name in (*names, "FORGE_APP_ID", "FORGE_JWKS_URL", "ATLASSIAN_API_URL"):
        monkeypatch.setenv(f"PLEDGE_{name}", "")  # put back afterwards: the command sets them for its children
    monkeypatch.chdir(tmp_path)
    made = Steps(tmp_path / "keyring.json")
    monkeypatch.setattr(processes, "Supervisor", made)
    return made


def test_the_processes_end_before_the_database_that_they_use(pledge, steps):
    assert pledge("demo", operations=steps).code == 0
    started = ["web starts", "worker starts", "simulator starts"]
    assert steps.seen == [
        "keyring made",
        "signing key made",
        "database starts",
        "migrated",
        *started,
        "policy chosen",
        "policy chosen",
        "forge is packed",
        "ready",
        "processes stop",
        "database stops",
    ]


def test_every_process_is_given_the_database_and_the_simulated_atlassian(pledge, steps):
    steps.keyring.touch()
    steps.site_port = 9101
    ports = ("--port", "9000", "--simulator-port", "9100", "--site-port", "9101")
    outcome = pledge("demo", *ports, operations=steps)
    assert "keyring made" not in steps.seen
    for child in steps.children:
        assert child.env["PLEDGE_DATABASE_URL"] == "postgresql+psycopg://example"
        assert child.env["PLEDGE_BASE_URL"] == "http://127.0.0.1:9000"
        assert child.env["PLEDGE_CONNECT_INSTALL_KEYS_URLS"] == "http://127.0.0.1:9100/install-keys"
        assert child.env["PLEDGE_FORGE_JWKS_URL"] == "http://127.0.0.1:9100/.well-known/jwks.json"
    assert "Ready. Open http://127.0.0.1:9101/browse/SEC-1" in outcome.err


def test_each_site_keeps_the_promises_of_the_vendor_after_whom_it_is_called(pledge, steps):
    pledge("demo", operations=steps)
    assert steps.policies == {0: "genchi", 1: "kencha", 2: "genible"}


def test_the_pages_of_the_last_start_are_not_shown_and_new_ones_come_where_the_simulator_looks(pledge, steps):
    leftover = processes._FORGE_PAGES / "index.html"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    pledge("demo", operations=steps)
    assert not leftover.exists()
    (simulator, packer) = steps.children[-2:]
    assert simulator.argv[-1] == str(Path(packer.argv[-1]) / RESOURCE_PATH)
