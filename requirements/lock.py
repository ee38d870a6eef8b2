"""Writes the lock files beside this one from setup.cfg: `make lock`, or `make lock UPGRADE=1` for newer versions.

Each file holds what the one before it holds, in the same versions, and more. Versions that are locked already
stay as they are unless an upgrade is asked for. Either all files are written or none.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = ROOT / ".venv" / "bin" / "uv"
# lock file: (extras of setup.cfg that it holds, lock file that it extends)
LOCKS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "run": ((), None),
    "test": (("development", "test", "environment"), "run"),
    "lint": (("development", "test", "environment", "lint"), "test"),
}
# universal: one file for every platform and every Python from 3.11 on; no index address gets into it
COMPILE = ["pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
COMPILE += ["--no-emit-index-url", "--custom-compile-command", "make lock"]


def compile_lock(source: str, target: str, *options: str, folder: Path) -> None:
    """Raises `CalledProcessError` when no set of versions fits; uv has said why."""
    command = [str(UV), *COMPILE, source, *options, "-o", f"requirements/{target}.txt", *sys.argv[1:]]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own words)


def main() -> None:
    """Compile in a copy of the few files that matter, then replace the real ones."""
    with tempfile.TemporaryDirectory(prefix="pledge-lock-") as temporary:
        folder = Path(temporary)
        shutil.copytree(ROOT / "requirements", folder / "requirements")
        for name in ("setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        for lock, (extras, lower) in LOCKS.items():
            options = [word for extra in extras for word in ("--extra", extra)]
            options += ["-c", f"requirements/{lower}.txt"] if lower else []
            compile_lock("setup.cfg", lock, *options, folder=folder)
        compile_lock("requirements/uv.in", "uv", "-c", "requirements/test.txt", folder=folder)
        for lock in (*LOCKS, "uv"):
            replace_if_changed(ROOT / "requirements" / f"{lock}.txt", folder / "requirements" / f"{lock}.txt")


def replace_if_changed(lock: Path, new: Path) -> None:
    """A lock file with a new date alone would make `make` install everything again."""
    if lock.read_bytes() != new.read_bytes():
        beside = lock.with_suffix(".new")
        shutil.copyfile(new, beside)
        os.replace(beside, lock)


if __name__ == "__main__":
    main()
