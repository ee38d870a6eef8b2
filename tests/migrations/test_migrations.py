"""Migrations: linear, numbered, each with its purpose; the models are what they make; twice and at once is harmless."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from app.domain.ports import DatabaseUnavailable
from app.store.administration import check, migrate, upgrade
from app.store.db import Base
from app.store.revision import MIGRATIONS, newest_revision

FILES = sorted((MIGRATIONS / "versions").glob("*.py"))


@pytest.fixture(scope="module")
def scripts():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return list(ScriptDirectory.from_config(config).walk_revisions())[::-1]


@pytest.fixture
def empty(cluster, make_database):
    """A database with nothing in it, and its owner's URL."""
    with make_database() as database:
        database.execute("DROP SCHEMA app, registry, jobs CASCADE")
        yield database


def test_migrations_are_numbered_without_a_gap_and_each_follows_the_one_before(scripts):
    numbers = [f"{number:04}" for number in range(1, len(FILES) + 1)]
    assert [file.name[:4] for file in FILES] == numbers
    assert [script.revision for script in scripts] == numbers
    assert [script.down_revision for script in scripts] == [None, *numbers[:-1]]


def test_the_head_file_names_the_newest(scripts):
    assert newest_revision() == scripts[-1].revision


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_says_its_purpose_in_one_sentence(file):
    assert re.match(r'"""[A-Z][^"\n]+[^.]\."""\n', file.read_text())
    assert re.fullmatch(r"\d{4}_[a-z_]+", file.stem)


def test_the_models_are_what_the_migrations_make(database):
    engine = create_engine(database.owner, poolclass=NullPool)

    def ours(name, kind, parents):
        return kind != "schema" or name in {"app", "registry"}

    with engine.connect() as connection:
        options = {"include_schemas": True, "include_name": ours, "version_table_schema": "registry"}
        context = MigrationContext.configure(connection, opts=options | {"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def relations(database):
    """Every relation by its number, with who may do what."""
    query = """SELECT oid, relname, ARRAY(SELECT unnest(relacl)::text ORDER BY 1) FROM pg_class
        WHERE relnamespace::regnamespace::text IN ('app', 'registry', 'jobs') ORDER BY oid"""
    return database.rows(query)


def test_upgrading_twice_changes_nothing(database):
    before = relations(database)
    assert upgrade(database.owner) == newest_revision()
    assert relations(database) == before
    assert check(database.owner) == ()


def test_an_empty_database_is_migrated_as_its_owner_and_keeps_every_rule(empty):
    assert upgrade(empty.owner) == newest_revision()
    assert check(empty.owner) == ()


UPGRADE = "import sys; from app.store.administration import upgrade; print(upgrade(sys.argv[1]))"


def test_two_processes_that_upgrade_at_once_end_in_one_migrated_database(empty):
    command = [sys.executable, "-c", UPGRADE, empty.owner]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=MIGRATIONS.parent) for _ in range(2)]
    outcomes = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert outcomes == [newest_revision()] * 2
    assert check(empty.owner) == ()


def test_a_grant_that_somebody_added_is_taken_back_by_the_next_upgrade(database):
    database.execute("GRANT DELETE ON app.audit_entries TO pledge_web; GRANT SELECT ON app.issues TO PUBLIC")
    upgrade(database.owner)
    assert check(database.owner) == ()


def test_a_migration_that_cannot_have_its_lock_gives_up_leaves_no_trace_and_says_what_to_do(empty):
    """`ALTER TABLE` of a table that somebody reads: it would wait, and all who come after it would wait behind it."""
    migrate(empty.owner, "0011")
    before = relations(empty)
    with psycopg.connect(empty.superuser, application_name="a long report") as holder:
        holder.execute("SELECT count(*) FROM app.clock_bounds")
        with pytest.raises(DatabaseUnavailable) as refusal:
            upgrade(empty.owner)
        # Whoever reads and writes meanwhile is not kept from it by anything that the attempt has left.
        empty.execute("DO $$ BEGIN LOCK TABLE app.clock_bounds IN ROW EXCLUSIVE MODE NOWAIT; END $$")
        held_by = holder.info.backend_pid
        holder.rollback()
    assert "nothing of it was done. Run `pledge db upgrade` again" in str(refusal.value)
    assert f"process {held_by} (a long report)" in str(refusal.value)
    assert empty.rows("SELECT version_num FROM registry.alembic_version") == [("0011",)]
    assert relations(empty) == before
    assert upgrade(empty.owner) == newest_revision()


def test_a_migration_that_gives_up_keeps_those_before_it(empty):
    migrate(empty.owner, "0009")
    with psycopg.connect(empty.superuser) as holder:
        holder.execute("SELECT count(*) FROM app.clock_bounds")
        with pytest.raises(DatabaseUnavailable):
            upgrade(empty.owner)
        holder.rollback()
    assert empty.rows("SELECT version_num FROM registry.alembic_version") == [("0011",)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_migration_waits_for_locks_longer_than_the_others(file):
    # `env.py` sets it for all of them; outside of a transaction nothing would be taken back.
    code = file.read_text()
    for word in ("lock_timeout", "autocommit_block", "CONCURRENTLY", "LOCK TABLE"):
        assert word not in code


def test_only_a_migration_that_says_from_which_code_on_takes_something_away(scripts):
    for script in scripts:
        code = (MIGRATIONS / "versions" / Path(script.path).name).read_text()
        takes = re.search(r"drop_column|drop_table|DROP (COLUMN|TABLE)|RENAME|new_column_name", code)
        oldest = getattr(script.module, "oldest_code", None)
        assert (takes is None) or oldest is not None, script.revision
        assert oldest is None or oldest <= script.down_revision, script.revision
