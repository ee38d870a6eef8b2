"""Everything about a tenant as lines of JSON, and back again: derived from the tables, like its erasure.

PostgreSQL makes the JSON and reads it: each type comes back as what it was, and a new column needs no word here. Names
of tables and columns in statements are always those of our own tables, never those of a file.
"""
# ruff: noqa: S608  (joined from the names of our own tables; values are bound)

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, Table, delete, select, text
from sqlalchemy.exc import DataError, IntegrityError

from app.domain.identifiers import TenantId
from app.domain.privacy.model import ExportedTable, RowsRefused
from app.domain.tracking.deriving import SOURCE_IN_JIRA
from app.store.db import Base
from app.store.revision import newest_revision
from app.store.tables import TenantRow
from app.store.tenant_erasure import erased_tables, severed_tables

_BOUND = "a secret, or bound to one: it would open nothing elsewhere"
_FETCHED = 1000
LEFT_OUT: Mapping[str, str] = {
    **{table.fullname: _BOUND for table in severed_tables() if table.schema == "app"},
    "app.forge_tokens": _BOUND,
    "app.integrations": "our own grants at others: no tenant has one",
    "app.exports": "exports that were asked for, whose files are not part of it",
    "app.audit_persons": "sealed for our vault; whoever asks for a person's data gets it by a request of that kind",
    "app.audit_subjects": "leads to what is sealed for our vault",
    "app.people": "made from the other tables, to report accounts to Atlassian",
    "app.recomputations": "how far a piece of work is that goes on here",
    "app.runs": "the same",
    "app.digests": "messages on their way to people",
    "app.publications": "through which installation labels are written into Jira",
}
"""What no export holds, and why."""
TOLD_ONLY: frozenset[str] = frozenset(
    {
        "app.tenants",
        "app.installations",
        "app.audit_entries",
        "app.audit_leaves",
        "app.audit_checkpoints",
        "app.recipients",
        "app.notices",
        "app.calendar_feeds",
        "app.issue_labels",
        "app.security_pushes",
    }
)
"""Exported and not imported: trust comes from Atlassian and not from a file, and a log proves one tenant's past; who is
told has an address and links that are sealed; labels are written anew by the installation that is there now."""
_FROM_JIRA = ("app.issues", "app.clock_bounds", "app.unmapped_values", "app.webhook_deliveries", "app.pending_reads")
"""What the import of a new installation has read before an operator can come: it makes room for an export."""
_DECIDED = "app.clock_events"


def exported_tables() -> tuple[Table, ...]:
    """Parents before children, so that they can be read in again in this order."""
    return tuple(
        table
        for table in Base.metadata.sorted_tables
        if table.schema == "app" and table.fullname not in LEFT_OUT and "tenant_id" in table.columns
    )


class SqlTenantExport:
    """See `app.domain.privacy.rows.TenantExport`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant
        self._known = {table.fullname: table for table in exported_tables()}

    @property
    def schema(self) -> str:
        """The version of the tables."""
        return newest_revision()

    def tables(self) -> tuple[ExportedTable, ...]:
        """In an order in which they can be read in."""
        return tuple(
            ExportedTable(name, columns=_columns(table), is_imported=name not in TOLD_ONLY)
            for name, table in self._known.items()
        )

    def left_out(self) -> Mapping[str, str]:
        """With the reason."""
        return LEFT_OUT

    def lines(self, table: str) -> Iterator[str]:
        """By a cursor of the server, in order of the key."""
        known = self._known[table]
        columns = ", ".join(map(_quoted, _columns(known)))
        key = ", ".join(_quoted(column.name) for column in known.primary_key.columns)
        inner = f"SELECT {columns} FROM {table} WHERE tenant_id = :tenant ORDER BY {key}"
        streaming = self._connection.execution_options(stream_results=True, max_row_buffer=_FETCHED)
        query = text(f"SELECT row_to_json(r)::text FROM ({inner}) r")
        yield from streaming.execute(query, {"tenant": self._tenant}).scalars()

    def occupied(self) -> tuple[str, ...]:
        """By a look at one row each."""
        kept = (table.name for table in self.tables() if table.is_imported and table.name not in _FROM_JIRA)
        return tuple(name for name in kept if self._has_rows(name))

    def make_room(self) -> None:
        """The tenant's own row is held: whoever adds a row that hangs on it waits, and finds what was imported."""
        held = select(TenantRow.tenant_id).where(TenantRow.tenant_id == self._tenant).with_for_update()
        self._connection.execute(held)
        for table in erased_tables():
            if table.fullname in {*_FROM_JIRA, _DECIDED, "app.issue_labels", "app.security_pushes"}:
                self._connection.execute(delete(table).where(table.c.tenant_id == self._tenant))

    def insert(self, table: str, columns: Sequence[str], *, lines: Sequence[str]) -> None:
        """All of these lines in one statement."""
        wanted = [_quoted(column) for column in _columns(self._known[table]) if column in columns]
        into, taken = ", ".join(["tenant_id", *wanted]), ", ".join([":tenant", *(f"r.{each}" for each in wanted)])
        rows = f"jsonb_array_elements(CAST(:lines AS jsonb)) e, jsonb_populate_record(NULL::{table}, e) r"
        statement = text(f"INSERT INTO {table} ({into}) SELECT {taken} FROM {rows}")
        try:
            self._connection.execute(statement, {"tenant": self._tenant, "lines": f"[{','.join(lines)}]"})
        except (DataError, IntegrityError) as failure:
            raise RowsRefused(table) from failure

    def _has_rows(self, table: str) -> bool:
        only = f" AND source NOT LIKE '{SOURCE_IN_JIRA}%'" if table == _DECIDED else ""
        query = text(f"SELECT EXISTS (SELECT FROM {table} WHERE tenant_id = :tenant{only})")
        return bool(self._connection.execute(query, {"tenant": self._tenant}).scalar_one())


def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name != "tenant_id")


def _quoted(name: str) -> str:
    return f'"{name}"'
