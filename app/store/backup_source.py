"""Reading everything as of one instant, as the backup role: the only one that sees past row security, and only reads.

By COPY in PostgreSQL's text format, as pg_dump does: it is the same for a server anywhere, and another major version of
PostgreSQL reads it too.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from app.domain.backup.model import AuditMark, Head, MigrationUnderWay, Table
from app.domain.ports import DatabaseUnavailable
from app.store.audit_log import restored

SCHEMAS = ["registry", "app", "jobs"]
VERSION_TABLE = "registry.alembic_version"
SESSION = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "search_path": "pg_catalog",
        "timezone": "UTC",
        "datestyle": "ISO",
        "intervalstyle": "postgres",
        "extra_float_digits": "3",
        "client_encoding": "UTF8",
        "lock_timeout": "3s",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
    }.items()
)
_BLOCK_BYTES = 256 * 1024
_MIGRATIONS = b"SELECT pg_try_advisory_lock_shared(hashtextextended('pledge.migrations', 0))"
_COLUMNS = b"""
    SELECT n.nspname || '.' || c.relname, a.attname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = ANY (%s) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY 1, a.attnum
"""
_REFERENCES = b"""
    SELECT DISTINCT n.nspname || '.' || c.relname, fn.nspname || '.' || f.relname
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
    WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND n.nspname = ANY (%s)
"""
_SEQUENCES = b"""
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (%s) AND c.relkind = 'S' ORDER BY 1, 2
"""
_ANCHORED = b"SELECT size, frontier FROM registry.audit_anchor_heads ORDER BY size DESC LIMIT 1"


class SqlSource:
    """See `app.domain.backup.ports.Source`."""

    def __init__(self, connection: psycopg.Connection, head: Head) -> None:
        self._connection = connection
        self.head = head

    def read(self, table: Table, write: Callable[[bytes], None]) -> int:
        """Row by row out of the driver, in blocks to `write`."""
        block = bytearray()
        with self._connection.cursor() as cursor:
            with cursor.copy(SQL("COPY {} TO STDOUT").format(copied(table))) as rows:
                for row in rows:
                    block += row
                    if len(block) >= _BLOCK_BYTES:
                        write(bytes(block))
                        block.clear()
            if block:
                write(bytes(block))
            return cursor.rowcount

    def sequences(self) -> Mapping[str, int]:
        """Not of the snapshot but of now, which is later: what was given out meanwhile is not given again."""
        found = {}
        for schema, name in self._connection.execute(_SEQUENCES, [SCHEMAS]).fetchall():
            query = SQL("SELECT last_value + is_called::int FROM {}").format(Identifier(schema, name))
            [value] = self._connection.execute(query).fetchone() or [0]
            found[f"{schema}.{name}"] = int(value)
        return found

    def audit(self) -> AuditMark:
        """Of the snapshot; raises `LogBroken`."""
        head = self._connection.execute(_ANCHORED).fetchone()
        tree = restored(0, b"") if head is None else restored(head[0], head[1])
        return AuditMark(size=tree.size, root=tree.root().hex())


@contextmanager
def open_source(url: str) -> Iterator[SqlSource]:
    """One snapshot, of a schema that nobody can change meanwhile; raises `DatabaseUnavailable`, `MigrationUnderWay`.

    The locks come before the snapshot: of a table that a migration writes anew, an older snapshot would see no row.
    """
    try:
        with psycopg.connect(url, options=SESSION, application_name="pledge.backup", connect_timeout=10) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            [may_read] = connection.execute(_MIGRATIONS).fetchone() or [False]
            tables = copied_tables(connection)
            connection.rollback()
            if not may_read:
                raise MigrationUnderWay
            names = SQL(", ").join(table_name(table.name) for table in tables)
            connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
            yield SqlSource(connection, _head(connection, tables))
            connection.rollback()
    except psycopg.errors.LockNotAvailable as failure:
        raise MigrationUnderWay from failure
    except psycopg.OperationalError as failure:
        raise DatabaseUnavailable(str(failure).partition("\n")[0]) from failure


def copied_tables(connection: psycopg.Connection) -> tuple[Table, ...]:
    """Every table of ours with its columns, those that others refer to first; the version is told beside them."""
    rows = connection.execute(_COLUMNS, [SCHEMAS]).fetchall()
    columns = {name: tuple(row[1] for row in group) for name, group in groupby(rows, key=lambda row: str(row[0]))}
    columns.pop(VERSION_TABLE, None)
    waits_for: dict[str, set[str]] = {name: set() for name in columns}
    for table, parent in connection.execute(_REFERENCES, [SCHEMAS]):
        waits_for[table].add(parent)
    ordered: list[Table] = []
    while waits_for:
        ready = [name for name, parents in waits_for.items() if not parents & waits_for.keys()]
        if not ready:
            raise LookupError(f"tables refer to each other in a circle: {', '.join(sorted(waits_for))}")
        ordered += [Table(name, columns[name]) for name in ready]
        for name in ready:
            del waits_for[name]
    return tuple(ordered)


def table_name(name: str) -> Composable:
    """`app.issues`, quoted."""
    return Identifier(*name.split(".", 1))


def copied(table: Table) -> Composable:
    """The table with its columns, as COPY names them."""
    columns = SQL(", ").join(map(Identifier, table.columns))
    return SQL("{} ({})").format(table_name(table.name), columns)


def _head(connection: psycopg.Connection, tables: tuple[Table, ...]) -> Head:
    if not tables:
        raise LookupError("there is nothing to back up: the database has none of our tables")
    row = connection.execute(
        b"SELECT (SELECT version_num FROM registry.alembic_version), now(), current_setting('server_version')"
    ).fetchone()
    if row is None or copied_tables(connection) != tables:
        raise MigrationUnderWay
    return Head(schema=row[0], at=row[1], server=row[2], tables=tables)
