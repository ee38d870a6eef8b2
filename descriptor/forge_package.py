"""The deployable folder: manifest and Custom UI bundle, built and validated with Atlassian's own packages.

Node and npm are needed here and nowhere else. Atlassian's packages are under the Atlassian Developer Terms: they
are fetched when a folder is made, and neither they nor a bundle that contains them are ever committed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from descriptor.forge import ICON, RESOURCE_PATH
from descriptor.yaml_text import to_yaml

TOOLS: Final = Path("build") / "forge"
"""Where the npm packages are installed, one folder for each lock file."""

_SOURCES: Final = files("descriptor") / "forge_ui"
_LOCKED: Final = ("package.json", "package-lock.json")
_SHARED: Final = (
    "htmx.min.js",
    "htmx.LICENSE.txt",
    "panel.js",
    "address.js",
    "pledge.css",
    "pages.css",
    "tokens.css",
    ICON,
)
"""The same files that Connect's pages are made of, unchanged."""
_PATIENCE_SECONDS: Final = 300


class ToolsMissing(RuntimeError):
    """Node (20 or later) with npm is needed to pack and validate the Forge app; without it Connect still works."""


class ToolFailed(RuntimeError):
    """A program that packs or validates the Forge app failed; what it said follows."""


def write(folder: Path, *, document: Mapping[str, Any], static: Path, tools: Path = TOOLS) -> None:
    """Make the folder that `forge deploy` is run in: `manifest.yml` and the bundle.

    `static`: the folder with the files that both hosts share. What lay in the bundle before is removed; nothing
    else of an existing folder is touched. Raises `ToolsMissing`, `ToolFailed` or `OSError`.
    """
    installed = install(tools)
    bundle = folder / RESOURCE_PATH
    shutil.rmtree(bundle, ignore_errors=True)
    bundle.mkdir(parents=True)
    for name in _SHARED:
        shutil.copyfile(static / name, bundle / name)
    with as_file(_SOURCES) as sources:
        _bundle(sources / "shell.js", bundle, installed=installed)
        # last, so that a bundle with its page is a whole one for whoever waits for it
        shutil.copyfile(sources / "index.html", bundle / "index.html")
    (folder / "manifest.yml").write_text(to_yaml(document), encoding="utf-8")


def validate(folder: Path, *, tools: Path = TOOLS) -> tuple[str, ...]:
    """Every error and warning of `@forge/manifest` about that folder, as `line:column level: what`; empty when none.

    Raises `ToolsMissing`, `ToolFailed`.
    """
    installed = install(tools)
    with as_file(_SOURCES / "validate.cjs") as script:
        said = _run(["node", str(script.resolve())], folder=folder, packages=installed)
    findings: list[str] = json.loads(said)
    return tuple(findings)


def install(tools: Path) -> Path:
    """The folder with the locked npm packages, installed at the first call; raises `ToolsMissing`, `ToolFailed`.

    No script of any package is run: whoever can publish one of them would otherwise run code on this machine at
    installation.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise ToolsMissing(ToolsMissing.__doc__)
    locked = {name: (_SOURCES / name).read_bytes() for name in _LOCKED}
    home = tools / hashlib.sha256(b"".join(locked.values())).hexdigest()[:16]
    if home.is_dir():
        return home
    tools.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        for name, content in locked.items():
            (made / name).write_bytes(content)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=made)
        try:
            made.rename(home)
        except OSError:
            if not home.is_dir():  # else another process was faster, and its packages are the same
                raise
    return home


def _bundle(source: Path, folder: Path, *, installed: Path) -> None:
    """One script without modules, and the licences of what is in it; the same bytes wherever it is built."""
    record = folder / "inputs.json"
    command = [
        str(installed.resolve() / "node_modules" / ".bin" / "esbuild"),
        str(source.resolve()),
        "--bundle",
        "--minify",
        "--format=iife",
        "--target=es2022",
        "--charset=utf8",
        "--log-level=warning",
        # a third of the weight, for a function of the bridge that is never called here (`createAdfRendererIframeProps`)
        "--external:iframe-resizer",
        f"--outfile={source.name}",
        f"--metafile={record.name}",
    ]
    _run(command, folder=folder, packages=installed)
    inputs: Mapping[str, object] = json.loads(record.read_text(encoding="utf-8"))["inputs"]
    record.unlink()
    (folder / "LICENSES.txt").write_text(_licences(folder, inputs), encoding="utf-8")


def _licences(folder: Path, inputs: Iterable[str]) -> str:
    """The licence of every package that has a file among these inputs, whose paths are relative to the folder."""
    found: dict[str, str] = {}
    for path in inputs:
        before, _, inside = path.rpartition("node_modules/")
        if before:
            name = "/".join(inside.split("/")[: 2 if inside.startswith("@") else 1])
            home = folder / before / "node_modules" / name
            package = json.loads((home / "package.json").read_text(encoding="utf-8"))
            texts = (file.read_text(encoding="utf-8") for file in sorted(home.glob("LICEN[CS]E*")))
            found[f"{name} {package['version']}"] = "\n".join(texts)
    return "\n".join(f"{title}\n\n{text.strip()}\n" for title, text in sorted(found.items()))


def _run(command: Sequence[str], *, folder: Path, packages: Path | None = None) -> str:
    environment = None if packages is None else os.environ | {"NODE_PATH": str(packages.resolve() / "node_modules")}
    try:
        done = subprocess.run(  # noqa: S603  fixed programs of ours; no argument comes from outside
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise ToolFailed(f"{ToolFailed.__doc__} {command[0]} took more than {_PATIENCE_SECONDS} s") from late
    if done.returncode != 0:
        raise ToolFailed(f"{ToolFailed.__doc__}\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
