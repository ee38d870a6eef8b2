"""The keyring is a port: a key service that keeps its keys to itself takes the file's place, the door stays."""

import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.domain.identifiers import TenantId
from app.domain.secrets import Purpose, Secret, SecretPlace
from app.vault._cipher import DoesNotDecrypt, Plain, associated, close, disclose
from app.vault._keyring import FileKeyring, KekNotHeld, Keyring, PurposeNotHeld
from app.vault._keyring_file import KeyFacts, KeyState
from app.vault.administration import create_keyring, retire, rotate
from app.vault.door import Door, SecretDoesNotOpen

CONNECT = Purpose.CONNECT_SECRET
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class KeyService:
    """Stands for a key management service: keys never leave it, it answers by name and checks the context itself."""

    def __init__(self):
        self._root = secrets.token_bytes(32)
        self._names = {purpose: [f"arn:example:{purpose}/1"] for purpose in Purpose}

    def _key(self, name):
        return Plain(hmac.digest(self._root, name.encode(), hashlib.sha256))

    def facts(self):
        return tuple(
            KeyFacts(name, purpose, KeyState.PRIMARY if name == names[-1] else KeyState.LIVE, NOW)
            for purpose, names in self._names.items()
            for name in names
        )

    def flaw(self):
        return None

    def primary(self, purpose):
        if purpose not in self._names:
            raise PurposeNotHeld(purpose)
        return self._names[purpose][-1]

    def wrap(self, purpose, *, data_key, binding):
        name = self.primary(purpose)
        return name, close(data_key, key=self._key(name), bound_to=binding + associated(name))

    def unwrap(self, purpose, *, kek_id, wrapped, binding):
        self.primary(purpose)
        if kek_id not in self._names[purpose]:
            raise KekNotHeld
        return disclose(wrapped, key=self._key(kek_id), bound_to=binding + associated(kek_id))

    def rotate(self):
        for purpose, names in self._names.items():
            names.append(f"arn:example:{purpose}/{len(names) + 1}")

    def retire(self, kek_id):
        for names in self._names.values():
            if kek_id in names:
                names.remove(kek_id)

    def without(self, purpose):
        del self._names[purpose]


class InAFile(FileKeyring):
    """The file, with the same steps of its operator."""

    def __init__(self, path):
        self._file = path
        create_keyring(path, now=NOW)
        super().__init__(path)

    def rotate(self):
        rotate(self._file, purpose="all", now=NOW)

    def retire(self, kek_id):
        retire(self._file, kek_id)

    def without(self, purpose):
        self._purposes = set(Purpose) - {purpose}
        self._stamp = None


@pytest.fixture(params=["file", "service"])
def keyring(request, tmp_path) -> Keyring:
    return InAFile(tmp_path / "keyring.json") if request.param == "file" else KeyService()


@pytest.fixture
def service_door(keyring):
    return Door(keyring)


def sealed_in(door, purpose=CONNECT):
    place = SecretPlace(TenantId(3), purpose, "7", 1)
    secret = Secret("a-shared-secret-of-forty-characters-0001")
    return door.seal(secret, place=place, data_key=door.new_data_key(place.tenant, purpose))


def bearer(door, sealed):
    """What the door puts on a request."""
    headers: dict[str, str] = {}
    door.stamp(headers, place=sealed.place, fetch=lambda _: sealed)
    return headers["Authorization"]


def test_an_address_is_put_on_a_message_and_nothing_else_is(service_door):
    sealed = sealed_in(service_door, Purpose.MAIL_ADDRESS)
    fields: dict[str, str] = {}
    service_door.put_address(fields, place=sealed.place, fetch=lambda _: sealed)
    assert fields == {"To": "a-shared-secret-of-forty-characters-0001"}
    assert service_door.take_open_counts() == {(sealed.place.tenant, Purpose.MAIL_ADDRESS): 1}
    for purpose in set(Purpose) - {Purpose.MAIL_ADDRESS}:
        other = sealed_in(service_door, purpose)
        with pytest.raises(ValueError, match="no address"):
            service_door.put_address(fields, place=other.place, fetch=lambda _, other=other: other)


def test_a_grants_secret_is_put_into_a_form_and_nothing_else_is(service_door):
    sealed = sealed_in(service_door, Purpose.OAUTH_TOKEN)
    form: dict[str, str] = {}
    service_door.put_in_form(form, "refresh_token", place=sealed.place, fetch=lambda _: sealed)
    assert form == {"refresh_token": "a-shared-secret-of-forty-characters-0001"}
    assert service_door.take_open_counts() == {(sealed.place.tenant, Purpose.OAUTH_TOKEN): 1}
    for purpose in set(Purpose) - {Purpose.OAUTH_TOKEN}:
        other = sealed_in(service_door, purpose)
        with pytest.raises(ValueError, match="into no form"):
            service_door.put_in_form(form, "refresh_token", place=other.place, fetch=lambda _, other=other: other)


def test_a_wrapped_key_opens_with_its_binding_and_purpose_only(keyring):
    data_key = Plain(bytes(range(32)))
    kek_id, wrapped = keyring.wrap(CONNECT, data_key=data_key, binding=b"tenant 3")
    assert kek_id == keyring.primary(CONNECT)
    opened = keyring.unwrap(CONNECT, kek_id=kek_id, wrapped=wrapped, binding=b"tenant 3")
    assert opened.reveal() == data_key.reveal()
    with pytest.raises(DoesNotDecrypt):
        keyring.unwrap(CONNECT, kek_id=kek_id, wrapped=wrapped, binding=b"tenant 4")
    with pytest.raises(KekNotHeld):
        keyring.unwrap(Purpose.OAUTH_TOKEN, kek_id=kek_id, wrapped=wrapped, binding=b"tenant 3")


def test_a_secret_goes_through_a_whole_rotation(keyring, service_door):
    sealed = sealed_in(service_door, Purpose.FORGE_TOKEN)
    former = sealed.data_key.kek_id
    keyring.rotate()
    renewed = service_door.reseal(sealed)
    assert renewed.kek_id == service_door.primaries()[Purpose.FORGE_TOKEN] != former
    keyring.retire(former)
    fresh = Door(keyring)
    assert bearer(fresh, replace(sealed, data_key=renewed)) == "Bearer a-shared-secret-of-forty-characters-0001"
    with pytest.raises(SecretDoesNotOpen):
        bearer(Door(keyring), sealed)


def test_a_proof_tells_the_right_key_from_a_missing_and_a_wrong_one(keyring, service_door):
    proof = service_door.prove(CONNECT)
    assert service_door.faults(needed=Purpose, proofs=[proof]) == ()
    wrong = replace(proof, wrapped=proof.wrapped[:-1] + bytes([proof.wrapped[-1] ^ 1]))
    missing = replace(proof, kek_id="never-seen")
    codes = [fault.code for fault in service_door.faults(needed=(), proofs=[wrong, missing])]
    assert codes == ["keyring_key_wrong", "keyring_key_missing"]


@pytest.mark.parametrize("purpose", [Purpose.OAUTH_TOKEN, Purpose.FORGE_TOKEN])
def test_without_a_purpose_nothing_of_it_opens_and_the_rest_does(keyring, service_door, purpose):
    other = Purpose.FORGE_TOKEN if purpose is Purpose.OAUTH_TOKEN else Purpose.OAUTH_TOKEN
    kept, lost = sealed_in(service_door, other), sealed_in(service_door, purpose)
    keyring.without(purpose)
    door = Door(keyring)
    assert bearer(door, kept)
    for attempt in (
        lambda: bearer(door, lost),
        lambda: door.new_data_key(TenantId(3), purpose),
        lambda: door.reseal(lost),
    ):
        with pytest.raises(PurposeNotHeld, match=f"not given the keys of {purpose}"):
            attempt()
    assert [fault.code for fault in door.faults(needed=[purpose], proofs=())] == ["keyring_lacks_purpose"]


def test_a_proof_is_no_data_key(service_door):
    """Who can write rows cannot pass the one off as the other."""
    proof, sealed = service_door.prove(CONNECT), sealed_in(service_door)
    with pytest.raises(SecretDoesNotOpen):
        service_door.reseal(replace(sealed.data_key, wrapped=proof.wrapped, kek_id="former"))
    with pytest.raises(SecretDoesNotOpen):
        service_door.seal(
            Secret("s" * 40), place=sealed.place, data_key=replace(sealed.data_key, wrapped=proof.wrapped)
        )
