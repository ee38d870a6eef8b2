"""axe-core in a frame: every rule of WCAG 2.2, levels A and AA, that a machine can check."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import require

LOCKED = Path(__file__).parent / "axe"
TOOLS = Path(__file__).parents[2] / "build" / "axe"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = """async ({source, runOnly}) => {
    if (!window.axe) (0, eval)(source);
    const found = await window.axe.run(document, {runOnly, resultTypes: ["violations"]});
    return found.violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 120)}`));
}"""


def axe_source():
    """The script of the locked version, fetched once; its hash in the lock file is checked by npm."""
    if shutil.which("npm") is None:
        require("axe-core", "npm, which fetches it, is not on the PATH")
    home = TOOLS / hashlib.sha256((LOCKED / "package-lock.json").read_bytes()).hexdigest()[:16]
    script = home / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        TOOLS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TOOLS) as scratch:
            made = Path(scratch) / "made"
            shutil.copytree(LOCKED, made, ignore=shutil.ignore_patterns("node_modules"))
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            if subprocess.run(command, cwd=made, timeout=300).returncode:
                require("axe-core", "npm cannot fetch it")
            made.rename(home)
    return script.read_text(encoding="utf-8")


def violations(frame, source, *, only_colours=False):
    """What is wrong on that page, each as its rule and its element. Between looks only colours differ."""
    run_only = {"type": "rule", "values": ["color-contrast"]} if only_colours else {"type": "tag", "values": TAGS}
    return frame.evaluate(RUN, {"source": source, "runOnly": run_only})
