"""CVSS in words: the table has what the specification has, and a vector that it makes is one."""

from itertools import product

import pytest
from cvss import CVSS3
from cvss.constants3 import METRICS_ABBREVIATIONS, METRICS_MANDATORY, METRICS_VALUE_NAMES
from hypothesis import given
from hypothesis import strategies as st

from app.domain.tracking.severity import read_severity
from app.edge.panels.cvss_words import METRICS, explained, letters_of, vector_of

LETTERS = {metric.letters: [value.letter for value in metric.values] for metric in METRICS}
CHOSEN = st.fixed_dictionaries({metric: st.sampled_from(letters) for metric, letters in LETTERS.items()})


def test_every_base_metric_and_every_value_has_the_name_of_the_specification():
    assert list(LETTERS) == METRICS_MANDATORY
    for metric in METRICS:
        assert metric.name.lower() == METRICS_ABBREVIATIONS[metric.letters].lower()
        names = {value.letter: value.name for value in metric.values}
        assert names == {key: name.partition(" ")[0] for key, name in METRICS_VALUE_NAMES[metric.letters].items()}


def test_values_stand_from_the_one_that_weighs_most_to_the_one_that_weighs_least():
    others = {metric: letters[0] for metric, letters in LETTERS.items()} | {"C": "L", "I": "L", "A": "L"}
    for metric, letters in LETTERS.items():
        scores = [CVSS3(vector_of(others | {metric: letter})).base_score for letter in letters]
        assert scores == sorted(scores, reverse=True), metric


@given(CHOSEN)
def test_what_is_chosen_makes_a_vector_that_is_scored_and_says_the_same_again(chosen):
    vector = vector_of(chosen)
    reading = read_severity(vector=vector, score=None, priority=None)
    assert float(reading.score) == float(CVSS3(vector).base_score)
    assert letters_of(vector) == chosen
    assert [line.metric for line in explained(vector)] == [metric.name for metric in METRICS]


@pytest.mark.parametrize("missing", LETTERS)
def test_a_choice_that_is_missing_or_foreign_makes_no_vector(missing):
    first = {metric: letters[0] for metric, letters in LETTERS.items()}
    for letter in ("", "X", "N/AV:P", "n", "é"):
        assert vector_of(first | {missing: letter}) is None
    assert vector_of({metric: letter for metric, letter in first.items() if metric != missing}) is None


@given(st.text())
def test_any_text_is_explained_or_not_and_nothing_is_made_up(text):
    for vector in (text, f"CVSS:3.1/{text}"):
        assert all(f"{metric}:{letter}" in vector for metric, letter in letters_of(vector).items())


def test_temporal_metrics_and_other_versions_are_not_explained():
    assert [line.value for line in explained("CVSS:3.0/AV:P/E:P/RL:O")] == ["Physical"]
    assert explained("CVSS:4.0/AV:N/AC:L") == explained("AV:N/AC:L") == explained(None) == ()


def test_all_vectors_are_few_enough_to_try_every_band():
    levels = {read_severity(vector=vector_of(dict(zip(LETTERS, letters, strict=True))), score=None, priority=None).level
              for letters in product(*LETTERS.values())}  # fmt: skip
    assert {level.value for level in levels} == {"critical", "high", "medium", "low", "none"}
