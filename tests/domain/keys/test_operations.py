"""Data keys through rotations: nothing is lost, nothing is left behind, nothing is opened without a trace."""

import threading

import psycopg
import pytest

from app.domain.identifiers import HOUSE
from app.domain.keys.operations import KeyStillNeeded, KeyUpkeep, Openings, Rewrapped, own_data_key
from app.domain.ports import DatabaseRefused, DatabaseUnavailable
from app.domain.secrets import Purpose
from app.protocol.refusals import SignatureWrong
from app.vault.administration import create_keyring, retire, rotate
from app.vault.door import Door, SecretDoesNotOpen

CONNECT = Purpose.CONNECT_SECRET
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def keks(database):
    return {kek for (kek,) in database.rows("SELECT DISTINCT kek_id FROM app.data_keys")}


def rewrapped(upkeep, now):
    """The last step of a whole re-wrap."""
    return list(upkeep.rewrap(now))[-1]


def test_every_data_key_of_every_tenant_comes_under_the_new_primary(
    database, install, upkeep, opens, keyring_path, now
):
    sites = [install() for _ in range(3)] + [install(purpose=Purpose.FORGE_TOKEN)]
    former = upkeep.vault.primaries()
    rotate(keyring_path, purpose="all", now=now)
    assert rewrapped(upkeep, now) == Rewrapped(round=2, tenants=4, data_keys=4)
    assert keks(database) == {upkeep.vault.primaries()[purpose] for purpose in (CONNECT, Purpose.FORGE_TOKEN)}
    for kek_id in former.values():
        retire(keyring_path, kek_id, release=lambda kek_id=kek_id: upkeep.release(kek_id))
    for site in sites[:3]:
        assert opens(Door.from_keyring_file(keyring_path), site)


def test_each_re_wrap_is_in_the_audit_log_of_its_tenant(database, install, upkeep, keyring_path, now):
    tenants = [install().tenant for _ in range(2)]
    rotate(keyring_path, purpose=CONNECT, now=now)
    rewrapped(upkeep, now)
    rows = database.rows(
        "SELECT tenant_id, actor, target, detail FROM app.audit_entries WHERE action = 'keys.rewrapped' ORDER BY 1"
    )
    detail = {"data_keys": 1, "under": upkeep.vault.primaries()[CONNECT]}
    assert rows == [(tenant, "operator", f"tenant/{tenant}", detail) for tenant in tenants]


def test_without_anything_to_do_nothing_is_written(database, install, upkeep, now):
    install()
    before = database.rows("SELECT xmin::text, * FROM app.data_keys")
    assert rewrapped(upkeep, now) == Rewrapped(round=1, tenants=1, data_keys=0)
    assert database.rows("SELECT xmin::text, * FROM app.data_keys") == before
    assert database.rows("SELECT 1 FROM app.audit_entries WHERE action = 'keys.rewrapped'") == []


def test_a_re_wrap_that_was_cut_off_goes_on_where_it_stopped(database, install, upkeep, opens, keyring_path, now):
    sites = [install() for _ in range(4)]
    [former] = keks(database)
    rotate(keyring_path, purpose=CONNECT, now=now)
    cut = upkeep.rewrap(now)
    assert [next(cut).data_keys, next(cut).data_keys] == [1, 2]
    cut.close()
    assert keks(database) == {former, upkeep.vault.primaries()[CONNECT]}
    assert rewrapped(upkeep, now).data_keys == 2
    assert keks(database) == {upkeep.vault.primaries()[CONNECT]}
    assert all(opens(Door.from_keyring_file(keyring_path), site) for site in sites)


def test_the_keys_of_our_own_house_are_re_wrapped_and_counted_too(database, web, upkeep, keyring_path, now):
    with web.begin(HOUSE) as uow:
        own_data_key(uow, upkeep.vault, HOUSE, purpose=Purpose.OAUTH_TOKEN, now=now)
        uow._connection.commit()
    [former] = keks(database)
    rotate(keyring_path, purpose=Purpose.OAUTH_TOKEN, now=now)
    with pytest.raises(KeyStillNeeded):
        upkeep.release(former)
    assert rewrapped(upkeep, now) == Rewrapped(round=2, tenants=0, data_keys=1)
    assert keks(database) == {upkeep.vault.primaries()[Purpose.OAUTH_TOKEN]}
    upkeep.release(former)


def test_more_data_keys_than_fit_into_a_transaction_are_all_re_wrapped(
    database, web, install, upkeep, keyring_path, now
):
    """As many as a tenant has whose people each have a key of their own."""
    tenant = install().tenant
    with web.begin(tenant) as uow:
        for _ in range(450):
            uow.tenants.add_data_key(upkeep.vault.new_data_key(tenant, Purpose.AUDIT_PERSON), now)
        uow._connection.commit()
    rotate(keyring_path, purpose="all", now=now)
    assert rewrapped(upkeep, now).data_keys == 451
    assert len(keks(database)) == 2
    assert keks(database) <= set(upkeep.vault.primaries().values())
    counts = database.rows("SELECT detail FROM app.audit_entries WHERE action = 'keys.rewrapped'")
    assert sorted(detail["data_keys"] for (detail,) in counts) == [51, 200, 200]


def test_a_data_key_wrapped_under_the_former_primary_meanwhile_is_waited_for(
    database, install, upkeep, opens, keyring_path, now
):
    """Its transaction began before the rotation and ends after the re-wrap has begun."""
    at_work = threading.Thread(target=lambda: rewrapped(upkeep, now))

    def rotate_meanwhile():
        rotate(keyring_path, purpose=CONNECT, now=now)
        at_work.start()
        while database.rows(WAITING) == [(0,)]:
            assert at_work.is_alive()

    site = install(before_commit=rotate_meanwhile)
    at_work.join(30)
    assert keks(database) == {upkeep.vault.primaries()[CONNECT]}
    assert opens(Door.from_keyring_file(keyring_path), site)


def test_sealing_and_opening_go_on_while_data_keys_are_being_wrapped_anew(
    database, install, web, upkeep, keyring_path, now
):
    """A page holds locks on data keys; a sealed secret refers to one of them and is stored all the same."""
    site = install()
    rotate(keyring_path, purpose=CONNECT, now=now)
    with upkeep.database.begin(site.tenant) as holding:
        [key] = holding.tenants.lock_data_keys(upkeep.vault.primaries(), after=None, limit=10)
        with web.begin(site.tenant) as uow:
            sealed = uow.tenants.sealed(site.place)
            again = type(site.place)(site.tenant, CONNECT, site.place.row, 2)
            uow.tenants.add_sealed(type(sealed)(again, sealed.envelope, key))


def test_a_data_key_that_does_not_open_is_told_and_holds_up_no_other(database, install, upkeep, keyring_path, now):
    broken, sound = install(), install()
    [former] = keks(database)
    database.execute(
        "UPDATE app.data_keys SET wrapped = substring(wrapped FROM 1 FOR 40) WHERE tenant_id = %s", broken.tenant
    )
    rotate(keyring_path, purpose=CONNECT, now=now)
    end = rewrapped(upkeep, now)
    assert (end.data_keys, end.stuck) == (1, {(CONNECT, former): 1})
    assert dict(database.rows("SELECT tenant_id, kek_id FROM app.data_keys")) == {
        broken.tenant: former,
        sound.tenant: upkeep.vault.primaries()[CONNECT],
    }


def test_a_stolen_row_is_not_made_good_by_a_rotation(database, install, upkeep, keyring_path, now):
    """Who can write rows puts another tenant's data key into his own; a re-wrap must not bind it to him."""
    victim, thief = install(), install()
    [former] = keks(database)
    database.execute(
        "UPDATE app.data_keys own SET wrapped = other.wrapped FROM app.data_keys other"
        " WHERE other.tenant_id = %s AND own.tenant_id = %s",
        victim.tenant,
        thief.tenant,
    )
    rotate(keyring_path, purpose=CONNECT, now=now)
    assert rewrapped(upkeep, now).stuck == {(CONNECT, former): 1}


def test_a_purpose_that_the_operator_does_not_hold_is_left_alone(
    database, install, worker, keyring_path, tmp_path, now
):
    install(purpose=Purpose.FORGE_TOKEN)
    [former] = keks(database)
    create_keyring(tmp_path / "other.json", now=now)
    vault = Door.from_keyring_file(tmp_path / "other.json", purposes=[CONNECT])
    assert rewrapped(KeyUpkeep(worker, vault), now) == Rewrapped(round=1, tenants=1, data_keys=0)
    assert keks(database) == {former}


def test_a_key_that_still_wraps_is_not_retired_and_the_count_is_told(database, install, upkeep, keyring_path, now):
    install(), install()
    [former] = keks(database)
    rotate(keyring_path, purpose=CONNECT, now=now)
    before = keyring_path.read_bytes()
    with pytest.raises(KeyStillNeeded, match=f"{former} still wraps 2 data keys; `pledge keys rotate --rewrap-only`"):
        retire(keyring_path, former, release=lambda: upkeep.release(former))
    assert keyring_path.read_bytes() == before
    assert former in {kek for (kek,) in database.rows("SELECT kek_id FROM registry.key_proofs")}


def test_a_retired_key_opens_no_row_of_an_old_backup(database, install, upkeep, opens, keyring_path, now):
    site = install()
    [(wrapped, former)] = database.rows("SELECT wrapped, kek_id FROM app.data_keys")
    rotate(keyring_path, purpose=CONNECT, now=now)
    rewrapped(upkeep, now)
    retire(keyring_path, former, release=lambda: upkeep.release(former))
    database.execute("UPDATE app.data_keys SET wrapped = %s, kek_id = %s", wrapped, former)
    with pytest.raises(SecretDoesNotOpen):
        opens(Door.from_keyring_file(keyring_path), site)


def test_a_key_retired_between_the_read_and_the_use_fails_no_request(
    database, install, upkeep, opens, keyring_path, now, monkeypatch
):
    """The row was read under the former key; by the time it is opened, that key has been retired."""
    site, door = install(), Door.from_keyring_file(keyring_path)
    [former] = keks(database)
    rotate(keyring_path, purpose=CONNECT, now=now)
    unwrap = door._keyring.unwrap

    def late(*arguments, **named):
        if keks(database) == {former}:
            rewrapped(upkeep, now)
            retire(keyring_path, former, release=lambda: upkeep.release(former))
        return unwrap(*arguments, **named)

    monkeypatch.setattr(door._keyring, "unwrap", late)
    assert opens(door, site)


# -- what was opened ----------------------------------------------------------------------------------------------


def entries(database):
    return database.rows(
        "SELECT tenant_id, actor, target, detail FROM app.audit_entries WHERE action = 'secrets.opened' ORDER BY 1"
    )


def test_opened_secrets_are_one_entry_per_tenant_purpose_process_and_minute(database, install, web, opens, door, now):
    sites = [install(), install()]
    openings = Openings(web, door, process="web-1-00")
    for site in (*sites, *sites, sites[0]):
        opens(door, site)
    assert openings.record(now.replace(second=17)) == 2
    assert openings.record(now.replace(minute=1)) == 0
    detail = {"opens": 1, "process": "web-1-00", "minute": "2026-11-22T09:00:00+00:00"}
    assert entries(database) == [(site.tenant, "system", "purpose/connect-secret", detail) for site in sites]


def test_a_strangers_bad_token_writes_nothing(database, install, web, opens, door, now):
    """It makes us open the secret all the same; else anybody could fill the audit log of a site."""
    site = install()
    stranger = type(site)(tenant=site.tenant, place=site.place, secret="a-guess-of-a-stranger-0000000000000000")
    for _ in range(3):
        with pytest.raises(SignatureWrong):
            opens(door, stranger)
    openings = Openings(web, door, process="web-1-00")
    assert openings.record(now) == 0
    opens(door, site)
    assert openings.record(now) == 1
    assert [detail["opens"] for *_, detail in entries(database)] == [1]


def test_what_cannot_be_written_now_is_written_later_under_its_own_minute(database, install, web, opens, door, now):
    sites = [install(), install()]
    openings = Openings(web, door, process="web-1-00")
    for site in sites:
        opens(door, site)
    with psycopg.connect(database.superuser) as holder:
        holder.execute("LOCK TABLE app.audit_entries IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailable):
            openings.record(now)
        holder.rollback()
    assert openings.record(now.replace(minute=7)) == 2
    assert {(tenant, detail["minute"]) for tenant, _, _, detail in entries(database)} == {
        (site.tenant, "2026-11-22T09:00:00+00:00") for site in sites
    }


def test_what_is_refused_now_is_written_later_and_holds_up_no_other_site(database, install, web, opens, door, now):
    """Whatever the reason: a right that is missing is given back, and nothing was forgotten meanwhile."""
    refused, other = install(), install()
    openings = Openings(web, door, process="web-1-00")
    for site in (refused, other):
        opens(door, site)
    name = f"refuse_{refused.tenant}"
    check = f"AS RESTRICTIVE FOR INSERT WITH CHECK (tenant_id <> {refused.tenant})"
    database.execute(f"CREATE POLICY {name} ON app.audit_entries {check}")
    for minute in range(2):
        with pytest.raises(DatabaseRefused):
            openings.record(now.replace(minute=minute))
    assert [tenant for tenant, *_ in entries(database)] == [other.tenant]
    database.execute(f"DROP POLICY {name} ON app.audit_entries")
    assert openings.record(now.replace(minute=7)) == 1
    assert [(tenant, detail["opens"], detail["minute"]) for tenant, _, _, detail in entries(database)] == [
        (site.tenant, 1, "2026-11-22T09:00:00+00:00") for site in (refused, other)
    ]
