"""What is written as the text of a policy is read as the same policy, whatever stands in it."""

import tomllib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.promises.schema import PolicyShape
from app.domain.promises.writing import policy_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
TERMS = st.fixed_dictionaries({"mode": st.just("elapsed"), "duration": st.sampled_from(["3 days", "1 week"])})
CLOCKS = st.fixed_dictionaries(
    {"starts": st.just("reported"), "stops": st.just("fixed")},
    optional={
        "min_of": st.lists(TERMS, max_size=3),
        "told": st.lists(TEXTS, max_size=3),
        "choices": st.fixed_dictionaries({"at_risk_percent": st.integers(-5, 500), "due_inclusive": st.booleans()}),
    },
)
PROMISES = st.fixed_dictionaries(
    dict.fromkeys(("clause", "text", "trigger", "actor", "deadline", "evidence"), TEXTS)
    | {"id": st.from_regex("[A-Za-z][A-Za-z0-9._-]{0,9}", fullmatch=True), "kind": st.just("clock")},
    optional={"ours": TEXTS, "clock": CLOCKS, "checks": st.lists(TEXTS, max_size=2)},
)
POLICIES = st.fixed_dictionaries(
    {"name": st.just("acme"), "title": TEXTS, "source": TEXTS, "version": st.integers(1, 10**9)}
    | {"dated": st.dates(), "promise": st.lists(PROMISES, max_size=3)}
)


def again(shape):
    return PolicyShape.model_validate(tomllib.loads(policy_text(shape, remark="made\nup")))


@given(POLICIES)
def test_any_policy_comes_back_as_it_was(document):
    shape = PolicyShape.model_validate(document)
    assert again(shape) == shape


@pytest.mark.parametrize(
    "text", ['"\n[choices]\non_reopen = "restart"\n#', "\x7f\x00\x1b[2J", "'''", "\\u0041", "\r\n"]
)
def test_a_text_that_tries_to_be_more_than_a_value_stays_one(text):
    shape = PolicyShape(name="acme", title=text, version=1, dated=date(2026, 11, 22), source=text)
    assert again(shape) == shape


def test_every_policy_that_is_at_hand_comes_back_as_it_is(shipped, text_of):
    for name in shipped:
        shape = PolicyShape.model_validate(tomllib.loads(text_of(name)))
        assert again(shape) == shape
