"""Work is asked for in the transaction of the change; a request that already waits is enough."""

from datetime import timedelta

from app.domain.audit.entry import Bookkeeping


def jobs(shared, tenant):
    return shared.rows(
        "SELECT task_name, lock, queueing_lock, args, scheduled_at, status::text FROM jobs.procrastinate_jobs"
        " WHERE (args->>'tenant')::bigint = %s ORDER BY id",
        tenant,
    )


def ask(database, tenant, *, at=None, kept=True):
    with database.begin(tenant) as uow:
        uow.enqueue("read-issues", tenant, at=at)
        if kept:
            uow.commit(because=Bookkeeping.READ_ASKED)


def test_a_job_carries_ids_and_counts_and_nothing_else(web, shared, tenant):
    ask(web, tenant)
    name = f"read-issues:{tenant}"
    assert jobs(shared, tenant) == [("read-issues", name, name, {"tenant": tenant, "attempt": 0}, None, "todo")]


def test_what_shows_in_jira_is_asked_for_behind_everything_else(web, shared, tenant):
    with web.begin(tenant) as uow:
        for kind in ("publish-labels", "read-issues", "sync-issues"):
            uow.enqueue(kind, tenant)
        uow.commit(because=Bookkeeping.READ_ASKED)
    query = "SELECT task_name FROM jobs.procrastinate_jobs WHERE args->>'tenant' = %s ORDER BY priority DESC, id"
    assert [name for (name,) in shared.rows(query, str(tenant))] == ["read-issues", "sync-issues", "publish-labels"]


def test_a_rolled_back_transaction_leaves_no_job(web, shared, tenant):
    ask(web, tenant, kept=False)
    assert jobs(shared, tenant) == []


def test_a_duplicate_is_absorbed_and_the_rest_of_the_transaction_is_kept(web, shared, tenant, now):
    ask(web, tenant)
    with web.begin(tenant) as uow:
        uow.issues.ask_read(10001, now=now)
        uow.enqueue("read-issues", tenant)
        uow.enqueue("read-issues", tenant)
        uow.issues.ask_read(10002, now=now)
        uow.commit(because=Bookkeeping.WEBHOOK_STORED)
    assert len(jobs(shared, tenant)) == 1
    assert shared.rows("SELECT count(*) FROM app.pending_reads WHERE tenant_id = %s", tenant) == [(2,)]


def test_after_an_absorbed_duplicate_the_transaction_still_has_its_tenant(web, tenant):
    with web.begin(tenant) as uow:
        uow.enqueue("read-issues", tenant)
        uow.enqueue("read-issues", tenant)
        assert uow.tenants.tenant().tenant == tenant


def test_a_wake_up_comes_later_and_holds_no_lock_of_the_work(worker, shared, tenant, now):
    at = now + timedelta(minutes=10)
    ask(worker, tenant, at=at)
    ask(worker, tenant, at=at + timedelta(minutes=1))
    ask(worker, tenant)
    wake, job = jobs(shared, tenant)
    assert wake == (
        "wake:read-issues",
        None,
        f"wake:read-issues:{tenant}",
        {"tenant": tenant, "attempt": 0},
        at,
        "todo",
    )
    assert job[0] == "read-issues"


def test_two_tenants_do_not_stand_in_each_others_way(web, shared, register):
    one, two = register(web).tenant, register(web).tenant
    ask(web, one)
    ask(web, two)
    assert (len(jobs(shared, one)), len(jobs(shared, two))) == (1, 1)
