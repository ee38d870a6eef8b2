"""What moves the log: entries get their place in it, in the background, and checkpoints are signed and anchored.

Whoever changes something only adds its entry, and waits for nobody: a chain of hashes inside the transaction of the
change would make a queue of every busy tenant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.audit.merkle import leaf_hash_of
from app.domain.audit.model import LogBroken
from app.domain.audit.note import Checkpoint
from app.domain.audit.ports import Anchor, CheckpointKey
from app.domain.identifiers import TenantId
from app.domain.ports import Database, DatabaseUnavailable

SLICE = 1000
"""Entries of one tenant that are placed before the next one has its turn."""


def log_origin(name: str, tenant: TenantId) -> str:
    """The name of a tenant's log."""
    return f"{name}/tenant/{tenant}"


def anchor_origin(name: str) -> str:
    """The name of the tree of all tenants' checkpoints."""
    return f"{name}/anchor"


def anchor_leaf(checkpoint: Checkpoint) -> bytes:
    """A tenant's checkpoint as a leaf of that tree."""
    return leaf_hash_of(checkpoint.text.encode())


@dataclass(frozen=True)
class Sequencing:
    """The one sequencer; any number of processes may ask, and one of them at a time gets to work."""

    database: Database
    key: Callable[[], CheckpointKey]
    """Read when it is needed, which is never in a web process."""
    anchor: Callable[[], Anchor]

    def advance(self, *, now: datetime) -> int:
        """Place one slice of each tenant's waiting entries, sign, and anchor; returns how many were placed.

        A tenant whose log is broken holds up no other; raises that `LogBroken` or `DatabaseUnavailable` at the end,
        and `OSError` when the anchor cannot be written: what is not anchored yet is anchored by a later call.
        """
        with self.database.begin() as uow:
            tenants = uow.anchors.waiting_tenants()
        placed, trouble = 0, None
        for tenant in tenants:
            try:
                placed += self._place(tenant, now=now)
            except (LogBroken, DatabaseUnavailable) as failure:
                trouble = failure
        self._anchor()
        if trouble is not None:
            raise trouble
        return placed

    def adopt(self, tenant: TenantId) -> int:
        """Let entries into the log that are neither in it nor wait: those from before there was a log.

        It cannot tell them from entries that somebody slipped in, so the log says that it was done, and to how many.
        """
        with self.database.begin(tenant) as uow:
            adopted = uow.log.adopt()
            if adopted:
                event = AuditEvent(Action.LOG_ADOPTED, "operator", f"tenant/{tenant}", {"entries": adopted})
                uow.commit(because=event)
        return adopted

    def forget_person(self, tenant: TenantId, subject: UUID, *, actor: str) -> int:
        """Erase what the log says about a person; no proof changes. Returns how many entries said something."""
        with self.database.begin(tenant) as uow:
            forgotten = uow.log.forget_person(subject)
            if forgotten:
                event = AuditEvent(Action.PERSON_ERASED, actor, f"subject/{subject}", {"entries": forgotten})
                uow.commit(because=event)
        return forgotten

    def _place(self, tenant: TenantId, *, now: datetime) -> int:
        with self.database.begin(tenant) as uow:
            if not uow.anchors.lead():
                return 0
            key, head = self.key(), uow.log.head()
            leaves = uow.log.take_waiting(SLICE)
            if not leaves:
                return 0
            uow.log.append(head.size, leaves)
            for leaf in leaves:
                head.append(leaf.leaf)
            checkpoint = Checkpoint(log_origin(key.name, tenant), head.size, head.root())
            uow.log.save_checkpoint(key.sign(checkpoint), head)
            uow.anchors.add(tenant, head.size, leaf=anchor_leaf(checkpoint), now=now)
            uow.commit(because=Bookkeeping.LOG_SEQUENCED)
        return len(leaves)

    def _anchor(self) -> None:
        with self.database.begin() as uow:
            if not uow.anchors.lead():
                return
            head = uow.anchors.head()
            before = head.size
            for leaf in uow.anchors.leaves(before):
                head.append(leaf.leaf)
            if head.size == before:
                return
            key = self.key()
            note = key.sign(Checkpoint(anchor_origin(key.name), head.size, head.root()))
            # Outside first. What it speaks of is committed; if this is forgotten, a later note says the same and more.
            self.anchor().append(note)
            uow.anchors.save_head(head)
            uow.commit(because=Bookkeeping.LOG_ANCHORED)
