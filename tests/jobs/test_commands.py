"""The commands that need no set-up, or must say what is wrong with one."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

from app import wiring
from app.jobs import commands
from tests.jobs.conftest import Untouchable

VECTORS = Path(__file__).parents[1] / "vectors"
QSH = json.loads((VECTORS / "qsh_vectors.json").read_text("utf-8"))["vectors"]


def every_command(group, path=()):
    """Path of each command and group below this one, itself included."""
    yield path
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from every_command(command, (*path, name))


@pytest.fixture
def no_app(monkeypatch):
    """Whoever builds the app fails."""

    def build():
        raise AssertionError("this command must not build the app")

    monkeypatch.setattr(wiring, "web_app", build)
    monkeypatch.setattr(wiring, "services_of", lambda *_: build())


@pytest.mark.parametrize("path", list(every_command(commands.pledge)), ids=" ".join)
def test_every_command_explains_itself(pledge, path):
    outcome = pledge(*path, "--help", operations=Untouchable())
    assert outcome.code == 0
    assert outcome.out.startswith("Usage: pledge")
    assert len(outcome.out.splitlines()) > 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        [],
        ["keys"],
        ["keys", "nonsense"],
        ["--nonsense"],
        ["qsh", "GET"],
        ["qsh", "GET", "/x", "surplus"],
        ["jobs", "retry", "seven"],
        ["web", "--port", "70000"],
        ["clock-case", "/nonexistent/file.json"],
        ["descriptor", "connect", "--no-such"],
    ],
    ids=" ".join,
)
def test_a_mistake_of_usage_answers_4_and_says_how(pledge, arguments):
    outcome = pledge(*arguments, operations=Untouchable())
    assert outcome.code == 4
    assert "Usage: pledge" in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("vector", QSH, ids=lambda vector: vector["id"])
def test_qsh_prints_what_every_vector_says(pledge, vector):
    base_path = urlsplit(vector["base_url"] or "").path
    expected = vector["recommended"]
    arguments = ["qsh", f"--base-path={base_path}", "--", vector["method"], vector["url"]]
    plain = pledge(*arguments, operations=Untouchable())
    assert (plain.code, plain.out) == (0, f"{expected['canonical']}\n{expected['qsh']}\n")
    as_json = pledge("qsh", "--json", *arguments[1:], operations=Untouchable())
    assert json.loads(as_json.out) == expected


def test_qsh_refuses_what_has_no_canonical_form(pledge):
    outcome = pledge("qsh", "GET /x", "/y", operations=Untouchable())
    assert outcome.code == 1
    assert outcome.err.startswith("error: ")


def test_clock_case_gives_every_expected_result(pledge):
    document = json.loads((VECTORS / "clock_cases.json").read_text("utf-8"))
    outcome = pledge("clock-case", str(VECTORS / "clock_cases.json"), operations=Untouchable())
    assert outcome.code == 0
    expected = [{"id": case["id"], "result": case["expected"]} for case in document["cases"]]
    assert json.loads(outcome.out) == expected
    assert len(expected) == document["count"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"cases": 1}', "[" * 100_000, "\xff"])
def test_clock_case_refuses_a_file_of_another_form_in_one_line(pledge, tmp_path, text):
    file = tmp_path / "cases.json"
    file.write_bytes(text.encode("latin-1"))
    outcome = pledge("clock-case", str(file), operations=Untouchable())
    assert outcome.code == 1
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) == 1


def test_keys_init_makes_a_keyring_once_and_status_shows_it_without_a_secret(pledge, empty_place, no_app):
    made = pledge("keys", "init", "--json")
    assert made.code == 0
    keys = json.loads(made.out)
    assert {key["state"] for key in keys} == {"primary"}
    assert all(set(key) == {"kek_id", "purpose", "state", "created_at"} for key in keys)
    file = empty_place / ".pledge" / "keyring.json"
    assert file.stat().st_mode & 0o777 == 0o600

    shown = pledge("keys", "status", "--json")
    assert (shown.code, json.loads(shown.out)) == (0, [key | {"data_keys": None} for key in keys])
    assert "is not known: " in shown.err
    lines = pledge("keys", "status").out.splitlines()
    assert [line.split()[0] for line in lines] == [key["kek_id"] for key in keys]
    held = [key["key"] for key in json.loads(file.read_text())["keys"]]
    assert not any(secret in shown.out + made.out for secret in held)

    again = pledge("keys", "init")
    assert again.code == 1
    assert again.err.startswith("error: PLEDGE_KEYRING_FILE: ")
    assert [key["key"] for key in json.loads(file.read_text())["keys"]] == held


def test_keys_status_says_how_to_make_what_is_missing(pledge, empty_place, no_app):
    outcome = pledge("keys", "status")
    assert outcome.code == 1
    assert outcome.err.startswith("error: PLEDGE_KEYRING_FILE: ")
    assert "pledge keys init" in outcome.err


def test_db_roles_needs_no_set_up_at_all(pledge, no_app):
    outcome = pledge("db", "roles")
    assert outcome.code == 0
    for role in ("pledge_owner", "pledge_web", "pledge_worker", "pledge_backup"):
        assert role in outcome.out
    assert "BYPASSRLS" in outcome.out


def test_the_descriptor_is_printed_as_it_is_served(pledge, empty_place, no_app):
    outcome = pledge("descriptor", "connect")
    assert outcome.code == 0
    document = json.loads(outcome.out)
    assert document["baseUrl"] == "http://127.0.0.1:8000"
    assert document["apiMigrations"]["signed-install"] is True


def test_the_descriptor_check_answers_1_for_what_atlassian_would_refuse(pledge, empty_place, no_app, monkeypatch):
    refused = pledge("descriptor", "connect", "--check")
    assert refused.code == 1
    assert "https" in refused.out
    monkeypatch.setenv("PLEDGE_BASE_URL", "https://app.example.com")
    valid = pledge("descriptor", "connect", "--check")
    assert (valid.code, valid.out) == (0, "valid\n")


def test_without_an_app_key_there_is_no_descriptor_and_the_setting_is_named(pledge, empty_place, monkeypatch):
    monkeypatch.setenv("PLEDGE_PROFILE", "production")
    monkeypatch.setenv("PLEDGE_BASE_URL", "https://app.example.com")
    monkeypatch.setenv("PLEDGE_KEYRING_FILE", "keyring.json")
    outcome = pledge("descriptor", "connect")
    assert outcome.code == 1
    assert "PLEDGE_CONNECT_APP_KEY is not set" in outcome.err


def test_doctor_names_each_fault_of_an_empty_place_once(pledge, empty_place, no_app):
    outcome = pledge("doctor", "--json")
    document = json.loads(outcome.out)
    assert (outcome.code, document["ok"]) == (1, False)
    keyring, signing_key, database = document["findings"]
    assert keyring.startswith("PLEDGE_KEYRING_FILE: ")
    assert signing_key.startswith("PLEDGE_AUDIT_SIGNING_KEY_FILE: ")
    assert "127.0.0.1" in database


def test_doctor_says_a_missing_setting_once_though_everything_needs_it(pledge, no_app):
    outcome = pledge("doctor", "--json")
    document = json.loads(outcome.out)
    assert (outcome.code, document["ok"]) == (1, False)
    (finding,) = document["findings"]
    assert finding.startswith("PLEDGE_BASE_URL is not set; ")


@pytest.mark.parametrize(
    "arguments",
    [["db", "check"], ["db", "upgrade"], ["jobs", "list"], ["jobs", "failed"], ["jobs", "retry", "1"]],
    ids=" ".join,
)
def test_a_database_that_does_not_answer_is_one_line_and_1(pledge, empty_place, arguments):
    outcome = pledge(*arguments)
    assert outcome.code == 1
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["web"], ["worker"], ["installations", "list"]], ids=" ".join)
def test_a_process_refuses_to_start_without_settings_and_names_the_first(pledge, arguments):
    outcome = pledge(*arguments)
    assert outcome.code == 1
    assert outcome.err.startswith("error: PLEDGE_BASE_URL is not set; ")


@pytest.mark.parametrize("arguments", [["web"], ["worker"], ["installations", "list"]], ids=" ".join)
def test_a_process_refuses_to_start_without_a_keyring(pledge, empty_place, monkeypatch, arguments):
    monkeypatch.setattr(wiring.logs, "configure", lambda _: None)  # the log belongs to pytest here
    outcome = pledge(*arguments)
    assert outcome.code == 1
    assert outcome.err.startswith("error: PLEDGE_KEYRING_FILE: ")


def test_a_worker_refuses_to_start_without_a_key_to_sign_the_audit_log(pledge, empty_place, monkeypatch):
    monkeypatch.setattr(wiring.logs, "configure", lambda _: None)  # the log belongs to pytest here
    assert pledge("keys", "init").code == 0
    outcome = pledge("worker")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("error: PLEDGE_AUDIT_SIGNING_KEY_FILE: ")
    assert "pledge audit init" in outcome.err


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [("AUDIT_SIGNING_KEY_FILE", "made by `pledge audit init`"), ("AUDIT_ANCHOR", "cannot write to")],
)
def test_a_worker_in_production_says_what_it_needs_for_the_audit_log(pledge, empty_place, monkeypatch, missing, remedy):
    monkeypatch.setattr(wiring.logs, "configure", lambda _: None)
    assert pledge("keys", "init").code == pledge("audit", "init").code == 0
    names = {"AUDIT_SIGNING_KEY_FILE": ".pledge/audit-signing.key", "AUDIT_ANCHOR": "file:anchor"}
    names |= {"KEYRING_FILE": ".pledge/keyring.json", "PROFILE": "production", "BASE_URL": "https://app.example.com"}
    for name, value in names.items():
        monkeypatch.setenv(f"PLEDGE_{name}", value if name != missing else "")
    outcome = pledge("worker")
    assert outcome.err.startswith(f"error: PLEDGE_{missing} is not set; ")
    assert remedy in outcome.err


def test_audit_init_makes_a_key_once_and_prints_its_public_part(pledge, empty_place, no_app):
    made = pledge("audit", "init")
    assert made.code == 0
    assert made.out.startswith("127.0.0.1:8000/audit+")
    file = empty_place / ".pledge" / "audit-signing.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().split("+", 4)[-1].strip() not in made.out
    again = pledge("audit", "init", "--name", "other.example.com/audit")
    assert again.code == 1
    assert "left as it is" in again.err


def test_no_command_takes_a_secret_as_an_argument():
    for path in every_command(commands.pledge):
        command = commands.pledge
        for name in path:
            command = command.commands[name]
        names = {name for parameter in command.params for name in parameter.opts}
        assert not {name for name in names if any(word in name for word in ("secret", "password", "token", "dsn"))}
