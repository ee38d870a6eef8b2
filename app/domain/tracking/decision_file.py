"""Decisions as a CSV file (RFC 4180, UTF-8, a comma, a header line): one decision a line.

Columns, in any order, of which the first three are needed: `issue` (key or id), `kind` and `id` as in `decision.KINDS`,
`at` (an instant with its zone; empty = now), `reason`, `clause`, `until` (a date), `added_days`, `role`, `evidence`,
`severity`, `actor` (who decided; empty = operator), and for reports about AMS `ticket`, `status` and `due` (a date;
`none` = the ticket names none any more; empty = as before).
"""

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.sentences import Sentence
from app.domain.tracking.decision import Author, Decision, DecisionMalformed, Via, read_decision

_NEEDED = ("issue", "kind", "id")
COLUMNS = (
    *_NEEDED, "at", "reason", "clause", "until", "added_days", "role", "evidence", "severity", "actor",
    "ticket", "status", "due",
)  # fmt: skip
_ISSUE = re.compile(r"[A-Z][A-Z0-9_]{0,254}-[1-9][0-9]{0,17}|[1-9][0-9]{0,17}")
_ACTOR = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
OPERATOR = "operator"
_MOST_LINES = 100_000


@dataclass(frozen=True)
class Entry:
    """One line that could be read."""

    number: int
    """Of the line in the file, as an editor counts."""
    issue: str
    decision: Decision
    author: Author


@dataclass(frozen=True)
class Fault:
    """One line that cannot be recorded, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class DecisionFile:
    """What a file holds."""

    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]
    sha256: str
    """Of its bytes, for the audit log."""


def read_file(content: bytes) -> DecisionFile:
    """Every line, read or refused with its number and reason. Raises `DecisionMalformed` if it is no such file."""
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        _check_header(rows.fieldnames or ())
        read = [_line(rows.line_num, row) for row in rows if any(row.values())]
    except (UnicodeDecodeError, csv.Error) as fault:
        raise DecisionMalformed(Sentence("this is no CSV in UTF-8: %(fault)s", fault=fault)) from fault
    if len(read) > _MOST_LINES:
        counts = {"number": len(read), "most": _MOST_LINES}
        raise DecisionMalformed(
            Sentence("%(number)s lines are more than %(most)s; give them as several files", **counts)
        )
    return DecisionFile(
        entries=tuple(each for each in read if isinstance(each, Entry)),
        faults=tuple(each for each in read if isinstance(each, Fault)),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _check_header(names: object) -> None:
    given = list(names) if isinstance(names, list | tuple) else []
    missing = [name for name in _NEEDED if name not in given]
    odd = [str(name) for name in given if name not in COLUMNS or given.count(name) > 1]
    if missing or odd:
        parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(odd)}"] * bool(odd)
        told = {"parts": " and ".join(parts), "columns": ", ".join(COLUMNS)}
        raise DecisionMalformed(Sentence("the header %(parts)s; the columns are %(columns)s", **told))


def _line(number: int, row: Mapping[str | None, object]) -> Entry | Fault:
    if None in row or None in row.values():
        return Fault(number, "has not as many fields as the header")
    given = {str(name): str(value).strip() for name, value in row.items() if str(value).strip()}
    issue, actor = given.pop("issue", ""), given.pop("actor", OPERATOR)
    if not _ISSUE.fullmatch(issue):
        return Fault(number, f"issue: {issue[:100]!r} is neither a key nor an id")
    if not _ACTOR.fullmatch(actor):
        return Fault(number, "actor: is not a text of 1 to 200 characters")
    try:
        return Entry(number, issue, read_decision(given), Author(Via.CSV, actor, OPERATOR))
    except DecisionMalformed as fault:
        return Fault(number, str(fault))
