"""What the structural tests look at: the sources as they stand, and the app as the wiring builds it."""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.wiring import web_app

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Source:
    """One module."""

    name: str
    """Its path below the root."""
    text: str
    tree: ast.Module


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def sources():
    """Every module of the product."""
    paths = sorted(path for package in ("app", "descriptor", "simulator") for path in (ROOT / package).rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    # Until Python 3.12 all threads share one depth in this parser (gh-106905); servers of other tests may still run.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        return tuple(Source(str(path.relative_to(ROOT)), text, ast.parse(text)) for path, text in texts.items())
    finally:
        sys.setswitchinterval(interval)


@pytest.fixture
def built_app(monkeypatch, keyring_file):
    """The app as a process builds it; its database is never called."""
    monkeypatch.setenv("PLEDGE_PROFILE", "development")
    monkeypatch.setenv("PLEDGE_KEYRING_FILE", str(keyring_file))
    monkeypatch.setenv("PLEDGE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    monkeypatch.setattr("app.jobs.logs.configure", lambda _: None)  # the log belongs to pytest here
    return web_app()
