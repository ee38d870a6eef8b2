"""Who did what the log tells: sealed in the entry, under one name of our own for each person."""

import threading
from pathlib import Path

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import AccountId
from app.domain.privacy.persons import by_person
from app.vault.door import Door

PERSON = AccountId("5b10a2844c20165700ede21g")
EVENT = AuditEvent(Action.EXPORT_ASKED, "site", "export/1")


def test_several_first_acts_of_one_person_at_once_give_that_person_one_name(held, keyring_file, now):
    tenant, vault, together = held.tenant(), Door.from_keyring_file(Path(keyring_file)), threading.Barrier(3)

    def act():
        with held.web.begin(tenant) as uow:
            together.wait(timeout=30)
            uow.commit(because=by_person(EVENT, PERSON, uow=uow, vault=vault, tenant=tenant, now=now))

    threads = [threading.Thread(target=act) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    named = "SELECT count(*), count(DISTINCT subject) FROM app.audit_persons WHERE tenant_id = %s"
    assert held.sql.rows(named, tenant) == [(3, 1)]
    keys = "SELECT count(*) FROM app.data_keys WHERE tenant_id = %s AND purpose = 'audit-person'"
    assert held.sql.rows(keys, tenant) == [(1,)]


def test_what_nobody_of_the_site_did_names_nobody(held, keyring_file, now):
    tenant, vault = held.tenant(), Door.from_keyring_file(Path(keyring_file))
    with held.web.begin(tenant) as uow:
        assert by_person(EVENT, None, uow=uow, vault=vault, tenant=tenant, now=now) is EVENT
