"""Filling an empty database from a backup, as its owner: no superuser, no BYPASSRLS, one transaction for every row.

Row security is forced on the owner too, and COPY refuses where it holds; so it is not forced while this transaction
lasts, which nobody else sees: the tables are its own until it ends. Nothing is granted before `open_to_app`.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from app.domain.backup.model import BackupRefused, DatabaseNotEmpty, Table
from app.domain.ports import DatabaseUnavailable
from app.store import administration
from app.store.backup_source import SCHEMAS, SESSION, copied, copied_tables, table_name
from app.store.revision import MIGRATIONS, newest_revision
from app.store.row_security import WEB, WORKER

GAP = 1_000_000
"""Ids of tenants and installations that are left out: those given out after the backup are in receipts, in exports and
in the ledger of erasures, and name something else for ever."""
_THINGS = b"""
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    ORDER BY 1 LIMIT 1
"""
_FORCED = b"""
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (%s) AND c.relkind = 'r' AND c.relforcerowsecurity
"""
_QUEUE = b"SELECT 'jobs.' || relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'jobs'::regnamespace"
_NAMED = b"""
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'registry' AND c.relkind = 'S'
"""


class SqlTarget:
    """See `app.domain.backup.ports.Target`."""

    def __init__(self, owner_url: str) -> None:
        self._url = owner_url

    def refuse_unless_empty(self) -> None:
        """Looks at every schema that is not PostgreSQL's own."""
        with self._connected() as connection:
            found = connection.execute(_THINGS).fetchone()
        if found is not None:
            raise DatabaseNotEmpty(found[0])

    def knows(self, schema: str) -> bool:
        """By the name of its file."""
        return any(path.name.split("_")[0] == schema for path in (MIGRATIONS / "versions").glob("*_*.py"))

    def migrate(self, schema: str | None) -> str:
        """Nobody is granted anything."""
        revision = newest_revision() if schema is None else schema
        administration.migrate(self._url, revision)
        return revision

    @contextmanager
    def loading(self) -> Iterator["SqlLoading"]:
        """Rolls back unless it is kept."""
        with self._connected() as connection:
            yield SqlLoading(connection)
            connection.rollback()

    def clear(self) -> None:
        """Only what `migrate` made: it was empty before."""
        with self._connected() as connection:
            names = SQL(", ").join(map(Identifier, SCHEMAS))
            connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(names))
            connection.commit()

    def skip_ids(self) -> None:
        """Of a database that its server has recovered; a backup that is loaded does so by itself."""
        with self._connected() as connection:
            for name in connection.execute(_NAMED).fetchall():
                sequence = Literal(Identifier(*name).as_string())
                connection.execute(SQL("SELECT setval({}, nextval({}) + {})").format(sequence, sequence, GAP))
            connection.commit()

    def close_to_app(self) -> None:
        """By the schemas, whose use goes before any right to a table."""
        with self._connected() as connection:
            names, roles = (SQL(", ").join(map(Identifier, each)) for each in (SCHEMAS, (WEB, WORKER)))
            connection.execute(SQL("REVOKE USAGE ON SCHEMA {} FROM {}").format(names, roles))
            connection.commit()

    def open_to_app(self) -> None:
        """As after a migration."""
        administration.grant(self._url)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        try:
            with psycopg.connect(
                self._url, options=SESSION, application_name="pledge.restore", connect_timeout=10
            ) as connection:
                yield connection
        except psycopg.OperationalError as failure:
            raise DatabaseUnavailable(str(failure).partition("\n")[0]) from failure


class SqlLoading:
    """See `app.domain.backup.ports.Loading`."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._expected = {table.name: table for table in copied_tables(connection)}
        self._forced = [row[0] for row in connection.execute(_FORCED, [SCHEMAS])]
        every = SQL(", ").join(map(table_name, self._expected))
        # What migrations put into a new schema is in the backup too.
        connection.execute(SQL("TRUNCATE {}").format(every))
        self._set(self._forced, SQL("NO FORCE ROW LEVEL SECURITY"))
        # The queue's triggers would note once more what the backup has noted.
        self._set(self._queue, SQL("DISABLE TRIGGER USER"))

    def load(self, table: Table, blocks: Iterable[bytes]) -> int:
        """Raises `BackupRefused` also for rows that break a rule of the schema."""
        known = self._expected.pop(table.name, None)
        if known is None or sorted(known.columns) != sorted(table.columns):
            raise BackupRefused(f"has another table {table.name} than this schema")
        try:
            with self._connection.cursor() as cursor:
                with cursor.copy(SQL("COPY {} FROM STDIN").format(copied(table))) as rows:
                    for block in blocks:
                        rows.write(block)
                return cursor.rowcount
        except (psycopg.errors.DataError, psycopg.errors.IntegrityError) as fault:
            raise BackupRefused(f"has rows of {table.name} that the database refuses ({fault.sqlstate})") from fault

    def keep(self, sequences: Mapping[str, int]) -> None:
        """Raises `BackupRefused` where a table is missing."""
        if self._expected:
            raise BackupRefused(f"lacks the tables {', '.join(sorted(self._expected))}")
        for name, value in sequences.items():
            given = value + GAP if name.startswith("registry.") else value
            self._connection.execute(
                SQL("SELECT setval({}, {}, false)").format(Literal(table_name(name).as_string()), Literal(given))
            )
        self._set(self._queue, SQL("ENABLE TRIGGER USER"))
        self._set(self._forced, SQL("FORCE ROW LEVEL SECURITY"))
        self._connection.commit()

    @property
    def _queue(self) -> list[str]:
        return [row[0] for row in self._connection.execute(_QUEUE)]

    def _set(self, tables: Iterable[str], what: Composable) -> None:
        for name in tables:
            self._connection.execute(SQL("ALTER TABLE {} {}").format(table_name(name), what))
