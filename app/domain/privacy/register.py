"""What a column says of the personal data in it, in the definition of its table.

Every column that can hold text or bytes declares what it holds: `info=personal(…)` on the column, `info=keys(…)` on
one with a JSON object, or its name in `plain(…)` at its table where it can hold nothing of a person. Numbers, instants
and ids of our own need no declaration. A column that nobody declared fails a test.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.sentences import Sentence

INFO = "personal"
PLAIN = "plain"


class Kind(StrEnum):
    """What of a person it is."""

    ACCOUNT_ID = Sentence("account id")
    EMAIL = Sentence("e-mail address")
    PROFILE = Sentence("name, avatar or other part of an Atlassian profile")
    """None today: they are fetched when shown. Whoever keeps one makes `updated` erase or fetch it again."""
    FREE_TEXT = Sentence("text that a person wrote")
    PSEUDONYM = Sentence("pseudonym")
    SEALED = Sentence("sealed")


class Erase(StrEnum):
    """What erasing a person does to it."""

    ROW = Sentence("the row is deleted")
    VALUE = Sentence("the value is replaced by a placeholder, the fact stays")
    KEY = Sentence("the row and the data key of that person are deleted, so that backups lose it too")
    WITH_ACCOUNT = Sentence("goes with the account id of the same row")
    WITH_TENANT = Sentence("goes with the data of its tenant, or by a request that names it")


@dataclass(frozen=True)
class Personal:
    """The declaration of one column, or of one key of a JSON column."""

    kind: Kind
    purpose: Sentence
    retention: Sentence
    erase: Erase
    since: str | None = None
    """Of an account id: the column of the same row with the instant at which it was stored or fetched. None = a copy
    of one that is declared elsewhere, which is erased with it and reported by it."""


@dataclass(frozen=True)
class Declared:
    """One line of the register."""

    table: str
    """With its schema."""
    column: str
    key: str | None
    """Of a JSON object."""
    what: Personal

    @property
    def name(self) -> str:
        """`app.clock_events.data.actor`."""
        return ".".join(part for part in (self.table, self.column, self.key) if part is not None)

    def to_json(self) -> dict[str, str | None]:
        """One row of the map."""
        what = self.what
        return {
            "where": self.name,
            "kind": what.kind.value,
            "purpose": what.purpose,
            "retention": what.retention,
            "erased": what.erase.value,
            "stored_at": what.since,
        }


def personal(what: Personal) -> dict[str, Any]:
    """`info` of a column with personal data."""
    return {INFO: what}


def keys(*, others: Collection[str] = (), **declared: Personal) -> dict[str, Any]:
    """`info` of a JSON column: what its keys hold; `others` can hold nothing of a person."""
    found: Mapping[str, Personal | None] = {**dict.fromkeys(others), **declared}
    return {INFO: found}


def plain(*columns: str) -> dict[str, Any]:
    """`info` of a table: its columns of text or bytes that can hold nothing of a person."""
    return {PLAIN: frozenset(columns)}
