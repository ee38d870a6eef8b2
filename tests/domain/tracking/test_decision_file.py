"""Decisions as a CSV file: every line is read, or refused by number and reason."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.tracking.decision import DecisionMalformed, Via
from app.domain.tracking.decision_file import COLUMNS, read_file


def lines(*rows):
    return "\n".join(rows).encode()


def test_a_line_is_a_decision_with_its_author():
    read = read_file(lines("kind,issue,id,reason,actor", "paused,SEC-1,p1,waiting,kim", "fixed,10002,f1,,"))
    first, second = read.entries
    assert (first.number, first.issue, first.decision.reason, first.author.name) == (2, "SEC-1", "waiting", "kim")
    assert (second.number, second.issue, second.decision.reason, second.author.name) == (3, "10002", None, "operator")
    assert first.author.via is Via.CSV
    assert (read.faults, len(read.sha256)) == ((), 64)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SEC-1,paused,p1", "reason: is missing"),
        ("sec-1,fixed,p1", "'sec-1' is neither a key nor an id"),
        (",fixed,p1", "'' is neither a key nor an id"),
        ("٣,fixed,p1", "is neither a key nor an id"),
        ("SEC-1,fixed,p1,more", "has not as many fields as the header"),
        ("SEC-1,fixed", "has not as many fields as the header"),
        ("SEC-1,met,p1", "kind: is not one of"),
    ],
)
def test_a_bad_line_is_told_by_number_and_the_others_are_read(line, reason):
    read = read_file(lines("issue,kind,id", "SEC-1,fixed,f1", line, "SEC-2,fixed,f2"))
    assert [entry.number for entry in read.entries] == [2, 4]
    [fault] = read.faults
    assert (fault.line, reason in fault.reason) == (3, True), fault


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "lacks issue, kind, id"),
        (lines("issue,kind", "SEC-1,fixed"), "lacks id"),
        (lines("issue,kind,id,colour", "SEC-1,fixed,f,red"), "has colour"),
        (lines("issue,kind,id,id", "SEC-1,fixed,f,g"), "has id, id"),
        (b"issue,kind,id\nSEC-1,fixed,\xff", "is no CSV in UTF-8"),
        (b'issue,kind,id\nSEC-1,fixed,"f', "is no CSV in UTF-8"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(content, reason):
    with pytest.raises(DecisionMalformed, match=reason):
        read_file(content)


def test_a_byte_order_mark_empty_lines_and_quotes_are_taken_as_spreadsheets_write_them():
    read = read_file(b'\xef\xbb\xbfissue,kind,id,reason\r\n\r\nSEC-1,paused,p1,"a, ""b"""\r\n,,,\r\n')
    assert [(entry.number, entry.decision.reason) for entry in read.entries] == [(3, 'a, "b"')]
    assert read.faults == ()


def test_more_lines_than_a_file_may_have_are_refused():
    with pytest.raises(DecisionMalformed, match="100001 lines are more than 100000"):
        read_file(lines("issue,kind,id", *["SEC-1,fixed,f"] * 100_001))


@given(st.lists(st.fixed_dictionaries({}, optional={name: st.text(max_size=8) for name in COLUMNS}), max_size=5))
def test_whatever_a_file_holds_each_line_is_an_entry_or_a_fault(rows):
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS)
    table.writeheader()
    table.writerows(rows)
    try:
        read = read_file(written.getvalue().encode(errors="surrogatepass"))
    except DecisionMalformed:
        return
    assert len(read.entries) + len(read.faults) <= len(rows)
