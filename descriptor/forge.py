"""The Forge manifest: what Atlassian reads to install the app on a site, from the same source as `descriptor.connect`.

Field rules: https://developer.atlassian.com/platform/forge/manifest-reference/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from descriptor import modules
from descriptor.cells import Cell, global_url, pinned_urls
from descriptor.forge_modules import (
    ENDPOINTS,
    EVENT_SCOPES,
    EVENTS,
    ISSUE_TRIGGER_KEY,
    LIFECYCLE,
    LIFECYCLE_TRIGGER_KEY,
    SCHEDULE,
    SCHEDULE_KEY,
    UI,
    UNINSTALL,
    UNINSTALL_KEY,
    Endpoint,
)

REMOTE_KEY: Final = "pledge-backend"
RESOURCE_KEY: Final = "panel"
RESOURCE_PATH: Final = "static/panel"
"""Where the bundle lies in the deployable folder; `forge deploy` uploads it from there."""
ICON: Final = "icon.svg"
_PLACES: Final = {"project": "jira:projectPage", "site": "jira:globalPage", "administration": "jira:adminPage"}


@dataclass(frozen=True, kw_only=True)
class ConnectApp:
    """The Connect app that this Forge app goes on as; an app that was never a Connect app has none.

    `key`: its Connect key, which stays for ever (at most 90 of `[a-zA-Z0-9-._]`). `guide_url`: https, where
    administrators of a site read what the move means. `moves`: whether no Connect module is left before support
    ends on 2027-01-31, which Atlassian shows to administrators.
    Source: https://developer.atlassian.com/platform/adopting-forge-from-connect/
    """

    key: str
    guide_url: str
    moves: Literal["YES", "NO", "UNDECIDED"] = "YES"


def render(*, app_id: str, cells: Sequence[Cell], migration: ConnectApp | None, writes: bool = True) -> dict[str, Any]:
    """The manifest of the app with this ARI, whose remote is these cells. Raises `CellsWrong`.

    `writes`: whether the app sets a property on issues, which needs a scope and is declared to be searched.

    Residency: the remote stores end-user data and says so. No hook to move a site between regions is declared,
    because none is served: a site stays in the cell it was installed in. Nothing is stored with Forge, so neither
    storage scope nor storage classification is asked for.
    """
    document: dict[str, Any] = {
        "app": {
            "id": app_id,
            "description": modules.DESCRIPTION,
            "runtime": {"name": "nodejs24.x"},
            "licensing": {"enabled": modules.IS_PAID},
        },
        "permissions": {"scopes": list(_scopes(writes=writes))},
        "remotes": [_remote(cells)],
        "modules": {
            "jira:issueContext": [_issue_context(modules.ISSUE_CONTEXT)],
            **{_PLACES[page.place]: [_page(page)] for page in modules.PAGES},
            **({"jira:entityProperty": [_entity_property(modules.ISSUE_PROPERTY)]} if writes else {}),
            "trigger": [_issue_trigger(), _lifecycle_trigger()],
            "preUninstall": [{"key": UNINSTALL_KEY, "endpoint": UNINSTALL.key}],
            # each run carries a token of at most 4 hours, and there is no other way to a fresh one
            "scheduledTrigger": [{"key": SCHEDULE_KEY, "endpoint": SCHEDULE.key, "interval": "hour"}],
            "endpoint": [_endpoint(endpoint) for endpoint in ENDPOINTS],
        },
        "resources": [{"key": RESOURCE_KEY, "path": RESOURCE_PATH}],
    }
    if migration is not None:
        _add_connect(document, migration)
    return document


def _remote(cells: Sequence[Cell]) -> dict[str, Any]:
    # a map from the first day: to turn a single URL into one later asks every administrator again
    return {
        "key": REMOTE_KEY,
        "baseUrl": {"default": global_url(cells), **pinned_urls(cells)},
        "operations": ["storage", "compute"],
        "storage": {"inScopeEUD": True},
    }


def _add_connect(document: dict[str, Any], migration: ConnectApp) -> None:
    """Only the lifecycle stays: every other module has its Forge twin, and both together would show twice."""
    document["app"]["connect"] = {"key": migration.key, "remote": REMOTE_KEY, "authentication": "jwt"}
    document["permissions"]["scopes"].append("read:connect-jira")
    document["modules"]["connectToForgeMigration"] = [
        {
            "key": "pledge-migration",
            "migrationGuideUrl": migration.guide_url,
            "willMigrateToForgeBeforeEOS": migration.moves,
        }
    ]
    document["connectModules"] = {
        "jira:lifecycle": [
            {
                # `enabled` and `disabled` are never sent to a Connect app on Forge
                "key": "pledge-connect-lifecycle",
                "installed": modules.LIFECYCLE.installed,
                "uninstalled": modules.LIFECYCLE.uninstalled,
            }
        ]
    }


def _scopes(*, writes: bool) -> tuple[str, ...]:
    """Each with its reason: events of issues (and reading them), tokens that an endpoint asks for, properties."""
    scopes = {scope for scope in EVENT_SCOPES.values() if scope is not None}
    if writes:
        scopes.add("write:jira-work")
    if any(endpoint.system_token for endpoint in ENDPOINTS):
        scopes.add("read:app-system-token")
    if any(endpoint.user_token for endpoint in ENDPOINTS):
        scopes.add("read:app-user-token")
    return tuple(sorted(scopes))


def _issue_context(module: modules.IssueContext) -> dict[str, Any]:
    return {
        "key": module.key,
        "title": module.title,
        "label": module.label,
        "icon": f"resource:{RESOURCE_KEY};{ICON}",
        "resource": RESOURCE_KEY,
        "resolver": {"endpoint": UI.key},
    }


def _page(module: modules.Page) -> dict[str, Any]:
    return {
        "key": module.key,
        "title": module.title,
        "icon": f"resource:{RESOURCE_KEY};{ICON}",
        "resource": RESOURCE_KEY,
        "resolver": {"endpoint": UI.key},
    }


def _entity_property(module: modules.EntityProperty) -> dict[str, Any]:
    return {
        "key": module.key,
        "entityType": "issue",
        "propertyKey": module.property_key,
        "values": [{"path": one.path, "type": one.kind, "searchAlias": one.alias} for one in module.values],
    }


def _issue_trigger() -> dict[str, Any]:
    return {
        "key": ISSUE_TRIGGER_KEY,
        "endpoint": EVENTS.key,
        "events": [f"avi:jira:{event.change}:issue" for event in modules.ISSUE_EVENTS],
        "filter": {"ignoreSelf": True},
    }


def _lifecycle_trigger() -> dict[str, Any]:
    return {
        "key": LIFECYCLE_TRIGGER_KEY,
        "endpoint": LIFECYCLE.key,
        "events": ["avi:forge:installed:app", "avi:forge:upgraded:app"],
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    rendered: dict[str, Any] = {"key": endpoint.key, "remote": REMOTE_KEY}
    if endpoint.path is not None:
        rendered["route"] = {"path": endpoint.path}
    tokens = {"appSystemToken": endpoint.system_token, "appUserToken": endpoint.user_token}
    rendered["auth"] = {name: {"enabled": True} for name, wanted in tokens.items() if wanted}
    return rendered
