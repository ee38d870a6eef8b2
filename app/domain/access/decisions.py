"""May this person see this issue? Jira is asked, briefly remembered, and never guessed for."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.access.roles import Permission, Role, is_granted
from app.domain.identifiers import AccountId, IssueId, TenantId
from app.domain.ports import JiraSites, SiteAccess
from app.domain.secrets import Secret

CONFIRMED_FOR = timedelta(minutes=15)
DENIED_FOR = timedelta(seconds=30)
"""Short, so that somebody who was just given access need not wait."""
_REMEMBERED = 50_000

Question = tuple[TenantId, AccountId, IssueId]


class NotConfirmed(Exception):
    """Jira does not say that this person may see this issue."""


@dataclass
class Confirmations:
    """Jira's answers of the last minutes, in this process only: who looked at what is personal data, so no row."""

    confirmed_for: timedelta = CONFIRMED_FOR
    _answers: OrderedDict[Hashable, tuple[bool, datetime]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, question: Hashable, *, now: datetime) -> bool | None:
        """Jira's answer if it is still good, else None."""
        with self._lock:
            answer = self._answers.get(question)
        if answer is None:
            return None
        allowed, until = answer
        return allowed if now < until else None

    def remember(self, question: Hashable, *, allowed: bool, now: datetime) -> None:
        """Keep an answer; the oldest makes room."""
        until = now + (self.confirmed_for if allowed else DENIED_FOR)
        with self._lock:
            self._answers[question] = (allowed, until)
            self._answers.move_to_end(question)
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)


@dataclass(frozen=True)
class IssueAccess:
    """The one check before anything of an issue is shown."""

    jira: JiraSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    confirmations: Confirmations

    def require(
        self, permission: Permission, question: Question, *, now: datetime, person_token: Secret | None = None
    ) -> None:
        """Return if the role that Jira confirms grants it; raises `NotConfirmed` or `JiraUnavailable`.

        Jira is asked with the person's own token where there is one, else as the app.
        """
        may_browse = self._may_browse(question, person_token, now=now)
        roles = frozenset({Role.ISSUE_BROWSER}) if may_browse else frozenset()
        if not is_granted(permission, roles):
            raise NotConfirmed

    def visible(
        self,
        permission: Permission,
        who: tuple[TenantId, AccountId],
        issues: Collection[IssueId],
        *,
        now: datetime,
        person_token: Secret | None = None,
    ) -> frozenset[IssueId]:
        """Those of these issues of which `require` would return; raises `JiraUnavailable`.

        Jira is asked once, for those of which its answer is not remembered.
        """
        if not is_granted(permission, frozenset({Role.ISSUE_BROWSER})):
            return frozenset()
        tenant, account = who
        known = {issue: self.confirmations.find((tenant, account, issue), now=now) for issue in issues}
        asked = [issue for issue, allowed in known.items() if allowed is None]
        if asked:
            seen = self.jira.may_browse_of(self.site_of(tenant, person_token), account, asked)
            for issue in asked:
                known[issue] = issue in seen
                self.confirmations.remember((tenant, account, issue), allowed=issue in seen, now=now)
        return frozenset(issue for issue, allowed in known.items() if allowed)

    def _may_browse(self, question: Question, person_token: Secret | None, *, now: datetime) -> bool:
        tenant, account, issue = question
        allowed = self.confirmations.find(question, now=now)
        if allowed is None:
            allowed = self.jira.may_browse(self.site_of(tenant, person_token), account, issue)
            self.confirmations.remember(question, allowed=allowed, now=now)
        return allowed
