from pathlib import Path

import pytest

from app.domain.promises.reading import read_policy

POLICIES = Path(__file__).parents[3] / "app" / "policies"


@pytest.fixture(scope="session")
def text_of():
    """The text of the policies that the app ships."""

    def read(name):
        path = POLICIES / f"{name}.toml"
        if not path.is_file():
            raise LookupError(name)
        return path.read_text(encoding="utf-8")

    return read


@pytest.fixture(scope="session")
def shipped(text_of):
    """Those policies by name."""
    return {path.stem: read_policy(path.stem, text_of) for path in sorted(POLICIES.glob("*.toml"))}


HEAD = """\
name = "acme"
title = "Acme security policy"
version = 1
dated = 2026-11-22
source = "https://example.com/security"
"""

TABLE = """
[[table]]
name = "fixes"
since = 2026-01-01
source = "https://example.com/table"
critical = "10 days"
high = "4 weeks"
medium = "12 weeks"
low = "25 weeks"
"""

PROMISE = """
[[promise]]
id = "fix"
kind = "clock"
clause = "§1"
text = "Bugs are fixed."
trigger = "report"
actor = "security"
deadline = "by severity"
evidence = "tickets"

[promise.clock]
starts = "reported"
stops = "fixed"
mode = "elapsed"
table = "fixes"
"""


@pytest.fixture(scope="session")
def acme():
    """A small policy that is in order, as text."""
    return HEAD + TABLE + PROMISE
