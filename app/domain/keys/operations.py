"""Data keys are made under the primary key-encryption key, and wrapped anew after a rotation; their use is recorded.

What is wrapped under a former key is found by walking over all tenants, one transaction and one tenant at a time. So a
walk that was killed has lost nothing: the next one finds what is left.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.domain.alerts.ports import Signal
from app.domain.alerts.rules import OPENED
from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import HOUSE, TenantId
from app.domain.keys.queries import KeyUse, each_key_holder
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.secrets import Purpose, VaultCannotAnswer, WrappedKey

_PAGE = 200
"""Data keys per transaction: few enough to end within a second, also where a key management service is asked."""


class KeyStillNeeded(Exception):
    """Data keys are still wrapped under that key-encryption key."""

    def __init__(self, kek_id: str, data_keys: int) -> None:
        super().__init__(f"{kek_id} still wraps {data_keys} data keys; `pledge keys rotate --rewrap-only` first")


def own_data_key(uow: UnitOfWork, vault: Vault, tenant: TenantId, *, purpose: Purpose, now: datetime) -> WrappedKey:
    """The tenant's data key of that purpose, made and stored if it has none.

    Raises `VaultCannotAnswer`.
    """
    known = uow.tenants.data_key(purpose)
    return known if known is not None else new_data_key(uow, vault, tenant, purpose=purpose, now=now)


def new_data_key(uow: UnitOfWork, vault: Vault, tenant: TenantId, *, purpose: Purpose, now: datetime) -> WrappedKey:
    """One more data key of that purpose, stored; raises `VaultCannotAnswer`."""
    # Before the vault looks which key is primary: a re-wrap then waits for this one, or this one sees the new primary.
    uow.registry.hold_wrapping()
    made = vault.new_data_key(tenant, purpose)
    uow.registry.add_key_proof(vault.prove(purpose), now)
    uow.tenants.add_data_key(made, now)
    return made


@dataclass(frozen=True)
class Rewrapped:
    """How far a re-wrap has come."""

    round: int
    """Rounds go over all tenants; the last one finds nothing to do."""
    tenants: int
    """Looked at in this round."""
    data_keys: int
    """Wrapped anew in all rounds."""
    stuck: Counter[tuple[Purpose, str]] = field(default_factory=Counter)
    """Data keys of this round that do not open, by purpose and key-encryption key."""


@dataclass(frozen=True)
class KeyUpkeep:
    """What an operator does with keys in use."""

    database: Database
    vault: Vault

    def rewrap(self, now: datetime) -> Iterator[Rewrapped]:
        """Wrap every data key under its purpose's primary key; no envelope changes and nobody has to wait.

        Yields after each tenant. Ends after a round that found nothing under another key but what does not open.
        Raises `DatabaseUnavailable`; what was done until then is done.
        """
        done, found, number = 0, 1, 0
        while found:
            number, found, stuck = number + 1, 0, Counter[tuple[Purpose, str]]()
            self._await_wrapping()
            for looked_at, tenant in enumerate(each_key_holder(self.database), start=1):
                found += self._rewrap_tenant(tenant, stuck, now=now)
                tenants = looked_at - (tenant == HOUSE)
                yield Rewrapped(round=number, tenants=tenants, data_keys=done + found, stuck=stuck)
            done += found

    def release(self, kek_id: str) -> None:
        """That key-encryption key may be retired. Raises `KeyStillNeeded` with the count, `DatabaseUnavailable`."""
        self._await_wrapping()
        wrapped = sum(count for (_, each), count in KeyUse(self.database).counts().items() if each == kek_id)
        if wrapped:
            raise KeyStillNeeded(kek_id, wrapped)
        with self.database.begin() as uow:
            uow.registry.forget_key_proof(kek_id)
            uow.commit(because=Bookkeeping.KEY_RELEASED)

    def _await_wrapping(self) -> None:
        """Transactions that may have wrapped under a former primary have ended; later ones see the changed file."""
        with self.database.begin() as uow:
            uow.registry.await_wrapping()

    def _rewrap_tenant(self, tenant: TenantId, stuck: Counter[tuple[Purpose, str]], *, now: datetime) -> int:
        done, page = 0, self._rewrap_page(tenant, None, now=now)
        while page.keys:
            done += len(page.renewed)
            stuck.update((key.purpose, key.kek_id) for key in page.keys if key.key_id not in page.renewed)
            page = self._rewrap_page(tenant, page.keys[-1], now=now)
        return done

    def _rewrap_page(self, tenant: TenantId, after: WrappedKey | None, *, now: datetime) -> "_Page":
        primaries = self.vault.primaries()
        with self.database.begin(tenant) as uow:
            keys = uow.tenants.lock_data_keys(primaries, after=after, limit=_PAGE)
            renewed = [new for new in map(self._renewed, keys) if new is not None]
            if renewed:
                for purpose in {key.purpose for key in renewed}:
                    uow.registry.add_key_proof(self.vault.prove(purpose), now)
                uow.tenants.save_wrapped(renewed)
                uow.commit(because=_rewrapped_event(tenant, renewed))
        return _Page(keys, frozenset(key.key_id for key in renewed))

    def _renewed(self, key: WrappedKey) -> WrappedKey | None:
        """None for one that does not open: it is told, and holds up no other."""
        try:
            return self.vault.reseal(key)
        except VaultCannotAnswer:
            return None


@dataclass(frozen=True)
class _Page:
    keys: tuple[WrappedKey, ...]
    renewed: frozenset[UUID]


def _rewrapped_event(tenant: TenantId, renewed: list[WrappedKey]) -> AuditEvent:
    under = " ".join(sorted({key.kek_id for key in renewed}))
    return AuditEvent(
        Action.KEYS_REWRAPPED, "operator", f"tenant/{tenant}", {"data_keys": len(renewed), "under": under}
    )


class Openings:
    """Opened secrets, on their way into the audit log: an entry per tenant, purpose and minute of this process.

    Written beside the requests and jobs, not in them. What cannot be written now is kept for the next time; a process
    that is killed takes its last minute along.
    """

    def __init__(self, database: Database, vault: Vault, *, process: str) -> None:
        self._database = database
        self._vault = vault
        self._process = process
        self._waiting: Counter[tuple[TenantId, Purpose, datetime]] = Counter()
        self._alone = threading.Lock()

    def record(self, minute: datetime) -> int:
        """Audit what was opened since the last call, in that minute; returns how many entries were written.

        Raises `DatabaseUnavailable`.
        """
        minute = minute.replace(second=0, microsecond=0)
        with self._alone:
            for (tenant, purpose), opens in self._vault.take_open_counts().items():
                self._waiting[tenant, purpose, minute] += opens
            written = 0
            while self._waiting:
                # The oldest first; one that fails comes after all others the next time, and so holds up none for ever.
                key = next(iter(self._waiting))
                self._write(key, self._waiting.pop(key))
                written += 1
            return written

    def _write(self, key: tuple[TenantId, Purpose, datetime], opens: int) -> None:
        tenant, purpose, minute = key
        detail: dict[str, str | int | None] = {"opens": opens, "process": self._process, "minute": minute.isoformat()}
        try:
            with self._database.begin(tenant) as uow:
                uow.signals.add({Signal(OPENED, "audit", tenant): opens}, at=minute)
                uow.commit(because=AuditEvent(Action.SECRETS_OPENED, "system", f"purpose/{purpose}", detail))
        except BaseException:
            self._waiting[key] += opens
            raise
