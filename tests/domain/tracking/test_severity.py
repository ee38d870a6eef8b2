"""How severe: a vector, else a score, else the priority; what cannot be read falls through."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Severity
from app.domain.tracking.severity import read_severity

HIGH = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N"
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
NONE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"

CASES = {
    "a vector": ((HIGH, None, None), (Severity.HIGH, Decimal("8.1"), HIGH, "field")),
    "a vector of version 3.0": (
        (HIGH.replace("3.1", "3.0"), None, None),
        (Severity.HIGH, Decimal("8.1"), HIGH.replace("3.1", "3.0"), "field"),
    ),
    "a vector before a score": ((CRITICAL, "1.0", "Low"), (Severity.CRITICAL, Decimal("9.8"), CRITICAL, "field")),
    "a vector without effect": ((NONE, None, "Highest"), (Severity.NONE, Decimal("0.0"), NONE, "field")),
    "a score": ((None, "7.0", "Low"), (Severity.HIGH, Decimal("7.0"), None, "field")),
    "a score just below": ((None, "6.9", None), (Severity.MEDIUM, Decimal("6.9"), None, "field")),
    "a score of none": ((None, "0", "High"), (Severity.NONE, Decimal("0.0"), None, "field")),
    "a damaged vector and a score": (
        ("CVSS:3.1/AV:N", "9.0", None),
        (Severity.CRITICAL, Decimal("9.0"), None, "field"),
    ),
    "a damaged vector alone": (("CVSS:3.1/nonsense", None, "High"), (Severity.HIGH, None, None, "priority")),
    "a vector of version 2": (
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", None, "Medium"),
        (Severity.MEDIUM, None, None, "priority"),
    ),
    "a vector of version 4": (("CVSS:4.0/AV:N", None, "Low"), (Severity.LOW, None, None, "priority")),
    "a score out of range": ((None, "10.1", "Lowest"), (Severity.LOW, None, None, "priority")),
    "a negative score": ((None, "-1", "Highest"), (Severity.CRITICAL, None, None, "priority")),
    "a score that is no number": ((None, "NaN", "highest"), (Severity.CRITICAL, None, None, "priority")),
    "an infinite score": ((None, "Infinity", None), None),
    "a priority with spaces": ((None, None, "  HIGH "), (Severity.HIGH, None, None, "priority")),
    "an own priority": ((None, None, "P1"), None),
    "nothing": ((None, None, None), None),
    "empty texts": (("", "", ""), None),
}


@pytest.mark.parametrize("case", CASES)
def test_severity_is_read_from(case):
    (vector, score, priority), wanted = CASES[case]
    found = read_severity(vector=vector, score=score, priority=priority)
    assert (found and (found.level, found.score, found.vector, found.source)) == wanted


TEXTS = st.none() | st.text(max_size=300) | st.text("CVSS:3.1/AVNHLPRUIC0123456789eE+-", max_size=250)


@given(vector=TEXTS, score=TEXTS, priority=TEXTS)
def test_whatever_a_field_holds_the_answer_is_a_reading_or_none(vector, score, priority):
    found = read_severity(vector=vector, score=score, priority=priority)
    assert found is None or (found.score is None or 0 <= found.score <= 10)


@given(st.decimals(0, 10, places=1))
def test_a_score_in_range_is_always_read(score):
    assert read_severity(vector=None, score=str(score), priority=None).score == score
