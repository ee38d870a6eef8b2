"""A person is taken out of everything, and what is proven stays proven."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import AccountId
from app.domain.privacy.persons import personal_part
from app.vault.door import Door

PERSON = AccountId("712020:0f3a1c52-9d1e-4b7e-8a50-1f2e3d4c5b6a")
OTHER = AccountId("5be24ad8b1653240376955d2")


@pytest.fixture
def vault(keyring_file):
    return Door.from_keyring_file(keyring_file)


@pytest.fixture
def record_person(held, vault):
    """Write an audit entry that is about a person."""

    def record(tenant, account):
        with held.web.begin(tenant) as uow:
            person = personal_part(uow, vault, tenant, account=account, now=held.now)
            uow.commit(because=AuditEvent(Action.POLICY_CHOSEN, "operator", f"n/{uuid4()}", {"n": 1}, person))

    return record


def everything(held):
    """Every row of every table, as text: what a dump of the database would show."""
    tables = held.sql.rows(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('app', 'registry', 'jobs')"
    )
    return "\n".join(str(held.sql.rows(f"SELECT * FROM {table}")) for (table,) in tables)  # noqa: S608  our own names


def test_an_erased_person_is_in_no_row_of_any_table(held, record_person):
    tenants = [held.tenant() for _ in range(2)]
    for tenant in tenants:
        held.hold(tenant, PERSON, OTHER, PERSON)
        record_person(tenant, PERSON)
    held.list()
    assert PERSON in everything(held)
    found = held.erasing.everywhere(PERSON, actor="operator", reason="requested")
    assert found.keys() == set(tenants)
    assert PERSON not in everything(held)
    assert OTHER in everything(held)
    assert held.erasing.everywhere(PERSON, actor="operator", reason="requested") == {}


def test_it_is_said_how_much_was_erased_and_why_but_not_whom(held):
    tenant = held.tenant()
    held.hold(tenant, PERSON, PERSON, OTHER)
    held.list()
    changed = held.erasing.erase(tenant, [PERSON], actor="operator", reason="requested")
    assert changed == {"app.clock_events": 2, "app.people": 1}
    action, target, detail = held.entries(tenant)[-1]
    assert (action, target) == ("accounts.erased", f"tenant/{tenant}")
    assert detail == {"accounts": 1, "reason": "requested", **changed}


def test_facts_stay_without_the_person(held):
    tenant = held.tenant()
    held.hold(tenant, PERSON)
    before = held.sql.rows("SELECT source, kind, at, data - 'actor', recorded_at FROM app.clock_events")
    held.erasing.erase(tenant, [PERSON], actor="operator", reason="requested")
    assert held.sql.rows("SELECT source, kind, at, data - 'actor', recorded_at FROM app.clock_events") == before
    assert held.actors(tenant) == ["an erased person"]


def test_the_data_key_of_a_person_goes_and_those_of_others_stay(held, record_person):
    tenant = held.tenant()
    for account in (PERSON, PERSON, OTHER):
        record_person(tenant, account)
    keys = "SELECT count(*) FROM app.data_keys WHERE purpose = 'audit-person'"
    assert held.sql.rows(keys) == [(2,)]
    changed = held.erasing.erase(tenant, [PERSON], actor="operator", reason="requested")
    assert (changed["app.audit_persons"], changed["app.data_keys"], changed["app.audit_subjects"]) == (2, 1, 1)
    assert held.sql.rows(keys) == [(1,)]
    assert held.sql.rows("SELECT count(*) FROM app.audit_persons") == [(1,)]


def test_the_salted_commitments_of_an_erased_person_stay(held, record_person):
    tenant = held.tenant()
    record_person(tenant, PERSON)
    leaves = "SELECT entry_id, leaf_hash, commitment FROM app.audit_entries WHERE commitment IS NOT NULL"
    before = held.sql.rows(leaves)
    assert len(before) == 1
    held.erasing.erase(tenant, [PERSON], actor="operator", reason="requested")
    assert held.sql.rows(leaves) == before


def test_another_tenants_rows_are_not_touched(held):
    mine, other = held.tenant(), held.tenant()
    for tenant in (mine, other):
        held.hold(tenant, PERSON)
    held.erasing.erase(mine, [PERSON], actor="operator", reason="requested")
    assert held.actors(other) == [PERSON]


def test_a_person_in_the_audit_log_is_a_person_that_is_reported(held, record_person):
    tenant = held.tenant()
    record_person(tenant, PERSON)
    assert held.list() == 1
    held.run()
    assert held.api.asked == [PERSON]


def test_who_is_held_no_more_is_forgotten_by_the_next_list(held):
    tenant = held.tenant()
    held.hold(tenant, PERSON)
    held.list()
    held.sql.execute("DELETE FROM app.clock_events")
    assert held.list() == 0
    for table in ("app.people", "registry.account_holders", "registry.account_reports"):
        assert held.sql.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608  names of this test


def test_an_account_is_as_old_as_the_first_that_is_kept_of_it(held):
    tenant = held.tenant()
    first = held.now
    held.hold(tenant, PERSON)
    held.pass_time(days=1)
    held.hold(tenant, PERSON)
    held.list()
    assert held.sql.rows("SELECT stored_at FROM registry.account_holders") == [(first,)]
    assert first == datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
