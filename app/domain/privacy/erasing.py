"""Taking a person out of everything that is held: of one tenant, or of all once an account is closed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.domain.audit.entry import Action, AuditEvent
from app.domain.backup.erasing_again import Remembering
from app.domain.identifiers import AccountId, TenantId
from app.domain.keys.queries import each_tenant
from app.domain.ports import Database


def erased_event(tenant: TenantId, changed: Mapping[str, int], *, accounts: int, actor: str, reason: str) -> AuditEvent:
    """What the log says of an erasure: how many, where and why; not who."""
    detail: dict[str, str | int | None] = {"accounts": accounts, "reason": reason, **dict(sorted(changed.items()))}
    return AuditEvent(Action.ACCOUNTS_ERASED, actor, f"tenant/{tenant}", detail)


@dataclass(frozen=True)
class Erasing:
    """The use case; each call is one transaction of one tenant, and may be repeated."""

    database: Database
    remembering: Remembering

    def erase(self, tenant: TenantId, accounts: Collection[AccountId], *, actor: str, reason: str) -> Mapping[str, int]:
        """Take these people out of every column of that tenant; returns how many rows changed, by table.

        Facts stay without the person, proofs of the audit log stay valid, the data keys of the people are destroyed.
        `actor`: `system` or `operator`; `reason`: a code, of nobody's words.
        """
        with self.database.begin(tenant) as uow:
            changed = uow.people.erase(accounts)
            if changed:
                self.remembering.accounts(uow, tenant, accounts)
                uow.commit(because=erased_event(tenant, changed, accounts=len(accounts), actor=actor, reason=reason))
        return changed

    def everywhere(self, account: AccountId, *, actor: str, reason: str) -> Mapping[TenantId, int]:
        """The same of every tenant; returns how many rows changed, by tenant that held something."""
        found: dict[TenantId, int] = {}
        for tenant in each_tenant(self.database):
            changed = self.erase(tenant, [account], actor=actor, reason=reason)
            if changed:
                found[tenant] = sum(changed.values())
        return found
