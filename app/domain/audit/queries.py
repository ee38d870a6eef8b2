"""What leaves the log: a proof of one entry, and a whole log that its tenant can check without us.

An export is a folder: `manifest.json`, `entries.jsonl`, `checkpoints.jsonl`, and `check.py`, which is
`app.domain.audit.offline_check` as it stands. Its format is a promise: what one version wrote, every later one checks.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.audit.merkle import inclusion_ranges, roots_of
from app.domain.audit.model import LoggedEntry, StoredEntry
from app.domain.audit.note import vkey
from app.domain.audit.operations import log_origin
from app.domain.audit.ports import CheckpointKey, TenantLog
from app.domain.identifiers import AccountId, TenantId
from app.domain.ports import Database

_PAGE = 2000
Json = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """A log as of its newest checkpoint; the two iterators walk over the database while they are read."""

    manifest: Json
    entries: Iterator[Json]
    checkpoints: Iterator[Json]


@dataclass(frozen=True)
class AuditQueries:
    """Reads the log, and changes nothing."""

    database: Database
    key: Callable[[], CheckpointKey]

    def newest(self, tenant: TenantId) -> str | None:
        """The newest signed checkpoint of that tenant's log, if there is one."""
        with self.database.snapshot(tenant) as uow:
            newest = uow.log.newest_checkpoint()
        return None if newest is None else newest.note

    def tenants(self) -> tuple[TenantId, ...]:
        """Every tenant that has, or had, a log."""
        with self.database.snapshot() as uow:
            return uow.anchors.tenants()

    def prove(self, tenant: TenantId, entry: UUID) -> Json:
        """That the entry is in the log, as of the newest checkpoint; raises `LookupError` while it is not."""
        with self.database.snapshot(tenant) as uow:
            newest, index = uow.log.newest_checkpoint(), uow.log.index_of(entry)
            if newest is None or index is None or index >= newest.size:
                raise LookupError(f"entry {entry} is not in the log of tenant {tenant}, or not yet")
            [logged] = uow.log.page(index, 1)
            proof = roots_of(inclusion_ranges(index, newest.size), uow.log.leaf_hashes(newest.size))
        return {
            "format": "pledge-audit-proof-1",
            **self._names(tenant),
            "entry": _document(logged),
            "proof": [base64.b64encode(each).decode() for each in proof],
            "checkpoint": newest.note,
        }

    def who(self, tenant: TenantId, entry: UUID) -> AccountId | None:
        """Who did what that entry tells; None where the app did it, an operator, or a person who was erased since."""
        with self.database.snapshot(tenant) as uow:
            return uow.people.who(entry)

    @contextmanager
    def export(self, tenant: TenantId) -> Iterator[Export]:
        """The whole log of that tenant; raises `LookupError` where nothing is signed yet."""
        with self.database.snapshot(tenant) as uow:
            newest = uow.log.newest_checkpoint()
            if newest is None:
                raise LookupError(f"the log of tenant {tenant} has no checkpoint yet")
            manifest = {
                "format": "pledge-audit-export-1",
                **self._names(tenant),
                "size": newest.size,
                "checkpoint": newest.note,
            }
            yield Export(manifest, _entries(uow.log, newest.size), _checkpoints(uow.log, newest.size))

    def _names(self, tenant: TenantId) -> Json:
        key = self.key()
        origin = log_origin(key.name, tenant)
        return {"tenant": tenant, "origin": origin, "keys": [vkey(origin, public) for public in key.trusted]}


def _entries(log: TenantLog, size: int) -> Iterator[Json]:
    end = 0
    while end < size and (page := log.page(end, min(_PAGE, size - end))):
        yield from (_document(logged) for logged in page)
        end = page[-1].index + 1


def _checkpoints(log: TenantLog, size: int) -> Iterator[Json]:
    for after in range(0, size, _PAGE):
        stored = log.checkpoints(after, min(after + _PAGE, size))
        yield from ({"size": each, "note": stored[each].note} for each in sorted(stored))


def _document(logged: LoggedEntry) -> Json:
    """One line of an export."""
    place = {"index": logged.index, "entry": str(logged.leaf.entry), "leaf": logged.leaf.leaf.hex()}
    return place if logged.stored is None else place | _told(logged.stored)


def _told(stored: StoredEntry) -> Json:
    return {
        "at": stored.at.isoformat(timespec="microseconds"),
        "action": stored.action,
        "actor": stored.actor,
        "target": stored.target,
        "detail": dict(stored.detail),
        "commitment": None if stored.commitment is None else stored.commitment.hex(),
        "person": None
        if stored.person is None
        else {"salt": stored.person.salt.hex(), "sealed": base64.b64encode(stored.person.sealed).decode()},
    }
