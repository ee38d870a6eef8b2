"""Does this person administer the site, or a project of it? Jira is asked, remembered for a minute, never guessed for.

Each permission is a question of its own with an answer of its own: that somebody administers Jira says nothing about a
project, and the other way round. Atlassian's own framework mixes them up (`authorizeJira` of atlassian-connect-express
keeps its "satisfied" from one project permission to the next).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.access.decisions import Confirmations
from app.domain.access.roles import NotPermitted, Permission, Role, is_granted
from app.domain.identifiers import AccountId, ProjectId, TenantId
from app.domain.installations.model import Caller
from app.domain.ports import JiraSites, SiteAccess
from app.domain.secrets import Secret

CONFIRMED_FOR = timedelta(minutes=1)
"""Shorter than for looking at an issue: whoever is no longer an administrator must soon not be one here."""


@dataclass(frozen=True)
class SiteRoles:
    """The roles that a person has on a site, by Jira's word. `confirmations` are its own, and good for a minute."""

    jira: JiraSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    confirmations: Confirmations

    def of(self, who: Caller, *, project: ProjectId | None, now: datetime) -> frozenset[Role]:
        """Every role that this person has on the site and, if one is named, on that project; raises `JiraUnavailable`.

        Nobody has a role who is no person.
        """
        if who.account is None:
            return frozenset()
        roles = {Role.USER}
        if self._administers(who, who.account, None, now=now):
            roles.add(Role.JIRA_ADMIN)
        if project is not None and self._administers(who, who.account, project, now=now):
            roles.add(Role.PROJECT_ADMIN)
        return frozenset(roles)

    def require(self, permission: Permission, who: Caller, *, project: ProjectId | None = None, now: datetime) -> None:
        """Return if a role on the site as a whole, or on that project, grants it.

        Raises `NotPermitted` or `JiraUnavailable`.
        """
        if not is_granted(permission, self.of(who, project=project, now=now)):
            raise NotPermitted

    def _administers(self, who: Caller, account: AccountId, project: ProjectId | None, *, now: datetime) -> bool:
        question = (who.tenant, account, project)
        allowed = self.confirmations.find(question, now=now)
        if allowed is None:
            site = self.site_of(who.tenant, who.person_token)
            if project is None:
                allowed = self.jira.may_administer_jira(site, account)
            else:
                allowed = self.jira.may_administer_project(site, account, project)
            self.confirmations.remember(question, allowed=allowed, now=now)
        return allowed
