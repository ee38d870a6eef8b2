"""What is erased is derived from the tables: one that is added is among them, and the worker may delete from it."""

from app.domain.clocks.model import Event, EventKind
from app.domain.identifiers import AccountId
from app.domain.privacy.accounts import ERASED
from app.store import tables as _tables  # noqa: F401  its import fills the metadata
from app.store.db import Base
from app.store.row_security import GRANTS, WORKER
from app.store.tenant_erasure import STAYS, erased_tables, severed_tables

NAMES = [table.fullname for table in erased_tables()]


def test_every_table_of_a_tenant_is_erased_or_stays_for_a_reason():
    of_tenants = {table.fullname for table in Base.metadata.tables.values() if "tenant_id" in table.columns}
    assert {table.fullname for table in Base.metadata.tables.values() if table.schema == "app"} <= of_tenants
    assert set(NAMES) | set(STAYS) == of_tenants
    assert set(NAMES) & set(STAYS) == set()
    assert all(STAYS.values())


def test_the_worker_may_delete_from_every_table_that_is_erased_and_from_no_part_of_the_log():
    """Whoever adds a table grants this, or the first erasure after that would stop half way."""
    deletable = {name for name, roles in GRANTS.items() if "DELETE" in roles.get(WORKER, "")}
    assert set(NAMES) - deletable == set()
    assert deletable & {name for name in STAYS if name.startswith("app.")} == set()


def test_children_go_before_their_parents_and_the_tenant_last():
    for table in erased_tables():
        parents = {key.column.table.fullname for key in table.foreign_keys} & set(NAMES) - {table.fullname}
        assert all(NAMES.index(table.fullname) < NAMES.index(parent) for parent in parents), table.fullname
    assert NAMES[-1] == "app.tenants"


def test_what_stays_hangs_on_nothing_that_goes():
    for name in STAYS:
        parents = {key.column.table.fullname for key in Base.metadata.tables[name].foreign_keys}
        assert parents & set(NAMES) == set(), name


def test_the_first_step_takes_the_keys_and_what_leads_to_the_tenant():
    severed = [table.fullname for table in severed_tables()]
    assert severed.index("app.sealed_secrets") < severed.index("app.data_keys")
    assert {"registry.connect_installations", "registry.forge_installations"} <= set(severed)


def test_an_erased_person_is_in_no_fact_of_that_tenant_and_stays_in_those_of_others(
    web, worker, shared, tenant, register, record, added, now
):
    another_tenant = register(web).tenant
    person, bystander = AccountId("5b10a2844c20165700ede21g"), AccountId("5b10a2844c20165700ede21h")
    for each in (tenant, another_tenant):
        with worker.begin(each) as uow:
            facts = [
                Event(kind=EventKind.CANCELLED, at=now, source=f"by-{who}", actor=who, reason="duplicate")
                for who in (person, bystander)
            ]
            uow.issues.save(record(events=facts), now)
            uow.commit(because=added)
    with worker.begin(tenant) as uow:
        assert uow.people.erase([person]) == {"app.clock_events": 1}
        uow.commit(because=added)

    def actors(which):
        query = "SELECT data ->> 'actor', data ->> 'reason' FROM app.clock_events WHERE tenant_id = %s ORDER BY 1"
        return shared.rows(query, which)

    assert actors(tenant) == [(bystander, "duplicate"), (ERASED, "duplicate")]
    assert actors(another_tenant) == [(person, "duplicate"), (bystander, "duplicate")]
