"""The fields of a form of our own pages, whichever host carried it, read strictly.

A browser sends them URL-encoded; Forge carries JSON only, in which each name has the list of its values.
"""

import re
from urllib.parse import parse_qsl

from flask import request

from app.edge.bodies import BodyMalformed, read_object
from app.edge.shields import DECISION_BODY_BYTES, BodyTooLarge, read_body

_URL_ENCODED = "application/x-www-form-urlencoded"
_NAME = re.compile(r"[A-Za-z_]{1,40}")
_MOST_FIELDS = 30
_UNFIT = re.compile("[\0\ud800-\udfff]")


def read_form() -> dict[str, str]:
    """The fields by name, without those that are empty.

    Raises `BodyMalformed`, also where a name stands twice: which one was meant? `BodyTooLarge`, `WrongMediaType`.
    """
    pairs = _url_encoded() if request.mimetype == _URL_ENCODED else _from_json()
    fields = dict(pairs)
    if len(fields) != len(pairs) or not all(map(_NAME.fullmatch, fields)) or any(map(_UNFIT.search, fields.values())):
        raise BodyMalformed(BodyMalformed.__doc__)
    return {name: value for name, value in fields.items() if value.strip()}


def _url_encoded() -> list[tuple[str, str]]:
    if request.content_length is None or request.content_length > DECISION_BODY_BYTES:
        raise BodyTooLarge
    try:
        text = request.get_data(cache=False).decode("ascii")
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as fault:
        raise BodyMalformed(BodyMalformed.__doc__) from fault


def _from_json() -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, values in read_object(read_body(DECISION_BODY_BYTES)).items():
        value = values[0] if isinstance(values, list) and len(values) == 1 else values
        if not isinstance(value, str) or len(pairs) == _MOST_FIELDS:
            raise BodyMalformed(BodyMalformed.__doc__)
        pairs.append((name, value))
    return pairs
