"""The register of personal data, read from the definitions of the tables, and the SQL that follows from it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, Text, func, literal, null, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import Column
from sqlalchemy.types import LargeBinary, String

from app.domain.identifiers import TenantId
from app.domain.privacy.accounts import NOBODY, PATTERN
from app.domain.privacy.register import INFO, PLAIN, Declared, Kind, Personal
from app.store import tables as _tables  # noqa: F401  its import fills the metadata
from app.store.db import Base

_MAY_HOLD = (String, LargeBinary, JSONB)
"""Types that can hold something of a person; numbers, instants and ids of our own cannot."""


@cache
def register() -> tuple[Declared, ...]:
    """Every declared column, and every declared key of a JSON column, by table."""
    return tuple(found for table in _sorted_tables() for found in _declared(table))


def undeclared() -> tuple[str, ...]:
    """Columns that can hold personal data, and say nothing about it."""
    return tuple(
        f"{table.fullname}.{column.name}"
        for table in _sorted_tables()
        for column in table.columns
        if isinstance(column.type, _MAY_HOLD)
        and INFO not in column.info
        and column.name not in table.info.get(PLAIN, frozenset())
    )


def declared_keys(table: str, column: str) -> frozenset[str]:
    """The keys of a JSON column that its definition names."""
    found: Mapping[str, Personal | None] = Base.metadata.tables[table].c[column].info[INFO]
    return frozenset(found)


def table_of(declared: Declared) -> Table:
    """Its table."""
    return Base.metadata.tables[declared.table]


def value_of(declared: Declared) -> ColumnElement[Any]:
    """What it holds, as text where it is a key of a JSON object."""
    column = table_of(declared).c[declared.column]
    if declared.key is None:
        return column
    # Written out in the query: with a key that comes later the planner cannot know that an index is about it.
    return column.op("->>", return_type=Text())(literal(declared.key, Text, literal_execute=True))


def account_columns() -> tuple[Declared, ...]:
    """Those that hold account ids for a purpose of their own: what is reported."""
    return tuple(
        each for each in register() if each.what.kind is Kind.ACCOUNT_ID and each.what.since and _is_of_tenants(each)
    )


def accounts_held(tenant: TenantId) -> Select[Any]:
    """Each account id of that tenant with the oldest instant at which it was stored: `account_id`, `stored_at`."""
    parts = []
    for each in account_columns():
        table, value = table_of(each), value_of(each)
        since = table.c[str(each.what.since)]
        parts.append(
            select(value.label("account_id"), since.label("stored_at")).where(
                table.c.tenant_id == tenant, value.is_not(None), since.is_not(null())
            )
        )
    held = union_all(*parts).subquery("held")
    return (
        select(held.c.account_id, func.min(held.c.stored_at).label("stored_at"))
        .where(held.c.account_id.regexp_match(f"^({PATTERN})$"), held.c.account_id.not_in(NOBODY))
        .group_by(held.c.account_id)
    )


def digest_in_sql(account: ColumnElement[Any]) -> ColumnElement[Any]:
    """As `app.domain.privacy.accounts.digest_of`."""
    return func.sha256(func.convert_to(literal("pledge account 1:") + account, "UTF8"))


def _declared(table: Table) -> Iterator[Declared]:
    for column in table.columns:
        what = column.info.get(INFO)
        if isinstance(what, Personal):
            yield Declared(table.fullname, column.name, None, what)
        elif what is not None:
            yield from _keys(table, column, what)


def _keys(table: Table, column: Column[Any], what: Mapping[str, Personal | None]) -> Iterator[Declared]:
    for key, declared in what.items():
        if declared is not None:
            yield Declared(table.fullname, column.name, key, declared)


def _is_of_tenants(declared: Declared) -> bool:
    return declared.table.startswith("app.")


def _sorted_tables() -> list[Table]:
    return sorted(Base.metadata.tables.values(), key=lambda table: table.fullname)
