"""The simulated Atlassian: its sites, its clock, its keys, and edits that are announced to apps."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulator.events import EventLane
from simulator.forge import Forge
from simulator.forge_tokens import InvocationKeys
from simulator.issues import Issue
from simulator.oauth import Authorization
from simulator.people import Json, Person
from simulator.reports import Reports
from simulator.signing import InstallKey
from simulator.site import Site, Unknown
from simulator.webhooks import WebhookLane

SITE_NAMES = ("genchi", "kencha", "genible")
HOUR = timedelta(hours=1)
MAX_CRONS_AT_ONCE = 24
_LOOK_SECONDS = 15


class World:
    """Everything there is. `epoch` is the instant that the ages of the first issues count back from.

    `api_url` is where Jira is reached by cloud id; `forge_ui` the folder of the Custom UI bundle, served at
    `forge_ui_url`, which may be made while the simulator runs.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        seed: int,
        epoch: datetime,
        api_url: str,
        forge_ui_url: str,
        forge_ui: Path | None = None,
    ) -> None:
        self.sites = {
            name: Site(name, url, seed=seed, number=number, epoch=epoch)
            for number, (name, url) in enumerate(urls.items())
        }
        self.api_url, self.forge_ui_url, self.forge_ui = api_url, forge_ui_url, forge_ui
        self.install_key, self.invocation_keys = InstallKey(), InvocationKeys()
        self._offset = timedelta()
        self._started, self._hours = datetime.now(UTC), 0
        self._lock, self._stopped = threading.RLock(), threading.Event()
        self.reports, self.authorization = Reports(self.now), Authorization(self.now)
        self.forge = {name: Forge(site, keys=self.invocation_keys, now=self.now) for name, site in self.sites.items()}
        self.lanes = {name: WebhookLane(site) for name, site in self.sites.items()}
        self.events = {name: EventLane(forge) for name, forge in self.forge.items()}
        threading.Thread(target=self._keep_hours, name="hours", daemon=True).start()

    def now(self) -> datetime:
        """Return the simulator's time, which a control request can move."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock that dates changes in Jira, and run what is due; signed tokens stay in real time."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)
            self._run_hourly()

    @property
    def has_forge_ui(self) -> bool:
        """Say whether there is a Custom UI bundle to frame by now."""
        return self.forge_ui is not None and (self.forge_ui / "index.html").is_file()

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
        """Create an issue as a person, and tell the apps."""
        issue = site.create(project, values, author=author, at=self.now())
        self._announce(site, "jira:issue_created", issue=issue, author=author, entry=None)
        return issue

    def change(self, site: Site, issue: Issue, *, values: Mapping[str, Any], author: Person) -> Json | None:
        """Change an issue as a person, and tell the apps if anything changed."""
        entry = site.change(issue, values, author=author, at=self.now())
        if entry is not None:
            self._announce(site, "jira:issue_updated", issue=issue, author=author, entry=entry)
        return entry

    def move(self, site: Site, issue: Issue, *, project: str, author: Person) -> Json:
        """Move an issue to another project as a person, and tell the apps."""
        entry = site.move(issue, project, author=author, at=self.now())
        self._announce(site, "jira:issue_updated", issue=issue, author=author, entry=entry)
        return entry

    def delete(self, site: Site, issue: Issue, *, author: Person) -> None:
        """Delete an issue as a person, and tell the apps."""
        site.delete(issue)
        self._announce(site, "jira:issue_deleted", issue=issue, author=author, entry=None)

    def property_set(self, site: Site, issue: Issue) -> None:
        """Tell the Connect app of a property that it wrote; Forge apps ask not to be told of their own writes."""
        events = ["issue_property_set", *(["jira:issue_updated"] if site.echoes_writes else [])]
        at_ms = int(self.now().timestamp() * 1000)
        for event in events:
            self.lanes[site.name].announce(event, issue, author=site.app_user, at_ms=at_ms, entry=None)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()
        for name in self.sites:
            self.lanes[name].stop()
            self.events[name].stop()

    def _announce(self, site: Site, event: str, *, issue: Issue, author: Person, entry: Json | None) -> None:
        at_ms = int(self.now().timestamp() * 1000)
        self.lanes[site.name].announce(event, issue, author=author, at_ms=at_ms, entry=entry)
        self.events[site.name].announce(event, issue, author=author, entry=entry)

    def _keep_hours(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            self._run_hourly()

    def _run_hourly(self) -> None:
        """Fire the scheduled trigger once for each hour since the last look, on a long jump for its last day."""
        with self._lock:
            hours = (self.now() - self._started) // HOUR
            due, self._hours = hours - self._hours, hours
            for name, forge in self.forge.items():
                installed = forge.installation
                if installed is None or not installed.active:
                    continue
                for _ in range(min(due, MAX_CRONS_AT_ONCE)):
                    self.events[name].trigger("cron", installed)
