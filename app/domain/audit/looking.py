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
from app.domain.sentences import Sentence

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
    fault: Sentence | None = None
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
                fault = _fault_of(seen, tree.size, tenant)
                if fault is not None:
                    return Checked(tree.size, tree.root(), fault=fault)
                tree.append(seen.leaf.leaf)
        return Checked(tree.size, tree.root(), fault=_against(newest, tree))


def _all(log: SeenLog, size: int) -> Iterator[SeenEntry]:
    end = 0
    while end < size and (page := log.walk(end, min(_PAGE, size - end))):
        yield from page
        end = page[-1].index + 1


def _fault_of(seen: SeenEntry, place: int, tenant: TenantId) -> Sentence | None:
    if seen.index != place:
        return Sentence("the leaf before index %(index)s is missing", index=seen.index)
    if seen.stored is None:
        return Sentence("the entry at index %(index)s is missing", index=seen.index)
    if _leaf_of(seen.stored, tenant) != seen.leaf.leaf:
        return Sentence("the entry at index %(index)s was altered", index=seen.index)
    return None


def _leaf_of(stored: StoredEntry, tenant: TenantId) -> bytes:
    return leaf_hash(stored, tenant=tenant, entry=stored.entry, at=stored.at, commitment=stored.commitment)


def _against(newest: StoredCheckpoint, tree: CompactRange) -> Sentence | None:
    try:
        told = Checkpoint.read(newest.note.partition("\n\n")[0] + "\n")
    except NoteRefused:
        return Sentence("the newest checkpoint cannot be read")
    if tree.size < told.size:
        sizes = {"number": tree.size, "told": told.size}
        return Sentence("the log has %(number)s entries, its newest checkpoint says %(told)s", **sizes)
    return None if told.root == tree.root() else Sentence("the newest checkpoint is of another log")
