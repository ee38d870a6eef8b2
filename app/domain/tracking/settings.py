"""How a tenant's issues are followed, as its administrators see and change it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import AccountId, TenantId
from app.domain.ports import Database, SiteAccess, Vault
from app.domain.privacy.persons import by_person
from app.domain.promises.model import PolicyRef
from app.domain.promises.shelf import InForce
from app.domain.secrets import Secret
from app.domain.tracking.bulk_reading import BulkJiraSites
from app.domain.tracking.configuration import (
    ConfigurationRefused,
    Finding,
    FollowingConfiguration,
    check_vocabulary,
    configuration_of,
)
from app.domain.tracking.jql import JqlRefused
from app.domain.tracking.model import Unmapped
from app.domain.tracking.rule import TrackingRule
from app.domain.tracking.runs import Cause, Run, RunKind


class VersionConflict(Exception):
    """Somebody else has changed this configuration since it was read."""


@dataclass(frozen=True)
class FollowingView:
    """What an administrator is shown."""

    configuration: FollowingConfiguration
    unmapped: tuple[Unmapped, ...]
    runs: Mapping[RunKind, Run | None]
    tracked: int

    def to_json(self) -> dict[str, Any]:
        """The document of `GET /api/v1/settings/following`."""
        return {
            "version": self.configuration.version,
            "configuration": self.configuration.to_json(),
            "unmapped": [
                {"kind": value.kind, "name": value.name, "issue": str(value.issue)} for value in self.unmapped
            ],
            "tracked": self.tracked,
            **{kind.value: None if run is None else _run_json(run) for kind, run in self.runs.items()},
        }


@dataclass(frozen=True)
class FollowingSettings:
    """Reads and changes the configuration of a tenant."""

    database: Database
    jira: BulkJiraSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    rule: TrackingRule
    in_force: Callable[[PolicyRef], InForce]
    vault: Vault

    def view(self, tenant: TenantId) -> FollowingView:
        """What is in force, what has no meaning yet, and how far the runs are; raises `LookupError`."""
        self.database.view_tenant(tenant)
        with self.database.begin(tenant) as uow:
            configuration = uow.following.configuration()
            rule = configuration.reading(self.rule).rule
            return FollowingView(
                configuration=configuration,
                unmapped=tuple(value for value in uow.following.list_unmapped() if not _means_something(value, rule)),
                runs={kind: uow.following.find_run(kind) for kind in RunKind},
                tracked=uow.batches.count_tracked(),
            )

    def change(
        self,
        tenant: TenantId,
        document: Mapping[str, Any],
        *,
        version: int,
        actor: str,
        now: datetime,
        by: AccountId | None = None,
    ) -> None:
        """Put that configuration in the place of version `version`, and read every issue under it.

        Raises `ConfigurationRefused`, `VersionConflict`, `JiraUnavailable`, `LookupError`, `VaultCannotAnswer`.
        """
        wanted = configuration_of(document, version=version + 1)
        self.check(tenant, wanted)
        with self.database.begin(tenant) as uow:
            before = uow.following.configuration()
            if before.version != version:
                raise VersionConflict(VersionConflict.__doc__)
            if before.to_json() == wanted.to_json():
                return
            if not uow.following.add_configuration(wanted, now):
                raise VersionConflict(VersionConflict.__doc__)
            uow.following.ask_run(RunKind.IMPORT, Cause.SETTINGS, now=now)
            uow.enqueue("sync-issues", tenant)
            event = _event(tenant, before=before, wanted=wanted, actor=actor)
            uow.commit(because=by_person(event, by, uow=uow, vault=self.vault, tenant=tenant, now=now))

    def check(self, tenant: TenantId, wanted: FollowingConfiguration) -> None:
        """By the site itself: what it does not have or does not understand would be found out at night.

        Raises `ConfigurationRefused`, `JiraUnavailable`, `LookupError`.
        """
        policy = self.database.view_tenant(tenant).policy
        pauses = {reason for rule in self.in_force(policy).issue_clocks for reason in rule.choices.pauses}
        site = self.site_of(tenant, None)
        check_vocabulary(wanted, self.jira.vocabulary(site), pauses=pauses, policy=str(policy))
        if wanted.jql is None:
            return
        try:
            self.jira.check_jql(site, wanted.jql)
        except JqlRefused as refusal:
            raise ConfigurationRefused((Finding("jql", refusal.why),)) from refusal


def _means_something(value: Unmapped, rule: TrackingRule) -> bool:
    """Whether the configuration of now says what it means, though it did not when it was met."""
    name = value.name.strip().lower()
    if value.kind == "resolution":
        return rule.counts_as_fixed(name) or rule.counts_as_other(name)
    return value.kind == "priority" and name in rule.priorities


def _run_json(run: Run) -> dict[str, Any]:
    return run.summary() | {"last": run.last if run.is_unfinished else None}


def _event(
    tenant: TenantId, *, before: FollowingConfiguration, wanted: FollowingConfiguration, actor: str
) -> AuditEvent:
    """What changed by name, and the hash of what is in force now; every version is kept in full."""
    old, new = before.to_json(), wanted.to_json()
    changed = sorted(name for name in new if old[name] != new[name])
    digest = hashlib.sha256(json.dumps(new, sort_keys=True).encode()).hexdigest()
    detail: dict[str, str | int | None] = {"version": wanted.version, "changed": " ".join(changed), "sha256": digest}
    return AuditEvent(Action.FOLLOWING_CHANGED, actor, f"tenant/{tenant}", detail)
