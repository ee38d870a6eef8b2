"""What is erased is noted outside the database before anybody hears that it is gone, and goes again after a restore."""

from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from app.domain.backup.erasing_again import ErasedAgain, Remembering
from app.domain.backup.erasures import LedgerUnfit
from app.domain.identifiers import AccountId
from app.domain.privacy.again import Again
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.leaving import Leaving
from app.domain.privacy.model import AskedBy
from app.domain.privacy.receipt_links import ReceiptLinks
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.store.db import Base
from app.store.tenant_erasure import STAYS
from app.vault.checkpoint_key import CheckpointKeyFile
from tests.domain.backup.conftest import NOW, silent

PERSON, OTHER = AccountId("712020:0f3a1c52-9d1e-4b7e-8a50-1f2e3d4c5b6a"), AccountId("5be24ad8b1653240376955d2")
LATER = NOW + timedelta(days=2)


def leaving(kept, database, *, remembering=None):
    return Leaving(
        database,
        lambda: CheckpointKeyFile(kept.folder / "signing.key"),
        retention=timedelta(days=30),
        backups_kept=timedelta(days=14),
        delete_files=lambda _: None,
        remembering=remembering or kept.remembering,
    )


def decided(kept, *people):
    """A tenant with a fact by each of these people."""
    tenant = kept.tenant()
    for number, person in enumerate(people):
        kept.database.execute(
            "INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)"
            " VALUES (%s, %s, 'SEC-1', 10000, 'tracked', now())",
            tenant,
            number,
        )
        kept.database.execute(
            "INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at)"
            " VALUES (%s, %s, 'x', 'cancelled', now(), %s, now())",
            tenant,
            number,
            Jsonb({"actor": person, "reason": "duplicate"}),
        )
    return tenant


def actors(database, tenant):
    query = "SELECT data->>'actor' FROM app.clock_events WHERE tenant_id = %s ORDER BY issue_id"
    return [actor for (actor,) in database.rows(query, tenant)]


def tables_of(database, tenant):
    named = [table.fullname for table in Base.metadata.sorted_tables if "tenant_id" in table.columns]
    query = "SELECT count(*) FROM {} WHERE tenant_id = %s"
    return {name for name in named if database.rows(query.format(name), tenant) != [(0,)]}


def erase(kept, tenant, *, database=None, remembering=None):
    going = leaving(kept, database or kept.worker, remembering=remembering)
    going.leave(tenant, asked_by=AskedBy.OPERATOR, at_once=True, now=LATER)
    while going.step(tenant, now=LATER):
        pass
    return going.departure(tenant).receipt


def test_tenants_and_people_that_were_erased_after_a_backup_are_not_in_what_is_restored_of_it(kept, vacant):
    gone, stays, untouched = decided(kept, OTHER), decided(kept, PERSON, OTHER), decided(kept, OTHER)
    kept.database.execute(
        "INSERT INTO registry.receipt_links (tenant_id, token_sha256, request_id, asked_at, expires_at)"
        " VALUES (%s, sha256('token'), gen_random_uuid(), %s, %s)",
        gone,
        NOW,
        LATER + timedelta(days=1),
    )
    kept.sequence()
    data, _ = kept.backup()
    assert erase(kept, gone)
    Erasing(kept.worker, kept.remembering).erase(stays, [PERSON], actor="operator", reason="requested")
    assert kept.ledger.mark().erasures == 2
    assert PERSON not in (kept.folder / "erasures.jsonl").read_text()

    owner = kept.open(vacant.owner)
    again = Again(leaving(kept, owner), Erasing(owner, kept.remembering))
    restored = kept.restoring(vacant, again=again).load(kept.opening(data), now=LATER, progress=silent)
    assert restored.erased == ErasedAgain(tenants=1, accounts=1)
    assert tables_of(vacant, gone) <= set(STAYS)
    assert kept.log(owner).verification.run().findings == []
    receipt = leaving(kept, owner).departure(gone).receipt
    assert receipt
    assert ReceiptLinks(kept.open(vacant.web), None).open("token", now=LATER).receipt == receipt
    assert actors(vacant, stays) == ["an erased person", OTHER]
    assert actors(vacant, untouched) == [OTHER]
    for table in tables_of(vacant, stays):
        assert vacant.rows(f"SELECT 1 FROM {table} t WHERE strpos(t::text, %s) > 0", PERSON) == []  # noqa: S608  ours


def test_an_erasure_that_cannot_be_noted_is_confirmed_to_nobody(kept):
    tenant, held = decided(kept, OTHER), decided(kept, PERSON)
    (kept.folder / "damaged.jsonl").write_text("{}\n")
    damaged = Remembering(lambda: ErasureLedgerFile(kept.folder / "damaged.jsonl"), clock=lambda: NOW)
    with pytest.raises(LedgerUnfit):
        erase(kept, tenant, remembering=damaged)
    assert leaving(kept, kept.worker).departure(tenant).receipt is None
    with pytest.raises(LedgerUnfit):
        Erasing(kept.worker, damaged).erase(held, [PERSON], actor="operator", reason="requested")
    assert actors(kept.database, held) == [PERSON]
    before = kept.ledger.mark().erasures
    leaving(kept, kept.worker).step(tenant, now=LATER)  # goes on where it was
    assert leaving(kept, kept.worker).departure(tenant).receipt
    assert kept.ledger.mark().erasures == before + 1
