"""Reads without a transaction of their own: one message each, which leaves nothing behind on its connection."""

import psycopg
import pytest

from app.domain.identifiers import ClientKey, IssueId


@pytest.fixture
def narrow(shared, open_store):
    """A store with one connection, so that the next question meets what the last one left."""
    return open_store(shared.web, connections=1)


def driver_of(database):
    pooled = database._engines.reading.raw_connection()
    try:
        return pooled.driver_connection
    finally:
        pooled.close()


def test_a_view_leaves_no_tenant_on_its_connection(narrow, register):
    tenant = register(narrow).tenant
    assert narrow.view_issue(tenant, IssueId(10001))[0].tenant == tenant
    driver = driver_of(narrow)
    assert driver.execute("SELECT current_setting('app.tenant', true)").fetchone() in {(None,), ("",)}
    assert driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_view_of_one_tenant_is_refused_under_the_name_of_another(narrow, register):
    """Row security holds for prepared statements too: what is asked for and what is named must be one tenant."""
    first, second = register(narrow).tenant, register(narrow).tenant
    narrow.view_tenant(first)
    driver = driver_of(narrow)
    message = b"SET LOCAL app.tenant = '%d'; EXECUTE view_tenant(%d)"
    named, other = (driver.pgconn.exec_(message % (first, asked)) for asked in (first, second))
    assert (named.ntuples, other.ntuples) == (1, 0)


def test_connections_that_read_refuse_to_write(narrow):
    assert narrow.find_connect(ClientKey("nobody")) is None
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        driver_of(narrow).execute("DELETE FROM registry.connect_installations")


def test_attack_a_name_that_ends_early_for_libpq_finds_nobody(narrow, register):
    known = register(narrow)
    client_key = known.client_key
    assert narrow.find_connect(client_key) is not None
    assert narrow.find_connect(ClientKey(f"{client_key}\0.other")) is None


def test_an_error_of_postgresql_is_raised_and_the_next_read_is_served(narrow, register):
    tenant = register(narrow).tenant
    narrow.view_tenant(tenant)
    driver_of(narrow).execute("DEALLOCATE view_tenant")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        narrow.view_tenant(tenant)
    assert narrow.view_tenant(tenant).tenant == tenant
