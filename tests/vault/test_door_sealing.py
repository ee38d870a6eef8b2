"""The door: what it seals, and what changed, moved or lost envelopes do to it."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identifiers import TenantId
from app.domain.secrets import Purpose, Sealed, Secret, SecretPlace, VaultCannotAnswer
from app.vault.administration import create_keyring, retire, rotate
from app.vault.door import Door, KeyringUnusable, PurposeNotHeld, SecretDoesNotOpen, SecretNotSealable

SECRETS = ["first-shared-secret-of-the-installation-0001", "second-shared-secret-of-the-installation-02"]


@pytest.fixture(scope="module")
def door_of_module(tmp_path_factory) -> Door:
    path = tmp_path_factory.mktemp("vault") / "keyring.json"
    create_keyring(path, now=datetime.fromisoformat("2026-11-22T09:00:00Z"))
    return Door.from_keyring_file(path)


@given(text=st.text(min_size=1), row=st.text(), version=st.integers(), tenant=st.integers())
def test_what_is_sealed_opens_at_its_place_only(door_of_module, text, row, version, tenant):
    door = door_of_module
    place = SecretPlace(TenantId(tenant), Purpose.OAUTH_TOKEN, row, version)
    sealed = door.seal(Secret(text), place=place, data_key=door.new_data_key(place.tenant, place.purpose))
    assert sealed.place == place
    assert door._open(place, sealed).reveal().decode() == text
    with pytest.raises(SecretDoesNotOpen):
        door._open(replace(place, version=version + 1), sealed)


@pytest.mark.parametrize("text", ["", "\ud800", "a" * 40 + "\udfff"])
def test_a_secret_that_is_no_text_is_not_sealed_and_not_shown(door, text, report):
    place = SecretPlace(TenantId(3), Purpose.CONNECT_SECRET, "7", 1)
    data_key = door.new_data_key(place.tenant, place.purpose)
    with pytest.raises(SecretNotSealable) as refusal:
        door.seal(Secret(text), place=place, data_key=data_key)
    assert "aaaa" not in report(refusal.value)


def test_the_same_secret_sealed_twice_gives_different_envelopes(shelf):
    place = shelf.put(SECRETS[0])
    again = shelf.door.seal(Secret(SECRETS[0]), place=place, data_key=shelf.rows[place].data_key)
    assert again.envelope != shelf.rows[place].envelope


def test_a_data_key_of_another_tenant_seals_nothing(door):
    data_key = door.new_data_key(TenantId(4), Purpose.CONNECT_SECRET)
    for stolen in (data_key, replace(data_key, tenant=TenantId(3))):
        with pytest.raises(SecretDoesNotOpen):
            door.seal(
                Secret(SECRETS[0]),
                place=SecretPlace(TenantId(3), Purpose.CONNECT_SECRET, "7", 1),
                data_key=stolen,
            )


def test_a_data_key_of_another_purpose_seals_nothing(door):
    data_key = door.new_data_key(TenantId(3), Purpose.OAUTH_TOKEN)
    for stolen in (data_key, replace(data_key, purpose=Purpose.CONNECT_SECRET)):
        with pytest.raises(SecretDoesNotOpen):
            door.seal(
                Secret(SECRETS[0]),
                place=SecretPlace(TenantId(3), Purpose.CONNECT_SECRET, "7", 1),
                data_key=stolen,
            )


def _with_data_key(sealed: Sealed, **changes) -> Sealed:
    return replace(sealed, data_key=replace(sealed.data_key, **changes))


ATTACKS = {
    "the row of another tenant": lambda own, other: other,
    "the row of another tenant, relabelled": lambda own, other: _with_data_key(
        replace(other, place=own.place), tenant=own.place.tenant
    ),
    "another tenant's envelope under the own data key": lambda own, other: replace(own, envelope=other.envelope),
    "the own envelope under another tenant's data key": lambda own, other: replace(own, data_key=other.data_key),
    "a flipped bit": lambda own, other: replace(own, envelope=own.envelope[:-1] + bytes([own.envelope[-1] ^ 1])),
    "cut off": lambda own, other: replace(own, envelope=own.envelope[:-1]),
    "empty": lambda own, other: replace(own, envelope=b""),
    "an unknown format": lambda own, other: replace(own, envelope=b"\x02" + own.envelope[1:]),
    "another key id": lambda own, other: _with_data_key(own, key_id=uuid4()),
    "a lost key-encryption key": lambda own, other: _with_data_key(own, kek_id="connect-secret.00000000"),
    "another wrapped key": lambda own, other: _with_data_key(own, wrapped=other.data_key.wrapped),
    "a wrapped key cut off": lambda own, other: _with_data_key(own, wrapped=own.data_key.wrapped[:20]),
    "a wrapped key of an unknown format": lambda own, other: _with_data_key(
        own, wrapped=b"\x09" + own.data_key.wrapped[1:]
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_secret_that_was_changed_or_moved_checks_and_signs_nothing(shelf, check, sign, token, attack):
    own, other = shelf.put(SECRETS[0], tenant=3), shelf.put(SECRETS[1], tenant=4)
    shelf.rows[own] = ATTACKS[attack](shelf.rows[own], shelf.rows[other])
    for secret in SECRETS:
        with pytest.raises(SecretDoesNotOpen, match="a connect-secret of tenant 3 does not open"):
            check(token(secret), own)
    with pytest.raises(SecretDoesNotOpen):
        sign(own)
    assert shelf.door.take_open_counts() == {}


@pytest.mark.parametrize(
    "moved", [{"row": "8"}, {"version": 2}, {"tenant": TenantId(4)}], ids=["row", "version", "tenant"]
)
def test_a_row_copied_to_another_place_does_not_open_there(shelf, check, token, moved):
    """The thief of a database writes an envelope that he can use over one that he cannot."""
    own = shelf.put(SECRETS[0])
    target = replace(own, **moved)
    shelf.rows[target] = replace(shelf.rows[own], place=target)
    with pytest.raises(SecretDoesNotOpen):
        check(token(SECRETS[0]), target)


def test_an_older_envelope_played_again_does_not_open_as_the_newer_version(shelf, check, token):
    old, new = shelf.put(SECRETS[0], version=1), shelf.put(SECRETS[1], version=2)
    shelf.rows[new] = replace(shelf.rows[new], envelope=shelf.rows[old].envelope)
    with pytest.raises(SecretDoesNotOpen):
        check(token(SECRETS[0]), new)


def test_a_retired_key_opens_no_secret(shelf, check, token, keyring_path, now):
    place = shelf.put(SECRETS[0])
    rotate(keyring_path, purpose=Purpose.CONNECT_SECRET, now=now)
    retire(keyring_path, shelf.rows[place].data_key.kek_id)
    with pytest.raises(SecretDoesNotOpen):
        check(token(SECRETS[0]), place)


def test_a_purpose_that_this_process_does_not_hold_is_said(keyring_path, shelf, check, token, now):
    place = shelf.put(SECRETS[0])
    door = Door.from_keyring_file(keyring_path, purposes=[Purpose.OAUTH_TOKEN])
    with pytest.raises(PurposeNotHeld):
        door.new_data_key(TenantId(3), Purpose.CONNECT_SECRET)
    with pytest.raises(PurposeNotHeld):
        door.reseal(shelf.rows[place])
    shelf.door = door
    with pytest.raises(PurposeNotHeld):
        check(token(SECRETS[0]), place)


def test_what_the_vault_cannot_answer_is_one_kind_of_error_for_those_who_may_not_import_it():
    assert issubclass(SecretDoesNotOpen, VaultCannotAnswer)
    assert issubclass(PurposeNotHeld, VaultCannotAnswer)


def test_a_door_without_a_keyring_is_not_built(tmp_path):
    with pytest.raises(KeyringUnusable, match="PLEDGE_KEYRING_FILE"):
        Door.from_keyring_file(tmp_path / "none.json")
