"""The log as its tenant's administrators look at it: newest entries first, who acted, and whether hashes agree.

For a process without the key and without the anchor: it reads, and what it says of the log it has computed itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.audit.entry import leaf_hash
from app.domain.audit.merkle import CompactRange
from app.domain.audit.model import EntryFilter, SeenEntry, SeenPage, StoredCheckpoint, StoredEntry
from app.domain.audit.note import Checkpoint, NoteRefused
from app.domain.audit.ports import SeenLog
from app.domain.identifiers import TenantId
from app.domain.ports import Database

WINDOW = 20_000
"""Entries among which one page is looked for: a rare action is not searched for through the whole log at once."""
MOST_CHECKED = 50_000
"""Entries that are computed anew while somebody waits."""
_PAGE = 2_000


@dataclass(frozen=True)
class Checked:
    """What computing it anew came to. `fault`: the first thing that is not as it was; None where nothing is."""

    entries: int
    root: bytes
    fault: str | None = None
    is_too_long: bool = False
    """Nothing was computed: the log is longer than anybody wants to wait for."""


@dataclass(frozen=True)
class AuditLooks:
    """Reads, and changes nothing."""

    database: Database

    def newest(self, tenant: TenantId, wanted: EntryFilter, *, before: int | None, limit: int) -> SeenPage:
        """One page."""
        with self.database.begin(tenant) as uow:
            return uow.seen_log.newest(wanted, before=before, limit=limit, window=WINDOW)

    def checked(self, tenant: TenantId) -> Checked | None:
        """Every entry up to the newest checkpoint against its leaf, and all leaves against that; None without one.

        The signature on the checkpoint and the anchor outside the database are not looked at: for these,
        `app.domain.audit.verification`, or an export in somebody else's hands.
        """
        with self.database.snapshot(tenant) as uow:
            newest = uow.seen_log.checkpoint()
            if newest is None:
                return None
            if newest.size > MOST_CHECKED:
                return Checked(newest.size, b"", is_too_long=True)
            tree = CompactRange()
            for seen in _all(uow.seen_log, newest.size):
                if seen.index != tree.size:
                    return Checked(tree.size, tree.root(), fault=f"the leaf before index {seen.index} is missing")
                if seen.stored is None:
                    return Checked(tree.size, tree.root(), fault=f"the entry at index {seen.index} is missing")
                if _leaf_of(seen.stored, tenant) != seen.leaf.leaf:
                    return Checked(tree.size, tree.root(), fault=f"the entry at index {seen.index} was altered")
                tree.append(seen.leaf.leaf)
        return Checked(tree.size, tree.root(), fault=_against(newest, tree))


def _all(log: SeenLog, size: int) -> Iterator[SeenEntry]:
    end = 0
    while end < size and (page := log.walk(end, min(_PAGE, size - end))):
        yield from page
        end = page[-1].index + 1


def _leaf_of(stored: StoredEntry, tenant: TenantId) -> bytes:
    return leaf_hash(stored, tenant=tenant, entry=stored.entry, at=stored.at, commitment=stored.commitment)


def _against(newest: StoredCheckpoint, tree: CompactRange) -> str | None:
    try:
        told = Checkpoint.read(newest.note.partition("\n\n")[0] + "\n")
    except NoteRefused:
        return "the newest checkpoint cannot be read"
    if tree.size < told.size:
        return f"the log has {tree.size} entries, its newest checkpoint says {told.size}"
    return None if told.root == tree.root() else "the newest checkpoint is of another log"
