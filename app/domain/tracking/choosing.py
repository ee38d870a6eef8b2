"""Which policy a site is served under, for its administrators: compared, tried and chosen."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import AccountId, IssueId, TenantId
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.privacy.persons import by_person
from app.domain.promises.model import OwnPolicy, Policy, PolicyRef
from app.domain.promises.preview import Preview, Subject, preview
from app.domain.promises.reports import how_counted
from app.domain.promises.shelf import InForce
from app.domain.tracking.ports import StoredPolicy
from app.domain.tracking.settings import VersionConflict

MOST_ISSUES = 20_000
"""That are looked at while somebody waits; of a larger site the oldest, which the answer says."""
SHOWN = 50
"""Clocks that move, listed one by one."""
_OWN = re.compile(r"own-([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Difference:
    """One promise that two policies word or count differently; None where one of them does not make it."""

    promise: str
    text: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Impact:
    """What choosing a policy would do. The names of its moves are read by `issue_of`."""

    policy: Policy
    found: Preview
    issues: int
    """How many were looked at, of all that are tracked."""
    tracked: int
    lost_pauses: tuple[str, ...]
    """Reasons for which statuses pause clocks now, and which that policy does not allow."""


@dataclass(frozen=True)
class Remaking:
    """How far the stored dates are on their way to the policy in force."""

    behind: int
    clocks: int


@dataclass(frozen=True)
class AtHand:
    """A policy that a site can be served under. `key`: its name in addresses and forms, `genchi` or `own-3`."""

    key: str
    policy: Policy
    stored: StoredPolicy | None = None
    """Of the site's own."""


@dataclass(frozen=True)
class PolicyChoices:
    """The policies at hand, for one site: those that are there for all, and its own."""

    database: Database
    in_force: Callable[[PolicyRef], InForce]
    names: Collection[str]
    vault: Vault

    def current(self, tenant: TenantId) -> AtHand:
        """The one in force; raises `LookupError`."""
        ref = self.database.view_tenant(tenant).policy
        if not isinstance(ref, OwnPolicy):
            return AtHand(ref, self.in_force(ref).policy)
        [stored] = [each for each in self._versions(tenant) if each.ref == ref]
        return self._own(stored)

    def at_hand(self, tenant: TenantId, *, most_own: int) -> tuple[AtHand, ...]:
        """By name, then so many of the site's own, the newest first."""
        own = (self._own(stored) for stored in self._versions(tenant)[:most_own])
        return (*(AtHand(name, self.in_force(name).policy) for name in sorted(self.names)), *own)

    def find(self, tenant: TenantId, key: str) -> AtHand:
        """The policy of that key; raises `LookupError`."""
        if key in self.names:
            return AtHand(key, self.in_force(key).policy)
        version = _OWN.fullmatch(key)
        if version is not None:
            for stored in self._versions(tenant):
                if stored.version == int(version[1]):
                    return self._own(stored)
        raise LookupError(key)

    def impact(self, tenant: TenantId, new: InForce, *, now: datetime) -> Impact:
        """Of that policy on the clocks of issues there; nothing changes. Raises `LookupError`."""
        with self.database.snapshot(tenant) as uow:
            old = self.in_force(uow.tenants.tenant().policy)
            pausing = set(uow.following.configuration().pausing.values())
            tracked = uow.batches.count_tracked()
            found = preview(
                old.policy,
                new.policy,
                subjects=_subjects(uow, (old, new)),
                calendars=new.calendars,
                calendars_before=old.calendars,
                now=now,
                limit=SHOWN,
            )
        allowed = {reason for rule in new.issue_clocks for reason in rule.choices.pauses}
        lost = () if "*" in allowed else tuple(sorted(pausing - allowed))
        return Impact(new.policy, found, issues=min(tracked, MOST_ISSUES), tracked=tracked, lost_pauses=lost)

    def choose(
        self, tenant: TenantId, key: str, *, before: str, actor: str, now: datetime, by: AccountId | None = None
    ) -> None:
        """Put it in the place of the policy `before`, and have every stored date made anew.

        `before`: sha256 of what was in force when somebody looked. Raises `LookupError`, `VersionConflict`,
        `VaultCannotAnswer`.
        """
        chosen = self.find(tenant, key)
        policy = key if chosen.stored is None else chosen.stored.ref
        with self.database.begin(tenant) as uow:
            known = uow.tenants.tenant().policy
            if self.in_force(known).policy.sha256 != before:
                raise VersionConflict(VersionConflict.__doc__)
            if known == policy:
                return
            uow.tenants.save_policy(policy)
            uow.enqueue("recompute-clocks", tenant)
            detail: dict[str, str | int | None] = {"policy": str(policy), "before": str(known)}
            detail["version"] = chosen.policy.version
            event = AuditEvent(Action.POLICY_CHOSEN, actor, f"tenant/{tenant}", detail)
            uow.commit(because=by_person(event, by, uow=uow, vault=self.vault, tenant=tenant, now=now))

    def remaking(self, tenant: TenantId) -> Remaking:
        """How many stored clocks still follow from another policy than the one in force."""
        with self.database.begin(tenant) as uow:
            policy = self.in_force(uow.tenants.tenant().policy).policy
            return Remaking(*uow.bounds.behind(policy=policy.sha256))

    def _versions(self, tenant: TenantId) -> tuple[StoredPolicy, ...]:
        with self.database.begin(tenant) as uow:
            return uow.policies.versions()

    def _own(self, stored: StoredPolicy) -> AtHand:
        return AtHand(f"own-{stored.version}", self.in_force(stored.ref).policy, stored)


def differences(old: Policy, new: Policy) -> tuple[Difference, ...]:
    """Between two policies, and only those."""
    before, after = ({each.id: each for each in policy.promises} for policy in (old, new))
    rows = (
        Difference(
            promise=name,
            text=(after.get(name) or before[name]).text,
            before=how_counted(before[name]) if name in before else None,
            after=how_counted(after[name]) if name in after else None,
        )
        for name in {**before, **after}
    )
    return tuple(row for row in rows if row.before != row.after)


def issue_of(name: str) -> tuple[IssueId, str]:
    """The id and the key in the name of a move."""
    issue, _, key = name.partition(" ")
    return IssueId(int(issue)), key


def _subjects(uow: UnitOfWork, policies: tuple[InForce, ...]) -> Iterator[Subject]:
    promises = sorted({rule.promise for force in policies for rule in force.issue_clocks})
    for record in uow.issues.each_tracked(limit=MOST_ISSUES):
        for promise in promises:
            yield Subject(name=f"{record.issue} {record.key}", promise=promise, events=record.events)
