"""Which calls say that a site runs a later version of the app."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.installations.app_versions import is_later

NUMBERS = st.integers(0, 999_999_999)


@pytest.mark.parametrize(
    ("stated", "known", "expected"),
    [("2.0.0", "1.9.9", True), ("1.10.0", "1.9.0", True), ("1.9.1", "1.9.0", False), ("1.9", "1.9.7", False),
     ("1.9.0", "1.10.0", False), ("1.0.0", "2.0.0", False), ("10.0.0", "9.0.0", True), ("1.0.0", None, True),
     ("1.0.0", "what", True), (None, None, False), (None, "1.0.0", False), ("", "1.0.0", False)],
)  # fmt: skip
def test_a_later_major_or_minor_version_is_news_and_a_patch_is_not(stated, known, expected):
    assert is_later(stated, known) is expected


@pytest.mark.parametrize("stated", ["2", "v2.0.0", "2.0.0-beta", "2.0.0\n", "٢.0.0", "2..0", "-2.0.0", "9" * 10 + ".0"])
def test_what_is_no_version_is_no_news(stated):
    assert not is_later(stated, None)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_of_two_versions_at_most_one_is_the_later_as_numbers_say(one, other):
    first, second = (".".join(map(str, version)) for version in (one, other))
    assert is_later(first, second) == (one[:2] > other[:2])
    assert not (is_later(first, second) and is_later(second, first))


@given(st.text(max_size=30))
def test_no_text_is_later_than_itself(text):
    assert not is_later(text, text)
