"""The key that signs checkpoints: one file, for its owner only, and no text ever shows it."""

import base64
import re
import stat

import pytest

from app.domain.audit.merkle import EMPTY_ROOT
from app.domain.audit.note import Checkpoint, opened
from app.vault.checkpoint_key import CheckpointKeyFile, CheckpointKeyUnusable, create_checkpoint_key

NAME = "app.example.com/audit"
# golang.org/x/mod/sumdb/note, example of Sign
EXAMPLE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
EXAMPLE_PUBLIC = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "signing.key"


@pytest.fixture
def write(path):
    def write(text, mode=0o600):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def refusal(path):
    with pytest.raises(CheckpointKeyUnusable) as refused:
        CheckpointKeyFile(path)
    return str(refused.value)


def test_a_new_key_signs_what_its_public_key_verifies(path):
    shown = create_checkpoint_key(path, name=NAME)
    assert re.fullmatch(rf"{NAME}\+[0-9a-f]{{8}}\+[A-Za-z0-9+/]{{44}}", shown)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = CheckpointKeyFile(path)
    checkpoint = Checkpoint(f"{NAME}/tenant/3", 1, EMPTY_ROOT)
    assert opened(key.sign(checkpoint), origin=checkpoint.origin, trusted=key.trusted) == checkpoint
    assert base64.b64decode(shown.split("+", 2)[2])[1:] == key.trusted[0]


def test_two_keys_are_never_the_same(tmp_path):
    shown = {create_checkpoint_key(tmp_path / str(number), name=NAME) for number in range(3)}
    assert len(shown) == 3


def test_a_key_in_the_form_of_gos_note_package_is_read(write):
    key = CheckpointKeyFile(write(f"{EXAMPLE}\n"))
    assert (key.name, key.trusted) == ("PeterNeumann", (EXAMPLE_PUBLIC,))


def test_a_key_that_was_replaced_goes_on_being_believed(path, tmp_path, write):
    old = create_checkpoint_key(tmp_path / "old", name=NAME)
    create_checkpoint_key(path, name=NAME)
    write(path.read_text() + old + "\n")
    key, before = CheckpointKeyFile(path), CheckpointKeyFile(tmp_path / "old")
    assert key.trusted[1:] == before.trusted
    checkpoint = Checkpoint(f"{NAME}/anchor", 1, EMPTY_ROOT)
    assert opened(before.sign(checkpoint), origin=checkpoint.origin, trusted=key.trusted) == checkpoint


def test_an_existing_file_is_never_written_over(write):
    path = write("precious")
    with pytest.raises(CheckpointKeyUnusable, match="left as it is"):
        create_checkpoint_key(path, name=NAME)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["", "two words", "a+b"])
def test_a_name_that_no_log_may_have_is_refused(path, name):
    with pytest.raises(CheckpointKeyUnusable, match="is no name"):
        create_checkpoint_key(path, name=name)
    assert not path.exists()


def test_a_missing_key_says_how_to_make_one(path):
    assert "pledge audit init" in refusal(path)
    assert "PLEDGE_AUDIT_SIGNING_KEY_FILE" in refusal(path)


def test_a_key_that_others_can_read_is_refused(write):
    assert "chmod 600" in refusal(write(f"{EXAMPLE}\n", mode=0o640))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin"),
        (EXAMPLE.removeprefix("PRIVATE+KEY+"), "does not begin"),
        (EXAMPLE.replace("c74f20a3", "c74f20a4"), "not the one that its id names"),
        (EXAMPLE.replace("PeterNeumann", "PeterNewmann"), "not the one that its id names"),
        (EXAMPLE[:-4], "no Ed25519 key"),
        (EXAMPLE.replace("AYEK", "AoEK"), "no Ed25519 key"),
        (EXAMPLE + "\n?", "no Ed25519 key"),
        (EXAMPLE + "\nname+id+***", "no key"),
        ("PRIVATE+KEY+", "no Ed25519 key"),
        ("PRIVATE+KEY+\ufffd\x00", "no Ed25519 key"),
    ],
)
def test_a_file_that_is_no_key_is_refused_and_none_of_it_is_shown(write, text, why):
    told = refusal(write(text))
    assert why in told
    assert "AYEKFALV" not in told


def test_a_folder_in_its_place_is_refused(tmp_path):
    assert "is not a file" in refusal(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointKeyUnusable, match="cannot be written"):
        create_checkpoint_key(tmp_path / "file" / "folder" / "key", name=NAME)


def test_no_text_about_a_key_shows_it(path):
    create_checkpoint_key(path, name=NAME)
    raw = path.read_text().split("+", 4)[-1].strip()  # base64 may hold more of them
    key = CheckpointKeyFile(path)
    assert raw not in repr(key) + str(vars(key))
