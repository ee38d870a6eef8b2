"""The door: what it checks and signs, how long it keeps a secret open, and re-wrapping."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import jwt
import pytest

from app.domain.identifiers import TenantId
from app.domain.secrets import Purpose, Sealed, Secret, SecretPlace
from app.protocol.connect_qsh import query_hash
from app.protocol.refusals import ContextTokenRequired, KeyTooShort, QshWrong, SignatureWrong, TokenExpired
from app.vault.administration import retire, rotate
from app.vault.door import Door, SecretDoesNotOpen

SECRETS = ["first-shared-secret-of-the-installation-0001", "second-shared-secret-of-the-installation-02"]


# -- checking and signing ------------------------------------------------------------------------------------------


def test_a_token_signed_with_the_secret_is_admitted(shelf, check, token):
    assert check(token(SECRETS[0]), shelf.put(SECRETS[0])).client_key == "jira:1f0c"


def test_a_context_token_is_admitted_only_where_one_is_asked_for(shelf, check, token):
    place = shelf.put(SECRETS[0])
    assert check(token(SECRETS[0], qsh="context-qsh"), place, mode="context").client_key == "jira:1f0c"
    with pytest.raises(ContextTokenRequired):
        check(token(SECRETS[0]), place, mode="context")


def test_during_a_rotation_both_secrets_are_admitted_newest_first(shelf, check, token):
    old, new = shelf.put(SECRETS[0], version=1), shelf.put(SECRETS[1], version=2)
    assert check(token(SECRETS[1]), new, old)
    assert shelf.fetched == [new]
    assert check(token(SECRETS[0]), new, old)
    assert shelf.fetched == [new, old]


def test_after_a_rotation_the_former_secret_is_refused(shelf, check, token):
    shelf.put(SECRETS[0], version=1)
    with pytest.raises(SignatureWrong):
        check(token(SECRETS[0]), shelf.put(SECRETS[1], version=2))


def test_a_token_that_no_secret_signed_is_refused(shelf, check, token):
    places = [shelf.put(secret, version=version) for version, secret in enumerate(SECRETS)]
    with pytest.raises(SignatureWrong):
        check(token("another-secret-of-nobody-we-know-000000003"), *places)


def test_without_any_secret_no_token_is_admitted(check, token):
    with pytest.raises(SignatureWrong):
        check(token(SECRETS[0]))


@pytest.mark.parametrize(
    ("changes", "refused_as"),
    [({"at": datetime.fromisoformat("2026-11-22T08:00:00Z")}, TokenExpired), ({"qsh": "0" * 64}, QshWrong)],
)
def test_only_a_signature_that_does_not_fit_moves_on_to_the_next_secret(shelf, check, token, changes, refused_as):
    old, new = shelf.put(SECRETS[0], version=1), shelf.put(SECRETS[1], version=2)
    with pytest.raises(refused_as):
        check(token(SECRETS[1], **changes), new, old)
    assert shelf.fetched == [new]


def test_a_secret_that_does_not_open_is_never_passed_over_for_an_older_one(shelf, check, token):
    """Or else damaging one row would bring a revoked secret back to life."""
    old, new = shelf.put(SECRETS[0], version=1), shelf.put(SECRETS[1], version=2)
    shelf.rows[new] = replace(shelf.rows[new], envelope=b"\x01")
    with pytest.raises(SecretDoesNotOpen):
        check(token(SECRETS[0]), new, old)


def test_a_token_of_ours_verifies_with_the_secret_of_the_site(shelf, sign, now):
    claims = jwt.decode(
        sign(shelf.put(SECRETS[0])),
        SECRETS[0],
        algorithms=["HS256"],
        audience="jira:1f0c",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["iss"] == "io.pledge.app"
    assert claims["qsh"] == query_hash("GET", "/rest/api/3/issue/10042", base_path="")


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.CONNECT_SECRET])
def test_a_secret_of_another_purpose_neither_checks_nor_signs(shelf, check, sign, token, purpose):
    place = SecretPlace(TenantId(3), purpose, "7", 1)
    data_key = shelf.door.new_data_key(place.tenant, purpose)
    shelf.rows[place] = shelf.door.seal(Secret(SECRETS[0]), place=place, data_key=data_key)
    with pytest.raises(ValueError, match=f"a {purpose} signs no Connect token"):
        check(token(SECRETS[0]), place)
    with pytest.raises(ValueError, match=f"a {purpose} signs no Connect token"):
        sign(place)
    assert shelf.fetched == []


# -- how long, how often -------------------------------------------------------------------------------------------


def test_a_warm_request_asks_the_database_for_nothing(shelf, check, sign, token):
    place = shelf.put(SECRETS[0])
    for _ in range(5):
        check(token(SECRETS[0]), place)
        sign(place)
    assert shelf.fetched == [place]


def test_after_a_minute_the_database_is_asked_again(shelf, check, token, clock, now):
    place = shelf.put(SECRETS[0])
    check(token(SECRETS[0]), place)
    clock.seconds += 60
    check(token(SECRETS[0]), place)
    assert shelf.fetched == [place, place]


def test_time_in_the_token_does_not_keep_a_secret_open(shelf, check, token, clock, now):
    """`now` is wall time and may step back; only the monotonic clock counts."""
    place = shelf.put(SECRETS[0])
    check(token(SECRETS[0]), place)
    clock.seconds += 60
    check(token(SECRETS[0], at=now - timedelta(hours=1)), place, now=now - timedelta(hours=1))
    assert shelf.fetched == [place, place]


def test_more_secrets_than_the_bound_are_not_kept(shelf, check, token, clock):
    shelf.door = Door(shelf.door._keyring, monotonic=clock, capacity=5)
    places = [shelf.put(SECRETS[0], row=str(row)) for row in range(20)]
    for place in places:
        check(token(SECRETS[0]), place)
    assert len(shelf.door._opened) == 5


def test_opens_are_counted_by_tenant_and_purpose_and_handed_over_once(shelf, check, token, clock):
    three = [shelf.put(SECRETS[0], tenant=3, version=version) for version in (1, 2)]
    four = shelf.put(SECRETS[1], tenant=4)
    for _ in range(3):
        check(token(SECRETS[0]), three[0])
        check(token(SECRETS[0]), three[1])
        check(token(SECRETS[1]), four)
    assert shelf.door.take_open_counts() == {
        (TenantId(3), Purpose.CONNECT_SECRET): 2,
        (TenantId(4), Purpose.CONNECT_SECRET): 1,
    }
    assert shelf.door.take_open_counts() == {}


def test_many_threads_check_many_tenants_and_every_open_is_counted(shelf, check, token, now):
    places = [shelf.put(f"shared-secret-of-tenant-{tenant:012}", tenant=tenant) for tenant in range(10)]
    tokens = [token(f"shared-secret-of-tenant-{tenant:012}") for tenant in range(10)]
    counts: Counter = Counter()

    def work(start: int) -> int:
        wrong = 0
        for step in range(100):
            tenant = (start + step) % 10
            check(tokens[tenant], places[tenant])
            try:
                check(tokens[tenant], places[tenant - 1])
                wrong += 1
            except SignatureWrong:
                pass
            if step % 10 == 0:
                counts.update(shelf.door.take_open_counts())
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0
    counts.update(shelf.door.take_open_counts())
    assert sum(counts.values()) == len(shelf.fetched)
    assert len(shelf.fetched) <= 8 * 10


def test_a_slow_database_read_for_one_tenant_delays_no_other(shelf, check, token):
    slow, fast = shelf.put(SECRETS[0], tenant=3), shelf.put(SECRETS[1], tenant=4)

    def fetch_slowly(place: SecretPlace) -> Sealed:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(check, token(SECRETS[1]), fast).result(timeout=10)
        return shelf.fetch(place)

    assert check(token(SECRETS[0]), slow, fetch=fetch_slowly)


# -- re-wrapping ---------------------------------------------------------------------------------------------------


def test_resealing_wraps_the_same_data_key_under_the_new_primary(shelf, check, token, keyring_path, now, clock):
    place = shelf.put(SECRETS[0])
    before = shelf.rows[place]
    rotate(keyring_path, purpose=Purpose.CONNECT_SECRET, now=now)
    after = shelf.door.reseal(before)
    assert after.kek_id == shelf.door.status().primaries[Purpose.CONNECT_SECRET].kek_id != before.data_key.kek_id
    assert replace(after, kek_id=before.data_key.kek_id, wrapped=before.data_key.wrapped) == before.data_key
    retire(keyring_path, before.data_key.kek_id)
    shelf.rows[place] = replace(before, data_key=after)
    assert check(token(SECRETS[0]), place)


def test_resealing_takes_a_data_key_without_any_envelope(door, keyring_path, now):
    data_key = door.new_data_key(TenantId(3), Purpose.AUDIT_PERSON)
    rotate(keyring_path, purpose="all", now=now)
    assert door.reseal(data_key).key_id == data_key.key_id


def test_what_is_under_the_primary_already_comes_back_unchanged(shelf):
    sealed = shelf.rows[shelf.put(SECRETS[0])]
    assert shelf.door.reseal(sealed) is sealed.data_key


def test_resealing_does_not_launder_a_stolen_data_key(shelf, keyring_path, now):
    stolen = replace(shelf.rows[shelf.put(SECRETS[0], tenant=4)].data_key, tenant=TenantId(3))
    rotate(keyring_path, purpose="all", now=now)
    with pytest.raises(SecretDoesNotOpen):
        shelf.door.reseal(stolen)


def test_the_status_names_purposes_primaries_and_ages(keyring_path, door, now):
    rotate(keyring_path, purpose=Purpose.CONNECT_SECRET, now=now + timedelta(days=30))
    status = door.status()
    assert status.purposes == set(Purpose)
    ages = {purpose: key.age_days(now + timedelta(days=31)) for purpose, key in status.primaries.items()}
    assert ages == {**dict.fromkeys(Purpose, 31), Purpose.CONNECT_SECRET: 1}
    assert len(status.keys) == len(Purpose) + 1
    assert status.flaw is None
    keyring_path.unlink()
    assert "does not exist" in str(door.status().flaw)


def test_a_secret_too_short_to_prove_anything_is_refused_at_the_door(shelf, check, sign, token):
    place = shelf.put("short")
    with pytest.raises(KeyTooShort):
        check(token(SECRETS[0]), place)
    with pytest.raises(KeyTooShort):
        sign(place)
