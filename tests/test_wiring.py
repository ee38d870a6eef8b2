"""The composition root: what is put together from an environment, and what is refused at the start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask, request

import app as package
from app import wiring, wiring_services
from app.setting_values import SettingsRefused
from app.settings import read_settings
from app.vault.checkpoint_key import CheckpointKeyUnusable
from app.vault.door import KeyringUnusable

ROOT = Path(__file__).parents[1]


@pytest.fixture
def environment(monkeypatch, keyring_file):
    """A development environment; its database is never called. Returns how to change it."""
    for name in [name for name in wiring.os.environ if name.startswith("PLEDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(wiring.logs, "configure", lambda _: None)

    def change(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"PLEDGE_{name}", value)

    change(
        PROFILE="development",
        KEYRING_FILE=str(keyring_file),
        DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none",
    )
    return change


def test_create_app_makes_the_web_app_of_the_environment(environment):
    app = package.create_app()
    assert isinstance(app, Flask)
    assert app.test_client().get("/healthz").data == b"ok"


def test_create_app_is_the_only_public_name_of_the_package():
    names = {name for name, value in vars(package).items() if callable(value) and not name.startswith("_")}
    assert names == {"create_app"}


def test_two_apps_in_one_process_do_not_share_what_they_are_configured_with(environment):
    first = wiring.web_app()
    environment(BASE_URL="https://other.example.com/pledge")
    second = wiring.web_app()
    assert first.extensions["pledge.config"].base_url == "http://127.0.0.1:8000"
    assert second.extensions["pledge.config"].base_url == "https://other.example.com/pledge"
    assert second.extensions["pledge.config"].assets.panel_js.startswith("/pledge/static/panel.js?v=")


def test_nothing_is_asked_of_the_database_before_a_request_comes(environment):
    assert wiring.web_app() is not None  # its database does not exist


def test_without_a_keyring_nothing_starts(environment, tmp_path):
    environment(KEYRING_FILE=str(tmp_path / "none.json"))
    with pytest.raises(KeyringUnusable, match="pledge keys init"):
        wiring.web_app()


def test_a_web_process_neither_needs_nor_reads_the_key_that_signs_audit_logs(environment, tmp_path):
    environment(AUDIT_SIGNING_KEY_FILE=str(tmp_path / "none.key"))
    services = wiring.web_app().extensions["pledge.services"]
    with pytest.raises(CheckpointKeyUnusable, match="pledge audit init"):
        services.audit.key()


def test_without_a_database_url_a_process_says_which_one_is_missing(environment, monkeypatch):
    monkeypatch.delenv("PLEDGE_DATABASE_URL")
    with pytest.raises(SettingsRefused, match=r"^PLEDGE_DATABASE_URL is not set; "):
        wiring.web_app()


def test_an_unknown_default_policy_is_refused_at_the_start(environment):
    environment(POLICY="no-such-policy")
    with pytest.raises((LookupError, ValueError), match="no-such-policy"):
        wiring.web_app()


@pytest.mark.parametrize("name", ["../settings", "/etc/passwd", "GENCHI", "a.b", "", "genchi\0"])
def test_a_policy_is_named_and_not_a_path(name):
    with pytest.raises(LookupError):
        wiring.policy_text(name)


def test_every_shipped_policy_is_found():
    names = wiring.Operations().policy_names()
    assert {"atlassian-marketplace", "genchi", "kencha", "genible"} <= set(names)
    assert all(wiring.policy_text(name) for name in names)


def test_a_lifecycle_allows_loopback_only_in_development(environment):
    development = read_settings(dict(wiring.os.environ))
    assert wiring_services.lifecycle_rules(development).allow_http_loopback
    environment(PROFILE="production", BASE_URL="https://app.example.com")
    assert not wiring_services.lifecycle_rules(read_settings(dict(wiring.os.environ))).allow_http_loopback


def test_where_connect_is_off_there_is_no_descriptor(environment):
    environment(PROFILE="production", BASE_URL="https://app.example.com")
    config = wiring.edge_config(read_settings(dict(wiring.os.environ)))
    assert (config.connect_enabled, config.descriptor) == (False, b"")


@pytest.mark.parametrize(("proxies", "seen"), [("0", "127.0.0.1"), ("1", "203.0.113.9"), ("2", "198.51.100.7")])
def test_only_as_many_proxies_are_believed_as_are_named(environment, proxies, seen):
    environment(TRUSTED_PROXIES=proxies)
    app = wiring.web_app()
    found = []
    app.before_request_funcs[None].insert(0, lambda: found.append((request.remote_addr, request.scheme, request.host)))
    app.test_client().get(
        "/healthz",
        headers={
            "X-Forwarded-For": "198.51.100.7, 203.0.113.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.example.com",
        },
    )
    assert found == [(seen, "http", "localhost")]


def test_the_console_script_is_pledge_and_knows_the_simulator():
    run = subprocess.run(
        [Path(sys.executable).with_name("pledge"), "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "simulator" in run.stdout
    assert "doctor" in run.stdout


def test_without_the_development_libraries_every_other_command_works():
    """The simulator signs with a library that production does not install."""
    hidden = "import sys; sys.modules['atlassian_jwt'] = None; sys.argv = ['pledge', *sys.argv[1:]]"
    program = f"{hidden}\nfrom app.wiring import pledge\npledge()"
    run = subprocess.run(
        [sys.executable, "-c", program, "qsh", "--json", "GET", "/x"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["canonical"] == "GET&/x&"
