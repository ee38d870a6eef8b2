"""Is the log what it was? Everything is computed anew from the rows and compared with log, checkpoints and anchors.

Nothing in the database is believed. What can be found by what: a changed entry by its leaf, a changed leaf by the
signed checkpoints, and checkpoints that were made again with a stolen key, or an old backup, only by the anchor.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.audit.entry import commitment_to, leaf_hash
from app.domain.audit.merkle import CompactRange
from app.domain.audit.model import LogBroken, LoggedEntry, StoredCheckpoint, StoredEntry
from app.domain.audit.note import Checkpoint, NoteRefused, opened
from app.domain.audit.operations import anchor_leaf, anchor_origin, log_origin
from app.domain.audit.ports import Anchor, CheckpointKey, TenantLog
from app.domain.identifiers import TenantId
from app.domain.ports import Database

PAGE = 2000
"""Leaves that are in memory at a time."""
STALE_SECONDS = 60
"""An entry that waits longer for its place or its anchor says that no worker does its work."""
SHOWN = 20
"""Findings of one kind and tenant that are told one by one; the rest is counted."""


class Kind(StrEnum):
    """Everything that can be found."""

    ENTRY_ALTERED = "entry altered"
    ENTRY_MISSING = "entry deleted"
    ENTRY_STRAY = "entry slipped in beside the log"
    ENTRY_TWICE = "entry in the log twice"
    PERSON_ALTERED = "personal part altered"
    LEAF_MISSING = "leaf missing"
    LEAF_UNSIGNED = "leaves after the newest checkpoint"
    LOG_TRUNCATED = "log shorter than a checkpoint says"
    CHECKPOINT_NOT_OURS = "checkpoint not signed by our key"
    CHECKPOINT_DIFFERS = "checkpoint of another log"
    CHECKPOINT_MISSING = "anchored checkpoint missing"
    CHECKPOINT_NOT_ANCHORED = "checkpoint never anchored"
    ANCHOR_DIFFERS = "anchor says otherwise"
    ANCHOR_BEYOND = "database older than its anchor"
    ANCHOR_NOT_OURS = "note in the anchor not signed by our key"
    ANCHOR_LOST = "anchor shorter than what was written to it"


@dataclass(frozen=True)
class Finding:
    """One trace of tampering."""

    kind: Kind
    tenant: TenantId | None
    """None: about the tree of all tenants' checkpoints."""
    where: str


@dataclass
class Report:
    """What was looked at and what was found."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[TenantId | None, Kind]] = field(default_factory=Counter)
    sizes: dict[TenantId, int] = field(default_factory=dict)
    """How many entries were checked, by tenant."""
    waiting: int = 0
    """Entries without a place in the log yet."""
    unanchored: int = 0
    """Checkpoints that the anchor does not have yet."""
    oldest: datetime | None = None
    """Since when the oldest of both waits."""

    def add(self, kind: Kind, tenant: TenantId | None, where: str) -> None:
        """One more."""
        self.counts[tenant, kind] += 1
        if self.counts[tenant, kind] <= SHOWN:
            self.findings.append(Finding(kind, tenant, where))

    def late(self, since: datetime) -> None:
        """Something waits since then."""
        self.oldest = since if self.oldest is None else min(self.oldest, since)

    def is_stale(self, now: datetime) -> bool:
        """Whether anything waits for too long."""
        return self.oldest is not None and now - self.oldest > timedelta(seconds=STALE_SECONDS)


@dataclass(frozen=True)
class Verification:
    """Compares every row of the log with every other trace of it."""

    database: Database
    key: Callable[[], CheckpointKey]
    anchor: Callable[[], Anchor]

    def run(self, *, only: TenantId | None = None, progress: Callable[[str], None] = lambda _: None) -> Report:
        """Everything, or all that concerns one tenant; `progress` hears what is looked at. Raises `LookupError`."""
        report, key = Report(), self.key()
        progress("anchors")
        tenants = self._anchors(report, key)
        if only is not None and only not in tenants:
            raise LookupError(f"there is no tenant {only}")
        for tenant in tenants if only is None else [only]:
            self._tenant(report, tenant, key=key, progress=progress)
        return report

    def _anchors(self, report: Report, key: CheckpointKey) -> tuple[TenantId, ...]:
        # In this order: what we remember of it is written after the anchor, and that after the leaves it speaks of.
        kept = self._remembered(report)
        outside = self.anchor().read_back()
        with self.database.snapshot() as uow:
            tenants = uow.anchors.tenants()
        reached = self._compare(report, outside, key=key)
        if reached < kept:
            report.add(Kind.ANCHOR_LOST, None, f"{kept} checkpoints were anchored, the anchor has {reached}")
        with self.database.snapshot() as uow:
            for leaf in uow.anchors.leaves(reached):
                report.unanchored += 1
                report.late(leaf.at)
        return tenants

    def _remembered(self, report: Report) -> int:
        """How far we anchored, by what the database says."""
        try:
            with self.database.snapshot() as uow:
                return uow.anchors.head().size
        except LogBroken:
            report.add(Kind.ANCHOR_LOST, None, "what the database remembers of it is damaged")
            return 0

    def _compare(self, report: Report, notes: Iterable[str], *, key: CheckpointKey) -> int:
        """Each note against the tree as it is now; returns the size of the largest.

        In order of size: a note that came late stands after larger ones, and is as good as they are.
        """
        told_by: list[tuple[int, Checkpoint]] = []
        for number, note in enumerate(notes, start=1):
            try:
                told_by.append((number, opened(note, origin=anchor_origin(key.name), trusted=key.trusted)))
            except NoteRefused:
                report.add(Kind.ANCHOR_NOT_OURS, None, f"note {number}")
        tree = CompactRange()
        with self.database.snapshot() as uow:
            leaves = uow.anchors.leaves(0)
            for number, told in sorted(told_by, key=lambda each: each[1].size):
                while tree.size < told.size and (leaf := next(leaves, None)) is not None:
                    tree.append(leaf.leaf)
                if tree.size < told.size:
                    report.add(Kind.ANCHOR_BEYOND, None, f"note {number} has {told.size}, we {tree.size}")
                elif tree.root() != told.root:
                    report.add(Kind.ANCHOR_DIFFERS, None, f"note {number} of size {told.size}")
        return tree.size

    def _tenant(self, report: Report, tenant: TenantId, *, key: CheckpointKey, progress: Callable[[str], None]) -> None:
        tree, walk = CompactRange(), _Walk(report, tenant, key)
        with self.database.snapshot(tenant) as uow:
            end = 0
            while page := uow.log.page(end, PAGE):
                walk.page(page, tree, log=uow.log, after=end)
                end = page[-1].index + 1
                progress(f"tenant {tenant}: {end} entries")
            report.sizes[tenant] = tree.size
            newest = uow.log.newest_checkpoint()
            if end > (0 if newest is None else newest.size):
                report.add(Kind.LEAF_UNSIGNED, tenant, f"up to index {end - 1}")
            if uow.log.largest() > end:
                report.add(Kind.LOG_TRUNCATED, tenant, f"{end} of {uow.log.largest()} entries")
            for entry in uow.log.strays():
                report.add(Kind.ENTRY_STRAY, tenant, f"entry {entry}")
            for entry in uow.log.duplicates():
                report.add(Kind.ENTRY_TWICE, tenant, f"entry {entry}")
            for waiting in uow.log.waiting():
                report.waiting += 1
                report.late(waiting.since)
                walk.entry(waiting.stored, leaf=waiting.leaf.leaf, where=f"waiting entry {waiting.leaf.entry}")


@dataclass(frozen=True)
class _Walk:
    """Along the log of one tenant."""

    report: Report
    tenant: TenantId
    key: CheckpointKey

    def page(self, page: tuple[LoggedEntry, ...], tree: CompactRange, *, log: TenantLog, after: int) -> None:
        until = page[-1].index + 1
        checkpoints, anchored = dict(log.checkpoints(after, until)), dict(log.anchored(after, until))
        for expected, logged in zip(range(after, until), page, strict=False):
            if logged.index != expected:
                self._add(Kind.LEAF_MISSING, f"before index {logged.index}")
                break
        for logged in page:
            self.entry(logged.stored, leaf=logged.leaf.leaf, where=f"index {logged.index}, entry {logged.leaf.entry}")
            tree.append(logged.leaf.leaf)
            size = logged.index + 1
            if size in checkpoints or size in anchored:
                self._checkpoint(size, tree, stored=checkpoints.pop(size, None), anchored=anchored.pop(size, None))
        for size in sorted({*checkpoints, *anchored}):
            self._add(Kind.CHECKPOINT_DIFFERS, f"size {size}: there is no such leaf")

    def entry(self, stored: StoredEntry | None, *, leaf: bytes, where: str) -> None:
        if stored is None:
            self._add(Kind.ENTRY_MISSING, where)
            return
        computed = leaf_hash(stored, tenant=self.tenant, entry=stored.entry, at=stored.at, commitment=stored.commitment)
        if not leaf == stored.leaf == computed:
            self._add(Kind.ENTRY_ALTERED, where)
        # One that is not there was erased, which anybody may do and no proof minds.
        person = stored.person
        if person is not None and commitment_to(person.sealed, salt=person.salt) != stored.commitment:
            self._add(Kind.PERSON_ALTERED, where)

    def _checkpoint(
        self, size: int, tree: CompactRange, *, stored: StoredCheckpoint | None, anchored: bytes | None
    ) -> None:
        origin = log_origin(self.key.name, self.tenant)
        computed = Checkpoint(origin, size, tree.root())
        if stored is None:
            self._add(Kind.CHECKPOINT_MISSING, f"size {size}")
        else:
            try:
                told = opened(stored.note, origin=origin, trusted=self.key.trusted)
            except NoteRefused:
                self._add(Kind.CHECKPOINT_NOT_OURS, f"size {size}")
            else:
                if told != computed or stored.frontier != tree.frontier():
                    self._add(Kind.CHECKPOINT_DIFFERS, f"size {size}")
        if anchored is None:
            self._add(Kind.CHECKPOINT_NOT_ANCHORED, f"size {size}")
        elif anchored != anchor_leaf(computed):
            self._add(Kind.ANCHOR_DIFFERS, f"size {size}")

    def _add(self, kind: Kind, where: str) -> None:
        self.report.add(kind, self.tenant, where)
