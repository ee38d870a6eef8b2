"""Node's side of the descriptor: the npm packages, and folders as they would be deployed."""

from pathlib import Path

import pytest

from descriptor import forge, forge_package
from descriptor.cells import Cell
from tests.conftest import require

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "app" / "edge" / "static"
TOOLS = ROOT / "build" / "forge"
APP_ID = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"
CELLS = (
    Cell(region="global", base_url="https://pledge.example.com"),
    Cell(region="EU", base_url="https://eu.pledge.example.com"),
)
CONNECT_APP = forge.ConnectApp(key="io.pledge.app", guide_url="https://example.com/moving-to-forge")
VARIANTS = {"new": None, "migration": CONNECT_APP}


@pytest.fixture
def manifest():
    return forge.render(app_id=APP_ID, cells=CELLS, migration=None)


@pytest.fixture
def migration_manifest():
    return forge.render(app_id=APP_ID, cells=CELLS, migration=CONNECT_APP)


@pytest.fixture(scope="session")
def packages():
    """The folder with the npm packages of the lock file; they are fetched once."""
    try:
        return forge_package.install(TOOLS)
    except (forge_package.ToolsMissing, forge_package.ToolFailed) as missing:
        require("npm packages of Forge", str(missing))


@pytest.fixture(scope="session")
def folders(packages, tmp_path_factory):
    """A deployable folder for each variant of the manifest."""
    made = {name: tmp_path_factory.mktemp("forge") for name in VARIANTS}
    for name, folder in made.items():
        document = forge.render(app_id=APP_ID, cells=CELLS, migration=VARIANTS[name])
        forge_package.write(folder, document=document, static=STATIC, tools=TOOLS)
    return made


@pytest.fixture(scope="session")
def bundle(folders):
    return folders["new"] / forge.RESOURCE_PATH
