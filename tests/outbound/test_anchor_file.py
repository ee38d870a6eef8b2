"""The anchor as a file: what was kept comes back, in order, and nothing that was there is ever changed."""

import multiprocessing
import stat

from hypothesis import given
from hypothesis import strategies as st

from app.outbound.anchor_file import AnchorFile


def test_what_was_kept_comes_back_in_order(tmp_path):
    anchor = AnchorFile(tmp_path / "folder" / "anchor.jsonl")
    assert list(anchor.read_back()) == []
    for note in ("one\n\n\u2014 a b\n", "two"):
        anchor.append(note)
    assert list(anchor.read_back()) == ["one\n\n\u2014 a b\n", "two"]
    assert stat.S_IMODE((tmp_path / "folder" / "anchor.jsonl").stat().st_mode) == 0o600


def test_every_append_leaves_what_was_there(tmp_path):
    path, before = tmp_path / "anchor.jsonl", b""
    for number in range(5):
        AnchorFile(path).append(f"note {number}")
        assert path.read_bytes().startswith(before)
        before = path.read_bytes()
    assert len(before.splitlines()) == 5


def test_what_is_appended_while_it_is_read_is_not_read(tmp_path):
    anchor = AnchorFile(tmp_path / "anchor.jsonl")
    anchor.append("one")
    notes = anchor.read_back()
    anchor.append("two")
    assert list(notes) == ["one"]
    assert list(anchor.read_back()) == ["one", "two"]


def test_a_line_torn_by_a_power_cut_and_written_again_is_no_trace(tmp_path):
    path = tmp_path / "anchor.jsonl"
    anchor = AnchorFile(path)
    anchor.append("one")
    anchor.append("two")
    whole = path.read_bytes()
    for end in range(len(whole) // 2, len(whole)):
        path.write_bytes(whole[:end])
        anchor.append("two")
        assert list(anchor.read_back()) in (["one", "two"], ["one", "two", "two"])


def test_a_line_that_somebody_damaged_comes_as_it_is(tmp_path):
    path = tmp_path / "anchor.jsonl"
    anchor = AnchorFile(path)
    anchor.append("one")
    with path.open("ab") as file:
        file.write(b"damaged\n{}\n[1]\n")
    anchor.append("two")
    assert list(anchor.read_back()) == ["one", "damaged", "{}", "[1]", "two"]
    with path.open("ab") as file:
        file.write(b"cut")
    assert list(anchor.read_back())[-1] == "cut"


@given(notes=st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_note_comes_back_as_it_was(tmp_path_factory, notes):
    anchor = AnchorFile(tmp_path_factory.mktemp("anchor") / "anchor.jsonl")
    for note in notes:
        anchor.append(note)
    assert list(anchor.read_back()) == notes


def append_many(path, name):
    for number in range(100):
        AnchorFile(path).append(f"{name} {number}")


def test_processes_that_append_at_once_never_mix_their_lines(tmp_path):
    path = tmp_path / "anchor.jsonl"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=append_many, args=(path, name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(AnchorFile(path).read_back()) == sorted(f"{name} {number}" for name in "ab" for number in range(100))
