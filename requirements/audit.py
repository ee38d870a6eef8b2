"""`make audit`: known vulnerabilities of what Pledge depends on, and secrets in what is tracked.

A scan that looked at nothing looks like a clean one: without its service pip-audit says "No known vulnerabilities
found" and exits 0, and a mirror may answer every question with an empty list. So each advisory service is asked first
about a package that is known to be vulnerable. One that does not name it is "not run", never clean, and from then on
whatever is skipped or cannot be read is a failure.

Exit codes: 0 clean, 1 something found, skipped or broken, 3 nothing found but something not run. With
`--where-answered`, for machines that reach no advisory service, "not run" is said and is no failure.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import requests
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).parents[1]
# OSV and not the package index's own list: it has GitHub's advisories too, and its address can be another one
OSV_URL = "https://api.osv.dev/v1/query"
PYTHON_LOCKS = ("run", "test", "lint", "uv")
NODE_LOCKS: Mapping[str, str | None] = {
    "descriptor/forge_ui": None,
    "tests/browser/axe": None,
    "benchmarks/peer_connect_express": "it is what we are measured against, runs on loopback alone and is not deployed",
}
"""Folder with a package-lock.json, and why what is found there does not fail."""

PYTHON_CANARY = {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.10"}
NODE_CANARY = {"name": "canary", "version": "1.0.0", "dependencies": {"minimist": "1.2.0"}}
ASKED_SECONDS = 15
SCAN_SECONDS = 600

# Hashes, ids and vectors are everywhere and are no secrets; tests hold made-up ones, but none in a real one's form.
NO_SIGN = frozenset({"HexHighEntropyString", "IPPublicDetector"})
NO_SIGN_IN_TESTS = NO_SIGN | {"Base64HighEntropyString", "KeywordDetector"}
EXPECTED: Mapping[tuple[str, str], str] = {
    ("README.md", "Basic Auth Credentials"): "the form of a URL, in the table of settings",
    ("SECURITY.md", "Secret Keyword"): "the name of a test",
    ("app/domain/audit/entry.py", "Secret Keyword"): "the name of an action",
    ("app/domain/secrets.py", "Secret Keyword"): "the name of a purpose",
    ("app/settings.py", "Basic Auth Credentials"): "the form of a URL, in the meaning of a setting",
    ("app/setting_values.py", "Basic Auth Credentials"): "the form of a URL, in a message",
    ("app/setting_values.py", "Secret Keyword"): "the name of a setting, and how it is set",
    ("benchmarks/growth.py", "Secret Keyword"): "SQL that makes one key of another",
    ("benchmarks/peer.py", "Secret Keyword"): "drawn anew at every run",
    ("tests/outbound/test_mail.py", "Basic Auth Credentials"): "made up, for a server of the test's own",
    ("tests/protocol/test_tokens.py", "JSON Web Token"): "broken on purpose",
    ("tests/test_settings.py", "Basic Auth Credentials"): "made up, to be refused without being repeated",
    ("tests/vectors/wycheproof/json_web_signature_test.json", "JSON Web Token"): "published vectors",
}
"""File and kind that the secret scan finds there, and why it is none. A row that finds nothing any more must go."""


class State(Enum):
    """How a scan ended; the value is the exit code."""

    CLEAN = 0
    FAILED = 1
    NOT_RUN = 3


@dataclass(frozen=True)
class Report:
    """What one scan says."""

    what: str
    state: State
    lines: tuple[str, ...] = ()


class NoAnswer(Exception):
    """The advisory service did not answer, or not as one."""


def main(arguments: Sequence[str], *, root: Path = ROOT, expected: Mapping[tuple[str, str], str] = EXPECTED) -> int:
    """Run every scan, say how each ended, return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--where-answered", action="store_true", help="a service that does not answer is no failure")
    parser.add_argument("--osv-url", default=OSV_URL)
    chosen = parser.parse_args(arguments)
    locks = [root / "requirements" / f"{name}.txt" for name in PYTHON_LOCKS]
    node = (node_packages(root / folder, let_pass=excuse) for folder, excuse in NODE_LOCKS.items())
    reports = [python_packages(chosen.osv_url, locks), *node, secrets(root, expected)]
    for report in reports:
        print(f"audit: {report.what}: {report.state.name.replace('_', ' ').lower()}")
        for line in report.lines:
            print(f"  {line}")
    return exit_code((report.state for report in reports), where_answered=chosen.where_answered)


def exit_code(states: Iterable[State], *, where_answered: bool) -> int:
    """A finding outweighs what was not run."""
    ended = set(states)
    if State.FAILED in ended:
        return State.FAILED.value
    return State.NOT_RUN.value if State.NOT_RUN in ended and not where_answered else State.CLEAN.value


def python_packages(osv_url: str, locks: Iterable[Path]) -> Report:
    """`pip-audit --strict` over the lock files, with every hash in place."""
    what = "Python packages"
    try:
        _ask_about_python_canary(osv_url)
    except NoAnswer as why:
        return Report(what, State.NOT_RUN, (str(why),))
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes", "--desc", "off"]
    command += ["--format", "json", "--progress-spinner", "off", "--vulnerability-service", "osv", "--osv-url", osv_url]
    for lock in locks:
        command += ["--requirement", str(lock)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=SCAN_SECONDS, check=False)  # noqa: S603 (our own words)
    try:
        found = read_pip_audit(run.stdout)
    except ValueError:
        found = (f"pip-audit broke off: {_last_line(run.stderr)}",)
    if run.returncode and not found:
        found = (f"pip-audit ended with {run.returncode}: {_last_line(run.stderr)}",)
    return Report(what, State.FAILED if found else State.CLEAN, found)


def read_pip_audit(text: str) -> tuple[str, ...]:
    """What it found or skipped, one line each; raises `ValueError` for what is no answer of pip-audit."""
    answer = json.loads(text)
    if not isinstance(answer, dict) or not isinstance(answer.get("dependencies"), list):
        raise ValueError("no list of dependencies")
    if not answer["dependencies"]:
        return ("nothing was audited",)
    return tuple(line for dependency in answer["dependencies"] for line in _python_lines(dependency))


def _python_lines(dependency: Mapping[str, Any]) -> Iterable[str]:
    if "skip_reason" in dependency:
        yield f"{dependency['name']}: skipped: {dependency['skip_reason']}"
    for each in dependency.get("vulns", ()):
        fixed = ", ".join(each["fix_versions"]) or "no version"
        yield f"{dependency['name']} {dependency['version']}: {each['id']}, fixed in {fixed}"


def _ask_about_python_canary(osv_url: str) -> None:
    try:
        answer = requests.post(osv_url, json=PYTHON_CANARY, timeout=ASKED_SECONDS)
        answer.raise_for_status()
        known = answer.json()
    except (requests.RequestException, ValueError) as failure:
        raise NoAnswer(f"the advisory service does not answer ({type(failure).__name__})") from failure
    if not isinstance(known, dict) or not known.get("vulns"):
        raise NoAnswer("the advisory service knows nothing of a package that is known to be vulnerable")


def node_packages(folder: Path, *, let_pass: str | None) -> Report:
    """`npm audit` of the lock file there; `let_pass` says why what it finds does not fail, if so."""
    what = f"npm packages of {folder.name}"
    if shutil.which("npm") is None:
        return Report(what, State.NOT_RUN, ("npm is missing",))
    try:
        with tempfile.TemporaryDirectory(prefix="pledge-audit-") as canary:
            _write_canary(Path(canary))
            if not _npm_audit(Path(canary)):
                raise NoAnswer("the advisory service knows nothing of a package that is known to be vulnerable")
    except NoAnswer as why:
        return Report(what, State.NOT_RUN, (str(why),))
    try:
        found = _npm_audit(folder)
    except NoAnswer as why:
        return Report(what, State.FAILED, (f"npm audit broke off: {why}",))
    if found and let_pass is not None:
        return Report(what, State.CLEAN, (f"{len(found)} found and let pass: {let_pass}", *found))
    return Report(what, State.FAILED if found else State.CLEAN, found)


def read_npm_audit(text: str) -> tuple[str, ...]:
    """What it found, one line for each package; raises `NoAnswer` for what is no report (a refusal, a broken line)."""
    try:
        answer = json.loads(text)
    except ValueError as failure:
        raise NoAnswer("npm gave no report") from failure
    if "auditReportVersion" not in answer:
        raise NoAnswer(str(answer.get("message", "npm gave no report")))
    if not answer["metadata"]["dependencies"]["total"]:
        return ("nothing was audited",)
    return tuple(
        f"{name} {each['range']}: {each['severity']}{_titles(each['via'])}"
        for name, each in answer["vulnerabilities"].items()
    )


def _titles(causes: Iterable[str | Mapping[str, Any]]) -> str:
    return "".join(
        f", through {cause}" if isinstance(cause, str) else f", {cause['title']} ({cause['url']})" for cause in causes
    )


def _npm_audit(folder: Path) -> tuple[str, ...]:
    command = ["npm", "audit", "--json", "--package-lock-only", "--fetch-retries=1"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SCAN_SECONDS, check=False)  # noqa: S603 (our own words)
    return read_npm_audit(run.stdout)


def _write_canary(folder: Path) -> None:
    packages = {"": NODE_CANARY, "node_modules/minimist": {"version": NODE_CANARY["dependencies"]["minimist"]}}
    lock = {"name": "canary", "version": "1.0.0", "lockfileVersion": 3, "packages": packages}
    (folder / "package.json").write_text(json.dumps(NODE_CANARY), encoding="utf-8")
    (folder / "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")


def secrets(root: Path, expected: Mapping[tuple[str, str], str]) -> Report:
    """Whatever looks like a credential in a tracked file. Nothing that is found is sent anywhere to be verified."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    names = [name for name in listed.stdout.split("\0") if name and (root / name).is_file()]
    what = f"secrets in {len(names)} tracked files"
    if not names:
        return Report(what, State.NOT_RUN, ("this is no git checkout",))
    in_tests = [name for name in names if name.startswith("tests/")]
    in_product = [name for name in names if not name.startswith("tests/")]
    found = {**_scan(root, in_product, without=NO_SIGN), **_scan(root, in_tests, without=NO_SIGN_IN_TESTS)}
    lines = [f"{file}:{line}: {kind}" for (file, kind), line in found.items() if (file, kind) not in expected]
    lines += [f"{file}: {kind} is expected and not there" for file, kind in expected if (file, kind) not in found]
    return Report(what, State.FAILED if lines else State.CLEAN, tuple(lines))


def _scan(root: Path, names: Iterable[str], *, without: frozenset[str]) -> dict[tuple[str, str], int]:
    """The first line of each kind in each file."""
    with transient_settings({"plugins_used": []}):
        every = {plugin.__name__ for plugin in get_mapping_from_secret_type_to_class().values()}
    found: dict[tuple[str, str], int] = {}
    with transient_settings({"plugins_used": [{"name": name} for name in sorted(every - without)]}):
        for name in names:
            for secret in scan_file(str(root / name)):
                found.setdefault((name, secret.type), secret.line_number)
    return found


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
