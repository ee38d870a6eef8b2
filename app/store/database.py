"""Where transactions come from: one engine per process and role."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from flask import Flask
from procrastinate.exceptions import ConnectorException
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from app.domain.identifiers import ClientKey, IssueId, TenantId
from app.domain.installations.model import ForgeRegistered, Registered, Tenant
from app.domain.notices.model import IssueNotices
from app.domain.ports import DatabaseRefused, DatabaseUnavailable
from app.domain.promises.model import OwnPolicy
from app.domain.tracking.model import IssueRecord
from app.store.db import db
from app.store.queue import Queue
from app.store.reading import Reading
from app.store.revision import newest_revision, oldest_code, stored_revision, tell_code_in_use
from app.store.start_check import StartCheck
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

_HALF_OPEN = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""A peer that is gone without a word is noticed in seconds; Linux alone would let a thread wait for hours."""

_DRIVER = (psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(frozen=True)
class Engines:
    """Two pools on one database."""

    writing: Engine
    reading: Engine
    """Always in autocommit: see `app.store.reading`."""

    def dispose(self) -> None:
        """Close every connection."""
        self.writing.dispose()
        self.reading.dispose()


def open_engines(app: Flask, url: str, *, connections: int) -> Engines:
    """Configure Flask-SQLAlchemy for one database, with so many connections per pool; opens none yet."""
    connecting = {"options": _SESSION, "connect_timeout": 5, "application_name": app.name, **_HALF_OPEN}
    options = {
        "url": url,
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        "connect_args": connecting,
    }
    writing = {**options, "pool_pre_ping": True}
    # A ping would be a second round trip for every request: a dead connection is noticed when it is read from.
    reading = {**options, "isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    reading["connect_args"] = {**connecting, "options": f"{_SESSION} -c default_transaction_read_only=on"}
    app.config["SQLALCHEMY_BINDS"] = {None: writing, "reading": reading}
    db.init_app(app)
    with app.app_context():
        engines = Engines(writing=db.engines[None], reading=db.engines["reading"])
    event.listen(engines.writing, "connect", lambda driver, _: tell_code_in_use(driver))
    return engines


class SqlDatabase:
    """See `app.domain.ports.Database`."""

    def __init__(self, engines: Engines, *, clock: Callable[[], datetime]) -> None:
        self._engines = engines
        self._reading = Reading(engines.reading)
        self._start_check = StartCheck(engines.writing)
        self._clock = clock
        self._queue = Queue()

    @contextmanager
    def begin(self, tenant: TenantId | None = None) -> Iterator[SqlUnitOfWork]:
        """A transaction that rolls back unless it is committed."""
        with _available(), self._engines.writing.connect() as connection:
            uow = SqlUnitOfWork(connection, queue=self._queue, now=self._clock())
            if tenant is not None:
                uow.enter(tenant)
            yield uow

    @contextmanager
    def snapshot(self, tenant: TenantId | None = None) -> Iterator[SqlUnitOfWork]:
        """A transaction that only reads, as of one instant; its statements have minutes."""
        with self.begin() as uow:
            uow.only_read()
            if tenant is not None:
                uow.enter(tenant)
            yield uow

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """One registry row."""
        with _available():
            return self._reading.find_connect(client_key)

    def find_forge(self, forge_installation: str) -> ForgeRegistered | None:
        """One registry row."""
        with _available():
            return self._reading.find_forge(forge_installation)

    def view_issue(self, tenant: TenantId, id_or_key: IssueId | str) -> tuple[Tenant, IssueRecord | None]:
        """The tenant, and the issue with its facts."""
        with _available():
            return self._reading.view_issue(tenant, id_or_key)

    def view_tenant(self, tenant: TenantId) -> Tenant:
        """The tenant with its current installation."""
        with _available():
            return self._reading.view_tenant(tenant)

    def notices_of(self, tenant: TenantId, issue: IssueId) -> IssueNotices:
        """Who was told of that issue's clocks, in numbers, in one query."""
        with _available():
            return self._reading.notices_of(tenant, issue)

    def policy_texts(self, policy: OwnPolicy) -> Mapping[str, str]:
        """On a connection of its own, which is held for this alone: whoever asks may be in a transaction."""
        with _available():
            return self._reading.policy_texts(policy)

    def is_current(self) -> bool:
        """Whether it can be reached, is migrated to the newest version, and is open to this role (see `restoring`)."""
        try:
            with _available(), self._engines.writing.connect() as connection:
                stored = stored_revision(connection)
                # A newer schema is good for this code too, until one has taken away what it needs.
                return stored is not None and stored >= newest_revision() >= oldest_code(connection)
        except (DatabaseUnavailable, DatabaseRefused, DBAPIError):
            return False

    def broken_rules(self) -> tuple[str, ...]:
        """The rules of tenancy that the catalogue broke when this process began, each once, as codes for the log.

        Raises `DatabaseUnavailable`.
        """
        with _available():
            found = self._start_check.findings()
        return tuple(dict.fromkeys(re.sub(r"\W+", "_", finding.partition(":")[0]) for finding in found))


@contextmanager
def _available() -> Iterator[None]:
    """The one place where the driver's troubles become `DatabaseUnavailable`; a wrong query stays what it is.

    PostgreSQL calls operational what is nobody's fault: no connection, a lock or an answer that took too long.
    """
    try:
        yield
    except (OperationalError, InterfaceError, PoolExhausted, *_DRIVER) as failure:
        raise DatabaseUnavailable(DatabaseUnavailable.__doc__) from failure
    except DBAPIError as failure:
        if isinstance(failure.orig, psycopg.errors.InsufficientPrivilege):
            raise DatabaseRefused(DatabaseRefused.__doc__) from failure
        if not failure.connection_invalidated:
            raise
        raise DatabaseUnavailable(DatabaseUnavailable.__doc__) from failure
    except ConnectorException as failure:
        # The queue's own wrapper, around what the driver said.
        if not isinstance(failure.__cause__, _DRIVER):
            raise
        raise DatabaseUnavailable(DatabaseUnavailable.__doc__) from failure
