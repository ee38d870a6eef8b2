"""What the audit log consists of, as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.identifiers import AccountId, TenantId


@dataclass(frozen=True)
class StoredPerson:
    """The personal part of an entry, as long as nobody erased it."""

    salt: bytes
    sealed: bytes


@dataclass(frozen=True)
class StoredEntry:
    """An entry as the database holds it: what `verify` finds there, believed of nothing."""

    entry: UUID
    at: datetime
    action: str
    actor: str
    target: str
    detail: Mapping[str, Any]
    leaf: bytes
    commitment: bytes | None
    person: StoredPerson | None


@dataclass(frozen=True)
class Leaf:
    """One leaf: the entry that it is of, and its hash."""

    entry: UUID
    leaf: bytes


@dataclass(frozen=True)
class LoggedEntry:
    """A leaf in its place, and its entry if it is still there."""

    index: int
    leaf: Leaf
    stored: StoredEntry | None


@dataclass(frozen=True)
class Waiting:
    """An entry that waits for its place, and its row if it is still there."""

    since: datetime
    leaf: Leaf
    stored: StoredEntry | None


@dataclass(frozen=True)
class StoredCheckpoint:
    """A signed checkpoint, and the compact range that it stands for."""

    size: int
    note: str
    frontier: bytes


@dataclass(frozen=True)
class AnchorLeaf:
    """A tenant's checkpoint as a leaf of the tree of all of them."""

    position: int
    tenant: TenantId
    size: int
    leaf: bytes
    at: datetime


class LogBroken(Exception):
    """The log of this tenant cannot be continued from its newest checkpoint: `pledge audit verify` says why."""


@dataclass(frozen=True)
class SeenEntry:
    """One entry in its place. `stored.person` is never read here."""

    index: int
    leaf: Leaf
    stored: StoredEntry | None
    """None: it is gone from under its leaf."""
    account: AccountId | None = None
    """Who acted; with a commitment and without it, a person who was erased."""


@dataclass(frozen=True)
class EntryFilter:
    """Which entries: of that action, and of these instants, the first one included."""

    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class SeenPage:
    """The next entries, newest first. `next`: the index before which the next page begins."""

    entries: tuple[SeenEntry, ...]
    next: int | None
