"""Where transactions come from: one engine per process and role."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.domain.identifiers import ClientKey, IssueId, TenantId
from app.domain.installations.model import ForgeRegistered, Registered, Tenant
from app.domain.tracking.model import IssueRecord
from app.store.db import db
from app.store.issues import read_issue
from app.store.queue import Queue
from app.store.registry import find_connect, find_connect_of_forge, find_forge
from app.store.revision import newest_revision, stored_revision
from app.store.tenants import find_tenant
from app.store.unit_of_work import SqlUnitOfWork

_SESSION = " ".join(
    f"-c {name}={value}"
    for name, value in {
        # procrastinate's functions name their tables without a schema.
        "search_path": "jobs",
        "timezone": "UTC",
        "statement_timeout": "10s",
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "15s",
    }.items()
)


def open_engine(app: Flask, url: str, *, connections: int) -> Engine:
    """Configure Flask-SQLAlchemy for one database and return its engine; opens no connection yet."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        "connect_args": {"options": _SESSION, "connect_timeout": 5, "application_name": app.name},
    }
    db.init_app(app)
    with app.app_context():
        return db.engine


class SqlDatabase:
    """See `app.domain.ports.Database`."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        # One round trip instead of three for the row that every request needs before it has a tenant.
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock
        self._queue = Queue()

    @contextmanager
    def begin(self, tenant: TenantId | None = None) -> Iterator[SqlUnitOfWork]:
        """A transaction that rolls back unless it is committed."""
        with self._engine.connect() as connection:
            uow = SqlUnitOfWork(connection, queue=self._queue, now=self._clock())
            if tenant is not None:
                uow.enter(tenant)
            yield uow

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """One registry row."""
        with self._autocommit.connect() as connection:
            return find_connect(connection, client_key)

    def find_forge(self, forge_installation: str) -> ForgeRegistered | None:
        """One registry row."""
        with self._autocommit.connect() as connection:
            return find_forge(connection, forge_installation)

    def find_connect_of_forge(self, forge_installation: str) -> Registered | None:
        """One registry row."""
        with self._autocommit.connect() as connection:
            return find_connect_of_forge(connection, forge_installation)

    def view_issue(self, tenant: TenantId, id_or_key: IssueId | str) -> tuple[Tenant, IssueRecord | None]:
        """The tenant, and the issue with its facts."""
        with self._engine.connect() as connection:
            SqlUnitOfWork(connection, queue=self._queue, now=self._clock()).enter(tenant)
            return find_tenant(connection, tenant), read_issue(connection, tenant, id_or_key)

    def view_tenant(self, tenant: TenantId) -> Tenant:
        """The tenant with its current installation."""
        with self.begin(tenant) as uow:
            return uow.tenants.tenant()

    def is_current(self) -> bool:
        """Whether it can be reached and is migrated to the newest version."""
        try:
            with self._autocommit.connect() as connection:
                return stored_revision(connection) == newest_revision()
        except SQLAlchemyError:
            return False
