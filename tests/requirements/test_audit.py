"""The audit tells clean, found, skipped and unreachable apart: with the real pip-audit, npm and detect-secrets.

The advisory service is a small one on loopback that knows what each test gives it.
"""

import gzip
import importlib.util
import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import require

if any(importlib.util.find_spec(name) is None for name in ("pip_audit", "detect_secrets")):
    require("pip-audit and detect-secrets", "they scan what this tests (`make lint` installs them)")

from requirements import audit
from requirements.audit import NoAnswer, State

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "audit"
CANARIES = {("jinja2", "2.10"), ("minimist", "1.2.0")}
LOCK = "example-package==1.0 --hash=sha256:" + "0" * 64 + "\n"


def advisory(name):
    return {"id": f"GHSA-{name}", "summary": "made up", "affected": [{"package": {"name": name, "ecosystem": "PyPI"}}]}


class Advisories(BaseHTTPRequestHandler):
    """OSV's query and npm's bulk question, from one list of names and versions."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        asked = json.loads(body)
        answer = self.osv(asked) if "package" in asked else self.npm(asked)
        if answer is None:
            self.send_error(503)
            return
        sent = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def osv(self, asked):
        name, version = asked["package"]["name"], asked["version"]
        if name in self.server.breaks_at:
            return None
        return {"vulns": [advisory(name)]} if (name, version) in self.server.vulnerable else {}

    def npm(self, asked):
        if self.server.breaks_at & set(asked):
            return None
        bad = {name for name, versions in asked.items() for each in versions if (name, each) in self.server.vulnerable}
        entry = {"id": 1, "url": "https://example.com/1", "title": "made up", "severity": "high"}
        return {name: [{**entry, "vulnerable_versions": "*"}] for name in bad}

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def service(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    server.vulnerable, server.breaks_at = set(CANARIES), set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setenv("npm_config_registry", server.url)
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "made-up.txt"
    path.write_text(LOCK)
    return path


@pytest.fixture
def packages(tmp_path):
    """A folder with a lock file of one package."""
    if shutil.which("npm") is None:
        require("npm", "it audits what Node needs")
    project = {"name": "made-up", "version": "1.0.0", "dependencies": {"example-package": "1.0.0"}}
    tree = {"": project, "node_modules/example-package": {"version": "1.0.0"}}
    folder = tmp_path / "made-up"
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps(project))
    (folder / "package-lock.json").write_text(
        json.dumps({"name": "made-up", "version": "1.0.0", "lockfileVersion": 3, "packages": tree})
    )
    return folder


def test_packages_without_an_advisory_are_clean(service, lock, packages):
    assert audit.python_packages(service.url, [lock]).state is State.CLEAN
    assert audit.node_packages(packages, let_pass=None).state is State.CLEAN


def test_a_vulnerable_package_fails_and_is_named(service, lock, packages):
    service.vulnerable |= {("example-package", "1.0"), ("example-package", "1.0.0")}
    python, node = audit.python_packages(service.url, [lock]), audit.node_packages(packages, let_pass=None)
    assert (python.state, node.state) == (State.FAILED, State.FAILED)
    assert python.lines == ("example-package 1.0: GHSA-example-package, fixed in no version",)
    assert "example-package" in node.lines[0]
    assert "https://example.com/1" in node.lines[0]


def test_what_is_only_measured_against_is_reported_and_let_pass(service, packages):
    service.vulnerable.add(("example-package", "1.0.0"))
    report = audit.node_packages(packages, let_pass="it is not deployed")
    assert report.state is State.CLEAN
    assert report.lines[0] == "1 found and let pass: it is not deployed"
    assert len(report.lines) == 2


def test_a_service_that_nobody_reaches_is_not_run(service, lock, packages, monkeypatch):
    nobody = "http://127.0.0.1:9/"
    monkeypatch.setenv("npm_config_registry", nobody)
    assert audit.python_packages(nobody, [lock]).state is State.NOT_RUN
    assert audit.node_packages(packages, let_pass=None).state is State.NOT_RUN


def test_a_service_that_calls_everything_clean_is_not_run(service, lock, packages):
    service.vulnerable.clear()
    assert audit.python_packages(service.url, [lock]).state is State.NOT_RUN
    assert audit.node_packages(packages, let_pass=None).state is State.NOT_RUN


def test_a_service_that_breaks_off_fails(service, lock, packages):
    service.breaks_at.add("example-package")
    python, node = audit.python_packages(service.url, [lock]), audit.node_packages(packages, let_pass=None)
    assert (python.state, node.state) == (State.FAILED, State.FAILED)
    assert "broke off" in python.lines[0]
    assert "broke off" in node.lines[0]


@pytest.mark.parametrize("line", ["example-package\n", LOCK.replace("==1.0", ">=1.0"), "example-package==1.0\n"])
def test_a_lock_that_is_not_locked_fails(service, lock, line):
    """pip-audit would skip it, or ask for whatever is newest."""
    lock.write_text(LOCK + line.replace("example-package", "other-package"))
    assert audit.python_packages(service.url, [lock]).state is State.FAILED


def test_skipped_dependencies_are_findings():
    lines = audit.read_pip_audit((VECTORS / "pip-audit-all-skipped.json").read_text())
    assert [line.split(":")[0] for line in lines] == ["flask", "jinja2", "requests", "pyyaml"]
    assert all("skipped" in line for line in lines)


def test_vulnerabilities_are_read_from_what_pip_audit_says():
    lines = audit.read_pip_audit((VECTORS / "pip-audit.json").read_text())
    assert lines == (
        "jinja2 2.10: PYSEC-2019-217, fixed in 2.10.1",
        "requests 2.19.1: PYSEC-2018-28, fixed in 2.20.0",
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dependencies": null}', "No known vulnerabilities found"])
def test_what_is_no_answer_of_pip_audit_is_not_clean(text):
    with pytest.raises(ValueError, match=r"dependencies|Expecting value"):
        audit.read_pip_audit(text)


def test_an_answer_about_nothing_is_a_finding():
    assert audit.read_pip_audit('{"dependencies": []}') == ("nothing was audited",)
    answer = json.loads((VECTORS / "npm-audit.json").read_text()) | {"vulnerabilities": {}}
    answer["metadata"]["dependencies"]["total"] = 0
    assert audit.read_npm_audit(json.dumps(answer)) == ("nothing was audited",)


def test_vulnerabilities_are_read_from_what_npm_says():
    lines = audit.read_npm_audit((VECTORS / "npm-audit.json").read_text())
    assert [line.split()[0] for line in lines] == ["body-parser", "express", "lodash", "minimist", "qs"]
    assert lines[0] == "body-parser 1.18.0 - 1.18.3: high, through qs"
    assert "GHSA-xvch-5gv4-984h" in lines[3]


@pytest.mark.parametrize("text", [(VECTORS / "npm-audit-error-405.json").read_text(), "", "{}", "npm error"])
def test_a_refusal_by_the_service_is_no_answer_of_npm(text):
    with pytest.raises(NoAnswer):
        audit.read_npm_audit(text)


@pytest.mark.parametrize(
    ("states", "where_answered", "code"),
    [
        ([State.CLEAN, State.CLEAN], False, 0),
        ([State.CLEAN, State.NOT_RUN], False, 3),
        ([State.CLEAN, State.NOT_RUN], True, 0),
        ([State.FAILED, State.NOT_RUN], False, 1),
        ([State.FAILED, State.NOT_RUN], True, 1),
    ],
)
def test_the_exit_code_never_hides_a_finding(states, where_answered, code):
    assert audit.exit_code(states, where_answered=where_answered) == code


@pytest.fixture
def repository(tmp_path):
    def commit(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        subprocess.run(["git", "add", name], cwd=tmp_path, check=True)

    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    commit.root = tmp_path
    return commit


AWS = "AKIA" + "IOSFODNN7EXAMPLQ"
PLANTED = {
    "an AWS key": f'key = "{AWS}"\n',
    "a GitHub token": 'token = "ghp_' + "a1B2" * 9 + '"\n',
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\n",
    "a URL with a password": 'url = "postgresql://web:' + 'hunter2hunter2@db.example.com/x"\n',
}


@pytest.mark.parametrize("folder", ["app", "tests"])
@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_secret_is_found(repository, folder, what):
    repository(f"{folder}/module.py", PLANTED[what])
    report = audit.secrets(repository.root, {})
    assert report.state is State.FAILED
    assert report.lines[0].startswith(f"{folder}/module.py:1:")
    assert AWS not in report.lines[0]


def test_a_password_in_the_product_is_found(repository):
    repository("app/module.py", 'password = "' + 'correct-horse-battery"\n')
    assert audit.secrets(repository.root, {}).state is State.FAILED


def test_an_untracked_file_is_nobodys_business_and_a_clean_tree_is_clean(repository):
    repository("app/module.py", "value = 1\n")
    (repository.root / "notes.py").write_text(PLANTED["an AWS key"])
    assert audit.secrets(repository.root, {}).state is State.CLEAN


def test_an_expectation_that_is_not_met_any_more_must_go(repository):
    repository("app/module.py", "value = 1\n")
    report = audit.secrets(repository.root, {("app/module.py", "AWS Access Key"): "was there"})
    assert report.lines == ("app/module.py: AWS Access Key is expected and not there",)


def test_without_git_the_secret_scan_is_not_run(tmp_path):
    assert audit.secrets(tmp_path, {}).state is State.NOT_RUN


@pytest.mark.parametrize(("more", "code"), [([], 3), (["--where-answered"], 0)])
def test_the_command_says_what_was_not_run(service, repository, capsys, *, more, code):
    repository("app/module.py", "value = 1\n")
    service.vulnerable.clear()
    assert audit.main(["--osv-url", "http://127.0.0.1:9/", *more], root=repository.root, expected={}) == code
    said = capsys.readouterr().out
    assert "audit: Python packages: not run\n" in said
    assert said.count(": not run\n") == 1 + len(audit.NODE_LOCKS)
    assert "audit: secrets in 1 tracked files: clean\n" in said


def test_every_lock_file_of_the_repository_is_audited():
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == set(audit.PYTHON_LOCKS)
    listed = subprocess.run(["git", "ls-files", "*package-lock.json"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        assert {str(Path(name).parent) for name in listed.stdout.split()} == set(audit.NODE_LOCKS)
