"""`pledge demo` starts everything in order and ends it in reverse; the database is the last to go."""

import re
from contextlib import contextmanager

import pytest

from app.jobs.commands import processes


class Steps:
    """An operator's set-up and a supervisor that note what happens when."""

    known_errors = ()

    def __init__(self, keyring):
        self.keyring = keyring
        self.seen = []
        self.children = []

    def settings(self):
        return {"PLEDGE_KEYRING_FILE": str(self.keyring)}

    def keys_init(self):
        self.seen.append("keyring made")

    @contextmanager
    def private_database(self):
        self.seen.append("database starts")
        yield {"PLEDGE_DATABASE_URL": "postgresql+psycopg://example"}
        self.seen.append("database stops")

    def database_upgrade(self):
        self.seen.append("migrated")
        return "0001"

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

    def wait(self):
        self.seen.append("ready")


@pytest.fixture
def steps(monkeypatch, tmp_path):
    for name in ("PROFILE", "BASE_URL", "CONNECT_INSTALL_KEYS_URLS", "CONNECT_HOST_SCRIPT_URL", "DATABASE_URL"):
        monkeypatch.setenv(f"PLEDGE_{name}", "")  # put back afterwards: the command sets them for its children
    made = Steps(tmp_path / "keyring.json")
    monkeypatch.setattr(processes, "Supervisor", made)
    return made


def test_the_processes_end_before_the_database_that_they_use(pledge, steps):
    assert pledge("demo", operations=steps).code == 0
    started = ["web starts", "worker starts", "simulator starts"]
    assert steps.seen == [
        "keyring made",
        "database starts",
        "migrated",
        *started,
        "ready",
        "processes stop",
        "database stops",
    ]


def test_every_process_is_given_the_database_and_the_simulated_atlassian(pledge, steps):
    steps.keyring.touch()
    outcome = pledge("demo", "--port", "9000", "--simulator-port", "9100", operations=steps)
    assert "keyring made" not in steps.seen
    for child in steps.children:
        assert child.env["PLEDGE_DATABASE_URL"] == "postgresql+psycopg://example"
        assert child.env["PLEDGE_BASE_URL"] == "http://127.0.0.1:9000"
        assert child.env["PLEDGE_CONNECT_INSTALL_KEYS_URLS"] == "http://127.0.0.1:9100/install-keys"
    assert "Ready. Open http://127.0.0.1:8101/browse/SEC-1" in outcome.err
