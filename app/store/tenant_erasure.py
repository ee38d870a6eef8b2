"""Deleting a tenant to its last row: derived from the tables, so that none is forgotten.

Every table with a `tenant_id` is erased, in `app` and in `registry`, but those of `STAYS`, each with its reason. A new
table is erased from the day on which it is made; a test asks for the grant that this needs.
"""
# ruff: noqa: S608  (joined from the names of our own tables; values are bound)

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import (
    Connection,
    Table,
    delete,
    func,
    select,
    text,
)

from app.domain.audit.entry import Action
from app.domain.identifiers import TenantId
from app.domain.privacy.model import Inventory, Staying, added
from app.domain.sentences import Sentence
from app.store import tables
from app.store.audit_tables import AuditRow
from app.store.db import Base

STAYS: Mapping[str, Sentence] = {
    "app.audit_entries": Sentence(
        "the audit log stays as proof: codes, instants and our own numbers, no personal part"
    ),
    "app.audit_leaves": Sentence("hashes of the audit log, without which no proof of the rest would hold"),
    "app.audit_checkpoints": Sentence("signed sizes and hashes of the audit log"),
    "registry.tenants": Sentence("our own number of the tenant, so that it is never given again"),
    "registry.departures": Sentence("this record: instants, counts and the receipt"),
    "registry.receipt_links": Sentence(
        "the hash of a link to this receipt, gone 184 days after the deletion was asked for"
    ),
    "registry.audit_waiting": Sentence("hashes of audit entries on their way into the log, for a second or so"),
    "registry.audit_anchor_leaves": Sentence("hashes of signed checkpoints, of which the anchor outside speaks"),
    "registry.account_reports": Sentence(
        "digests of closed accounts of nobody's, so that none of them is ever reported again"
    ),
    "registry.signals": Sentence("counts for alert rules by our own number of the tenant, gone after 15 days"),
}
"""What an erasure leaves, and why; the receipt says the same."""

_JOBS = "jobs.procrastinate_jobs"
_HAND_ON = """
    UPDATE registry.account_reports r SET tenant_id = other.tenant_id FROM (
        SELECT h.digest, min(o.tenant_id) AS tenant_id FROM registry.account_holders h
        JOIN registry.account_holders o ON o.digest = h.digest AND o.tenant_id <> h.tenant_id
        WHERE h.tenant_id = :tenant GROUP BY h.digest
    ) other WHERE r.digest = other.digest AND r.tenant_id = :tenant
"""
"""Accounts that other tenants hold too are reported through one of those, as if nothing had happened."""
_REPORT_NO_MORE = "DELETE FROM registry.account_reports WHERE tenant_id = :tenant AND state <> 'closed'"


def erased_tables() -> tuple[Table, ...]:
    """Every table of which an erasure deletes rows, children before parents; the tenant's own is the last."""
    found = [
        table
        for table in reversed(Base.metadata.sorted_tables)
        if "tenant_id" in table.columns and table.fullname not in STAYS
    ]
    return tuple(sorted(found, key=lambda table: table.fullname == "app.tenants"))


def severed_tables() -> tuple[Table, ...]:
    """What is deleted first: whatever leads to the tenant, its data keys, and what hangs on them."""
    keys = {"app.data_keys"}
    for table in reversed(erased_tables()):  # parents first
        if keys & {key.column.table.fullname for key in table.foreign_keys}:
            keys.add(table.fullname)
    return tuple(table for table in erased_tables() if table.fullname in keys or table.schema == "registry")


class SqlTenantErasure:
    """See `app.domain.privacy.rows.TenantErasure`. Every statement names the tenant too, as a second belt."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def last_access(self) -> datetime | None:
        """None also where an installation was never told that it is over."""
        ended = tables.InstallationRow.uninstalled_at
        query = select(func.max(ended), func.count() == func.count(ended)).where(
            tables.InstallationRow.tenant_id == self._tenant
        )
        last, all_ended = self._connection.execute(query).one()
        return last if all_ended else None

    def inventory(self) -> Inventory:
        """By one count per table."""
        goes = {table.fullname: count for table in erased_tables() if (count := self._count(table))}
        return Inventory(site=self._site(), goes=goes, stays=self.stays())

    def sever(self) -> dict[str, int]:
        """All of these rows at once: some dozens at most."""
        jobs = f"DELETE FROM {_JOBS} WHERE status = 'todo' AND (args ->> 'tenant')::bigint = :tenant"
        counts = {_JOBS: self._connection.execute(text(jobs), {"tenant": self._tenant}).rowcount}
        for statement in (_HAND_ON, _REPORT_NO_MORE):
            self._connection.execute(text(statement), {"tenant": self._tenant})
        return added(counts, self._delete(severed_tables()))

    def delete_some(self, limit: int) -> dict[str, int]:
        """By the place of the rows: the next ones are found without a look at all others."""
        counts: dict[str, int] = {}
        for table in erased_tables()[:-1]:
            left = limit - sum(counts.values())
            if left <= 0:
                break
            name = table.fullname
            some = f"SELECT ctid FROM {name} WHERE tenant_id = :tenant LIMIT :left"
            deleting = text(f"DELETE FROM {name} WHERE ctid = ANY (ARRAY({some})) AND tenant_id = :tenant")
            counts[name] = self._connection.execute(deleting, {"tenant": self._tenant, "left": left}).rowcount
        return added(counts, {})

    def delete_last(self) -> dict[str, int]:
        """Waits for transactions that are adding rows: each holds the tenant's own row until it ends."""
        held = select(tables.TenantRow.tenant_id).where(tables.TenantRow.tenant_id == self._tenant)
        self._connection.execute(held.with_for_update())
        return added(self.sever(), self._delete(erased_tables()))

    def stays(self) -> tuple[Staying, ...]:
        """In the order of the table."""
        by_name = {table.fullname: table for table in Base.metadata.sorted_tables}
        return tuple(Staying(name, self._count(by_name[name]), why) for name, why in STAYS.items())

    def entries(self, actions: Collection[Action]) -> tuple[UUID, ...]:
        """The oldest first."""
        query = select(AuditRow.entry_id).where(
            AuditRow.tenant_id == self._tenant, AuditRow.action.in_([action.value for action in actions])
        )
        return tuple(self._connection.execute(query.order_by(AuditRow.at, AuditRow.entry_id)).scalars())

    def _delete(self, which: Iterable[Table]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for table in which:
            deleting = delete(table).where(table.c.tenant_id == self._tenant)
            counts[table.fullname] = self._connection.execute(deleting).rowcount
        return counts

    def _count(self, table: Table) -> int:
        query = select(func.count()).select_from(table).where(table.c.tenant_id == self._tenant)
        return self._connection.execute(query).scalar_one()

    def _site(self) -> str:
        current = tables.InstallationRow.installation_id == tables.TenantRow.current_installation
        query = select(tables.InstallationRow.display_url).join(
            tables.TenantRow, (tables.TenantRow.tenant_id == tables.InstallationRow.tenant_id) & current
        )
        url = self._connection.execute(query.where(tables.TenantRow.tenant_id == self._tenant)).scalar()
        return urlsplit(url or "").netloc
