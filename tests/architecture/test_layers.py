"""The import contracts hold, and each has been seen to fail when it is broken."""

import importlib.util
import shutil
import subprocess
import sys
from configparser import ConfigParser

import pytest

from tests.conftest import require

VIOLATIONS = {
    "flow": ("app/utils.py", '"""A module that no layer names."""\n'),
    "blind": ("app/edge/parameters.py", "import app.store.revision\n"),
    "empty-hands": ("app/edge/parameters.py", "import jwt\n"),
    "pure": ("app/protocol/tokens.py", "import flask\n"),
    "one-door": ("app/vault/administration.py", "import app.vault._envelope\n"),
    "who-holds-the-door": ("app/outbound/session.py", "import app.vault.door\n"),
    "settings": ("app/jobs/logs.py", "import app.settings\n"),
    "other-side": ("simulator/signing.py", "import app.protocol.connect_qsh\n"),
    "acyclic": ("app/protocol/tokens.py", "import app.protocol.connect_jwt\n"),
}
FURTHER = [
    ("flow", "app/store/tables.py", "import app.outbound.session\n"),
    ("blind", "app/jobs/logs.py", "import app.outbound.session\n"),
    ("pure", "app/domain/services.py", "import sqlalchemy\n"),
    ("who-holds-the-door", "app/domain/services.py", "import app.vault.door\n"),
    ("other-side", "app/edge/public.py", "import simulator.world\n"),
    ("other-side", "descriptor/modules.py", "import app.domain.identifiers\n"),
    ("acyclic", "simulator/site.py", "import simulator.world\n"),
]


@pytest.fixture(scope="module")
def lint():
    if importlib.util.find_spec("importlinter") is None:
        require("import-linter", "the import contracts are checked by it (`make lint` installs it)")

    def run(folder):
        program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
        command = [sys.executable, "-c", program, "--no-cache"]
        # wide, so that no name is broken over two lines
        environment = {"COLUMNS": "200", "PYTHONPATH": str(folder)}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture(scope="module")
def contracts(root):
    """The contracts' names by id."""
    setup = ConfigParser()
    setup.read(root / "setup.cfg")
    head = "importlinter:contract:"
    return {section.removeprefix(head): setup[section]["name"] for section in setup if section.startswith(head)}


@pytest.fixture(scope="module")
def copy(root, tmp_path_factory):
    """The tree, to be broken."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("app", "descriptor", "simulator"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "setup.cfg", folder)
    return folder


def test_every_contract_is_kept(lint, root, contracts):
    run = lint(root)
    assert run.returncode == 0, run.stdout
    assert f"Contracts: {len(contracts)} kept, 0 broken." in run.stdout


def test_every_contract_has_a_violation_here(contracts):
    assert set(VIOLATIONS) == set(contracts)


@pytest.mark.parametrize(("contract", "path", "line"), [(name, *what) for name, what in VIOLATIONS.items()] + FURTHER)
def test_a_violation_breaks_its_contract(lint, copy, contracts, contract, path, line):
    file = copy / path
    kept = file.read_text(encoding="utf-8") if file.exists() else None
    file.write_text(f"{kept or ''}\n{line}", encoding="utf-8")
    try:
        run = lint(copy)
    finally:
        file.unlink() if kept is None else file.write_text(kept, encoding="utf-8")
    words = " ".join(run.stdout.split())
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"{contracts[contract]} BROKEN" in words, run.stdout
