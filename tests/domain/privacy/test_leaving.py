"""A tenant that left is erased to the last row when its time is over, whatever happens on the way."""

from datetime import timedelta

import psycopg
import pytest

from app.domain.audit.verification import Verification
from app.domain.installations.model import InstallationState, Registered
from app.domain.privacy import leaving as leaving_module
from app.domain.privacy.leaving import NoSuchTenant
from app.domain.privacy.model import AskedBy
from app.domain.privacy.receipts import read_receipt, receipt_origin
from app.outbound.anchor_file import AnchorFile
from app.store.tenant_erasure import STAYS

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def gone(filled, now):
    """A tenant with rows everywhere that uninstalled at `now`."""
    return filled.uninstall(filled.fill(filled.tenant()), at=now)


def read(filled, tenant):
    note = filled.leaving.departure(tenant).receipt
    return read_receipt(note, origin=receipt_origin(filled.key.name), trusted=filled.key.trusted)


def test_before_its_time_nothing_is_erased_and_a_reinstall_finds_everything(filled, gone, now):
    before = filled.rows(gone)
    assert filled.leaving.wake(now=now + 29 * DAY) == 0
    assert filled.erase(gone, now=now + 29 * DAY) == 1
    assert filled.rows(gone) == before | {"registry.departures": 1}
    with filled.web.begin(gone) as uow:
        [known] = uow.registry.list_connect()
        uow.registry.save_connect(Registered(**vars(known) | {"state": InstallationState.ACTIVE}))
        uow.commit(because=leaving_module.Bookkeeping.READ_ASKED)
    assert filled.leaving.wake(now=now + 31 * DAY) == 0
    assert filled.leaving.departure(gone) is None
    assert filled.rows(gone) == before


def test_after_its_time_nothing_is_left_but_what_the_receipt_says(filled, gone, now):
    other = filled.fill(filled.tenant())
    others = filled.rows(other)
    before = filled.rows(gone)
    later = now + 30 * DAY
    assert filled.leaving.wake(now=later) == 1
    assert filled.database.rows("SELECT task_name, args FROM jobs.procrastinate_jobs") == [
        ("erase-tenant", {"tenant": gone, "attempt": 0})
    ]
    filled.erase(gone, now=later)
    after = filled.rows(gone)
    assert set(after) <= set(STAYS)
    assert filled.rows(other) == others

    document = read(filled, gone)
    expected = {table: count for table, count in before.items() if table not in STAYS}
    assert {table: count for table, count in document["erased"].items() if not table.startswith("jobs.")} == expected
    assert document["erased"]["jobs.procrastinate_jobs"] == 1
    assert document["left_at"] == "2026-11-22T09:00:00Z"
    assert document["erased_at"] == "2026-12-22T09:00:00Z"
    assert {each["until"] for each in document["only_ageing_removes"]} == {"2027-01-05T09:00:00Z"}
    assert {each["table"] for each in document["stays"]} == set(STAYS)
    told = [str(row[0]) for row in filled.database.rows(
        "SELECT entry_id FROM app.audit_entries WHERE tenant_id = %s AND action LIKE 'tenant.%%' ORDER BY at", gone
    )]  # fmt: skip
    assert sorted(document["audit"]["entries"]) == sorted(told)
    assert len(told) == 2


def test_the_log_of_an_erased_tenant_still_verifies(filled, gone, now):
    while filled.log.sequencing.advance(now=now):
        pass
    filled.leaving.wake(now=now + 30 * DAY)
    filled.erase(gone, now=now + 30 * DAY)
    while filled.log.sequencing.advance(now=now):
        pass
    verification = Verification(filled.worker, lambda: filled.key, lambda: AnchorFile(filled.anchor))
    assert verification.run().findings == []
    assert filled.database.rows("SELECT count(*) FROM app.audit_persons WHERE tenant_id = %s", gone) == [(0,)]


def test_the_keys_go_first_and_nothing_leads_to_what_is_left(filled, gone, now):
    filled.leaving.wake(now=now + 30 * DAY)
    assert filled.leaving.step(gone, now=now + 30 * DAY)
    rows = filled.rows(gone)
    assert not {"app.data_keys", "app.sealed_secrets", "registry.connect_installations"} & set(rows)
    assert rows["app.issues"] == 3
    assert not filled.leaving.departure(gone).receipt


@pytest.mark.parametrize("killed_after", range(1, 8))
def test_an_erasure_that_is_killed_anywhere_goes_on_and_counts_each_row_once(
    filled, gone, now, monkeypatch, killed_after
):
    monkeypatch.setattr(leaving_module, "SLICE_ROWS", 5)
    before = {table: count for table, count in filled.rows(gone).items() if table not in STAYS}
    later = now + 30 * DAY
    filled.leaving.wake(now=later)

    class Killed(BaseException):
        """What a SIGKILL leaves is what a rollback leaves."""

    steps = 0
    real = filled.worker.begin

    def dying(*arguments):
        nonlocal steps
        steps += 1
        if steps == killed_after:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(filled.worker, "begin", dying)
    with pytest.raises(Killed):
        filled.erase(gone, now=later)
    monkeypatch.setattr(filled.worker, "begin", real)
    filled.erase(gone, now=later)
    erased = dict(read(filled, gone)["erased"])
    erased.pop("jobs.procrastinate_jobs")
    assert erased == before
    assert set(filled.rows(gone)) <= set(STAYS)


def test_rows_that_a_running_job_adds_meanwhile_go_too_and_none_can_come_later(filled, gone, now):
    later = now + 30 * DAY
    filled.leaving.wake(now=later)
    assert filled.leaving.step(gone, now=later)
    while filled.leaving.departure(gone).counts.get("app.issues") != 3:
        assert filled.leaving.step(gone, now=later)
    late = "INSERT INTO app.pending_reads VALUES (%s, %s, now(), now(), 0)"
    filled.database.execute(late, gone, 77)
    filled.erase(gone, now=later)
    assert set(filled.rows(gone)) <= set(STAYS)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        filled.database.execute(late, gone, 78)


def test_a_token_of_the_last_uninstall_played_again_meets_a_row_that_knows_it_until_it_is_dead(filled, now):
    tenant = filled.tenant()
    left = filled.leaving.leave(tenant, asked_by=AskedBy.OPERATOR, at_once=True, now=now)
    assert left.due_at == now
    filled.erase(tenant, now=now)
    noted = filled.leaving.departure(tenant)
    assert (noted.begun_at, noted.due_at) == (None, now + HOUR + timedelta(seconds=30))
    assert "registry.connect_installations" in filled.rows(tenant)
    filled.erase(tenant, now=noted.due_at)
    assert filled.leaving.departure(tenant).receipt


def test_an_operator_ends_access_at_once_and_the_data_goes_in_its_time(filled, now):
    tenant = filled.fill(filled.tenant())
    left = filled.leaving.leave(tenant, asked_by=AskedBy.OPERATOR, at_once=False, now=now)
    assert (left.left_at, left.due_at) == (now, now + 30 * DAY)
    assert filled.rows(tenant).keys() >= {"app.issues", "app.data_keys"}
    assert "app.sealed_secrets" not in filled.rows(tenant)
    [(state,)] = filled.database.rows("SELECT state FROM registry.connect_installations WHERE tenant_id = %s", tenant)
    assert state == "uninstalled"


def test_a_tenant_that_came_back_and_left_again_has_its_whole_time_anew(filled, gone, now):
    filled.leaving.wake(now=now)
    filled.uninstall(gone, at=now + 29 * DAY)
    filled.leaving.wake(now=now + 30 * DAY)
    assert filled.erase(gone, now=now + 30 * DAY) == 1
    assert filled.leaving.departure(gone).due_at == now + 59 * DAY
    assert "app.issues" in filled.rows(gone)


def test_the_time_of_a_tenant_that_came_back_counts_from_when_we_end_its_access(filled, gone, now):
    filled.leaving.wake(now=now)
    with filled.web.begin(gone) as uow:
        [known] = uow.registry.list_connect()
        uow.registry.save_connect(Registered(**vars(known) | {"state": InstallationState.ACTIVE}))
        uow.commit(because=leaving_module.Bookkeeping.READ_ASKED)
    left = filled.leaving.leave(gone, asked_by=AskedBy.OPERATOR, at_once=False, now=now + 20 * DAY)
    assert (left.left_at, left.due_at) == (now + 20 * DAY, now + 50 * DAY)
    assert filled.leaving.departure(gone) == left


def test_a_tenant_that_a_site_import_suspended_leaves_when_that_is_noticed(filled, now):
    tenant = filled.fill(filled.tenant(state=InstallationState.SUSPENDED))
    filled.leaving.wake(now=now + DAY)
    assert filled.leaving.departure(tenant).left_at == now + DAY


def test_our_own_house_never_leaves(filled, now):
    filled.leaving.wake(now=now + 400 * DAY)
    assert filled.leaving.departures() == ()
    with pytest.raises(NoSuchTenant):
        filled.leaving.leave(0, asked_by=AskedBy.OPERATOR, at_once=True, now=now)


def test_an_erased_tenant_is_not_there_to_be_erased_again(filled, gone, now):
    filled.leaving.wake(now=now + 30 * DAY)
    filled.erase(gone, now=now + 30 * DAY)
    with pytest.raises(NoSuchTenant):
        filled.leaving.inventory(gone)
    assert filled.leaving.wake(now=now + 90 * DAY) == 0
