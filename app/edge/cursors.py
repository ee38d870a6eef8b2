"""Cursors of lists: opaque to whoever gets one, and refused where they are not of our making.

A made-up cursor that has the right form is no danger: it names a place in the caller's own list, and whatever comes
after that is checked as always.
"""

import base64
import json
import re
from datetime import datetime

from flask import request

from app.domain.clocks.model import instant_text
from app.domain.identifiers import IssueId
from app.domain.tracking.derived import Place, Position
from app.edge.parameters import Malformed, instant, single

_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,1000}")
_PROMISE = re.compile(r"[\x21-\x7e]{1,300}")
_LARGEST_SKIP, _LARGEST_CYCLE, _LARGEST_ISSUE = 1_000_000, 2**31 - 1, 2**63 - 1


def position() -> Position:
    """Where `cursor` of the query leads, or the beginning where the query has none; raises `Malformed`."""
    return position_of(single("cursor")) if "cursor" in request.args else Position()


def cursor_of(position: Position) -> str:
    """The position as a cursor."""
    place = position.after
    if place is None:
        parts: list[object] = [position.skip]
    else:
        bound = None if place.bound is None else instant_text(place.bound)
        parts = [position.skip, int(place.ended), bound, place.issue, place.promise, place.cycle]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def position_of(cursor: str) -> Position:
    """The position that `cursor_of` wrote; raises `Malformed` on anything else."""
    if not _CURSOR.fullmatch(cursor):
        raise Malformed
    try:
        skip, *place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        found = Position(_place(place) if place else None, _number(skip, 0, largest=_LARGEST_SKIP))
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed from error
    if cursor_of(found) != cursor:
        raise Malformed
    return found


def _place(parts: list[object]) -> Place:
    ended, bound, issue, promise, cycle = parts
    if not isinstance(promise, str) or not _PROMISE.fullmatch(promise):
        raise Malformed
    return Place(
        ended=bool(_number(ended, 0, largest=1)),
        bound=_bound(bound),
        issue=IssueId(_number(issue, 1, largest=_LARGEST_ISSUE)),
        promise=promise,
        cycle=_number(cycle, 1, largest=_LARGEST_CYCLE),
    )


def _bound(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Malformed
    return instant(value)


def _number(value: object, least: int, *, largest: int) -> int:
    # A truth value is a whole number too, in Python.
    if type(value) is not int or not least <= value <= largest:
        raise Malformed
    return value
