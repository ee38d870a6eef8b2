"""What a REST request asks for, read strictly, and the pages of an answer."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TypeVar

from flask import request

from simulator.people import Json

Row = TypeVar("Row")
MAX_IDS = 1000


class Refusal(Exception):
    """The request is answered with an error, in Jira's form."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def json_body() -> Json:
    """Return the request's JSON object.

    Raises:
        Refusal: it is not one; so do all functions here for what they cannot read.
    """
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refusal(400, "There was an error parsing JSON. Check that your request body is valid.")
    return body


def texts(value: object, limit: int) -> list[str]:
    """Return a list of issue ids or keys, not empty and not too long."""
    if not isinstance(value, list) or not 0 < len(value) <= limit:
        raise Refusal(400, f"between 1 and {limit} issue ids or keys are needed")
    return [str(one) for one in value]


def id_numbers(value: object) -> list[int]:
    """Return a list of numeric ids."""
    if not isinstance(value, list) or len(value) > MAX_IDS or any(type(one) is not int for one in value):
        raise Refusal(400, f"ids are numbers, at most {MAX_IDS}")
    return value


def whole_number(value: object, default: int) -> int:
    """Return a count, which may come as text in a query."""
    if value is None:
        return default
    if not str(value).isdecimal():
        raise Refusal(400, "a whole number is needed")
    return int(str(value))


def cut_page(found: list[Row], body: Json, *, size: int, era: int = 0) -> tuple[list[Row], str | None]:
    """Return the page that `nextPageToken` names, and the token of the next; None on the last.

    A token is good for the era in which it was given.
    """
    token, start = body.get("nextPageToken"), 0
    if token:
        try:
            given, _, place = base64.urlsafe_b64decode(str(token)).decode().partition(":")
            start = whole_number(place, 0)
        except (ValueError, Refusal) as problem:
            raise Refusal(400, "The page token is not valid.") from problem
        if given != str(era):
            raise Refusal(400, "The page token has expired.")
    end = start + max(size, 1)
    following = base64.urlsafe_b64encode(f"{era}:{end}".encode()).decode()
    return found[start:end], following if end < len(found) else None


def numbered_entry(entry: Json, field_ids: set[str]) -> Json:
    """Return a changelog entry with its instant as a number, and only the wanted fields."""
    at = datetime.strptime(entry["created"], "%Y-%m-%dT%H:%M:%S.%f%z")
    items = [item for item in entry["items"] if not field_ids or item["fieldId"] in field_ids]
    return entry | {"created": int(at.timestamp() * 1000), "items": items}
