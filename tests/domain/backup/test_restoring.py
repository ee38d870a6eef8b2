"""What was there is there again; of a bad backup nothing stays; what was erased since is gone before anybody looks."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.backup.erasing_again import ErasedAgain
from app.domain.backup.erasures import AccountErased, LedgerUnfit, TenantErased
from app.domain.backup.model import BackupRefused, DatabaseNotEmpty
from app.domain.identifiers import AccountId, TenantId
from app.store.administration import check
from app.store.backup_target import GAP
from app.store.revision import newest_revision
from app.vault._backup_stream import CHUNK_BYTES, HEADER_BYTES, TAG_BYTES
from tests.domain.backup.conftest import DeletesTenants, silent


@pytest.fixture(scope="module")
def taken(kept):
    """A backup of a database with more than one chunk of rows."""
    kept.database.execute(
        "INSERT INTO app.unmapped_values (tenant_id, kind, name, issue_id, met_at)"
        " SELECT %s, 'status', n || %s, n, now() FROM generate_series(1, 300) n",
        kept.tenant(),
        "\t\\N\n\r\x01 " + "x\u2028é" * 800,
    )
    kept.sequence()
    return kept.backup()


MAY_USE = "SELECT has_schema_privilege('pledge_web', 'app', 'USAGE')"


def everything(database, manifest):
    """Each row of each table, as text, as a superuser sees them."""
    return {
        table: sorted(row[0] for row in database.rows(f"SELECT t::text FROM {table} t"))  # noqa: S608  a table of ours
        for table in manifest.tables
    }


def is_empty(database):
    [(count,)] = database.rows(
        "SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')"
    )
    return count == 0


def test_every_row_of_every_table_is_there_again(kept, taken, vacant):
    data, manifest = taken
    before = everything(kept.database, manifest)
    restored = kept.restore(data, vacant)
    after = everything(vacant, manifest)
    [entry] = set(after["app.audit_entries"]) - set(before["app.audit_entries"])
    assert "database.restored" in entry
    after["app.audit_entries"].remove(entry)
    assert len(after.pop("registry.audit_waiting")) == len(before["registry.audit_waiting"]) + 1
    assert after == {table: rows for table, rows in before.items() if table in after}
    assert manifest.rows == sum(map(len, before.values()))
    assert sum(bool(rows) for rows in before.values()) >= 10
    assert restored.manifest == manifest
    assert restored.audit.findings == ()
    assert restored.audit.newer == ()
    assert restored.audit.entries == len(before["app.audit_leaves"])


def test_a_restored_database_keeps_every_rule_and_another_backup_of_it_says_the_same(kept, taken, vacant):
    data, manifest = taken
    kept.restore(data, vacant)
    assert check(vacant.owner) == ()
    _, again = kept.backup(vacant)
    noted = {"app.audit_entries", "registry.audit_waiting"}  # that it was restored
    assert {name for name, facts in again.tables.items() if facts != manifest.tables[name]} == noted
    assert again.audit == manifest.audit
    assert manifest.audit.size > 0


def test_the_queue_takes_its_jobs_up_where_they_were_and_no_trigger_has_noted_them_twice(kept, taken, vacant):
    data, manifest = taken
    kept.restore(data, vacant)
    jobs = "SELECT id, status, args FROM jobs.procrastinate_jobs ORDER BY id"
    assert vacant.rows(jobs) == kept.database.rows(jobs)
    before = len(vacant.rows("SELECT id FROM jobs.procrastinate_events"))
    assert before == manifest.tables["jobs.procrastinate_events"].rows > 0
    with kept.open(vacant.web).begin(TenantId(1)) as uow:
        uow.enqueue("sync-issues", TenantId(1))
        uow.commit(because=Bookkeeping.RUN_ASKED)
    assert len(vacant.rows("SELECT id FROM jobs.procrastinate_events")) > before


def test_ids_that_were_given_out_after_the_backup_are_never_given_again(kept, taken, vacant):
    data, _ = taken
    lost = [kept.tenant() for _ in range(3)]
    kept.restore(data, vacant)
    with kept.open(vacant.web).begin() as uow:
        tenant, installation = uow.registry.next_ids(None, datetime.now(UTC))
    assert tenant > max(lost)
    assert GAP < min(tenant, installation) <= GAP + 100


def test_what_is_newer_than_the_backup_is_told_by_the_anchor(kept, taken, vacant):
    data, manifest = taken
    kept.tenant()
    kept.sequence()
    restored = kept.restore(data, vacant)
    assert restored.audit.findings == ()
    assert restored.audit.newer
    assert all(f"we {manifest.audit.size}" in found.where for found in restored.audit.newer)


def test_a_log_that_was_tampered_with_before_the_backup_is_told(kept, vacant):
    tenant = kept.tenant()
    kept.sequence()
    kept.database.execute("UPDATE app.audit_entries SET actor = 'system' WHERE tenant_id = %s", tenant)
    data, _ = kept.backup()
    restored = kept.restore(data, vacant)
    assert {(found.tenant, found.kind.value) for found in restored.audit.findings} == {(tenant, "entry altered")}
    kept.database.execute("UPDATE app.audit_entries SET actor = 'atlassian' WHERE tenant_id = %s", tenant)


SEALED = CHUNK_BYTES + TAG_BYTES
ATTACKS = {
    "one bit of a row is changed": lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:],
    "the end is cut off": lambda data: data[:-1],
    "it is cut off in the header": lambda data: data[: HEADER_BYTES - 1],
    "it is empty": lambda data: b"",
    "something is added": lambda data: data + data[-100:],
    "its chunks are in another order": lambda data: (
        data[:HEADER_BYTES] + data[HEADER_BYTES + SEALED :] + data[HEADER_BYTES : HEADER_BYTES + SEALED]
    ),
    "the salt is another one": lambda data: data[: HEADER_BYTES - 1] + b"\0" + data[HEADER_BYTES:],
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_backup_that_is_not_what_was_written_is_refused_and_leaves_nothing(kept, taken, vacant, attack):
    forged = attack(taken[0])
    assert forged != taken[0]
    with pytest.raises(BackupRefused):
        kept.restore(forged, vacant)
    assert is_empty(vacant)


def test_a_backup_that_is_replaced_between_check_and_load_leaves_nothing(kept, taken, vacant):
    reads = iter([taken[0], kept.backup()[0]])
    restoring = kept.restoring(vacant)
    with pytest.raises(BackupRefused, match="replaced while it was read"):
        restoring.load(lambda: kept.opening(next(reads))(), now=datetime.now(UTC), progress=silent)
    assert is_empty(vacant)


def test_a_backup_that_is_cut_off_between_check_and_load_leaves_nothing(kept, taken, vacant):
    reads = iter([taken[0], taken[0][:-1]])
    with pytest.raises(BackupRefused):
        kept.restoring(vacant).load(lambda: kept.opening(next(reads))(), now=datetime.now(UTC), progress=silent)
    assert is_empty(vacant)


def test_a_database_with_anything_in_it_is_left_alone(kept, taken, vacant):
    vacant.execute("CREATE TABLE public.somebodys (n integer)")
    with pytest.raises(DatabaseNotEmpty, match=r"public\.somebodys"):
        kept.restore(taken[0], vacant)
    with pytest.raises(DatabaseNotEmpty):
        kept.restore(taken[0], kept.database)
    assert vacant.rows("SELECT * FROM public.somebodys") == []


def test_a_backup_of_a_schema_from_the_future_is_refused_and_leaves_nothing(kept, vacant):
    kept.database.execute("UPDATE registry.alembic_version SET version_num = '9999'")
    data, _ = kept.backup()
    kept.database.execute("UPDATE registry.alembic_version SET version_num = %s", newest_revision())
    with pytest.raises(BackupRefused, match="9999"):
        kept.restore(data, vacant)
    assert is_empty(vacant)


def test_without_the_ledger_of_that_time_nothing_is_restored(kept, taken, vacant, tmp_path):
    path = kept.folder / "erasures.jsonl"
    away = path.rename(tmp_path / "away")
    try:
        with pytest.raises(LedgerUnfit):
            kept.restore(taken[0], vacant)
    finally:
        away.rename(path)
    assert is_empty(vacant)


@pytest.fixture
def ledger_kept(kept):
    """The erasures that a test records end with it; no process of the product could do that to the real one."""
    path = kept.folder / "erasures.jsonl"
    kept.ledger.mark()
    before = path.read_bytes()
    yield kept
    path.write_bytes(before)


def began(database, tenant):
    [(at,)] = database.rows("SELECT created_at FROM registry.tenants WHERE tenant_id = %s", tenant)
    return at


def test_whoever_was_erased_after_the_backup_is_erased_before_any_role_of_the_app_may_look(ledger_kept, vacant):
    kept = ledger_kept
    gone, stays = kept.tenant(), kept.tenant()
    data, _ = kept.backup()
    with kept.web.begin(gone) as uow:
        kept.remembering.tenant(uow, gone)
    with kept.web.begin(stays) as uow:
        kept.remembering.accounts(uow, stays, [AccountId("account-2")])
    rights = []

    class Watching(DeletesTenants):
        def tenant(self, tenant, *, now):
            rights.append(self.database.rows(MAY_USE))
            return super().tenant(tenant, now=now)

    again = Watching(vacant)
    restored = kept.restore(data, vacant, again=again)
    assert restored.erased == ErasedAgain(tenants=1, accounts=1)
    assert again.done == [gone, (stays, ["account-2"])]
    assert rights == [[(False,)]]
    left = {row[0] for row in vacant.rows("SELECT tenant_id FROM app.tenants")}
    assert stays in left
    assert gone not in left
    assert vacant.rows(MAY_USE) == [(True,)]


class DatabaseDied(Exception):
    """What erases was interrupted."""


class Interrupted(DeletesTenants):
    def tenant(self, tenant, *, now):
        raise DatabaseDied


def test_while_something_is_not_erased_again_no_role_of_the_app_gets_in(ledger_kept, vacant):
    kept = ledger_kept
    gone = kept.tenant()
    data, _ = kept.backup()
    with kept.web.begin(gone) as uow:
        kept.remembering.tenant(uow, gone)
    with pytest.raises(DatabaseDied):
        kept.restore(data, vacant, again=Interrupted(vacant))
    assert not kept.open(vacant.web).is_current()
    assert not kept.open(vacant.worker).is_current()


def test_a_number_that_was_another_tenants_is_not_erased_for_it(ledger_kept, vacant):
    kept = ledger_kept
    tenant = kept.tenant()
    data, _ = kept.backup()
    other_time = began(kept.database, tenant) + timedelta(microseconds=1)
    kept.ledger.record(TenantErased(tenant, other_time, datetime.now(UTC)))
    kept.ledger.record(AccountErased(tenant, other_time, AccountId("account-1"), datetime.now(UTC)))
    again = DeletesTenants(vacant)
    assert kept.restore(data, vacant, again=again).erased == ErasedAgain(0, 0)
    assert again.done == []


def test_people_who_were_erased_long_before_the_backup_and_came_back_by_themselves_stay(ledger_kept, vacant):
    kept = ledger_kept
    tenant = kept.tenant()
    at = datetime.now(UTC) - timedelta(hours=1)
    kept.ledger.record(AccountErased(tenant, began(kept.database, tenant), AccountId("account-1"), at))
    data, _ = kept.backup()
    again = DeletesTenants(vacant)
    assert kept.restore(data, vacant, again=again).erased == ErasedAgain(0, 0)
    assert again.done == []


def test_a_database_that_its_server_recovered_is_erased_again_and_leaves_out_ids_too(ledger_kept):
    kept = ledger_kept
    gone = kept.tenant()
    with kept.web.begin(gone) as uow:
        kept.remembering.tenant(uow, gone)
    rights = []

    class Watching(DeletesTenants):
        def tenant(self, tenant, *, now):
            rights.append(self.database.rows(MAY_USE))
            return super().tenant(tenant, now=now)

    restoring = kept.restoring(kept.database, again=Watching(kept.database))
    restored = restoring.recovered(datetime.now(UTC), now=datetime.now(UTC), progress=silent)
    assert restored.erased.tenants == 1
    assert rights == [[(False,)]]
    assert kept.database.rows(MAY_USE) == [(True,)]
    assert kept.tenant() > gone + GAP
