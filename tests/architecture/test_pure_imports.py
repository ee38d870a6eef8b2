"""Protocol and domain are plain Python: importing them loads no framework."""

import json
import subprocess
import sys

import pytest

HEAVY = ("flask", "werkzeug", "sqlalchemy", "psycopg", "procrastinate", "requests", "urllib3", "gunicorn")
IMPORT_EACH = "import json, sys\nfor name in sys.argv[1:]: __import__(name)\nprint(json.dumps(sorted(sys.modules)))"


def loaded_by(root, modules):
    """The modules that a fresh Python has after importing these."""
    command = [sys.executable, "-c", IMPORT_EACH, *modules]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("package", ["protocol", "domain"])
def test_importing_a_pure_package_loads_no_framework(root, sources, package):
    names = [source.name for source in sources if source.name.startswith(f"app/{package}/")]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    loaded = loaded_by(root, modules)
    assert set(modules) <= loaded
    assert loaded.isdisjoint(HEAVY)


def test_importing_the_app_loads_nothing_heavy(root):
    loaded = loaded_by(root, ["app"])
    assert loaded.isdisjoint({*HEAVY, "cryptography", "jwt", "app.wiring"})


def test_this_check_sees_a_framework_that_is_loaded(root):
    assert "flask" in loaded_by(root, ["app.edge.parameters"])
