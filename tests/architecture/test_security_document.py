"""SECURITY.md leaves out no item of the standard that applies, and names no test that is not there."""

import csv
import re

import pytest

ITEM = re.compile(r"V\d+\.\d+\.\d+")
FILE = re.compile(r"`((?:tests|app)/[\w./-]+)`")
UNPROVEN = re.compile(r"\b[Nn]ot yet\b|\bnot ours\b|\bno \w+|\bproxy\b|\boperator's\b|\bbelow\b|README\.md")


@pytest.fixture(scope="module")
def document(root):
    return (root / "SECURITY.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def items(root):
    """Level and whether it is conditional, by item, as the standard numbers them."""
    with (root / "tests" / "vectors" / "asvs.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def table(document):
    """The cells of each row that is about one item."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in document.splitlines()]
    return [row for row in rows if ITEM.fullmatch(row[0])]


@pytest.fixture(scope="module")
def without_their_condition(document):
    _, _, end = document.partition("Items with a condition that is not met")
    return ITEM.findall(end)


def test_every_item_that_applies_is_in_the_table_once(items, table, without_their_condition):
    assert len(items) > 190
    named = [row[0] for row in table]
    assert sorted(named + without_their_condition) == sorted(items)
    assert {items[item]["applies"] for item in without_their_condition} == {"conditional"}


def test_every_item_has_its_level_and_a_topic(items, table):
    assert [row[0] for row in table if len(row) != 4 or row[1] != items[row[0]]["level"] or not row[2]] == []


def test_every_item_names_a_test_or_says_why_there_is_none(table):
    silent = [row[0] for row in table if "`tests/" not in row[3] and not UNPROVEN.search(row[3])]
    assert silent == []


def test_every_named_file_is_there(root, document):
    named = set(FILE.findall(document))
    assert len(named) > 30
    assert sorted(name for name in named if not (root / name).exists()) == []


def test_no_sentence_of_the_standard_is_copied(root, document):
    """Its texts are under a licence of their own; ids, levels and section names are all that is here."""
    with (root / "tests" / "vectors" / "asvs.csv").open(encoding="utf-8") as file:
        assert "Verify that" not in file.read() + document
