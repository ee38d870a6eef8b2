"""Which migration a database has, which one this code needs, and which code may still use the database.

A change that takes something away comes in two releases. The first adds what comes in its place (`0024_expand`), beside
which the code before it goes on; its own code no longer uses the old. The second takes the old away, in a migration
that says from which code on nobody needs it: `oldest_code = "0024"`. That one is refused while older code is connected,
and older code is not ready afterwards.
"""

from pathlib import Path

from psycopg import Connection as Driver
from sqlalchemy import Connection, text

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_IN_USE = 1_347_175_495
"""The first half of an advisory lock; the second is the version of the code that holds it, as long as it is connected.

Everybody may see who holds it, which is not so of what a session says of itself to another role.
"""
_MARK = "oldest code: "


class OlderCodeRuns(RuntimeError):
    """Code that needs what a migration would take away is connected; the migration was not done."""


def newest_revision() -> str:
    """The name in `migrations/HEAD`, a file so that two parallel migrations collide in review and not at night."""
    return (MIGRATIONS / "HEAD").read_text().strip()


def stored_revision(connection: Connection) -> str | None:
    """The migration that the database is at; None for an empty one."""
    if connection.execute(text("SELECT to_regclass('registry.alembic_version')")).scalar() is None:
        return None
    return connection.execute(text("SELECT version_num FROM registry.alembic_version")).scalar()


def tell_code_in_use(driver: Driver) -> None:
    """On each new connection of a process that serves or works: by which code the database is used."""
    driver.autocommit = True  # or a transaction would be left open
    driver.execute("SELECT pg_advisory_lock_shared(%s, %s)", [_IN_USE, int(newest_revision())])
    driver.autocommit = False


def oldest_code(connection: Connection) -> str:
    """The oldest code that may use this database; empty where nothing was ever taken away."""
    query = "SELECT obj_description(to_regclass('registry.alembic_version'), 'pg_class')"
    found = connection.execute(text(query)).scalar() or ""
    return str(found).removeprefix(_MARK)


def close_to_older_code(connection: Connection, oldest: str) -> None:
    """From the end of this transaction on; raises `OlderCodeRuns`."""
    query = """SELECT DISTINCT objid::int, pid FROM pg_locks
        WHERE locktype = 'advisory' AND classid = :in_use AND objsubid = 2 AND objid < :oldest
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2"""
    rows = connection.execute(text(query), {"in_use": _IN_USE, "oldest": int(oldest)}).all()
    if rows:
        versions = ", ".join(sorted({f"{version:04}" for version, _ in rows}))
        raise OlderCodeRuns(
            f"code of version {versions} is still connected ({len(rows)} connections), and needs what this migration"
            f" takes away; nothing of it was done. Stop what is older than {oldest}, then run `pledge db upgrade` again"
        )
    connection.execute(text(f"COMMENT ON TABLE registry.alembic_version IS '{_MARK}{int(oldest):04}'"))
