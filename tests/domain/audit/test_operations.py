"""Entries come into the log in the background, each once, whoever else is at work."""
# ruff: noqa: PT012, S608  (what a refusal takes along is the point; tables are named here)

import threading
from datetime import timedelta

import psycopg
import pytest

from app.domain.audit.entry import Action, AuditEvent
from app.domain.audit.model import LogBroken
from app.domain.audit.note import opened
from app.domain.audit.operations import SLICE, anchor_origin, log_origin
from app.outbound.anchor_file import AnchorFile
from app.vault.checkpoint_key import CheckpointKeyFile


def test_an_entry_gets_its_place_a_checkpoint_and_an_anchor(kept):
    tenant = kept.tenant()
    assert kept.verify().waiting == 1
    assert kept.log().sequencing.advance(now=kept.now) == 1
    key = CheckpointKeyFile(kept.key_file)
    note = kept.log().queries.newest(tenant)
    assert opened(note, origin=log_origin(key.name, tenant), trusted=key.trusted).size == 1
    [anchored] = AnchorFile(kept.anchor_file).read_back()
    assert opened(anchored, origin=anchor_origin(key.name), trusted=key.trusted).size == 1
    report = kept.verify()
    assert (report.findings, report.sizes[tenant], report.waiting, report.unanchored) == ([], 1, 0, 0)


def test_entries_of_one_slice_are_in_order_of_instant_and_id(kept):
    tenant = kept.tenant()
    kept.write(tenant, 5)
    kept.now -= timedelta(hours=1)
    kept.write(tenant, 2)
    written = kept.database.rows("SELECT entry_id FROM app.audit_entries WHERE tenant_id = %s ORDER BY 1", tenant)
    by_time = kept.database.rows(
        "SELECT entry_id FROM app.audit_entries WHERE tenant_id = %s ORDER BY at, entry_id", tenant
    )
    kept.sequence()
    assert kept.entries(tenant) == [row[0] for row in by_time]
    assert len(written) == 8


def test_a_late_commit_of_an_earlier_instant_comes_in_by_a_later_slice(kept):
    tenant = kept.tenant()
    with kept.web.begin(tenant) as slow:
        kept.now += timedelta(seconds=5)
        kept.write(tenant, 2)
        kept.sequence()
        assert len(kept.entries(tenant)) == 3
        slow.commit(because=AuditEvent(Action.ISSUE_HIDDEN, "system", "issue/1"))
    kept.sequence()
    assert len(kept.entries(tenant)) == 4
    assert kept.kinds() == set()


def test_what_rolls_back_never_waits(kept):
    tenant = kept.tenant()
    with pytest.raises(ZeroDivisionError), kept.web.begin(tenant) as uow:
        uow.log.record(AuditEvent(Action.ISSUE_HIDDEN, "system", "issue/1"), now=kept.now)
        _ = 1 / 0
    kept.sequence()
    assert len(kept.entries(tenant)) == 1


def test_a_tenant_with_more_than_a_slice_lets_the_others_have_their_turn(kept):
    busy, other = kept.tenant(), kept.tenant()
    kept.database.execute(
        "INSERT INTO registry.audit_waiting SELECT %s, now() - interval '1 day', gen_random_uuid(), '\\x00'"
        " FROM generate_series(1, %s)",
        busy,
        2 * SLICE + 1,
    )
    assert kept.verify().waiting == 2 * SLICE + 3
    assert kept.log().sequencing.advance(now=kept.now) == SLICE + 1
    assert (len(kept.entries(busy)), len(kept.entries(other))) == (SLICE, 1)


def test_while_one_leads_another_does_nothing(kept):
    tenant = kept.tenant()
    with kept.worker.begin() as leading:
        assert leading.anchors.lead()
        assert kept.log().sequencing.advance(now=kept.now) == 0
    assert kept.log().sequencing.advance(now=kept.now) == 1
    assert len(kept.entries(tenant)) == 1


def test_many_sequencers_at_once_place_every_entry_once(kept):
    tenants = [kept.tenant() for _ in range(3)]
    writers = [threading.Thread(target=kept.write, args=(tenant, 20)) for tenant in tenants]
    stopping = threading.Event()

    def sequence():
        database = kept.open(kept.database.worker)
        while not stopping.is_set():
            kept.log(database=database).sequencing.advance(now=kept.now)

    sequencers = [threading.Thread(target=sequence) for _ in range(3)]
    for thread in (*writers, *sequencers):
        thread.start()
    for thread in writers:
        thread.join()
    stopping.set()
    for thread in sequencers:
        thread.join()
    kept.sequence()
    assert [len(set(kept.entries(tenant))) for tenant in tenants] == [21, 21, 21]
    report = kept.verify()
    assert (report.findings, report.waiting, report.unanchored) == ([], 0, 0)


def test_a_sequencer_that_dies_in_its_slice_leaves_everything_waiting(kept):
    tenant = kept.tenant()
    with pytest.raises(ZeroDivisionError), kept.worker.begin(tenant) as uow:
        assert uow.anchors.lead()
        assert len(uow.log.take_waiting(10)) == 1
        _ = 1 / 0
    kept.sequence()
    assert len(kept.entries(tenant)) == 1
    assert kept.kinds() == set()


def test_an_anchor_that_cannot_be_written_is_written_later(kept):
    tenant = kept.tenant()
    kept.anchor_file.mkdir()
    with pytest.raises(OSError, match="directory"):
        kept.log().sequencing.advance(now=kept.now)
    assert len(kept.entries(tenant)) == 1
    kept.anchor_file.rmdir()
    report = kept.verify()
    assert (report.findings, report.unanchored) == ([], 1)
    assert not report.is_stale(kept.now + timedelta(seconds=60))
    assert report.is_stale(kept.now + timedelta(seconds=61))
    kept.sequence()
    assert kept.verify().unanchored == 0


def test_a_note_that_was_anchored_and_forgotten_is_no_finding(kept):
    """The process died between the anchor and the database."""
    kept.tenant()
    kept.sequence()
    kept.database.execute("DELETE FROM registry.audit_anchor_heads")
    kept.sequence()
    assert len(list(AnchorFile(kept.anchor_file).read_back())) == 2
    assert kept.kinds() == set()


def test_a_note_that_comes_into_the_anchor_late_is_no_finding(kept, logged):
    """Its writer hung, and another one went on; it stands after larger ones for ever."""
    early, *later = kept.anchor_file.read_text().splitlines(keepends=True)
    kept.anchor_file.write_text("".join([*later, early]))
    assert kept.kinds() == set()


def test_a_broken_log_holds_up_no_other(kept):
    broken, other = kept.tenant(), kept.tenant()
    kept.sequence()
    kept.database.execute("UPDATE app.audit_checkpoints SET frontier = '\\x00' WHERE tenant_id = %s", broken)
    kept.write(broken, 1)
    kept.write(other, 1)
    with pytest.raises(LogBroken, match="pledge audit verify"):
        kept.log().sequencing.advance(now=kept.now)
    assert (len(kept.entries(broken)), len(kept.entries(other))) == (1, 2)
    assert kept.verify().unanchored == 0


def test_a_checkpoint_that_somebody_deleted_does_not_let_the_log_fork(kept):
    tenant = kept.tenant()
    kept.sequence()
    kept.database.execute("DELETE FROM app.audit_checkpoints WHERE tenant_id = %s", tenant)
    kept.write(tenant, 1)
    with pytest.raises(LogBroken):
        kept.log().sequencing.advance(now=kept.now)


def test_entries_from_before_the_log_are_let_in_by_an_operator_and_the_log_says_so(kept):
    tenant = kept.tenant()
    kept.write(tenant, 2)
    kept.database.execute("DELETE FROM registry.audit_waiting")
    assert len(kept.verify().findings) == 3
    assert kept.log().sequencing.adopt(tenant) == 3
    kept.sequence()
    assert len(kept.entries(tenant)) == 4
    assert kept.kinds() == set()
    [(detail,)] = kept.database.rows("SELECT detail FROM app.audit_entries WHERE action = 'log.adopted'")
    assert detail == {"entries": 3}
    assert kept.log().sequencing.adopt(tenant) == 0


def test_the_roles_of_the_app_cannot_change_the_log(kept, logged):
    refused = 0
    for url in (kept.database.web, kept.database.worker):
        for table in ("app.audit_entries", "app.audit_leaves", "app.audit_checkpoints", "registry.audit_anchor_leaves"):
            for statement in (f"UPDATE {table} SET tenant_id = 1", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                refused += is_refused(url, statement)
    assert refused == 24
    assert is_refused(kept.database.web, "INSERT INTO app.audit_leaves VALUES (1, 1, gen_random_uuid(), '')")
    assert is_refused(kept.database.web, "SELECT FROM registry.audit_waiting")
    for column in ("salt", "sealed"):
        assert is_refused(kept.database.web, f"SELECT {column} FROM app.audit_persons")


def is_refused(url, statement):

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("SELECT set_config('app.tenant', '1', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    return True
