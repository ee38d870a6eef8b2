"""What a process asks of the catalogue before it serves, how often, and how it gets on with a newer schema."""

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from app.store.start_check import StartCheck

SPOIL = "ALTER TABLE app.issues NO FORCE ROW LEVEL SECURITY"
MEND = "ALTER TABLE app.issues FORCE ROW LEVEL SECURITY"
FOUND = ("row security is not enabled and forced: app.issues",)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def check(database, clock):
    """The check of a web process."""
    return StartCheck(create_engine(database.web, poolclass=NullPool), elapsed=clock)


@pytest.mark.parametrize("role", ["web", "worker", "owner"])
def test_a_migrated_database_is_in_order_for_every_role(database, starting, role):
    assert starting(getattr(database, role)) == ()


def test_what_was_in_order_at_the_start_is_not_asked_again(database, check, clock):
    assert check.findings() == ()
    database.execute(SPOIL)
    clock.seconds += 1_000_000
    assert check.findings() == ()


def test_what_was_not_in_order_is_asked_again_after_a_while_and_then_trusted(database, check, clock):
    database.execute(SPOIL)
    assert check.findings() == FOUND
    database.execute(MEND)
    clock.seconds += 14
    assert check.findings() == FOUND  # nobody can make us ask more often
    clock.seconds += 1
    assert check.findings() == ()


def test_a_newer_schema_may_have_more_than_this_code_wrote_down_but_keeps_tenants_apart_as_well(database, check, clock):
    database.execute("UPDATE registry.alembic_version SET version_num = '9999'")
    database.execute("ALTER TABLE app.issues ADD COLUMN later bigint; GRANT DELETE ON app.issues TO pledge_web")
    database.execute(SPOIL)
    assert check.findings() == FOUND
    database.execute(MEND)
    clock.seconds += 15
    assert check.findings() == ()
