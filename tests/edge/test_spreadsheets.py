"""CSV comes back from a reader as it went in, and no cell of it is a formula to a spreadsheet."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.edge.spreadsheets import csv_of

# What a CSV file holds is Unicode; half a surrogate pair is none.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CELLS = st.none() | st.integers() | TEXTS | st.builds(str.__add__, st.sampled_from("=+-@\t\r\n'\","), TEXTS)
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@given(st.lists(st.lists(CELLS, min_size=2, max_size=5), max_size=5))
def test_every_cell_is_what_it_was_or_has_an_apostrophe_before_it(rows):
    header, *found = read(csv_of(["a", "b"], rows))
    assert header == ["a", "b"]
    wanted = [["" if cell is None else str(cell) for cell in row] for row in rows]
    assert found == [[f"'{cell}" if cell.startswith(DANGEROUS) else cell for cell in row] for row in wanted]


@given(st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=5))
def test_no_cell_begins_like_a_formula(rows):
    assert not any(cell.startswith(DANGEROUS) for row in read(csv_of(["a"], rows)) for cell in row)


@pytest.mark.parametrize(
    "attack", ['=HYPERLINK("https://example.com")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1"]
)
def test_a_resolution_that_is_a_formula_is_a_text(attack):
    assert read(csv_of(["reason"], [[attack]]))[1] == [f"'{attack}"]


def test_lines_end_as_rfc_4180_says():
    assert csv_of(["a", "b"], [["x,y", 'z"']]) == 'a,b\r\n"x,y","z"""\r\n'
