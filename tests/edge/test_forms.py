"""Forms of our own pages: one reading or a refusal, whatever the bytes and whichever host carried them."""

import contextlib
import json
from urllib.parse import urlencode

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.edge.bodies import BodyMalformed
from app.edge.forms import read_form
from app.edge.shields import DECISION_BODY_BYTES, BodyTooLarge, WrongMediaType

URL_ENCODED, JSON = "application/x-www-form-urlencoded", "application/json"
NAMES = st.from_regex("[A-Za-z_]{1,40}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


def read(body, kind=URL_ENCODED):
    with Flask("forms").test_request_context("/", method="POST", data=body, content_type=kind):
        return read_form()


@given(st.dictionaries(NAMES, VALUES, max_size=10))
def test_both_hosts_carry_the_same_fields_and_empty_ones_are_left_out(fields):
    filled = {name: value for name, value in fields.items() if value.strip()}
    assert read(urlencode(fields)) == filled
    assert read(json.dumps({name: [value] for name, value in fields.items()}), JSON) == filled


@given(st.binary(min_size=1, max_size=200), st.sampled_from([URL_ENCODED, JSON]))
def test_any_bytes_are_read_or_refused(body, kind):
    with contextlib.suppress(BodyMalformed):
        read(body, kind)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("kind=fixed&kind=paused", URL_ENCODED),
        ('{"kind": ["fixed", "paused"]}', JSON),
        ('{"kind": [1]}', JSON),
        ('{"kind": {"0": "fixed"}}', JSON),
        ("kind=%00", URL_ENCODED),
        ("kind=%ff", URL_ENCODED),
        ("kind=\xff", URL_ENCODED),
        ("a%20b=1", URL_ENCODED),
        ("&".join(f"{letter * 2}=1" for letter in "abcdefghijklmnopqrstuvwxyzABCDEFG"), URL_ENCODED),
    ],
)
def test_a_form_that_two_parsers_could_read_differently_is_refused(body, kind):
    with pytest.raises(BodyMalformed):
        read(body, kind)


def test_a_form_of_another_type_or_of_any_size_is_refused():
    with pytest.raises(WrongMediaType):
        read("kind=fixed", "multipart/form-data")
    with pytest.raises(BodyTooLarge):
        read("reason=" + "m" * DECISION_BODY_BYTES)
