"""A transaction: nothing stays without a reason, and the audit entry goes with the change or not at all."""
# ruff: noqa: PT012  (what a refusal takes along is the point)

from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping, leaf_hash
from app.domain.ports import DatabaseRefused


def entries(shared, tenant):
    return shared.rows(
        "SELECT entry_id, at, action, actor, target, detail, leaf_hash FROM app.audit_entries WHERE tenant_id = %s"
        " ORDER BY at, action",
        tenant,
    )


def deliveries(shared, tenant):
    return [
        row[0] for row in shared.rows("SELECT delivery_id FROM app.webhook_deliveries WHERE tenant_id = %s", tenant)
    ]


def test_without_commit_nothing_stays(web, shared, tenant, now):
    with web.begin(tenant) as uow:
        assert uow.issues.accept_delivery("hook", issue=1, now=now)
        uow.enqueue("read-issues", tenant)
    assert deliveries(shared, tenant) == []
    assert shared.rows("SELECT FROM jobs.procrastinate_jobs WHERE queueing_lock = %s", f"read-issues:{tenant}") == []


def test_an_error_rolls_everything_back(web, shared, tenant, now):
    with pytest.raises(ZeroDivisionError), web.begin(tenant) as uow:
        uow.issues.accept_delivery("hook", issue=1, now=now)
        _ = 1 / 0
    assert deliveries(shared, tenant) == []


def test_a_commit_for_bookkeeping_keeps_the_change_and_makes_no_entry(web, shared, tenant, now):
    before = entries(shared, tenant)
    with web.begin(tenant) as uow:
        uow.issues.accept_delivery("hook", issue=1, now=now)
        uow.commit(because=Bookkeeping.WEBHOOK_STORED)
    assert deliveries(shared, tenant) == ["hook"]
    assert entries(shared, tenant) == before


def test_a_leaf_hash_recomputes_from_what_is_stored(web, shared, tenant, now):
    event = AuditEvent(
        Action.INSTALLATION_RENEWED, "atlassian", "installation/7", {"ü": "é\n", "version": 2, "n": None}
    )
    with web.begin(tenant) as uow:
        uow.commit(because=event)
    [*_, (entry, at, action, actor, target, detail, leaf)] = [
        row for row in entries(shared, tenant) if row[2] == "installation.renewed"
    ]
    assert isinstance(entry, UUID)
    assert (at, detail) == (now, dict(event.detail))
    stored = AuditEvent(Action(action), actor, target, detail)
    assert leaf == leaf_hash(stored, tenant=tenant, entry=entry, at=at)
    assert len(leaf) == 32


def test_a_change_whose_entry_cannot_be_written_does_not_happen(make_database, open_store, register, now, added):
    with make_database() as database:
        web = open_store(database.web)
        tenant = register(web).tenant
        database.execute("REVOKE INSERT ON app.audit_entries FROM pledge_web")
        with pytest.raises(DatabaseRefused), web.begin(tenant) as uow:
            uow.issues.accept_delivery("hook", issue=1, now=now)
            uow.commit(because=added)
        assert deliveries(database, tenant) == []
        web._engines.dispose()


def test_the_worker_writes_entries_too(worker, shared, tenant):
    with worker.begin(tenant) as uow:
        uow.commit(because=AuditEvent(Action.ISSUE_TRACKED, "system", "issue/1"))
    assert "issue.tracked" in [row[2] for row in entries(shared, tenant)]


def test_a_session_of_the_app_has_its_limits_and_speaks_utc(web, tenant):
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone", "search_path")
    with web.begin(tenant) as uow:
        values = [uow._connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    assert values == ["10s", "3s", "15s", "UTC", "jobs"]
