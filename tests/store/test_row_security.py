"""What each real role may see and do: its own tenant's rows, and of each table no more than is written down."""
# ruff: noqa: S608  (names of our own tables, from a constant)

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.store.db import Base
from app.store.row_security import COLUMN_GRANTS, GRANTS, WEB, WORKER
from app.store.unit_of_work import TenantFixed

TENANT_TABLES = sorted(name for name in GRANTS if name.startswith("app."))
ROLES = {"web": WEB, "worker": WORKER}
READABLE = [
    (role, table) for role, name in ROLES.items() for table in TENANT_TABLES if "SELECT" in GRANTS[table].get(name, "")
]
NO_SUCH_RIGHT = "42501"
NO_TENANT = {"42704", "22P02"}
"""Never named; or named in an earlier transaction of the connection, which leaves an empty text that is no number."""


@pytest.fixture
def two(web, worker, register, record, now):
    """Two tenants with one row in every table."""
    pair = (register(web), register(web))
    for registered in pair:
        with worker.begin(registered.tenant) as uow:
            uow.issues.save(record(), now)
            run(uow, "INSERT INTO app.clock_bounds VALUES (:tenant, 10001, 'fix', 1, 'p', null, null, null, null, null,"
                " null, null, 0, null, null, null, null, null)", tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.publications VALUES (:tenant, 1)", tenant=registered.tenant)
            run(uow, "INSERT INTO app.issue_labels VALUES (:tenant, 10001, now(), 1, 0)", tenant=registered.tenant)
            run(
                uow,
                "INSERT INTO app.security_pushes VALUES (:tenant, 10001, now(), 1, 0, 0, false)",
                tenant=registered.tenant,
            )
            run(uow, "INSERT INTO app.told_clocks VALUES (:tenant, 10001, 'fix', 1, 50, now(), 0)",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.told_counts VALUES (:tenant, 10001, 'fix', 1, 50, 'mail', now(), 1, now())",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.recipients VALUES (:tenant, gen_random_uuid(), 'l', 'mail', '{}', '{}', '{}',"
                " 'UTC', null, null, 'daily', false, now(), 'active', null)", tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.notices SELECT tenant_id, recipient_id, 10001, 'fix', 1, 50, false, null"
                " FROM app.recipients")  # fmt: skip
            run(uow, "INSERT INTO app.digests SELECT tenant_id, gen_random_uuid(), recipient_id, now(), 1"
                " FROM app.recipients")  # fmt: skip
            run(uow, "INSERT INTO app.recomputations VALUES (:tenant, 'p', 0, now())", tenant=registered.tenant)
            run(uow, "INSERT INTO app.superseded_events VALUES (:tenant, 10001, 's', 'reported', now(), now(), '{}',"
                " now())", tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.following_settings VALUES (:tenant, 1, '{}', now())", tenant=registered.tenant)
            run(
                uow, "INSERT INTO app.policy_texts VALUES (:tenant, 'h', 1, 'p', '{}', now())", tenant=registered.tenant
            )
            run(uow, "INSERT INTO app.unmapped_values VALUES (:tenant, 'status', 'n', 1, now())",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.runs (tenant_id, kind, cause, phase, asked_at, configuration, after_issue,"
                " counts) VALUES (:tenant, 'import', 'installed', 'search', now(), 0, 0, '{}')",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.pending_reads VALUES (:tenant, 10001, now(), now(), 0)", tenant=registered.tenant)
            run(
                uow, "INSERT INTO app.audit_leaves VALUES (:tenant, 0, gen_random_uuid(), '')", tenant=registered.tenant
            )
            run(uow, "INSERT INTO app.audit_checkpoints VALUES (:tenant, 1, '', '')", tenant=registered.tenant)
            run(uow, "INSERT INTO app.integrations (tenant_id, integration, state, attempt_version, access_version,"
                " refresh_version, failures, erased_secrets) VALUES (:tenant, 'x', 'connected', 0, 0, 0, 0, 0)",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.people VALUES (:tenant, 'a', '', now(), null)", tenant=registered.tenant)
            run(
                uow,
                "INSERT INTO app.audit_subjects VALUES (:tenant, 'a', gen_random_uuid(), now())",
                tenant=registered.tenant,
            )
            run(
                uow, "INSERT INTO app.audit_persons SELECT tenant_id, entry_id, entry_id, '', '' FROM app.audit_entries"
            )
            uow._connection.commit()
        with web.begin(registered.tenant) as uow:
            uow.issues.accept_delivery("hook", issue=10001, now=now)
            run(uow, "INSERT INTO app.calendar_feeds VALUES (:tenant, gen_random_uuid(), 'a', now())",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.saved_views VALUES (:tenant, gen_random_uuid(), 'a', 'n', '', now())",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.data_keys VALUES (:tenant, 'p', gen_random_uuid(), 'k', '', now())",
                tenant=registered.tenant)  # fmt: skip
            run(uow, "INSERT INTO app.sealed_secrets SELECT tenant_id, purpose, '1', 1, key_id, '' FROM app.data_keys")
            run(
                uow,
                "INSERT INTO app.forge_tokens SELECT tenant_id, installation_id, 1, now(), now()"
                " FROM app.installations",
            )
            run(
                uow,
                "INSERT INTO app.privacy_requests (tenant_id, request_id, kind, filed_by, received_at)"
                " SELECT tenant_id, gen_random_uuid(), 'access', 'site', now() FROM app.tenants",
            )
            run(
                uow,
                "INSERT INTO app.exports SELECT tenant_id, gen_random_uuid(), now(), now(), 'waiting', 0, 0"
                " FROM app.tenants",
            )
            uow._connection.commit()
    return pair


def run(uow, statement, **values):
    return uow._connection.execute(text(statement), values)


def refusal(uow, statement, **values):
    with pytest.raises(DBAPIError) as refused:
        run(uow, statement, **values)
    return refused.value.orig.sqlstate


def test_every_table_can_be_read_by_somebody():
    assert {table for _, table in READABLE} == set(TENANT_TABLES)


@pytest.mark.parametrize(("role", "table"), READABLE)
def test_another_tenants_rows_are_invisible_whatever_the_query_says(two, web, worker, shared, table, role):
    mine, other = two
    assert len(shared.rows(f"SELECT FROM {table} WHERE tenant_id = {other.tenant}")) == 1
    with {"web": web, "worker": worker}[role].begin(mine.tenant) as uow:
        assert set(run(uow, f"SELECT DISTINCT tenant_id FROM {table} WHERE true OR tenant_id > 0").scalars()) == {
            mine.tenant
        }
        assert run(uow, f"SELECT FROM {table} WHERE tenant_id = :other", other=other.tenant).rowcount == 0


def test_a_row_for_another_tenant_is_refused(two, web, worker):
    mine, other = two
    with web.begin(mine.tenant) as uow:
        statement = "INSERT INTO app.webhook_deliveries VALUES (:other, 'planted', 1, now())"
        assert refusal(uow, statement, other=other.tenant) == NO_SUCH_RIGHT
    with worker.begin(mine.tenant) as uow:
        statement = "UPDATE app.issues SET tenant_id = :other"
        assert refusal(uow, statement, other=other.tenant) == NO_SUCH_RIGHT


def test_another_tenants_rows_are_neither_changed_nor_deleted(two, worker):
    mine, other = two
    with worker.begin(mine.tenant) as uow:
        changed = run(uow, "UPDATE app.issues SET project_id = 0 WHERE tenant_id = :other", other=other.tenant)
        deleted = run(uow, "DELETE FROM app.clock_bounds WHERE tenant_id = :other", other=other.tenant)
        assert (changed.rowcount, deleted.rowcount) == (0, 0)


def test_a_row_cannot_hang_on_another_tenants_issue(two, worker, shared):
    mine, _ = two
    shared.execute("DELETE FROM app.clock_events WHERE tenant_id = %s", mine.tenant)
    shared.execute("DELETE FROM app.clock_bounds WHERE tenant_id = %s", mine.tenant)
    shared.execute("DELETE FROM app.issue_labels WHERE tenant_id = %s", mine.tenant)
    shared.execute("DELETE FROM app.security_pushes WHERE tenant_id = %s", mine.tenant)
    shared.execute("DELETE FROM app.told_clocks WHERE tenant_id = %s", mine.tenant)
    shared.execute("DELETE FROM app.told_counts WHERE tenant_id = %s", mine.tenant)
    shared.execute("DELETE FROM app.superseded_events WHERE tenant_id = %s", mine.tenant)
    shared.execute("DELETE FROM app.issues WHERE tenant_id = %s", mine.tenant)
    with worker.begin(mine.tenant) as uow:
        statement = "INSERT INTO app.clock_events VALUES (:mine, 10001, 's', 'reported', now(), '{}', now())"
        assert refusal(uow, statement, mine=mine.tenant) == "23503"


@pytest.mark.parametrize(("role", "table"), READABLE)
def test_without_a_tenant_a_query_is_an_error_and_not_an_empty_answer(two, web, worker, role, table):
    with {"web": web, "worker": worker}[role].begin() as uow:
        assert refusal(uow, f"SELECT FROM {table}") in NO_TENANT


def test_after_a_transaction_the_connection_has_no_tenant_left(shared, register, web, open_store):
    tenant = register(web).tenant
    single = open_store(shared.web, connections=1)
    with single.begin(tenant) as uow:
        backend = run(uow, "SELECT pg_backend_pid()").scalar_one()
        uow._connection.commit()
    with single.begin() as uow:
        assert run(uow, "SELECT pg_backend_pid()").scalar_one() == backend
        assert refusal(uow, "SELECT FROM app.issues") in NO_TENANT


def test_a_hundred_turns_of_two_tenants_on_one_connection_never_mix(shared, two, open_store):
    single = open_store(shared.web, connections=1)
    for turn in range(100):
        tenant = two[turn % 2].tenant
        with single.begin(tenant) as uow:
            assert run(uow, "SELECT array_agg(tenant_id) FROM app.issues").scalar_one() == [tenant]
            if turn % 3 == 0:
                uow._connection.commit()


def test_a_transaction_that_failed_leaves_no_tenant_to_the_next(shared, two, open_store):
    single = open_store(shared.web, connections=1)
    with single.begin(two[0].tenant) as uow:
        refusal(uow, "SELECT 1 / 0")
    with single.begin() as uow:
        assert refusal(uow, "SELECT FROM app.issues") in NO_TENANT


def test_the_tenant_of_a_transaction_cannot_be_changed(web, two):
    with web.begin(two[0].tenant) as uow, pytest.raises(TenantFixed):
        uow.enter(two[1].tenant)


def test_nothing_of_a_tenant_is_at_hand_before_it_is_named(web, added):
    with web.begin() as uow:
        with pytest.raises(TenantFixed):
            _ = uow.issues
        with pytest.raises(TenantFixed):
            _ = uow.tenants
        with pytest.raises(TenantFixed):
            uow.commit(because=added)


def test_row_security_cannot_be_switched_off(two, web):
    with web.begin(two[0].tenant) as uow:
        run(uow, "SET LOCAL row_security = off")
        assert refusal(uow, "SELECT FROM app.issues") == NO_SUCH_RIGHT


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE pledge_owner",
        "SET SESSION AUTHORIZATION pledge_owner",
        "SET session_replication_role = replica",
        "ALTER TABLE app.issues DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE app.mine (n int)",
        "CREATE SCHEMA mine",
        "TRUNCATE app.issues",
        "COPY app.issues TO PROGRAM 'true'",
    ],
)
@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_role_of_the_app_cannot_rise(web, worker, tenant, role, statement):
    with {"web": web, "worker": worker}[role].begin(tenant) as uow:
        assert refusal(uow, statement) == NO_SUCH_RIGHT


@pytest.mark.parametrize("verb", ["SELECT", "INSERT", "UPDATE", "DELETE"])
@pytest.mark.parametrize("table", sorted(GRANTS))
@pytest.mark.parametrize("role", [WEB, WORKER])
def test_a_role_may_do_with_a_table_what_is_written_down_and_nothing_else(web, worker, tenant, role, table, verb):
    """Tried, not read from the catalogue."""
    statement = {
        "SELECT": f"SELECT FROM {table}",
        "INSERT": f"INSERT INTO {table} SELECT WHERE false",
        "UPDATE": f"UPDATE {table} SET {last_column(table)} = NULL WHERE false",
        "DELETE": f"DELETE FROM {table} WHERE false",
    }[verb]
    allowed = verb in GRANTS[table].get(role, "").split(", ")
    if verb == "SELECT":  # of no column: a right to one of them is enough
        allowed |= any(
            place.startswith(f"{table}.") and verb in roles.get(role, "") for place, roles in COLUMN_GRANTS.items()
        )
    with {WEB: web, WORKER: worker}[role].begin(tenant) as uow:
        if allowed:
            run(uow, statement)
        else:
            assert refusal(uow, statement) == NO_SUCH_RIGHT


def last_column(table):
    if table in Base.metadata.tables:
        return list(Base.metadata.tables[table].columns)[-1].name
    return {
        "registry.alembic_version": "version_num",
        "jobs.procrastinate_jobs": "args",
        "jobs.procrastinate_events": "at",
        "jobs.procrastinate_periodic_defers": "periodic_id",
        "jobs.procrastinate_workers": "last_heartbeat",
    }[table]


def test_audit_entries_are_neither_changed_nor_deleted_by_the_app_nor_their_sealed_part_read_by_the_web(
    web, worker, tenant
):
    for database in (web, worker):
        for statement in (
            "SELECT sealed FROM app.audit_persons" if database is web else "TRUNCATE app.audit_entries",
            "UPDATE app.audit_entries SET actor = 'nobody'",
            "DELETE FROM app.audit_entries",
        ):
            with database.begin(tenant) as uow:
                assert refusal(uow, statement) == NO_SUCH_RIGHT
