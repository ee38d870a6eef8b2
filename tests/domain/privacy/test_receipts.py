"""A receipt is what our key signed, to the letter, and nothing else passes for one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.audit.merkle import HASH_BYTES
from app.domain.audit.note import Checkpoint, NoteRefused, opened
from app.domain.privacy.receipts import (
    ReceiptRefused,
    ageing,
    read_receipt,
    read_vkey,
    receipt_origin,
    receipt_vkey,
    sign_receipt,
)
from app.vault.checkpoint_key import CheckpointKeyFile, create_checkpoint_key

DOCUMENT = {"subject": "tenant/7", "erased": {"app.issues": 3}, "stays": []}


@pytest.fixture(scope="module")
def key(keyring_file):
    return CheckpointKeyFile(Path(keyring_file).with_name("audit-signing.key"))


@pytest.fixture(scope="module")
def published(key):
    """What a reader has: the key as it is published."""
    origin, trusted = read_vkey(receipt_vkey(key))
    return {"origin": origin, "trusted": trusted}


def test_what_was_signed_is_read_with_the_published_key(key, published):
    document = read_receipt(sign_receipt(DOCUMENT, key), **published)
    assert document == DOCUMENT | {"format": "pledge-erasure-receipt-1"}


@given(data=st.data())
def test_a_receipt_in_which_one_letter_was_changed_is_none(key, published, data):
    note = sign_receipt(DOCUMENT, key)
    # Of the text and the signer's name; the last letter of the signature has bits that mean nothing.
    place = data.draw(st.integers(0, note.rindex(" ") - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda each: each != note[place]))
    with pytest.raises(ReceiptRefused):
        read_receipt(note[:place] + letter + note[place + 1 :], **published)


def test_a_receipt_of_another_key_is_none(key, published, tmp_path):
    create_checkpoint_key(tmp_path / "other.key", name=key.name)
    with pytest.raises(ReceiptRefused):
        read_receipt(sign_receipt(DOCUMENT, CheckpointKeyFile(tmp_path / "other.key")), **published)


def test_a_checkpoint_is_no_receipt_and_a_receipt_no_checkpoint(key, published):
    origin = receipt_origin(key.name)
    with pytest.raises(ReceiptRefused):
        read_receipt(key.sign(Checkpoint(origin, 7, bytes(HASH_BYTES))), **published)
    with pytest.raises(NoteRefused):
        opened(sign_receipt(DOCUMENT, key), origin=origin, trusted=key.trusted)


def test_the_key_signs_no_text_that_could_be_a_checkpoint(key):
    checkpoint = Checkpoint(f"{key.name}/tenant/1", 7, bytes(HASH_BYTES))
    with pytest.raises(ValueError, match="JSON object"):
        key.sign_text(checkpoint.text, origin=checkpoint.origin)


def test_what_is_signed_but_is_not_of_this_format_is_refused(key, published):
    origin = receipt_origin(key.name)
    for body in ({}, {"format": "pledge-erasure-receipt-2"}):
        with pytest.raises(ReceiptRefused):
            read_receipt(key.sign_text(f"{origin}\n{json.dumps(body)}\n", origin=origin), **published)


@pytest.mark.parametrize("text", ["", "a+b", "a+00000000+!", "a+00000000+AQ==", "name+0011+aGVsbG8="])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(ValueError, match="no key"):
        read_vkey(text)


def test_what_only_ageing_removes_is_gone_when_the_last_backup_is():
    erased = datetime(2026, 11, 22, tzinfo=UTC)
    told = ageing(erased, backups_kept=timedelta(days=14))
    assert len(told) == 4
    assert {each.to_json()["until"] for each in told} == {"2026-12-06T00:00:00Z"}
