"""What envelopes are bound to."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identifiers import TenantId
from app.domain.secrets import Purpose, SecretPlace
from app.vault._cipher import DoesNotDecrypt, Plain
from app.vault._envelope import data_key_binding, seal, secret_binding, unseal

KEY = Plain(bytes(range(7, 39)))
KEY_ID = UUID("7d3f2f9c-54d1-4c64-9f5e-0d6f6c0b2a11")
PLACE = SecretPlace(TenantId(3), Purpose.CONNECT_SECRET, "7", 1)

places = st.builds(SecretPlace, st.integers().map(TenantId), st.sampled_from(Purpose), st.text(), st.integers())


@given(st.binary(), places, st.uuids())
def test_an_envelope_opens_at_its_place(content, place, key_id):
    envelope = seal(Plain(content), place=place, key_id=key_id, data_key=KEY)
    assert unseal(envelope, place=place, key_id=key_id, data_key=KEY).reveal() == content


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param({"tenant": TenantId(4)}, id="another tenant"),
        pytest.param({"purpose": Purpose.OAUTH_TOKEN}, id="another purpose"),
        pytest.param({"row": "8"}, id="another row"),
        pytest.param({"version": 2}, id="another version"),
        pytest.param({"row": "71", "version": 1}, id="digits moved from version to row"),
    ],
)
def test_an_envelope_moved_elsewhere_does_not_open(elsewhere):
    envelope = seal(Plain(b"shared secret"), place=PLACE, key_id=KEY_ID, data_key=KEY)
    with pytest.raises(DoesNotDecrypt):
        unseal(envelope, place=replace(PLACE, **elsewhere), key_id=KEY_ID, data_key=KEY)


def test_an_envelope_under_another_key_id_does_not_open():
    envelope = seal(Plain(b"shared secret"), place=PLACE, key_id=KEY_ID, data_key=KEY)
    with pytest.raises(DoesNotDecrypt):
        unseal(envelope, place=PLACE, key_id=UUID(int=KEY_ID.int + 1), data_key=KEY)


def test_an_envelope_under_another_data_key_does_not_open():
    envelope = seal(Plain(b"shared secret"), place=PLACE, key_id=KEY_ID, data_key=KEY)
    with pytest.raises(DoesNotDecrypt):
        unseal(envelope, place=PLACE, key_id=KEY_ID, data_key=Plain(bytes(range(32))))


@given(st.tuples(places, st.uuids()), st.tuples(places, st.uuids()))
def test_different_places_never_have_the_same_binding(one, other):
    assert (secret_binding(*one) == secret_binding(*other)) == (one == other)


@given(places, st.uuids())
def test_a_wrapped_data_key_is_never_bound_like_a_secret(place, key_id):
    assert not secret_binding(place, key_id).startswith(data_key_binding(place.tenant, place.purpose, key_id))


def test_the_bindings_of_format_1_are_these_bytes():
    """A change here makes every stored envelope unreadable: it needs a new format number."""
    assert secret_binding(PLACE, KEY_ID).hex() == (
        "00000006736563726574"
        "0000000133"
        "0000000e636f6e6e6563742d736563726574"
        "0000002437643366326639632d353464312d346336342d396635652d306436663663306232613131"
        "0000000137"
        "0000000131"
    )
    assert data_key_binding(PLACE.tenant, PLACE.purpose, KEY_ID).hex() == (
        "0000000864617461206b6579"
        "0000000133"
        "0000000e636f6e6e6563742d736563726574"
        "0000002437643366326639632d353464312d346336342d396635652d306436663663306232613131"
    )
