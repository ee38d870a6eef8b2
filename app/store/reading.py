"""What every request asks of the database: few statements, written out once, with as few round trips as there can be.

Building a statement costs more than running it, and PostgreSQL is asked for nothing twice: one statement for the
registry, and for a view one that names the tenant and one that reads. Measured by `benchmarks/clocks_json.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, bindparam, literal_column, true
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from app.domain.identifiers import ClientKey, IssueId, TenantId
from app.domain.installations.model import ForgeRegistered, Registered, Tenant
from app.domain.tracking.model import IssueRecord
from app.store.issues import FIND_ISSUE, record_of
from app.store.registry import FIND_CONNECT, FIND_FORGE, forge_registered_of, registered_of
from app.store.tables import IssueRow, RegistryConnect, RegistryForge, TenantRow
from app.store.tenants import VIEW_TENANT, tenant_of


def _written(query: Select[*tuple[Any, ...]]) -> str:
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types there
    return str(query.compile(dialect=dialect))


def _view(issue: Select[*tuple[Any, ...]]) -> str:
    """The tenant, and beside it the issue if there is one."""
    found = issue.where(IssueRow.tenant_id == bindparam("tenant")).limit(literal_column("1")).subquery("issue")
    query = VIEW_TENANT.add_columns(*found.columns).outerjoin(found, true())
    return _written(query.where(TenantRow.tenant_id == bindparam("tenant")))


_CONNECT = _written(FIND_CONNECT.where(RegistryConnect.client_key == bindparam("client_key")))
_FORGE = _written(FIND_FORGE.where(RegistryForge.forge_installation == bindparam("forge_installation")))
_TENANT = _written(VIEW_TENANT.where(TenantRow.tenant_id == bindparam("tenant")))
_ISSUE_BY_ID = _view(FIND_ISSUE.where(IssueRow.issue_id == bindparam("issue")))
# A key is reused when its issue is deleted or moved away: what was read last is what Jira means by it.
_ISSUE_BY_KEY = _view(FIND_ISSUE.where(IssueRow.issue_key == bindparam("issue")).order_by(IssueRow.read_at.desc()))


class Reading:
    """Reads on connections that are always in autocommit: no transaction is begun for a single statement."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """The Connect installation of that client key."""
        row = self._one(_CONNECT, client_key=client_key)
        return None if row is None else registered_of(row)

    def find_forge(self, forge_installation: str) -> ForgeRegistered | None:
        """The Forge installation of that id."""
        row = self._one(_FORGE, forge_installation=forge_installation)
        return None if row is None else forge_registered_of(row)

    def view_tenant(self, tenant: TenantId) -> Tenant:
        """The tenant with its current installation."""
        with self._as_tenant(tenant) as connection:
            return tenant_of(connection.exec_driver_sql(_TENANT, {"tenant": tenant}).one())

    def view_issue(self, tenant: TenantId, id_or_key: IssueId | str) -> tuple[Tenant, IssueRecord | None]:
        """The tenant, and the issue with its facts."""
        statement = _ISSUE_BY_KEY if isinstance(id_or_key, str) else _ISSUE_BY_ID
        with self._as_tenant(tenant) as connection:
            row = connection.exec_driver_sql(statement, {"tenant": tenant, "issue": id_or_key}).one()
        return tenant_of(row), None if row.issue_id is None else record_of(row)

    def _one(self, statement: str, **values: str) -> Row[*tuple[Any, ...]] | None:
        with self._engine.connect() as connection:
            return connection.exec_driver_sql(statement, values).first()

    @contextmanager
    def _as_tenant(self, tenant: TenantId) -> Iterator[Connection]:
        """A transaction that ends, unchanged, when the connection goes back to the pool; a tenant is a number."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"BEGIN READ ONLY; SET LOCAL app.tenant = '{int(tenant)}'")
            yield connection
