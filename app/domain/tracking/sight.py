"""What one person may be told of in numbers: projects to browse, and issues with a security level one by one.

Who may browse a project may see its issues that have no security level. Jira is asked about both in one question, and
its answer is remembered as in `app.domain.access.decisions`. What Jira has not confirmed is never counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.access.decisions import Confirmations
from app.domain.access.roles import Permission, Role, is_granted
from app.domain.identifiers import AccountId, IssueId, ProjectId, TenantId
from app.domain.installations.model import Caller
from app.domain.ports import Database, JiraSites, SiteAccess
from app.domain.secrets import Secret
from app.domain.tracking.figures import MOST, Figures, Sight, ended_since

MOST_AT_ONCE = 1000
"""Projects, and issues, in one question to Jira."""


@dataclass(frozen=True)
class Sights:
    """Asks Jira. `confirmations` are those of `IssueAccess`: an answer about an issue is good for both."""

    database: Database
    jira: JiraSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    confirmations: Confirmations

    def of(self, who: Caller, *, project: ProjectId | None, now: datetime) -> Sight:
        """Of that project, or of every project that has clocks; raises `JiraUnavailable`."""
        if who.account is None or not is_granted(Permission.VIEW_ISSUE_CLOCKS, frozenset({Role.ISSUE_BROWSER})):
            return Sight(frozenset())
        with self.database.begin(who.tenant) as uow:
            found = (project,) if project is not None else uow.overviews.projects(limit=MOST_AT_ONCE + 1)
            issues = uow.overviews.restricted(frozenset(found), limit=MOST_AT_ONCE + 1)
        projects, asked = found[:MOST_AT_ONCE], issues[:MOST_AT_ONCE]
        seen_projects, seen_issues = self._seen(who, who.account, projects, issues=asked, now=now)
        has_unasked = len(found) > MOST_AT_ONCE or len(issues) > MOST_AT_ONCE
        return Sight(seen_projects, seen_issues, has_unasked)

    def _seen(
        self,
        who: Caller,
        account: AccountId,
        projects: tuple[ProjectId, ...],
        *,
        issues: tuple[IssueId, ...],
        now: datetime,
    ) -> tuple[frozenset[ProjectId], frozenset[IssueId]]:
        of_projects = {one: ("project", who.tenant, account, one) for one in projects}
        of_issues = {one: (who.tenant, account, one) for one in issues}
        known_projects = {one: self.confirmations.find(name, now=now) for one, name in of_projects.items()}
        known_issues = {one: self.confirmations.find(name, now=now) for one, name in of_issues.items()}
        ask_projects = [one for one, allowed in known_projects.items() if allowed is None]
        ask_issues = [one for one, allowed in known_issues.items() if allowed is None]
        if ask_projects or ask_issues:
            site = self.site_of(who.tenant, who.person_token)
            seen_projects, seen_issues = self.jira.may_browse_among(
                site, account, projects=ask_projects, issues=ask_issues
            )
            for project in ask_projects:
                known_projects[project] = allowed = project in seen_projects
                self.confirmations.remember(of_projects[project], allowed=allowed, now=now)
            for issue in ask_issues:
                known_issues[issue] = allowed = issue in seen_issues
                self.confirmations.remember(of_issues[issue], allowed=allowed, now=now)
        return (
            frozenset(one for one, allowed in known_projects.items() if allowed),
            frozenset(one for one, allowed in known_issues.items() if allowed),
        )


@dataclass(frozen=True)
class Overviews:
    """Counts what somebody may know."""

    database: Database
    sights: Sights

    def of(self, who: Caller, *, project: ProjectId | None, now: datetime) -> tuple[Sight, Figures]:
        """What that person may know of that project, or of all, and the numbers of it; raises `JiraUnavailable`."""
        sight = self.sights.of(who, project=project, now=now)
        with self.database.begin(who.tenant) as uow:
            return sight, uow.overviews.figures(sight, most=MOST, ended_since=ended_since(now), now=now)
