"""The simulated Atlassian: its sites, its clock, its install key, and edits that are announced to apps."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.issues import Issue
from simulator.people import Json, Person
from simulator.signing import InstallKey
from simulator.site import Site, Unknown
from simulator.webhooks import Lane

SITE_NAMES = ("genchi", "kencha", "genible")


class World:
    """Everything there is. `epoch` is the instant that the ages of the first issues count back from."""

    def __init__(self, urls: Mapping[str, str], *, seed: int, epoch: datetime) -> None:
        self.sites = {
            name: Site(name, url, seed=seed, number=number, epoch=epoch)
            for number, (name, url) in enumerate(urls.items())
        }
        self.lanes = {name: Lane(site) for name, site in self.sites.items()}
        self.install_key = InstallKey()
        self._offset = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the simulator's time, which a control request can move."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock that dates changes in Jira; tokens stay in real time."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)

    @property
    def offset_seconds(self) -> float:
        """Return how far the simulator's clock is ahead of the real one."""
        return self._offset.total_seconds()

    def site(self, name: str) -> Site:
        """Return a site by name.

        Raises:
            Unknown: there is no such site.
        """
        if name not in self.sites:
            raise Unknown(f"no site {name!r}; there are {', '.join(self.sites)}")
        return self.sites[name]

    def create(self, site: Site, project: str, *, values: Mapping[str, Any], author: Person) -> Issue:
        """Create an issue as a person, and tell the app."""
        issue = site.create(project, values, author=author, at=self.now())
        self._announce(site, "jira:issue_created", issue=issue, author=author, entry=None)
        return issue

    def change(self, site: Site, issue: Issue, *, values: Mapping[str, Any], author: Person) -> Json | None:
        """Change an issue as a person, and tell the app if anything changed."""
        entry = site.change(issue, values, author=author, at=self.now())
        if entry is not None:
            self._announce(site, "jira:issue_updated", issue=issue, author=author, entry=entry)
        return entry

    def delete(self, site: Site, issue: Issue, *, author: Person) -> None:
        """Delete an issue as a person, and tell the app."""
        site.delete(issue)
        self._announce(site, "jira:issue_deleted", issue=issue, author=author, entry=None)

    def stop(self) -> None:
        """Stop sending."""
        for lane in self.lanes.values():
            lane.stop()

    def _announce(self, site: Site, event: str, *, issue: Issue, author: Person, entry: Json | None) -> None:
        at_ms = int(self.now().timestamp() * 1000)
        self.lanes[site.name].announce(event, issue, author=author, at_ms=at_ms, entry=entry)
