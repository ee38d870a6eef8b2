"""Which migration a database has, and which one this code needs."""

from pathlib import Path

from sqlalchemy import Connection, text

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def newest_revision() -> str:
    """The name in `migrations/HEAD`, a file so that two parallel migrations collide in review and not at night."""
    return (MIGRATIONS / "HEAD").read_text().strip()


def stored_revision(connection: Connection) -> str | None:
    """The migration that the database is at; None for an empty one."""
    if connection.execute(text("SELECT to_regclass('registry.alembic_version')")).scalar() is None:
        return None
    return connection.execute(text("SELECT version_num FROM registry.alembic_version")).scalar()
