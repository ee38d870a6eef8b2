"""What a configuration would make of one issue, before it is in force: read from Jira now, and nothing is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Bounds
from app.domain.identifiers import IssueId, TenantId
from app.domain.ports import IssueHidden
from app.domain.promises.shelf import InForce
from app.domain.tracking.configuration import FollowingConfiguration, configuration_of
from app.domain.tracking.deriving import derive
from app.domain.tracking.model import IssueRecord, IssueSnapshot, SeverityReading, Tracking, Unmapped
from app.domain.tracking.settings import FollowingSettings


@dataclass(frozen=True)
class TriedClock:
    """The last cycle of one promise, as it is stored and as it would be; None where there is none."""

    promise: str
    before: Bounds | None
    after: Bounds | None


@dataclass(frozen=True)
class Trial:
    """One issue under a configuration that is not in force."""

    key: str
    counts: bool
    """Whether it is among the issues that count; one that is tracked already stays so, whatever this says."""
    severity: SeverityReading | None
    missing: tuple[str, ...]
    """Why no severity can be read."""
    unmapped: tuple[Unmapped, ...]
    clocks: tuple[TriedClock, ...]


@dataclass(frozen=True)
class FollowingTrials:
    """Tries a configuration by the same rules and the same questions to Jira that put it in force."""

    settings: FollowingSettings

    def try_on(self, tenant: TenantId, document: Mapping[str, Any], *, issue: IssueId, now: datetime) -> Trial:
        """Whoever is shown it may see the issue: the caller has made sure.

        Raises `ConfigurationRefused`, `IssueHidden`, `JiraUnavailable`, `LookupError`, `VaultCannotAnswer`.
        """
        wanted = configuration_of(document, version=0)
        self.settings.check(tenant, wanted)
        snapshot, belongs = self._read(tenant, wanted, issue)
        found, known = self.settings.database.view_issue(tenant, issue)
        reading = wanted.reading(self.settings.rule)
        derived = derive(known, snapshot, reading=reading, belongs=belongs, now=now)
        force = self.settings.in_force(found.policy)
        before, after = _last(known, force), _last(derived.record, force)
        clocks = (
            TriedClock(rule.promise, before.get(rule.promise), after.get(rule.promise)) for rule in force.issue_clocks
        )
        return Trial(
            key=snapshot.key,
            counts=belongs,
            severity=derived.record.severity,
            missing=derived.record.missing,
            unmapped=derived.unmapped,
            clocks=tuple(each for each in clocks if (each.before, each.after) != (None, None)),
        )

    def _read(self, tenant: TenantId, wanted: FollowingConfiguration, issue: IssueId) -> tuple[IssueSnapshot, bool]:
        site = self.settings.site_of(tenant, None)
        read = self.settings.jira.read_issues(site, [issue], wanted.fields())
        if not read.snapshots:
            raise IssueHidden
        [snapshot] = read.snapshots
        if wanted.jql is None:
            return snapshot, self.settings.rule.matches(issue_type=snapshot.issue_type, labels=snapshot.labels)
        return snapshot, self.settings.jira.is_within(site, wanted.jql, issue)


def _last(record: IssueRecord | None, force: InForce) -> dict[str, Bounds]:
    if record is None or record.tracking is not Tracking.TRACKED:
        return {}
    cycles = {rule.promise: bounds_of(rule, record.events, calendars=force.calendars) for rule in force.issue_clocks}
    return {promise: bounds[-1] for promise, bounds in cycles.items() if bounds}
