"""The command line as an operator meets it, run in this process."""

import sys
from dataclasses import dataclass

import pytest

from app import wiring
from app.jobs import commands


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Untouchable:
    """An operator's set-up that must not be needed."""

    known_errors = ()

    def __getattr__(self, name):
        raise AssertionError(f"this command must not need {name}")


@pytest.fixture
def pledge(monkeypatch, capsys):
    """Run `pledge` with these arguments; `operations` stands for the set-up behind it."""
    for name in [name for name in wiring.os.environ if name.startswith("PLEDGE_")]:
        monkeypatch.delenv(name)

    def run(*arguments, operations=None):
        monkeypatch.setattr(sys, "argv", ["pledge", *arguments])
        capsys.readouterr()
        code = commands.main(commands.pledge, operations or wiring.Operations())
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return Outcome(code, shown.out, shown.err)

    return run


@pytest.fixture
def empty_place(monkeypatch, tmp_path):
    """A folder without anything, in the development profile, whose database does not answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLEDGE_PROFILE", "development")
    for name in ("DATABASE_URL", "DATABASE_WORKER_URL", "DATABASE_OWNER_URL"):
        monkeypatch.setenv(f"PLEDGE_{name}", "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    return tmp_path
