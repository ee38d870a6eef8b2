"""Signed notes: the published example verifies, our own have the published form, and nothing else passes."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.domain.audit.merkle import EMPTY_ROOT
from app.domain.audit.note import Checkpoint, NoteRefused, is_name, key_id, opened, signed, vkey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ORIGIN = "app.example.com/audit/tenant/3"
CHECKPOINT = Checkpoint(ORIGIN, 7, EMPTY_ROOT)


def sign(checkpoint=CHECKPOINT, key=KEY):
    public = key.public_key().public_bytes_raw()
    return signed(
        checkpoint.text, origin=checkpoint.origin, public=public, signature=key.sign(checkpoint.text.encode())
    )


def is_refused(note, *, origin=ORIGIN, trusted=(PUBLIC,)):
    with pytest.raises(NoteRefused):
        opened(note, origin=origin, trusted=trusted)
    return True


NOTE = sign()
# golang.org/x/mod/sumdb/note, example of Open
EXAMPLE_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_the_verifiers_key_of_the_published_example_is_made_alike():
    name, identifier, encoded = EXAMPLE_VKEY.split("+", 2)
    public = base64.b64decode(encoded)[1:]
    assert key_id(name, public).hex() == identifier
    assert vkey(name, public) == EXAMPLE_VKEY


def test_a_checkpoint_is_these_bytes():
    root = base64.b64encode(EMPTY_ROOT).decode()
    line = base64.b64encode(key_id(ORIGIN, PUBLIC) + KEY.sign(CHECKPOINT.text.encode())).decode()
    assert sign() == f"{ORIGIN}\n7\n{root}\n\n\u2014 {ORIGIN} {line}\n"
    assert opened(NOTE, origin=ORIGIN, trusted=[PUBLIC]) == CHECKPOINT


def test_a_witness_may_sign_as_well():
    line = base64.b64encode(b"\x00\x00\x00\x01" + b"s" * 64).decode()
    noted = f"{NOTE}\u2014 witness.example.com {line}\n"
    assert opened(noted, origin=ORIGIN, trusted=[PUBLIC]) == CHECKPOINT


def test_a_key_that_signed_before_is_believed_as_long_as_it_is_listed():
    earlier = OTHER.public_key().public_bytes_raw()
    assert opened(sign(key=OTHER), origin=ORIGIN, trusted=[PUBLIC, earlier]) == CHECKPOINT
    assert is_refused(sign(key=OTHER))


def test_a_note_of_another_log_of_ours_is_refused():
    assert is_refused(sign(replace(CHECKPOINT, origin="app.example.com/audit/tenant/4")))
    stolen = sign(replace(CHECKPOINT, origin="app.example.com/audit/tenant/4"))
    assert is_refused(stolen.replace("tenant/4", "tenant/3"))
    # signed under the right name, about another log
    other = replace(CHECKPOINT, origin="app.example.com/audit/tenant/4")
    line = base64.b64encode(key_id(ORIGIN, PUBLIC) + KEY.sign(other.text.encode())).decode()
    assert is_refused(f"{other.text}\n\u2014 {ORIGIN} {line}\n")


def test_a_wrong_signature_of_our_key_is_refused_beside_a_right_one():
    wrong = base64.b64encode(key_id(ORIGIN, PUBLIC) + b"s" * 64).decode()
    assert is_refused(f"{NOTE}\u2014 {ORIGIN} {wrong}\n")


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n07\n{'A' * 43}=\n",
        f"{ORIGIN}\n-7\n{'A' * 43}=\n",
        f"{ORIGIN}\n+7\n{'A' * 43}=\n",
        f"{ORIGIN}\n 7\n{'A' * 43}=\n",
        f"{ORIGIN}\n7\n{'A' * 42}B=\n",
        f"{ORIGIN}\n7\n{'A' * 40}\n",
        f"{ORIGIN}\n7\n{'A' * 43}=\nextension\n",
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n\u0667\n{'A' * 43}=\n",
    ],
)
def test_a_checkpoint_in_another_form_is_refused_though_it_is_signed(text):
    line = base64.b64encode(key_id(ORIGIN, PUBLIC) + KEY.sign(text.encode())).decode()
    assert is_refused(f"{text}\n\u2014 {ORIGIN} {line}\n")


@given(place=st.integers(0, len(NOTE) - 1), to=st.characters(codec="utf-8"))
def test_a_note_with_any_character_changed_is_refused_or_the_same_note(place, to):
    changed = NOTE[:place] + to + NOTE[place + 1 :]
    try:
        told = opened(changed, origin=ORIGIN, trusted=[PUBLIC])
    except NoteRefused:
        return
    assert told == CHECKPOINT
    # only the spare bits of a base64 line can differ, and they carry nothing
    assert changed.rpartition("\n\n")[0] == NOTE.rpartition("\n\n")[0]


@given(note=st.text(max_size=200))
def test_nonsense_is_refused_and_nothing_else_happens(note):
    assert is_refused(note)
    assert is_refused(f"{CHECKPOINT.text}\n{note}")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\x00b"])
def test_a_name_that_would_not_stand_on_one_line_is_none(name):
    assert not is_name(name)
