"""A database that is away, full or too slow is `DatabaseUnavailable`; a wrong query is not."""
# ruff: noqa: PT012  (a transaction turns the driver's error into ours when it ends)

import threading
import time
from contextlib import nullcontext

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import ClientKey, IssueId
from app.domain.ports import DatabaseUnavailable
from app.store.administration import provision, upgrade, urls_of
from app.store.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """A server that tests may stop."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("pg"), durable=False) as server:
        provision(server)
        upgrade(urls_of(server)["database_owner_url"])
        yield server


def _entered(database, tenant):
    with database.begin(tenant):
        return


def questions(database, tenant):
    """Every way into the database."""
    return {
        "begin": lambda: _entered(database, tenant),
        "find_connect": lambda: database.find_connect(ClientKey("key")),
        "view_issue": lambda: database.view_issue(tenant, "SEC-1"),
        "view_tenant": lambda: database.view_tenant(tenant),
        "notices_of": lambda: database.notices_of(tenant, IssueId(10001)),
    }


def test_a_stopped_server_is_unavailable_by_every_way_and_back_when_it_is_back(own_server, open_store, register):
    database = open_store(urls_of(own_server)["database_url"])
    tenant = register(database).tenant
    assert database.is_current()
    own_server.stop()
    try:
        for ask in questions(database, tenant).values():
            with pytest.raises(DatabaseUnavailable):
                ask()
        assert not database.is_current()
    finally:
        own_server.start()
    assert database.is_current()
    assert database.view_tenant(tenant).tenant == tenant


def test_a_connection_that_is_cut_in_mid_transaction_is_unavailable(web, tenant, shared, now):
    with pytest.raises(DatabaseUnavailable), web.begin(tenant) as uow:
        backend = uow._connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        shared.rows("SELECT pg_terminate_backend(%s, 5000)", backend)
        uow.issues.ask_read(1, now=now)
    with web.begin(tenant) as uow:
        assert uow.issues.next_pending() is None


def test_a_connection_that_is_cut_while_a_job_is_asked_for_is_unavailable(web, tenant, shared):
    with pytest.raises(DatabaseUnavailable), web.begin(tenant) as uow:
        backend = uow._connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        # The savepoint goes through, the queue's own statement meets the cut.
        uow._connection.begin_nested = nullcontext
        shared.rows("SELECT pg_terminate_backend(%s, 5000)", backend)
        uow.enqueue("read-issues", tenant)


def test_connections_cut_while_they_idle_in_the_pool_are_replaced_and_nobody_notices(shared, open_store, register):
    database = open_store(shared.web, connections=3)
    tenant = register(database).tenant
    engines = (database._engines.reading, database._engines.writing)
    cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'pledge_web'"
    for name, ask in questions(database, tenant).items():
        database._engines.dispose()
        for connection in [engine.raw_connection() for engine in engines for _ in range(3)]:
            connection.close()
        assert len(shared.rows(f"{cut} AND datname = current_database()")) >= 6, name
        for _ in range(4):
            ask()


def test_an_exhausted_pool_is_unavailable_after_its_time(shared, open_store, tenant):
    database = open_store(shared.web, connections=1)
    database._engines.writing.pool._timeout = 0.2
    with database.begin(tenant):
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable), database.begin(tenant):
            raise AssertionError("there was a second connection")
        assert time.monotonic() - started < 2
    assert database.view_tenant(tenant).tenant == tenant


def test_a_lock_that_is_not_to_be_had_is_unavailable(web, worker, tenant, now, record):
    with worker.begin(tenant) as uow:
        uow.issues.save(record(), now)
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)
    with worker.begin(tenant) as holder:
        holder.issues.ask_read(10001, now=now)
        with pytest.raises(DatabaseUnavailable), web.begin(tenant) as uow:
            uow._connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
            uow.issues.ask_read(10001, now=now)


def test_a_query_that_takes_too_long_is_unavailable(web, tenant):
    with pytest.raises(DatabaseUnavailable), web.begin(tenant) as uow:
        uow._connection.execute(text("SET LOCAL statement_timeout = '50ms'"))
        uow._connection.execute(text("SELECT pg_sleep(2)"))


def test_a_duplicate_job_behind_a_lock_is_unavailable_and_not_lost_in_silence(web, shared, tenant):
    """Another transaction holds the same queueing lock and does not end."""
    done = threading.Event()

    def hold():
        with web.begin(tenant) as uow:
            uow.enqueue("read-issues", tenant)
            held.set()
            done.wait(60)

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    try:
        with pytest.raises(DatabaseUnavailable), web.begin(tenant) as uow:
            uow._connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
            uow.enqueue("read-issues", tenant)
    finally:
        done.set()
        holder.join()


def test_a_wrong_query_stays_what_it_is(web, tenant):
    with pytest.raises(DBAPIError) as refused, web.begin(tenant) as uow:
        uow._connection.execute(text("SELECT FROM app.issues WHERE nonsense"))
    assert isinstance(refused.value.orig, psycopg.errors.UndefinedColumn)


def test_an_error_of_the_caller_passes_through_untouched(web, tenant):
    with pytest.raises(LookupError, match="mine"), web.begin(tenant):
        raise LookupError("mine")


def test_a_database_that_is_not_migrated_or_behind_is_not_current(make_database, open_store, own_server):
    with make_database() as database:
        behind = open_store(database.web)
        assert behind.is_current()
        database.execute("UPDATE registry.alembic_version SET version_num = '0001'")
        assert not behind.is_current()
        database.execute("DROP TABLE registry.alembic_version")
        assert not behind.is_current()
        behind._engines.dispose()


def test_is_current_does_not_hold_a_connection(shared, open_store):
    database = open_store(shared.web, connections=1)
    assert [database.is_current() for _ in range(3)] == [True] * 3
