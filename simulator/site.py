"""One Jira site: its identity, people, projects, issues, who may see what, and the app it has installed."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from simulator.faults import Faults
from simulator.installations import Installation
from simulator.issues import Issue, Project, fields_of_site, jira_time, render_fields
from simulator.people import Json, Person, account_id, populate, random_uuid
from simulator.security import SecurityTab
from simulator.seeds import STORIES, Story

PROJECTS = (Project("10000", "SEC", "Security"), Project("10001", "OPS", "Operations"))
SECURITY_LEVELS = {
    "Security team": frozenset({"admin", "developer", "app"}),
    "Managers": frozenset({"admin"}),
}
GLOBAL_PERMISSIONS = frozenset({"ADMINISTER"})


class Unknown(LookupError):
    """There is no such issue, project or person on this site."""


class Site:
    """A site. `url` is its base URL, `display_url` what people see; both are loopback, without a path."""

    def __init__(self, name: str, url: str, *, seed: int, number: int, epoch: datetime) -> None:
        rng = random.Random(f"{seed}:{name}")
        self.name, self.url, self.display_url, self.number = name, url, url, number
        self.client_key, self.cloud_id = random_uuid(rng), random_uuid(rng)
        self.people = populate(seed, name)
        self.app_user = Person("app", account_id(rng, prefixed=True), "Installed app", "app")
        self.fields = fields_of_site(10101 + 100 * number)
        self.projects = {project.key: project for project in PROJECTS}
        everyone = {*self.people, "app"}
        self.browsers = {"SEC": everyone - {"outsider"}, "OPS": set(everyone)}
        # Administering Jira and administering a project are two permissions: nobody has both everywhere.
        self.jira_admins = frozenset({"admin"})
        self.project_admins = {"SEC": frozenset({"lead"}), "OPS": frozenset({"admin"})}
        self.issues: dict[str, Issue] = {}
        self.security = SecurityTab()
        self.writes: list[Json] = []  # what apps wrote over REST, the newest last
        self.echoes_writes = False  # announce a written property as a change of the issue too
        self.faults = Faults()
        self.license = "active"  # what Connect says: active, inactive or absent (nothing)
        self.installation: Installation | None = None
        self.offered: Installation | None = None  # sent to the app, not yet accepted by it
        self.former: list[Installation] = []  # newest last
        self.lock = threading.RLock()
        self._rng = rng
        self._last_issue_id, self._last_history_id = 10000, 20000
        self._numbers = dict.fromkeys(self.projects, 0)
        for story in STORIES:
            self._tell(story, epoch)

    def person(self, reference: str) -> Person:
        """Return whoever has this handle or account id.

        Raises:
            Unknown: nobody here has.
        """
        for person in (*self.people.values(), self.app_user):
            if reference in (person.handle, person.account_id):
                return person
        raise Unknown(f"nobody called {reference!r}; there are {', '.join(self.people)}")

    def issue(self, reference: str) -> Issue:
        """Return the issue with this id or key (in any case).

        Raises:
            Unknown: there is none.
        """
        if reference in self.issues:
            return self.issues[reference]
        for issue in tuple(self.issues.values()):
            if reference.upper() == issue.key:
                return issue
        raise Unknown(f"no issue {reference!r}")

    def may_see(self, person: Person, issue: Issue) -> bool:
        """Say whether a person may see an issue: Browse on its project, and its security level."""
        level = issue.values["security"]
        allowed = level is None or person.handle in SECURITY_LEVELS[level]
        return allowed and person.handle in self.browsers[issue.project.key]

    def visible(self, person: Person) -> tuple[Issue, ...]:
        """Return the issues that a person may see, oldest id first."""
        return tuple(issue for issue in tuple(self.issues.values()) if self.may_see(person, issue))

    @property
    def holders(self) -> Mapping[str, Mapping[str, Collection[str]]]:
        """Who has which project permission, by permission and project."""
        return {"BROWSE_PROJECTS": self.browsers, "ADMINISTER_PROJECTS": self.project_admins}

    def allow_browsing(self, project: str, person: Person, *, allowed: bool) -> None:
        """Give or take Browse on a project.

        Raises:
            Unknown: no such project.
        """
        if project not in self.browsers:
            raise Unknown(f"no project {project!r}; there are {', '.join(self.projects)}")
        (self.browsers[project].add if allowed else self.browsers[project].discard)(person.handle)

    def create(self, project: str, values: Mapping[str, Any], *, author: Person, at: datetime) -> Issue:
        """Create an issue.

        Raises:
            Unknown: no such project.
            ValueUnknown: no such field or value; nothing has changed then.
        """
        if project not in self.projects:
            raise Unknown(f"no project {project!r}; there are {', '.join(self.projects)}")
        with self.lock:
            number, issue_id = self._numbers[project] + 1, str(self._last_issue_id + 1)
            key = f"{project}-{number}"
            issue = Issue(issue_id, key, self.projects[project], author, at, self.fields)
            issue.set({"summary": "Untitled"} | dict(values), at)
            self._numbers[project], self._last_issue_id = number, int(issue_id)
            self.issues[issue_id] = issue
        return issue

    def change(self, issue: Issue, values: Mapping[str, Any], *, author: Person, at: datetime) -> Json | None:
        """Change an issue; return its new changelog entry, or None if nothing changed.

        Raises:
            ValueUnknown: no such field or value; nothing has changed then.
        """
        with self.lock:
            items = issue.set(values, at)
            return self._write(issue, items, author=author, at=at) if items else None

    def move(self, issue: Issue, project: str, *, author: Person, at: datetime) -> Json:
        """Move an issue to another project: it keeps its id and gets the next key there.

        Raises:
            Unknown: no such project.
        """
        if project not in self.projects:
            raise Unknown(f"no project {project!r}; there are {', '.join(self.projects)}")
        with self.lock:
            self._numbers[project] += 1
            items = issue.move(self.projects[project], f"{project}-{self._numbers[project]}", at)
            return self._write(issue, items, author=author, at=at)

    def _write(self, issue: Issue, items: list[Json], *, author: Person, at: datetime) -> Json:
        self._last_history_id += 1
        entry: Json = {"id": str(self._last_history_id), "author": author.render(self.url)}
        entry |= {"created": jira_time(at), "items": items}
        issue.changelog = (*issue.changelog, entry)
        return entry

    def delete(self, issue: Issue) -> None:
        """Delete an issue. Its key and id are never given again."""
        with self.lock:
            self.issues.pop(issue.id, None)

    def render_issue(self, issue: Issue) -> Json:
        """Return an issue with all its fields, as REST and webhooks give it."""
        head = {"id": issue.id, "key": issue.key, "self": f"{self.url}/rest/api/3/issue/{issue.id}"}
        return {"expand": "names,changelog", **head, "fields": render_fields(issue, self.url)}

    def new_client_key(self) -> str:
        """Return the client key that the site gets when a backup is imported."""
        return random_uuid(self._rng)

    def _tell(self, story: Story, epoch: datetime) -> None:
        created = epoch - timedelta(days=story.age_days, minutes=self._rng.randrange(60))
        reporter = self.people[self._rng.choice(("admin", "developer", "developer2"))]
        issue = self.create(story.project, story.values, author=reporter, at=created)
        for days_later, values in story.then:
            at = created + timedelta(days=days_later)
            self.change(issue, values, author=self.people["developer"], at=at)
