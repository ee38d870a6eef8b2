"""What the audit log needs from the world; `store`, `vault` and `outbound` implement it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.audit.merkle import CompactRange
from app.domain.audit.model import (
    AnchorLeaf,
    EntryFilter,
    Leaf,
    LoggedEntry,
    SeenEntry,
    SeenPage,
    StoredCheckpoint,
    Waiting,
)
from app.domain.audit.note import Checkpoint
from app.domain.identifiers import TenantId


class CheckpointKey(Protocol):
    """The key that signs checkpoints; its holder signs, nobody gets it."""

    @property
    def name(self) -> str:
        """What the names of our logs begin with."""

    @property
    def trusted(self) -> Sequence[bytes]:
        """Public keys that signed or sign our logs, the present one first."""

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of that checkpoint."""

    def sign_text(self, text: str, *, origin: str) -> str:
        """The signed note of a text: the name under which it is signed, and below it a JSON object."""


class Anchor(Protocol):
    """A place outside the database that only grows, and that the database's administrator cannot write to."""

    def append(self, note: str) -> None:
        """Keep that note for ever; returns when it is safe. Raises `OSError`."""

    def read_back(self) -> Iterator[str]:
        """Every note kept, the oldest first; what is unreadable comes as it is. Raises `OSError`."""


class TenantLog(Protocol):
    """The log of this transaction's tenant: leaves and checkpoints are added, never changed."""

    def take_waiting(self, limit: int) -> tuple[Leaf, ...]:
        """The oldest leaves that wait for their place in the log; they wait no more."""

    def append(self, first: int, leaves: Sequence[Leaf]) -> None:
        """Put these leaves in the log, the first one at that index."""

    def head(self) -> CompactRange:
        """The log as of its newest checkpoint."""

    def save_checkpoint(self, note: str, head: CompactRange) -> None:
        """Keep a signed checkpoint, and what appending to it needs."""

    def newest_checkpoint(self) -> StoredCheckpoint | None:
        """The newest one."""

    def checkpoints(self, after: int, until: int) -> Mapping[int, StoredCheckpoint]:
        """By size, those larger than `after` and up to `until`."""

    def anchored(self, after: int, until: int) -> Mapping[int, bytes]:
        """Of the same sizes, the leaf in the tree of all tenants' checkpoints."""

    def largest(self) -> int:
        """The largest size of which a checkpoint or an anchored one speaks."""

    def page(self, first: int, limit: int) -> tuple[LoggedEntry, ...]:
        """Leaves from that index on, with what is stored of their entries."""

    def leaf_hashes(self, size: int) -> Iterator[bytes]:
        """The first `size` leaves, by hash, in constant memory."""

    def index_of(self, entry: UUID) -> int | None:
        """Where in the log that entry is."""

    def waiting(self) -> Iterator[Waiting]:
        """Entries that wait for their place, the oldest first."""

    def strays(self) -> tuple[UUID, ...]:
        """Entries that are neither in the log nor wait for it, some hundreds at most."""

    def adopt(self) -> int:
        """Let all of these wait for their place; returns how many."""

    def duplicates(self) -> tuple[UUID, ...]:
        """Entries that are in the log twice, some hundreds at most."""

    def forget_person(self, subject: UUID) -> int:
        """Delete the personal parts about that subject; returns how many."""


class SeenLog(Protocol):
    """The log of this transaction's tenant, without the personal parts."""

    def newest(self, wanted: EntryFilter, *, before: int | None, limit: int, window: int) -> SeenPage:
        """Newest first, among the `window` entries that come before that index."""

    def walk(self, first: int, limit: int) -> tuple[SeenEntry, ...]:
        """In order of index."""

    def checkpoint(self) -> StoredCheckpoint | None:
        """The newest."""


class AnchorTree(Protocol):
    """The checkpoints of all tenants as the leaves of one tree: hashes and sizes only."""

    def lead(self) -> bool:
        """Whether this transaction alone may sequence; another one may not until it ends."""

    def waiting_tenants(self) -> tuple[TenantId, ...]:
        """Those with entries that wait, the one that waits longest first."""

    def tenants(self) -> tuple[TenantId, ...]:
        """Every tenant that exists or that has an anchored checkpoint."""

    def add(self, tenant: TenantId, size: int, *, leaf: bytes, now: datetime) -> None:
        """One more leaf: a tenant's checkpoint of that size."""

    def head(self) -> CompactRange:
        """The tree as far as it is anchored."""

    def leaves(self, first: int) -> Iterator[AnchorLeaf]:
        """From that position on, in constant memory."""

    def save_head(self, head: CompactRange) -> None:
        """So far the tree is anchored."""
