"""What every request asks of the database: few statements, prepared once per connection, one round trip each.

Building a statement costs more than running it, and each wait for PostgreSQL hands the interpreter to another thread:
so a view is one message that names the tenant and reads, in the one transaction that PostgreSQL makes of a message
(https://www.postgresql.org/docs/current/protocol-flow.html, multiple statements in a simple query), and libpq itself
waits for the answer, with no step of Python in between. Measured by `benchmarks/clocks_json.py`.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.sql import Literal
from sqlalchemy import Engine, Select, bindparam, literal_column, select, true
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from app.domain.identifiers import ClientKey, IssueId, TenantId
from app.domain.installations.model import ForgeRegistered, Registered, Tenant
from app.domain.notices.model import IssueNotices
from app.domain.promises.model import OwnPolicy
from app.domain.tracking.model import IssueRecord
from app.store.issues import FIND_ISSUE, record_of
from app.store.notice_counts import PREPARE_NOTICES_OF, notices_of
from app.store.policy_tables import PolicyTextRow
from app.store.registry import FIND_CONNECT, FIND_FORGE, forge_registered_of, registered_of
from app.store.tables import IssueRow, RegistryConnect, RegistryForge, TenantRow
from app.store.tenants import VIEW_TENANT, tenant_of

_PLACES = {"tenant": "$1", "issue": "$2", "sha256": "$2", "name": "$1"}


def _prepared(name: str, query: Select[*tuple[Any, ...]], *, types: str) -> str:
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types there
    text = re.sub(r"%\((\w+)\)s", lambda named: _PLACES[named[1]], str(query.compile(dialect=dialect)))
    return f"PREPARE {name} ({types}) AS {text}"


def _view(issue: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The tenant, and beside it the issue if there is one."""
    one = issue.where(IssueRow.tenant_id == bindparam("tenant")).limit(literal_column("1")).subquery("issue")
    return VIEW_TENANT.add_columns(*one.columns).outerjoin(one, true()).where(_IS_TENANT)


_IS_TENANT = TenantRow.tenant_id == bindparam("tenant")
_TEXTS = select(PolicyTextRow.texts).where(
    PolicyTextRow.tenant_id == bindparam("tenant"), PolicyTextRow.sha256 == bindparam("sha256")
)
_BY_ID = FIND_ISSUE.where(IssueRow.issue_id == bindparam("issue"))
# A key is reused when its issue is deleted or moved away: what was read last is what Jira means by it.
_BY_KEY = FIND_ISSUE.where(IssueRow.issue_key == bindparam("issue")).order_by(IssueRow.read_at.desc())
_PREPARE = ";".join(
    (
        _prepared("find_connect", FIND_CONNECT.where(RegistryConnect.client_key == bindparam("name")), types="text"),
        _prepared("find_forge", FIND_FORGE.where(RegistryForge.forge_installation == bindparam("name")), types="text"),
        _prepared("view_tenant", VIEW_TENANT.where(_IS_TENANT), types="bigint"),
        _prepared("policy_texts", _TEXTS, types="bigint, text"),
        _prepared("view_issue_by_id", _view(_BY_ID), types="bigint, bigint"),
        _prepared("view_issue_by_key", _view(_BY_KEY), types="bigint, text"),
        PREPARE_NOTICES_OF,
    )
)


class _ConnectionLost(psycopg.OperationalError):
    """The connection of the pool was dead."""


class Reading:
    """Reads on connections that are always in autocommit. The pool is SQLAlchemy's; statements go to the driver."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """The Connect installation of that client key."""
        row = self._find("find_connect", client_key)
        return None if row is None else registered_of(row)

    def find_forge(self, forge_installation: str) -> ForgeRegistered | None:
        """The Forge installation of that id."""
        row = self._find("find_forge", forge_installation)
        return None if row is None else forge_registered_of(row)

    def view_tenant(self, tenant: TenantId) -> Tenant:
        """The tenant with its current installation; raises `LookupError`."""
        return tenant_of(self._view("view_tenant", tenant))

    def view_issue(self, tenant: TenantId, id_or_key: IssueId | str) -> tuple[Tenant, IssueRecord | None]:
        """The tenant, and the issue with its facts; raises `LookupError` where there is no such tenant."""
        name = "view_issue_by_key" if isinstance(id_or_key, str) else "view_issue_by_id"
        row = self._view(name, tenant, id_or_key)
        return tenant_of(row), None if row.issue_id is None else record_of(row)

    def notices_of(self, tenant: TenantId, issue: IssueId) -> IssueNotices:
        """Who was told of that issue's clocks, in numbers."""
        return notices_of(self._view("notices_of", tenant, issue))

    def policy_texts(self, policy: OwnPolicy) -> Mapping[str, str]:
        """The texts of a site's own policy; raises `LookupError`."""
        found: Mapping[str, str] = self._view("policy_texts", policy.tenant, policy.sha256).texts
        return found

    def _find(self, statement: str, name: str) -> Any:  # noqa: ANN401  a named row, or None
        if "\0" in name:
            # libpq would read no further than that, and find whoever the rest names.
            return None
        return self._read(lambda driver: driver.pgconn.exec_prepared(statement.encode(), [name.encode()]))

    def _view(self, name: str, tenant: TenantId, *values: int | str) -> Any:  # noqa: ANN401  a named row

        def ask(driver: psycopg.Connection) -> PGresult:
            quoted = b", ".join(Literal(value).as_bytes(driver) for value in (int(tenant), *values))
            return driver.pgconn.exec_(b"SET LOCAL app.tenant = '%d'; EXECUTE %s(%s)" % (tenant, name.encode(), quoted))

        row = self._read(ask)
        if row is None:
            raise LookupError("there is no such tenant, or it has no such thing")
        return row

    def _read(self, ask: Callable[[psycopg.Connection], PGresult]) -> Any:  # noqa: ANN401  a named row, or None
        try:
            return self._ask_pooled(ask)
        except _ConnectionLost:
            # PostgreSQL was restarted: the others are dead too. To read twice does no harm, so nobody has to notice.
            self._engine.dispose()
            return self._ask_pooled(ask)

    def _ask_pooled(self, ask: Callable[[psycopg.Connection], PGresult]) -> Any:  # noqa: ANN401  a named row, or None
        pooled = self._engine.raw_connection()
        driver = cast("psycopg.Connection", pooled.driver_connection)
        try:
            if not pooled.info.get(_PREPARE):
                driver.execute(_PREPARE.encode())
                pooled.info[_PREPARE] = True
            return _row(ask(driver), driver)
        except BaseException as failure:
            was_lost = driver.closed
            # What state it is in is anybody's guess; a new one costs less than a wrong one.
            pooled.invalidate()
            if was_lost and isinstance(failure, psycopg.Error):
                raise _ConnectionLost from failure
            raise
        finally:
            pooled.close()


def _row(result: PGresult, driver: psycopg.Connection) -> Any:  # noqa: ANN401  a named row, or None
    """The first row of what PostgreSQL answered; raises the driver's own errors."""
    if result.status != ExecStatus.TUPLES_OK:
        failure = psycopg.errors.error_from_result(result)
        if failure.sqlstate is None:
            # Not PostgreSQL's word but libpq's own: nobody answers on this connection any more.
            raise _ConnectionLost from failure
        raise failure
    if not result.ntuples:
        return None
    reader = Transformer(driver)
    reader.set_pgresult(result)
    return reader.load_row(0, _named(tuple(result.fname(column) for column in range(result.nfields))))


@cache
def _named(columns: tuple[bytes | None, ...]) -> Callable[[Sequence[Any]], Any]:
    names = [name.decode() for name in columns if name is not None]
    row = namedtuple("Row", names)  # type: ignore[misc]  # the names come with the answer
    return cast("Callable[[Sequence[Any]], Any]", row._make)
