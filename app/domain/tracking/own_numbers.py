"""A site's own numbers for the clocks of its issues: tried on what is there, and stored as a version of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import AccountId, TenantId
from app.domain.ports import UnitOfWork
from app.domain.privacy.persons import by_person
from app.domain.promises.coverage import Today
from app.domain.promises.lint import lint_on_top
from app.domain.promises.model import OwnPolicy, own_name
from app.domain.promises.numbers import (
    Given,
    Number,
    NumberFault,
    NumbersRefused,
    changes,
    fault_of,
    numbers_of,
    own_text,
    read_numbers,
)
from app.domain.promises.reading import Parts, TextOf, read_parts
from app.domain.promises.shelf import InForce, Texts, read_own
from app.domain.sentences import Sentence
from app.domain.tracking.choosing import Impact, PolicyChoices
from app.domain.tracking.ports import StoredPolicy
from app.domain.tracking.settings import VersionConflict

MOST_VERSIONS = 500
"""Of one site: some megabytes of texts."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of one promise as they are in force, and as the policy at hand has them."""

    promise: str
    text: str
    clause: str
    base: str
    """Title of the policy at hand that they are compared with, and that a new version extends."""
    in_force: tuple[Number, ...]
    at_hand: Mapping[str, Number]
    """By name."""


@dataclass(frozen=True)
class Candidate:
    """A policy that is not in force yet. `ref` has the hash by which it is the same one when it is saved."""

    ref: OwnPolicy
    force: InForce
    texts: Texts
    changed: tuple[str, ...]
    """The promises whose numbers are the site's."""


@dataclass(frozen=True)
class OwnNumbers:
    """Lets administrators of a site set numbers that give no more time than the vendor has promised."""

    choices: PolicyChoices
    text_of: TextOf

    def promises(self, tenant: TenantId) -> tuple[Numbers, ...]:
        """Of each clock that runs on issues there; raises `LookupError`."""
        with self.choices.database.begin(tenant) as uow:
            shipped, current = self._parts(uow)
        return tuple(_numbers(promise, shipped=shipped, current=current) for promise in _clocks(shipped))

    def is_behind(self, tenant: TenantId) -> bool:
        """Whether the site's own version was made of an older text of the policy that it extends."""
        with self.choices.database.begin(tenant) as uow:
            policy = uow.tenants.tenant().policy
            return isinstance(policy, OwnPolicy) and self._is_behind(uow, policy)

    def candidate(self, tenant: TenantId, promise: str, given: Mapping[str, str], *, now: datetime) -> Candidate | None:
        """The policy with these numbers of one promise, the site's others kept; None where nothing is its own.

        Raises `NumbersRefused` (also for what the lint finds), `LookupError`, `PolicyRefused`.
        """
        with self.choices.database.begin(tenant) as uow:
            return self._candidate(uow, promise, given, now=now)

    def impact(self, tenant: TenantId, candidate: Candidate | None, *, now: datetime) -> Impact:
        """Of that policy, or of the one at hand where the site keeps no number of its own."""
        base = self.choices.database.view_tenant(tenant).policy
        name = base.base if isinstance(base, OwnPolicy) else base
        force = self.choices.in_force(name) if candidate is None else candidate.force
        return self.choices.impact(tenant, force, now=now)

    def save(
        self,
        tenant: TenantId,
        promise: str,
        given: Mapping[str, str],
        *,
        seen: str,
        before: str,
        actor: str,
        now: datetime,
        by: AccountId | None = None,
    ) -> Candidate | None:
        """Store that policy and put it in force; `seen` and `before` are the hashes of what somebody has looked at.

        Raises what `candidate` does, and `VersionConflict`, `VaultCannotAnswer`.
        """
        with self.choices.database.begin(tenant) as uow:
            known = uow.tenants.tenant().policy
            found = self._candidate(uow, promise, given, now=now)
            policy = _base_of(known) if found is None else found.ref
            sha256 = self.choices.in_force(policy).policy.sha256 if found is None else found.ref.sha256
            if self.choices.in_force(known).policy.sha256 != before or sha256 != seen:
                raise VersionConflict(VersionConflict.__doc__)
            version = 0
            if found is not None:
                version = found.force.policy.version
                if not uow.policies.add(StoredPolicy(found.ref, version, now), found.texts):
                    raise VersionConflict(VersionConflict.__doc__)
            uow.tenants.save_policy(policy)
            uow.enqueue("recompute-clocks", tenant)
            changed = "" if found is None else " ".join(found.changed)
            detail = {"policy": str(policy), "before": str(known), "changed": changed, "sha256": sha256}
            event = AuditEvent(Action.POLICY_EDITED, actor, f"tenant/{tenant}", {**detail, "version": version})
            uow.commit(because=by_person(event, by, uow=uow, vault=self.choices.vault, tenant=tenant, now=now))
        return found

    def _candidate(self, uow: UnitOfWork, promise: str, given: Mapping[str, str], *, now: datetime) -> Candidate | None:
        shipped, current = self._parts(uow)
        if promise not in _clocks(shipped):
            raise LookupError(promise)
        wanted = {promise: read_numbers(numbers_of(shipped, promise), given)}
        for other in _clocks(shipped):
            if other != promise and other in current.promises:
                wanted[other] = _values(current, other)
        own = {name: changes(numbers_of(shipped, name), numbers) for name, numbers in wanted.items()}
        own = {name: numbers for name, numbers in own.items() if numbers}
        policy = uow.tenants.tenant().policy
        known = {name: changes(numbers_of(shipped, name), _values(current, name)) for name in _clocks(shipped)}
        is_up_to_date = not isinstance(policy, OwnPolicy) or not self._is_behind(uow, policy)
        if is_up_to_date and own == {name: numbers for name, numbers in known.items() if numbers}:
            raise NumbersRefused((NumberFault(None, Sentence("these numbers are in force already")),))
        if not own:
            return None
        version = uow.policies.next_version()
        if version > MOST_VERSIONS:
            reason = Sentence(
                "there are %(number)s versions already: put an earlier one in force", number=MOST_VERSIONS
            )
            raise NumbersRefused((NumberFault(None, reason),))
        return self._checked(uow.tenants.tenant().tenant, shipped, own, promise=promise, version=version, now=now)

    def _checked(
        self,
        tenant: TenantId,
        shipped: Parts,
        own: Mapping[str, Given],
        *,
        promise: str,
        version: int,
        now: datetime,
    ) -> Candidate:
        base = shipped.policy
        name = own_name(base.name)
        texts = {name: own_text(shipped, own, version=version, dated=now.date()), **self._chain(base.name)}
        parts = read_parts(name, texts.__getitem__)
        ref = OwnPolicy(tenant, base.name, parts.policy.sha256)
        force = InForce(read_own(ref, texts))
        today = Today(
            checks={check for each in base.promises for check in each.checks},
            triggers={rule.promise for rule in force.issue_clocks},
        )
        found = lint_on_top(force.policy, base, today=today)
        if found:
            known = numbers_of(parts, promise)
            raise NumbersRefused(tuple(dict.fromkeys(fault_of(each, known) for each in found)))
        return Candidate(ref, force, texts, tuple(own))

    def _is_behind(self, uow: UnitOfWork, policy: OwnPolicy) -> bool:
        texts = dict(uow.policies.texts(policy.sha256) or {})
        texts.pop(str(policy), None)
        return texts != self._chain(policy.base)

    def _chain(self, name: str) -> dict[str, str]:
        """The texts of that policy and of all that it extends."""
        texts: dict[str, str] = {}
        each: str | None = name
        while each is not None:
            texts[each] = self.text_of(each)
            each = self.choices.in_force(each).policy.extends
        return texts

    def _parts(self, uow: UnitOfWork) -> tuple[Parts, Parts]:
        """Of the policy at hand, and of the one in force."""
        policy = uow.tenants.tenant().policy
        shipped = read_parts(_base_of(policy), self.text_of)
        if not isinstance(policy, OwnPolicy):
            return shipped, shipped
        texts = uow.policies.texts(policy.sha256) or {}
        return shipped, read_parts(str(policy), texts.__getitem__)


def _base_of(policy: str | OwnPolicy) -> str:
    return policy.base if isinstance(policy, OwnPolicy) else policy


def _clocks(parts: Parts) -> tuple[str, ...]:
    return tuple(rule.promise for rule in InForce(parts.policy).issue_clocks)


def _values(parts: Parts, promise: str) -> Given:
    return {each.name: each.value for each in numbers_of(parts, promise)} if promise in parts.promises else {}


def _numbers(promise: str, *, shipped: Parts, current: Parts) -> Numbers:
    at_hand = numbers_of(shipped, promise)
    parts = current if promise in current.promises else shipped
    names = {each.name for each in at_hand}
    return Numbers(
        promise=promise,
        text=shipped.promises[promise].text,
        clause=shipped.promises[promise].clause,
        base=shipped.policy.title,
        in_force=tuple(each for each in numbers_of(parts, promise) if each.name in names),
        at_hand={each.name: each for each in at_hand},
    )
