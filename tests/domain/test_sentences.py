"""A sentence is its English text, and remembers what it was made of."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sentences import Sentence, recognised

NAMED = "the priority of %(issue)s is %(name)s"


def test_a_sentence_is_its_english_text_wherever_nobody_translates():
    made = Sentence("%(number)s of %(name)r", number=3, name="it's")
    assert made == '3 of "it\'s"'
    assert json.dumps([made]) == json.dumps(['3 of "it\'s"'])
    assert (made.template, made.values) == ("%(number)s of %(name)r", {"number": 3, "name": "it's"})


def test_without_values_a_percent_sign_stands_for_itself():
    assert Sentence("100 % of it %(name)s") == "100 % of it %(name)s"


def test_a_copy_remembers_too():
    made = copy.deepcopy(Sentence(NAMED, issue="SEC-1", name="100 %"))
    assert (made, made.template, made.values) == ("the priority of SEC-1 is 100 %", NAMED, copy.copy(made.values))


@given(st.from_regex(r"[A-Z]{2,5}-[0-9]{1,5}", fullmatch=True), st.text())
def test_what_was_stored_as_text_is_the_same_sentence_again(issue, name):
    found = recognised(str(Sentence(NAMED, issue=issue, name=name)), ["nothing", NAMED])
    assert (found.template, found.values) == (NAMED, {"issue": issue, "name": name})
    assert found == Sentence(NAMED, issue=issue, name=name)


@pytest.mark.parametrize("text", ["", "the priority is empty", "the priority of SEC-1 is", "(.*)"])
def test_another_text_stays_as_it_is(text):
    assert type(recognised(text, [NAMED])) is str
