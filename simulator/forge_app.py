"""A Forge app as Atlassian knows it from its manifest, and its installation on a site.

The manifest itself is not read: an app is described by the parameters of the install request, all of which
have a default but its address.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from simulator.connect import AppUnusable, check_loopback
from simulator.people import Json

APP_ID = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"
ENVIRONMENTS = ("PRODUCTION", "STAGING", "DEVELOPMENT")
LICENSES = ("active", "inactive", "absent")
MODULE_KEYS = ("endpoint", "module")
# Who invokes: the user interface, the triggers for issues and lifecycle, preUninstall, scheduledTrigger.
PAGE_TYPES = {"project": "jira:projectPage", "site": "jira:globalPage", "admin": "jira:adminPage"}
"""Pages of their own; the panel of an issue is `ui`."""
_ROUTES = {
    "events": "/forge/events",
    "lifecycle": "/forge/lifecycle",
    "uninstall": "/forge/lifecycle",
    "cron": "/forge/cron",
}
_MODULES = {
    "ui": "pledge-issue",
    "project": "pledge-project",
    "site": "pledge-site",
    "admin": "pledge-admin",
    "events": "pledge-issue-events",
    "lifecycle": "pledge-lifecycle",
    "uninstall": "pledge-uninstall",
    "cron": "pledge-hourly",
}
_ENDPOINTS = {
    **dict.fromkeys(("ui", "project", "site", "admin"), "ep-ui"),
    "events": "ep-events",
    "lifecycle": "ep-lifecycle",
    "uninstall": "ep-uninstall",
    "cron": "ep-cron",
}


@dataclass(frozen=True)
class ForgeApp:
    """An app in one of its environments.

    `base_url` is the remote's; `routes` are the `route.path` of endpoints, `modules` and `endpoints` the keys,
    by who invokes. `module_keys` says what `app.module.key` of a system call is, because the documentation can
    be read both ways: the key of the `endpoint`, or of the trigger `module`; None leaves it to the site.
    """

    base_url: str
    api_url: str
    app_id: str = APP_ID
    environment: str = "PRODUCTION"
    app_version: str = "1.0.0"
    name: str = "Pledge"
    license: str | None = None
    module_type: str = "jira:issueContext"
    module_keys: str | None = None
    routes: Mapping[str, str] = field(default_factory=lambda: _ROUTES)
    modules: Mapping[str, str] = field(default_factory=lambda: _MODULES)
    endpoints: Mapping[str, str] = field(default_factory=lambda: _ENDPOINTS)

    def __post_init__(self) -> None:
        choices = ((self.environment, ENVIRONMENTS), (self.license, LICENSES), (self.module_keys, MODULE_KEYS))
        for value, known in choices:
            if value is not None and value not in known:
                raise AppUnusable(f"{value!r} is not one of {', '.join(known)}")
        if not self.app_id.startswith("ari:cloud:ecosystem::app/"):
            raise AppUnusable("app_id is an ARI: ari:cloud:ecosystem::app/<uuid>")

    def page_type(self, kind: str) -> str | None:
        """Return the type of module of the page of that kind; None if it is no page."""
        return self.module_type if kind == "ui" else PAGE_TYPES.get(kind)

    @property
    def uuid(self) -> str:
        """Return the last part of the app's ARI, which lifecycle bodies use."""
        return self.app_id.rpartition("/")[2]

    @property
    def environment_uuid(self) -> str:
        """Return the environment's id, the same on every site."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.app_id}/{self.environment}"))

    @property
    def environment_id(self) -> str:
        """Return the environment's ARI."""
        return f"ari:cloud:ecosystem::environment/{self.uuid}/{self.environment_uuid}"

    def url(self, path: str) -> str:
        """Return where a path leads: resolved by the URL standard, so a path in the base URL is not kept.

        Raises:
            AppUnusable: it leads off the remote.
        """
        url = urljoin(self.base_url, path)
        if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
            raise AppUnusable(f"{path!r} leads off the remote")
        return url


@dataclass(frozen=True)
class ForgeInstallation:
    """One app on one site; `id` is an ARI, stays on upgrade and is new on reinstall."""

    app: ForgeApp
    id: str
    active: bool = True

    @property
    def uuid(self) -> str:
        """Return the last part of the ARI, which lifecycle bodies use."""
        return self.id.rpartition("/")[2]


def read_app(wanted: Json, *, api_url: str) -> ForgeApp:
    """Return the app that install parameters describe: `app`, its address, and any field of `ForgeApp`.

    `api_url` is where Jira is reached by cloud id, unless the parameters say otherwise.

    Raises:
        AppUnusable: no loopback address, an unknown parameter or a value of the wrong kind.
    """
    values = dict(wanted)
    return changed(ForgeApp(check_loopback(str(values.pop("app", ""))), api_url), values)


def changed(app: ForgeApp, wanted: Json) -> ForgeApp:
    """Return the app with some of its fields changed; in `routes`, `modules`, `endpoints` single entries.

    Raises:
        AppUnusable: an unknown parameter or a value of the wrong kind.
    """
    known = {one.name: getattr(app, one.name) for one in fields(app)}
    values: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "base_url" or name not in known:
            raise AppUnusable(f"no parameter {name!r}; known are {', '.join(known)}")
        values[name] = _merged(name, known[name], value=value)
    return replace(app, **values)


def _merged(name: str, before: object, *, value: object) -> object:
    if isinstance(before, dict) and isinstance(value, dict):
        if not value.keys() <= before.keys() or not all(isinstance(one, str) for one in value.values()):
            raise AppUnusable(f"{name} has texts for {', '.join(before)}")
        return before | value
    if isinstance(before, dict) or not isinstance(value, str):
        raise AppUnusable(f"{name} cannot be {value!r}")
    return value
