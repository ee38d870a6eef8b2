"""What the owner of the database does: make roles, migrate, grant, and compare the catalogue with the rules."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from app.domain.ports import DatabaseUnavailable
from app.store import tables as _tables  # noqa: F401  its import fills the metadata
from app.store.catalogue import findings
from app.store.db import Base, db
from app.store.embedded import EmbeddedPostgres, FolderInUse
from app.store.revision import MIGRATIONS, newest_revision, stored_revision
from app.store.row_security import BACKUP, OWNER, WEB, WORKER, grant_statements, role_statements

DATABASE = "pledge"


def upgrade(owner_url: str) -> str:
    """Migrate to the newest version and grant what the table of grants says; returns the version.

    Safe to repeat and to run twice at once. Raises `DatabaseUnavailable`, also when a lock is not to be had within
    seconds: the app goes on meanwhile, and the migration is run again. Raises `OlderCodeRuns`.
    """
    with _migrating(owner_url) as engine:
        with _giving_up(engine):
            flask_migrate.upgrade()
        _grant(engine)
    return newest_revision()


def migrate(owner_url: str, revision: str) -> None:
    """Migrate to that version and grant nothing, so that nobody but the owner can use the database."""
    with _migrating(owner_url):
        flask_migrate.upgrade(revision=revision)


def grant(owner_url: str) -> None:
    """Grant what the table of grants says."""
    with _migrating(owner_url) as engine:
        _grant(engine)


_IN_THE_WAY = """
    SELECT DISTINCT 'process ' || held.pid || ' (' || session.application_name || ')'
    FROM pg_locks held JOIN pg_stat_activity session USING (pid)
    JOIN pg_class c ON c.oid = held.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE held.granted AND held.pid <> pg_backend_pid() AND session.datname = current_database()
    AND n.nspname IN ('app', 'registry', 'jobs') ORDER BY 1 LIMIT 5"""
_OUR_TABLES = """
    SELECT schemaname || '.' || quote_ident(tablename) FROM pg_tables
    WHERE schemaname IN ('app', 'registry', 'jobs') ORDER BY 1"""
_FORGET_STATISTICS = """
    SELECT pg_clear_attribute_stats(n.nspname::text, c.relname::text, a.attname::text, false)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('app', 'registry', 'jobs') AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"""


def rewrite(owner_url: str) -> Iterator[str]:
    """Write every table and index anew, so that deleted rows leave no bytes in their files; yields each name, first.

    Each table is locked while it is written. What is left of them outside: write-ahead log until it is recycled.
    """
    engine = create_engine(owner_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with _explained(), engine.connect() as connection:
        # The planner's statistics quote values, and those of a table that is empty now are not made anew.
        connection.execute(text(_FORGET_STATISTICS))
        for name in (*connection.execute(text(_OUR_TABLES)).scalars(), "pg_catalog.pg_statistic"):
            yield name
            connection.execute(text(f"VACUUM (FULL, ANALYZE) {name}"))
    engine.dispose()


def role_script() -> str:
    """SQL for a superuser, once per server; psql reads it."""
    lines = [
        "-- Roles of Pledge; run once per server as a superuser. Set passwords with \\password.",
        *(f"{statement};" for statement in role_statements()),
        f"-- CREATE DATABASE {DATABASE} OWNER {OWNER};",
        "-- Then, as the owner: pledge db upgrade. It migrates and grants:",
        *(f"--   {statement};" for statement in grant_statements()),
    ]
    return "\n".join(lines)


def check(owner_url: str) -> tuple[str, ...]:
    """What in the catalogue is not as the rules say; empty when all is well."""
    with _connected(owner_url) as connection:
        stored = stored_revision(connection)
        if stored != newest_revision():
            return (f"migrations: the database is at {stored}, this code needs {newest_revision()}",)
        return findings(connection, expected=Base.metadata)


@dataclass(frozen=True)
class ServerFacts:
    """What a connection meets."""

    user: str
    at: datetime
    """By the server's clock."""
    place: str
    """Two connections to one database of one server have the same."""
    connections: int
    """So many at once, for roles that are no superuser."""
    forgetful: str
    """Its settings by which what was acknowledged can be lost."""


_FACTS = """
    SELECT current_user::text, clock_timestamp(),
        (SELECT oid FROM pg_database WHERE datname = current_database())
            || ' ' || extract(epoch FROM pg_postmaster_start_time()),
        (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) FROM pg_settings
            WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')),
        (SELECT coalesce(string_agg(name, ', ' ORDER BY name), '') FROM pg_settings
            WHERE setting = 'off' AND name IN ('fsync', 'full_page_writes', 'synchronous_commit'))"""


def facts_of(url: str) -> ServerFacts:
    """What whoever connects there meets; raises `DatabaseUnavailable`."""
    with _connected(url) as connection:
        user, at, place, connections, forgetful = connection.execute(text(_FACTS)).one()
        return ServerFacts(user, at, place, int(connections), forgetful)


def list_jobs(worker_url: str, states: Sequence[str]) -> list[dict[str, Any]]:
    """The jobs in one of these states, newest first."""
    query = (
        "SELECT id, status::text AS status, task_name AS task, args, attempts, scheduled_at"
        " FROM jobs.procrastinate_jobs WHERE status::text = ANY (:states) ORDER BY id DESC LIMIT 1000"
    )
    with _connected(worker_url) as connection:
        return [dict(row) for row in connection.execute(text(query), {"states": list(states)}).mappings()]


def retry_job(worker_url: str, job: int) -> None:
    """Give a failed job back to the queue; raises `LookupError`, also where the same work is waiting already."""
    query = (
        "UPDATE jobs.procrastinate_jobs SET status = 'todo', scheduled_at = NULL WHERE id = :job AND status = 'failed'"
    )
    with _connected(worker_url) as connection:
        try:
            given_back = connection.execute(text(query), {"job": job}).rowcount
        except IntegrityError as failure:
            raise LookupError(f"job {job} stays as it is: the same work is waiting already") from failure
        if given_back != 1:
            raise LookupError(f"there is no failed job {job}; `pledge jobs failed` lists them")
        connection.commit()


@contextmanager
def private_database(folder: Path) -> Iterator[EmbeddedPostgres]:
    """The private PostgreSQL of the development profile, running, with roles and an empty or known database.

    Where another process of ours runs it already, that one is used and left alone.
    """
    server = EmbeddedPostgres(folder)
    try:
        server.start()
    except FolderInUse:
        yield server
        return
    try:
        provision(server)
        yield server
    finally:
        server.stop()


def provision(server: EmbeddedPostgres, database: str = DATABASE) -> None:
    """Make the roles and the database where they are missing."""
    with psycopg.connect(server.superuser_url("postgres"), autocommit=True) as connection:
        for statement in role_statements():
            connection.execute(statement.encode())
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        if known is None:
            connection.execute(
                psycopg.sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    psycopg.sql.Identifier(database), psycopg.sql.Identifier(OWNER)
                )
            )


def urls_of(server: EmbeddedPostgres, database: str = DATABASE) -> dict[str, str]:
    """The URLs of a private server by setting."""
    return {
        "database_url": server.url(WEB, database),
        "database_worker_url": server.url(WORKER, database),
        "database_owner_url": server.url(OWNER, database),
        "database_backup_url": server.url(BACKUP, database),
    }


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    # procrastinate's triggers name their tables without a schema
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c search_path=jobs"})
    with _explained(), engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def _migrating(owner_url: str) -> Iterator[Engine]:
    """As Alembic wants it: a Flask app, and nobody else who migrates at the same time."""
    app = Flask("pledge.migrations")
    app.config["SQLALCHEMY_DATABASE_URI"] = owner_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"poolclass": NullPool}
    db.init_app(app)
    flask_migrate.Migrate(app, db, directory=str(MIGRATIONS))
    with _explained(), app.app_context(), _alone(db.engine):
        yield db.engine


@contextmanager
def _giving_up(engine: Engine) -> Iterator[None]:
    """What a migration that could not have its lock leaves to be done; it has left nothing else."""
    try:
        yield
    except OperationalError as failure:
        if not isinstance(failure.orig, psycopg.errors.LockNotAvailable):
            raise
        with engine.connect() as connection:
            holders = ", ".join(connection.execute(text(_IN_THE_WAY)).scalars()) or "nobody any more"
        raise DatabaseUnavailable(
            "the migration could not have a lock within 3 s and gave up, so that the app goes on; nothing of it was"
            f" done. Run `pledge db upgrade` again. Locks are held by {holders}; if one is there again and again, end"
            " it with `SELECT pg_terminate_backend(NUMBER)`"
        ) from failure


def _grant(engine: Engine) -> None:
    with engine.begin() as connection:
        for statement in grant_statements():
            connection.execute(text(statement))


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Of several that migrate at once one goes first; the others wait for it, and find the work done."""
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended('pledge.migrations', 0))"))
        connection.commit()
        yield


@contextmanager
def _explained() -> Iterator[None]:
    """PostgreSQL's own first words: they name host, role and reason, and no password."""
    try:
        yield
    except OperationalError as failure:
        raise DatabaseUnavailable(str(failure.orig).partition("\n")[0]) from failure
