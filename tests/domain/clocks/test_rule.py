from datetime import date

import pytest

from app.domain.clocks.model import EventKind, Severity
from app.domain.clocks.rule import Choices, Mode, Rule, RuleRefused, Table, Term, Unit

FULL = {Severity.CRITICAL: 1, Severity.HIGH: 2, Severity.MEDIUM: 3, Severity.LOW: 4}


def term(**data):
    return Term(**({"mode": Mode.ELAPSED, "clause": "§1", "source": "x"} | data))


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 36526}, "amount"),
        ({"amount": 1, "tables": (Table(date(2026, 1, 1), FULL, "x"),)}, "amount"),
        ({"amount": 1, "unit": Unit.MONTHS}, "unit"),
        ({"amount": 1, "zone": "Mars/Olympus"}, "zone"),
        ({"amount": 1, "zone": "../../etc/passwd"}, "zone"),
        ({"mode": Mode.BUSINESS_DAYS, "unit": Unit.BUSINESS_DAYS, "amount": 1}, "calendar"),
        ({"mode": Mode.FIXED_DATE}, "fixed_on"),
        ({"amount": 1, "fixed_on": date(2026, 1, 1)}, "fixed_on"),
        ({"tables": (Table(date(2026, 1, 1), {Severity.LOW: 1}, "x"),)}, "table"),
        ({"tables": (Table(date(2026, 1, 1), FULL | {Severity.NONE: 1}, "x"),)}, "table"),
        ({"tables": (Table(date(2026, 1, 1), FULL, "x"), Table(date(2025, 1, 1), FULL, "x"))}, "table"),
    ],
)
def test_a_duration_that_cannot_be_counted_is_refused_by_field(data, where):
    with pytest.raises(RuleRefused) as caught:
        term(**data)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "data",
    [
        {"at_risk_percent": 0},
        {"at_risk_percent": 101},
        {"at_risk_hours": -1},
        {"triage_days": -1},
        {"alert_days_after_breach": -1},
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(data):
    with pytest.raises(RuleRefused) as caught:
        Choices(**data)
    assert [caught.value.where] == list(data)


def test_a_rule_needs_a_duration_and_two_different_ends():
    with pytest.raises(RuleRefused, match="at least one"):
        Rule(promise="p", clause="§1", source="x", terms=())
    with pytest.raises(RuleRefused, match="cannot stop it"):
        Rule(promise="p", clause="§1", source="x", terms=(term(amount=1),), stops=EventKind.REPORTED)
