"""What a superuser of the database can do to the log, and what `verify` finds of it. Names are what was done."""
# ruff: noqa: S608  (tables and conditions are named here)

import json
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from app.domain.audit.entry import Action, AuditEvent, PersonalPart, leaf_hash
from app.domain.audit.merkle import CompactRange
from app.domain.audit.model import StoredEntry
from app.domain.audit.note import Checkpoint
from app.domain.audit.operations import SLICE, anchor_origin
from app.domain.audit.verification import SHOWN, Kind
from app.domain.secrets import Purpose, Secret, SecretPlace
from app.outbound.anchor_file import AnchorFile
from app.vault.checkpoint_key import CheckpointKeyFile, create_checkpoint_key
from app.vault.door import Door

NTH = "entry_id = (SELECT entry_id FROM app.audit_leaves WHERE tenant_id = %s AND position = %s)"


@pytest.fixture
def superuser(kept):
    """`superuser(sql, *values)`; triggers and foreign keys do not hold it up."""

    def run(statement, *values):
        with psycopg.connect(kept.database.superuser) as connection:
            connection.execute("SET session_replication_role = replica")
            count = connection.execute(statement, values).rowcount
        assert count
        return count

    return run


def stored(row):
    entry, at, action, actor, target, detail = row
    return StoredEntry(UUID(str(entry)), at, action, actor, target, detail, b"", None, None)


@pytest.fixture
def make_again(kept, superuser):
    """Everything that hangs on the entries made again as they are now, with that key and an anchor of the attacker."""

    def remake(key_file):
        for table in ("app.audit_leaves", "app.audit_checkpoints", "registry.audit_anchor_leaves"):
            superuser(f"DELETE FROM {table}")
        superuser("DELETE FROM registry.audit_anchor_heads")
        query = "SELECT tenant_id, entry_id, at, action, actor, target, detail FROM app.audit_entries"
        for tenant, *row in kept.database.rows(query):
            entry = stored(row)
            leaf = leaf_hash(entry, tenant=tenant, entry=entry.entry, at=entry.at)
            superuser("UPDATE app.audit_entries SET leaf_hash = %s WHERE entry_id = %s", leaf, entry.entry)
            values = (tenant, entry.at, entry.entry, leaf)
            superuser("INSERT INTO registry.audit_waiting VALUES (%s, %s, %s, %s)", *values)
        kept.sequence(key_file=key_file, anchor_file=kept.key_file.with_name("attackers.jsonl"))

    return remake


def edit(superuser, tenant):
    superuser(f"UPDATE app.audit_entries SET target = 'issue/0' WHERE tenant_id = %s AND {NTH}", tenant, tenant, 4)


def test_edit_body(kept, logged, superuser):
    statement = f"""UPDATE app.audit_entries SET detail = '{{"n": 2}}' WHERE tenant_id = %s AND {NTH}"""
    superuser(statement, logged[0], logged[0], 3)
    [found] = kept.verify().findings
    assert (found.kind, found.tenant) == (Kind.ENTRY_ALTERED, logged[0])
    assert found.where.startswith("index 3, ")


@pytest.mark.parametrize(
    "change",
    ["at = at + interval '1 microsecond'", "action = 'issue.hidden'", "actor = 'operator'", "target = 'issue/0'"],
)
def test_edit_time_action_actor_or_target(kept, logged, superuser, change):
    superuser(f"UPDATE app.audit_entries SET {change} WHERE tenant_id = %s AND {NTH}", logged[0], logged[0], 3)
    assert [found.kind for found in kept.verify().findings] == [Kind.ENTRY_ALTERED]


def test_edit_body_and_its_leaf_hash(kept, logged, superuser):
    edit(superuser, logged[0])
    [row] = kept.database.rows(
        f"SELECT entry_id, at, action, actor, target, detail FROM app.audit_entries WHERE {NTH}", logged[0], 4
    )
    leaf = leaf_hash(stored(row), tenant=logged[0], entry=row[0], at=row[1])
    superuser("UPDATE app.audit_entries SET leaf_hash = %s WHERE entry_id = %s", leaf, row[0])
    assert kept.kinds() == {Kind.ENTRY_ALTERED}
    superuser("UPDATE app.audit_leaves SET leaf_hash = %s WHERE entry_id = %s", leaf, row[0])
    assert kept.kinds() == {Kind.CHECKPOINT_DIFFERS, Kind.ANCHOR_DIFFERS}


def test_delete_row(kept, logged, superuser):
    superuser(f"DELETE FROM app.audit_entries WHERE tenant_id = %s AND {NTH}", logged[0], logged[0], 2)
    assert [found.kind for found in kept.verify().findings] == [Kind.ENTRY_MISSING]


def delete_with_leaf(superuser, tenant, position):
    superuser(f"DELETE FROM app.audit_entries WHERE tenant_id = %s AND {NTH}", tenant, tenant, position)
    superuser("DELETE FROM app.audit_leaves WHERE tenant_id = %s AND position = %s", tenant, position)


def test_delete_row_and_leaf(kept, logged, superuser):
    delete_with_leaf(superuser, logged[0], 2)
    assert {Kind.LEAF_MISSING, Kind.CHECKPOINT_DIFFERS} <= kept.kinds()


def test_delete_row_and_leaf_at_a_checkpoint(kept, logged, superuser):
    delete_with_leaf(superuser, logged[0], 3)
    assert {Kind.LEAF_MISSING, Kind.CHECKPOINT_DIFFERS} <= kept.kinds()


def test_delete_row_and_leaf_and_renumber(kept, logged, superuser):
    delete_with_leaf(superuser, logged[0], 2)
    for position in range(3, 9):
        statement = "UPDATE app.audit_leaves SET position = position - 1 WHERE tenant_id = %s AND position = %s"
        superuser(statement, logged[0], position)
    assert {Kind.CHECKPOINT_DIFFERS, Kind.LOG_TRUNCATED} <= kept.kinds()


def truncate(superuser, tenant, size):
    """Everything of that tenant after so many entries, as if it had never been."""
    statement = "DELETE FROM app.audit_entries WHERE entry_id IN (SELECT entry_id FROM app.audit_leaves WHERE"
    superuser(f"{statement} tenant_id = %s AND position >= %s)", tenant, size)
    superuser("DELETE FROM app.audit_leaves WHERE tenant_id = %s AND position >= %s", tenant, size)
    superuser("DELETE FROM app.audit_checkpoints WHERE tenant_id = %s AND size > %s", tenant, size)


def test_truncate_tail(kept, logged, superuser):
    truncate(superuser, logged[0], 7)
    assert kept.kinds() == {Kind.LOG_TRUNCATED}


def test_truncate_tail_but_leave_its_checkpoint(kept, logged, superuser):
    superuser("DELETE FROM app.audit_leaves WHERE tenant_id = %s AND position >= 7", logged[0])
    assert Kind.LOG_TRUNCATED in kept.kinds()


def fix_anchors(superuser, where, *values):
    """The tree of checkpoints without these, and no memory of how far it was anchored."""
    superuser(f"DELETE FROM registry.audit_anchor_leaves WHERE {where}", *values)
    superuser("DELETE FROM registry.audit_anchor_heads")


def test_truncate_tail_and_fix_the_anchor_tables(kept, logged, superuser):
    truncate(superuser, logged[0], 7)
    fix_anchors(superuser, "tenant_id = %s AND size > 7", logged[0])
    assert kept.kinds() == {Kind.ANCHOR_BEYOND}


def test_truncate_tail_and_fix_the_anchor_tables_and_go_on(kept, logged, superuser):
    """New entries fill the place of those that were cut away, and the log goes on as if nothing had been."""
    truncate(superuser, logged[0], 7)
    fix_anchors(superuser, "tenant_id = %s AND size > 7", logged[0])
    kept.write(logged[0], 2)
    kept.sequence()
    assert kept.kinds() == {Kind.ANCHOR_DIFFERS}


def test_rewrite_with_a_key_of_ones_own(kept, logged, superuser, make_again):
    edit(superuser, logged[0])
    own = kept.key_file.with_name("own.key")
    create_checkpoint_key(own, name="app.example.com/audit")
    make_again(own)
    assert Kind.CHECKPOINT_NOT_OURS in kept.kinds()


def test_rewrite_with_the_stolen_key(kept, logged, superuser, make_again):
    """Everything in the database fits together again, and is signed by us: only the anchor tells."""
    edit(superuser, logged[0])
    make_again(kept.key_file)
    assert kept.kinds(anchor_file=kept.key_file.with_name("attackers.jsonl")) == set()
    assert Kind.ANCHOR_BEYOND in kept.kinds() or Kind.ANCHOR_DIFFERS in kept.kinds()


def test_swap_order(kept, logged, superuser):
    for old, new in ((2, -1), (3, 2), (-1, 3)):
        statement = "UPDATE app.audit_leaves SET position = %s WHERE tenant_id = %s AND position = %s"
        superuser(statement, new, logged[0], old)
    assert kept.kinds() == {Kind.CHECKPOINT_DIFFERS, Kind.ANCHOR_DIFFERS}


def test_move_to_another_tenant(kept, logged, superuser):
    superuser(f"UPDATE app.audit_entries SET tenant_id = %s WHERE {NTH}", logged[1], logged[0], 2)
    assert {(found.tenant, found.kind) for found in kept.verify().findings} == {
        (logged[0], Kind.ENTRY_MISSING),
        (logged[1], Kind.ENTRY_STRAY),
    }


def drop_log(superuser, tenant):
    for table in ("entries", "leaves", "checkpoints"):
        superuser(f"DELETE FROM app.audit_{table} WHERE tenant_id = %s", tenant)


def test_drop_a_tenants_log(kept, logged, superuser):
    drop_log(superuser, logged[0])
    [found] = kept.verify().findings
    assert (found.kind, found.tenant) == (Kind.LOG_TRUNCATED, logged[0])


def test_drop_a_tenant_with_its_log(kept, logged, superuser):
    drop_log(superuser, logged[0])
    for table in ("app.installations", "app.tenants", "registry.connect_installations", "registry.tenants"):
        superuser(f"DELETE FROM {table} WHERE tenant_id = %s", logged[0])
    assert kept.kinds() == {Kind.LOG_TRUNCATED}


def test_drop_a_tenants_log_and_fix_the_anchor_tables(kept, logged, superuser):
    drop_log(superuser, logged[0])
    fix_anchors(superuser, "tenant_id = %s", logged[0])
    superuser("UPDATE registry.audit_anchor_leaves SET position = position - 10 WHERE position > 0")
    statement = """UPDATE registry.audit_anchor_leaves l SET position = n - 1
        FROM (SELECT position, row_number() OVER (ORDER BY position) n FROM registry.audit_anchor_leaves) r
        WHERE l.position = r.position"""
    superuser(statement)
    assert kept.kinds() & {Kind.ANCHOR_BEYOND, Kind.ANCHOR_DIFFERS}


@pytest.fixture
def backup(kept, cluster):
    """`take()` copies the database as its files are; what it returns opens the copy."""
    names = []

    def take():
        kept.close()
        name = f"{kept.database.name}_backup"
        with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {kept.database.name} OWNER pledge_owner")
        names.append(name)
        return lambda: kept.open(kept.database.worker.replace(f"/{kept.database.name}?", f"/{name}?"))

    yield take
    kept.close()
    for name in names:
        with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_old_backup_is_restored(kept, logged, backup):
    restore = backup()
    kept.write(logged[0], 1)
    kept.sequence()
    assert kept.kinds() == set()
    assert kept.kinds(database=restore()) == {Kind.ANCHOR_BEYOND}


def test_an_old_backup_is_restored_and_goes_on(kept, logged, backup):
    restore = backup()
    kept.write(logged[0], 1)
    kept.sequence()
    restored = restore()
    with restored.begin(logged[1]) as uow:
        uow.commit(because=AuditEvent(Action.ISSUE_HIDDEN, "system", "issue/1"))
    kept.sequence(database=restored)
    assert kept.kinds(database=restored) == {Kind.ANCHOR_DIFFERS}


def test_backdated_insert(kept, logged, superuser):
    statement = """INSERT INTO app.audit_entries (tenant_id, entry_id, at, action, actor, target, detail, leaf_hash)
        VALUES (%s, gen_random_uuid(), %s, 'issue.hidden', 'system', 'issue/1', '{}', '\\x00')"""
    superuser(statement, logged[0], kept.now - timedelta(days=30))
    assert [found.kind for found in kept.verify().findings] == [Kind.ENTRY_STRAY]


def test_backdated_insert_in_the_middle_of_the_log(kept, logged, superuser):
    superuser("UPDATE app.audit_leaves SET position = position + 100 WHERE tenant_id = %s AND position >= 4", logged[0])
    superuser("UPDATE app.audit_leaves SET position = position - 99 WHERE tenant_id = %s AND position > 99", logged[0])
    superuser("INSERT INTO app.audit_leaves VALUES (%s, 4, gen_random_uuid(), '\\x00')", logged[0])
    assert {Kind.ENTRY_MISSING, Kind.CHECKPOINT_DIFFERS, Kind.LEAF_UNSIGNED} <= kept.kinds()


def test_leaves_after_the_newest_checkpoint(kept, logged, superuser):
    superuser("INSERT INTO app.audit_leaves VALUES (%s, 9, gen_random_uuid(), '\\x00')", logged[0])
    assert kept.kinds() == {Kind.ENTRY_MISSING, Kind.LEAF_UNSIGNED}


def test_an_entry_sequenced_twice(kept, logged, superuser):
    statement = "INSERT INTO registry.audit_waiting SELECT tenant_id, at, entry_id, leaf_hash FROM app.audit_entries"
    superuser(f"{statement} WHERE {NTH}", logged[0], 2)
    kept.sequence()
    assert [found.kind for found in kept.verify().findings] == [Kind.ENTRY_TWICE]


def test_edit_before_it_has_its_place(kept, logged, superuser):
    kept.write(logged[0], 1)
    superuser("UPDATE app.audit_entries SET target = 'issue/0' WHERE at = %s", kept.now)
    assert kept.kinds() == {Kind.ENTRY_ALTERED}
    kept.sequence()
    assert kept.kinds() == {Kind.ENTRY_ALTERED}


def test_delete_before_it_has_its_place(kept, logged, superuser):
    kept.write(logged[0], 1)
    superuser("DELETE FROM app.audit_entries WHERE at = %s", kept.now)
    assert kept.kinds() == {Kind.ENTRY_MISSING}
    kept.sequence()
    assert kept.kinds() == {Kind.ENTRY_MISSING}


def test_take_it_out_of_the_queue_before_it_has_its_place(kept, logged, superuser):
    kept.write(logged[0], 1)
    superuser("DELETE FROM registry.audit_waiting")
    assert kept.kinds() == {Kind.ENTRY_STRAY}


def test_delete_a_checkpoint(kept, logged, superuser):
    superuser("DELETE FROM app.audit_checkpoints WHERE tenant_id = %s AND size = 4", logged[0])
    assert kept.kinds() == {Kind.CHECKPOINT_MISSING}


def test_add_a_checkpoint(kept, logged, superuser):
    statement = "INSERT INTO app.audit_checkpoints SELECT tenant_id, 5, note, frontier FROM app.audit_checkpoints"
    superuser(f"{statement} WHERE tenant_id = %s AND size = 4", logged[0])
    assert kept.kinds() == {Kind.CHECKPOINT_DIFFERS, Kind.CHECKPOINT_NOT_ANCHORED}


def test_another_tenants_checkpoint_in_the_place_of_ones_own(kept, logged, superuser):
    statement = """UPDATE app.audit_checkpoints SET note = (SELECT note FROM app.audit_checkpoints
        WHERE tenant_id = %s AND size = 1) WHERE tenant_id = %s AND size = 1"""
    superuser(statement, logged[1], logged[0])
    assert kept.kinds() == {Kind.CHECKPOINT_NOT_OURS}


def test_edit_what_the_log_is_continued_from(kept, logged, superuser):
    superuser("UPDATE app.audit_checkpoints SET frontier = set_byte(frontier, 0, get_byte(frontier, 0) # 1)")
    assert kept.kinds() == {Kind.CHECKPOINT_DIFFERS}


def test_damage_what_the_tree_of_checkpoints_is_continued_from(kept, logged, superuser):
    superuser("UPDATE registry.audit_anchor_heads SET frontier = ''")
    assert kept.kinds() == {Kind.ANCHOR_LOST}


def test_cut_the_anchor(kept, logged):
    first, *_ = kept.anchor_file.read_text().splitlines(keepends=True)
    kept.anchor_file.write_text(first)
    assert kept.kinds() == {Kind.ANCHOR_LOST}


def test_remove_the_anchor(kept, logged):
    kept.anchor_file.unlink()
    assert kept.kinds() == {Kind.ANCHOR_LOST}


def test_a_small_note_of_another_tree_behind_larger_ones(kept, logged):
    key = CheckpointKeyFile(kept.key_file)
    other = CompactRange()
    other.append(bytes(32))
    AnchorFile(kept.anchor_file).append(key.sign(Checkpoint(anchor_origin(key.name), other.size, other.root())))
    assert kept.kinds() == {Kind.ANCHOR_DIFFERS}


def test_edit_the_anchor(kept, logged):
    AnchorFile(kept.anchor_file).append(json.dumps("no note"))
    assert kept.kinds() == {Kind.ANCHOR_NOT_OURS}


def test_thousands_of_findings_are_counted_and_some_are_told(kept, logged, superuser):
    kept.write(logged[1], SHOWN + 5)
    kept.sequence()
    superuser("UPDATE app.audit_entries SET actor = 'operator' WHERE tenant_id = %s", logged[1])
    report = kept.verify()
    assert len(report.findings) == SHOWN
    assert report.counts[logged[1], Kind.ENTRY_ALTERED] == SHOWN + 8


@pytest.fixture
def person(kept, keyring_file):
    """`person(tenant)`: what an entry says about somebody, sealed under a data key of their own."""
    door = Door.from_keyring_file(keyring_file)

    def about(tenant):
        subject = uuid4()
        place = SecretPlace(tenant, Purpose.AUDIT_PERSON, str(subject), 1)
        key = door.new_data_key(tenant, Purpose.AUDIT_PERSON)
        sealed = door.seal(Secret('{"account": "5b10ac8d82e05b22cc7d4ef5"}'), place=place, data_key=key)
        return PersonalPart(subject, sealed.envelope)

    return about


def test_edit_personal_part(kept, logged, superuser, person):
    kept.write(logged[0], 1, person=person(logged[0]))
    kept.sequence()
    assert kept.kinds() == set()
    superuser("UPDATE app.audit_persons SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)")
    assert kept.kinds() == {Kind.PERSON_ALTERED}


def test_edit_personal_part_and_its_commitment(kept, logged, superuser, person):
    kept.write(logged[0], 1, person=person(logged[0]))
    kept.sequence()
    superuser("UPDATE app.audit_entries SET commitment = '\\x00' WHERE commitment IS NOT NULL")
    assert Kind.ENTRY_ALTERED in kept.kinds()


def test_attach_a_personal_part_to_an_entry_that_had_none(kept, logged, superuser):
    row = "SELECT tenant_id, entry_id, entry_id, '', '' FROM app.audit_entries"
    superuser(f"INSERT INTO app.audit_persons {row} WHERE {NTH}", logged[0], 1)
    assert kept.kinds() == {Kind.PERSON_ALTERED}


def test_erasing_a_person_is_no_finding(kept, logged, person):
    """The one change that is allowed: before and after the entry has its place, every proof stays."""
    one, other = person(logged[0]), person(logged[0])
    kept.write(logged[0], 2, person=one)
    kept.write(logged[0], 1, person=other)
    kept.sequence()
    kept.write(logged[0], 1, person=one)
    assert kept.log().sequencing.forget_person(logged[0], one.subject, actor="operator") == 3
    kept.sequence()
    assert kept.kinds() == set()
    assert kept.database.rows("SELECT subject FROM app.audit_persons") == [(other.subject,)]
    [(detail, actor)] = kept.database.rows("SELECT detail, actor FROM app.audit_entries WHERE action = 'person.erased'")
    assert (detail, actor) == ({"entries": 3}, "operator")
    assert kept.log().sequencing.forget_person(logged[0], one.subject, actor="operator") == 0


def test_a_log_longer_than_a_page_is_verified_whole(kept, superuser):
    tenant = kept.tenant()
    entry = "SELECT tenant_id, gen_random_uuid(), at, action, actor, target, detail, leaf_hash FROM app.audit_entries"
    superuser(f"INSERT INTO app.audit_entries {entry}, generate_series(1, 2 * %s) LIMIT 2 * %s", SLICE, SLICE)
    query = "SELECT entry_id, at, action, actor, target, detail FROM app.audit_entries"
    with psycopg.connect(kept.database.superuser) as connection:
        rows = connection.execute(query).fetchall()
        leaves = [(leaf_hash(stored(row), tenant=tenant, entry=row[0], at=row[1]), row[0]) for row in rows]
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE app.audit_entries SET leaf_hash = %s WHERE entry_id = %s", leaves)
            cursor.execute("DELETE FROM registry.audit_waiting")
    assert kept.log().sequencing.adopt(tenant) == 2 * SLICE + 1
    kept.sequence()
    report = kept.verify()
    assert (report.findings, report.sizes[tenant]) == ([], 2 * SLICE + 2)
