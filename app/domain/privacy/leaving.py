"""A tenant leaves: access ends at once, its data stays for as long as a reinstall may want it, and is then erased.

The order of an erasure, each step one transaction, all of them safe to repeat after a kill:

1. *sever*: what leads to the tenant is deleted, with its keys and all that is sealed with them. From here on a
   reinstall is a new tenant, and nobody reads what is still there.
2. *delete*, slice by slice, children before parents, every table there is.
3. *end*: what a running job has added meanwhile, and the tenant's own row, on which every other hangs: no row can come
   after that.
4. *receipt*: signed, and kept outside of what was erased.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.audit.operations import log_origin
from app.domain.audit.ports import CheckpointKey
from app.domain.backup.erasing_again import Remembering
from app.domain.clocks.model import instant_text
from app.domain.identifiers import HOUSE, TenantId
from app.domain.installations.model import InstallationState
from app.domain.ports import Database, UnitOfWork
from app.domain.privacy.model import AskedBy, Departure, Inventory, added
from app.domain.privacy.receipts import ageing, sign_receipt
from app.protocol.tokens import LEEWAY_SECONDS, MAX_LIFE_SECONDS

SLICE_ROWS = 10_000
"""Rows per transaction: some tenths of a second, in which a lifecycle call of that tenant at most has to wait."""
TOKEN_LIFE = timedelta(seconds=MAX_LIFE_SECONDS + LEEWAY_SECONDS)
_TOLD = (Action.TENANT_LEFT, Action.TENANT_SEVERED, Action.TENANT_ERASED)


class NoSuchTenant(LookupError):
    """There is no such tenant, or it is erased already."""


@dataclass(frozen=True)
class Leaving:
    """From the last access to the receipt."""

    database: Database
    key: Callable[[], CheckpointKey]
    """Signs receipts; read when it is needed, which is never in a web process."""
    retention: timedelta
    backups_kept: timedelta
    delete_files: Callable[[TenantId], None]
    """Exports of that tenant which lie beside the database."""
    remembering: Remembering
    """Keeps outside of the database that a tenant is gone, so that no restored backup brings it back."""

    def wake(self, *, now: datetime) -> int:
        """Note who has left, and ask for the erasure of those whose time is over; returns how many that are."""
        self._note_departures(now=now)
        with self.database.begin() as uow:
            due = uow.departures.due(now)
        for tenant in due:
            self._ask(tenant)
        return len(due)

    def erase_some(self, tenant: TenantId, *, now: datetime) -> None:
        """One step of an erasure that is due, for a job; asks for the next one if there is one."""
        if self.step(tenant, now=now):
            self._ask(tenant)

    def inventory(self, tenant: TenantId) -> Inventory:
        """What an erasure would delete and leave; raises `NoSuchTenant`."""
        with self.database.snapshot(tenant) as uow:
            found = uow.erasure.inventory()
        if tenant == HOUSE or not found.goes:
            raise NoSuchTenant(NoSuchTenant.__doc__)
        return found

    def departure(self, tenant: TenantId) -> Departure | None:
        """What is noted of a tenant that has left."""
        with self.database.begin() as uow:
            return uow.departures.find(tenant)

    def departures(self) -> tuple[Departure, ...]:
        """All that have left."""
        with self.database.begin() as uow:
            return uow.departures.list_all()

    def leave(self, tenant: TenantId, *, asked_by: AskedBy, at_once: bool, now: datetime) -> Departure:
        """End all access of a tenant by our own word, as if it had uninstalled; its data goes `at_once` or in time.

        Raises `NoSuchTenant`.
        """
        self.inventory(tenant)
        with self.database.begin(tenant) as uow:
            # In the order in which a step of the erasure locks them.
            noted = uow.departures.hold(tenant)
            connect, forge = uow.departures.lock_registrations(tenant)
            connect = [each for each in connect if each.state is InstallationState.ACTIVE]
            forge = [each for each in forge if each.state is InstallationState.ACTIVE]
            for each in connect:
                uow.registry.save_connect(
                    replace(each, state=InstallationState.UNINSTALLED, previous_accepted_until=None)
                )
            for known in forge:
                uow.registry.save_forge(replace(known, state=InstallationState.UNINSTALLED, seen_at=now))
            ended = [*(each.installation for each in connect), *(known.installation for known in forge)]
            for installation in ended:
                uow.tenants.mark_uninstalled(installation, now)
            # What was noted of one that is alive is of an earlier time, from which it came back.
            left = noted if noted and not ended else Departure(tenant, left_at=now, due_at=now + self.retention)
            left = replace(left, asked_by=asked_by, due_at=min(left.due_at, now) if at_once else left.due_at)
            (uow.departures.note if noted is None else uow.departures.save)(left)
            uow.commit(because=AuditEvent(Action.TENANT_LEFT, "operator", f"tenant/{tenant}", {"by": asked_by.value}))
        return left

    def step(self, tenant: TenantId, *, now: datetime) -> bool:
        """The next step of an erasure that is due; returns whether another one can follow at once."""
        with self.database.begin(tenant) as uow:
            left = uow.departures.hold(tenant)
            if left is None or left.receipt is not None or now < left.due_at:
                return False
            if left.begun_at is None:
                return self._sever(uow, left, now=now)
            if left.erased_at is None:
                return self._delete(uow, left, now=now)
        self._give_receipt(left)
        return False

    def _sever(self, uow: UnitOfWork, left: Departure, *, now: datetime) -> bool:
        connect, forge = uow.departures.lock_registrations(left.tenant)
        if InstallationState.ACTIVE in {*(each.state for each in connect), *(each.state for each in forge)}:
            uow.departures.forget_returned()
            uow.commit(because=Bookkeeping.DEPARTURES_NOTED)
            return False
        last = uow.erasure.last_access() or left.left_at
        if left.asked_by is AskedBy.RETENTION and last > left.left_at:
            # It came back and left again meanwhile: its time counts from then.
            uow.departures.save(replace(left, left_at=last, due_at=last + self.retention))
            uow.commit(because=Bookkeeping.DEPARTURES_NOTED)
            return False
        # Whoever saw the token of the last lifecycle event could play it again with a secret of his own, once there is
        # no row left that knows it.
        good_until = max((each.applied_at + TOKEN_LIFE for each in connect), default=now)
        if now < good_until:
            uow.departures.save(replace(left, due_at=good_until))
            uow.commit(because=Bookkeeping.DEPARTURES_NOTED)
            return False
        counts = uow.erasure.sever()
        uow.departures.save(replace(left, begun_at=now, counts=counts))
        uow.commit(because=AuditEvent(Action.TENANT_SEVERED, "system", f"tenant/{left.tenant}"))
        return True

    def _delete(self, uow: UnitOfWork, left: Departure, *, now: datetime) -> bool:
        counts = uow.erasure.delete_some(SLICE_ROWS)
        if counts:
            uow.departures.save(replace(left, counts=added(left.counts, counts)))
            uow.commit(because=Bookkeeping.TENANT_PART_ERASED)
            return True
        total = added(left.counts, uow.erasure.delete_last())
        uow.departures.save(replace(left, counts=total, erased_at=now))
        detail = {"rows": sum(total.values()), "tables": len(total), "by": left.asked_by.value}
        uow.commit(because=AuditEvent(Action.TENANT_ERASED, "system", f"tenant/{left.tenant}", detail))
        return True

    def _give_receipt(self, left: Departure) -> None:
        self.delete_files(left.tenant)
        with self.database.begin(left.tenant) as uow:
            current = uow.departures.hold(left.tenant)
            if current is None or current.receipt is not None:
                return
            self.remembering.tenant(uow, left.tenant)
            note = sign_receipt(self._document(uow, current), self.key())
            uow.departures.save(replace(current, receipt=note))
            uow.commit(because=Bookkeeping.RECEIPT_GIVEN)

    def _document(self, uow: UnitOfWork, left: Departure) -> dict[str, Any]:
        begun, erased = left.begun_at, left.erased_at
        if begun is None or erased is None:
            raise ValueError("a receipt is for what has happened")
        return {
            "subject": f"tenant/{left.tenant}",
            "asked_by": left.asked_by.value,
            "left_at": instant_text(left.left_at),
            "keys_destroyed_at": instant_text(begun),
            "erased_at": instant_text(erased),
            "erased": dict(left.counts),
            "stays": [{"table": each.table, "rows": each.rows, "why": each.why} for each in uow.erasure.stays()],
            "audit": {
                "log": log_origin(self.key().name, left.tenant),
                "entries": [str(entry) for entry in uow.erasure.entries(_TOLD)],
            },
            "only_ageing_removes": [each.to_json() for each in ageing(erased, backups_kept=self.backups_kept)],
        }

    def _note_departures(self, *, now: datetime) -> None:
        with self.database.begin() as uow:
            uow.departures.forget_returned()
            tenants = uow.departures.unnoticed()
            uow.commit(because=Bookkeeping.DEPARTURES_NOTED)
        for tenant in tenants:
            with self.database.begin(tenant) as uow:
                left_at = uow.erasure.last_access() or now
                if uow.departures.find(tenant) is None:
                    uow.departures.note(Departure(tenant, left_at=left_at, due_at=left_at + self.retention))
                    uow.commit(because=Bookkeeping.DEPARTURES_NOTED)

    def _ask(self, tenant: TenantId) -> None:
        with self.database.begin(tenant) as uow:
            uow.enqueue("erase-tenant", tenant)
            uow.commit(because=Bookkeeping.ERASURE_ASKED)
