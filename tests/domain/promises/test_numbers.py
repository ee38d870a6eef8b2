"""A site's own numbers: read from a policy, refused by name, and a policy of their own that changes nothing else."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.clocks.model import Severity
from app.domain.promises.coverage import Today
from app.domain.promises.lint import lint_on_top
from app.domain.promises.numbers import NumbersRefused, changes, fault_of, numbers_of, own_text, read_numbers
from app.domain.promises.reading import read_parts, read_policy
from tests.domain.promises.conftest import HEAD, PROMISE, TABLE

FIX, DAY = "security-bug-fix", date(2026, 11, 22)
UNITS = {f"a_{level}_unit": "days" for level in ("critical", "high", "medium", "low")}
FORM = UNITS | {"a_critical": "10", "a_high": "28", "a_medium": "84", "a_low": "175"}
FORM |= {"at_risk_percent": "80", "at_risk_hours": "48", "triage_days": "14"}


@pytest.fixture(scope="module")
def kencha(text_of):
    return read_parts("kencha", text_of)


def made(parts, text_of, wanted, *, promise=FIX):
    """The policy with these numbers."""
    own = changes(numbers_of(parts, promise), wanted)
    base = parts.policy.name
    text = own_text(parts, {promise: own}, version=3, dated=DAY)
    return read_policy(f"{base}.own", lambda name: text if name == f"{base}.own" else text_of(name))


def refused(parts, **fields):
    with pytest.raises(NumbersRefused) as refusal:
        read_numbers(numbers_of(parts, FIX), FORM | fields)
    return {fault.name: fault.reason for fault in refusal.value.faults}


def test_numbers_are_told_as_the_policy_gives_them(kencha):
    told = {each.name: (each.value, each.unit) for each in numbers_of(kencha, FIX)}
    assert told == {
        "a_critical": ("10 days", "days"),
        "a_high": ("4 weeks", "weeks"),
        "a_medium": ("12 weeks", "weeks"),
        "a_low": ("25 weeks", "weeks"),
        "at_risk_percent": ("80", None),
        "at_risk_hours": ("48", None),
        "triage_days": ("14", None),
    }
    [notice, *_] = numbers_of(kencha, "K-08")
    assert (notice.name, notice.about, notice.value) == ("a_duration", "duration", "72 hours")
    assert numbers_of(kencha, "K-01") == ()


def test_the_same_time_in_another_unit_is_no_number_of_the_sites_own(kencha):
    known = numbers_of(kencha, FIX)
    assert changes(known, read_numbers(known, FORM)) == {}
    assert changes(known, read_numbers(known, FORM | {"a_high": "27"})) == {"a_high": "27 days"}


def test_a_policy_with_other_numbers_changes_them_and_nothing_else(kencha, text_of):
    numbers = read_numbers(numbers_of(kencha, FIX), FORM | {"a_high": "21", "at_risk_percent": "50"})
    own = made(kencha, text_of, numbers)
    assert (own.name, own.version, own.dated, own.extends) == ("kencha.own", 3, DAY, "kencha")
    before, after = kencha.policy.promise(FIX), own.promise(FIX)
    assert (after.clause, after.text, after.policy) == (before.clause, before.text, "kencha.own")
    *older, newest = after.rule.terms[0].tables
    assert [each.amounts for each in older] == [each.amounts for each in before.rule.terms[0].tables[:-1]]
    assert newest.amounts == {**before.rule.terms[0].tables[-1].amounts, Severity.HIGH: 21}
    assert "set by this site, version 3 of 2026-11-22" in newest.source
    assert after.rule.choices.at_risk_percent == 50
    assert after.rule.choices.pauses == before.rule.choices.pauses
    assert [each for each in own.promises if each.id != FIX] == [
        each for each in kencha.policy.promises if each.id != FIX
    ]


def test_numbers_of_a_clock_of_several_terms_stay_with_their_terms(text_of):
    several = (
        'min_of = [{ mode = "elapsed", table = "fixes" }, '
        '{ mode = "business_days", duration = "20 business days", calendar = "de" }]'
    )
    clock = PROMISE.replace('mode = "elapsed"\ntable = "fixes"', several)
    text = HEAD + '[[calendar]]\nname = "de"\ncountry = "DE"\nsource = "s"\ndated = 2026-11-22\n' + TABLE + clock
    parts = read_parts("acme", {"acme": text}.__getitem__)
    known = {each.name: each for each in numbers_of(parts, "fix")}
    assert known["b_duration"].units == ("business days",)
    own = made(parts, {"acme": text}.__getitem__, {"a_low": "24 weeks", "b_duration": "5 business days"}, promise="fix")
    table, business = own.promise("fix").rule.terms
    assert (table.tables[-1].amounts[Severity.LOW], business.amount) == (168, 5)


@pytest.mark.parametrize(
    "amount", ["", "0", "-1", "1.5", "28 days", "٢", "1e3", "9" * 7, "'; --", "\u202e28", "x" * 999]
)
def test_what_is_no_number_is_refused_at_its_field(kencha, amount):
    assert list(refused(kencha, a_high=amount)) == ["a_high"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"a_high_unit": "business days"}, "is counted in"),
        ({"a_high_unit": "<script>"}, "is counted in"),
        ({"a_high": "999999", "a_high_unit": "weeks"}, "hundred years"),
        ({"at_risk_percent": "0"}, "between 1 and 100"),
        ({"at_risk_percent": "101"}, "between 1 and 100"),
        ({"triage_days": "367"}, "between 0 and 366"),
    ],
)
def test_a_number_that_cannot_be_in_force_says_why_at_its_field(kencha, fields, said):
    [(name, reason)] = refused(kencha, **fields).items()
    assert name.removesuffix("_unit") in next(iter(fields))
    assert said in reason


def test_every_fault_is_told_at_once(kencha):
    assert set(refused(kencha, a_high="", a_low="0", at_risk_hours="x")) == {"a_high", "a_low", "at_risk_hours"}


@pytest.mark.parametrize(("fields", "where"), [({"a_high": "29"}, "a_high"), ({"triage_days": "15"}, "triage_days")])
def test_the_lint_refuses_more_time_than_the_vendor_has_promised(kencha, text_of, fields, where):
    known = numbers_of(kencha, FIX)
    own = made(kencha, text_of, read_numbers(known, FORM | fields))
    [finding] = lint_on_top(own, kencha.policy, today=Today())
    assert fault_of(finding, known).name == where


@settings(max_examples=20)
@given(st.integers(1, 10), st.integers(1, 28), st.integers(1, 100))
def test_less_time_is_nothing_that_the_lint_minds(kencha, text_of, critical, high, percent):
    fields = {"a_critical": str(critical), "a_high": str(high), "at_risk_percent": str(percent)}
    numbers = read_numbers(numbers_of(kencha, FIX), FORM | fields)
    if changes(numbers_of(kencha, FIX), numbers):
        assert lint_on_top(made(kencha, text_of, numbers), kencha.policy, today=Today()) == ()


@pytest.mark.parametrize("name", ["atlassian-marketplace", "genchi", "genible", "kencha"])
def test_every_policy_that_is_at_hand_can_have_numbers_of_a_sites_own(text_of, name):
    parts = read_parts(name, text_of)
    own = made(parts, text_of, {"a_high": "20 days"})
    assert own.promise(FIX).rule.terms[0].tables[-1].amounts[Severity.HIGH] == 20
    assert lint_on_top(own, parts.policy, today=Today()) == ()
