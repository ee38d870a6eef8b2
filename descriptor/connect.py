"""The Connect descriptor: what Atlassian reads to install the app on a site.

Field rules: https://developer.atlassian.com/cloud/jira/platform/connect-app-descriptor/
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from descriptor import modules
from descriptor.cells import Cell, pinned_urls

SELF_PATH = "/atlassian-connect.json"
_PLACES = {"project": "jiraProjectPages", "site": "generalPages", "administration": "adminPages"}


def render(
    *, app_key: str, base_url: str, cells: Sequence[Cell] = (), writes: bool = True, security_tab: bool = False
) -> dict[str, Any]:
    """The descriptor of the app with this key, served at this base URL (no slash at its end).

    Scope READ is the least that webhooks and reading issues need; WRITE, which includes it, is asked for only if the
    app `writes` labels on issues. `security_tab`: whether it fills Jira's Security tab. The three migrations ask for
    what the gates insist on: RS256 on installs, the fixed `context-qsh` in context tokens, account ids only. `cells`:
    where sites go that are pinned to a region; without any, all go to the base URL. Raises `CellsWrong`.
    """
    regions = pinned_urls(cells) if cells else {}
    return {
        "key": app_key,
        "name": modules.NAME,
        "description": modules.DESCRIPTION,
        "baseUrl": base_url,
        "links": {"self": base_url + SELF_PATH},
        "vendor": {"name": modules.VENDOR_NAME, "url": modules.VENDOR_URL},
        "authentication": {"type": "jwt"},
        "apiVersion": 1,
        "enableLicensing": modules.IS_PAID,
        "apiMigrations": {"signed-install": True, "context-qsh": True, "gdpr": True},
        "scopes": ["READ", "WRITE"] if writes else ["READ"],
        "lifecycle": asdict(modules.LIFECYCLE),
        "modules": {
            "jiraIssueContexts": [_issue_context(modules.ISSUE_CONTEXT)],
            **{_PLACES[page.place]: [_page(page)] for page in modules.PAGES},
            "webhooks": [_webhook(event) for event in modules.ISSUE_EVENTS],
            **({"jiraEntityProperties": [_entity_property(modules.ISSUE_PROPERTY)]} if writes else {}),
            **({"jiraSecurityInfoProvider": _provider(modules.SECURITY_PROVIDER, base_url)} if security_tab else {}),
        },
        **({"regionBaseUrls": regions} if regions else {}),
    }


def check(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Every reason why Atlassian would refuse this descriptor, as `where: what`; empty when there is none.

    An http base URL is always among them: the descriptor of a development instance is good enough for the
    simulated Jira, and for no other.
    """
    # imported here because only this check needs it: the web process renders and must start without it
    from jsonschema import Draft4Validator

    schema = json.loads((files("descriptor") / "schemas" / "jira-connect-schema.amended.json").read_text("utf-8"))
    errors = sorted(Draft4Validator(schema).iter_errors(dict(document)), key=lambda error: error.json_path)
    return tuple(_explained(error.json_path, error.message) for error in errors)


def _target(module: modules.IssueContext | modules.Page) -> str:
    query = "&".join(f"{name}={{{variable}}}" for name, variable in module.parameters.items())
    return f"{module.path}?{query}" if query else module.path


def _page(module: modules.Page) -> dict[str, Any]:
    # of the three kinds of page that of a project alone is given its icon as an address
    icon = {"url": module.icon_path, "width": 24, "height": 24}
    shown = {"iconUrl": module.icon_path} if module.place == "project" else {"icon": icon}
    return {"key": module.key, "name": {"value": module.title}, "url": _target(module), **shown}


def _issue_context(module: modules.IssueContext) -> dict[str, Any]:
    return {
        "key": module.key,
        "name": {"value": module.title},
        "icon": {"url": module.icon_path, "width": 24, "height": 24},
        "content": {"type": "label", "label": {"value": module.label}},
        "target": {"type": "web_panel", "url": _target(module)},
    }


def _webhook(event: modules.IssueEvent) -> dict[str, Any]:
    # webhook URLs alone are written with a dollar sign
    query = "&".join(f"{name}=${{{variable}}}" for name, variable in event.parameters.items())
    return {"key": event.key, "event": f"jira:issue_{event.change}", "url": f"{event.path}?{query}"}


def _entity_property(module: modules.EntityProperty) -> dict[str, Any]:
    extractions = [{"objectName": one.path, "type": one.kind, "alias": one.alias} for one in module.values]
    return {
        "key": module.key,
        "name": {"value": module.title},
        "entityType": "issue",
        "keyConfigurations": [{"propertyKey": module.property_key, "extractions": extractions}],
    }


def _provider(module: modules.SecurityProvider, base_url: str) -> dict[str, Any]:
    # the addresses of this module alone are whole ones
    actions = {
        "fetchWorkspaces": module.fetch_workspaces,
        "fetchContainers": module.fetch_containers,
        "searchContainers": module.search_containers,
    }
    return {
        "key": module.key,
        "name": {"value": modules.NAME},
        "homeUrl": modules.VENDOR_URL,
        "logoUrl": base_url + modules.ISSUE_CONTEXT.icon_path,
        "actions": {name: {"templateUrl": base_url + path} for name, path in actions.items()},
    }


def _explained(json_path: str, message: str) -> str:
    if json_path == "$.baseUrl" and "does not match" in message:
        return "$.baseUrl: Atlassian accepts only https; this descriptor works with the simulated Jira alone"
    return f"{json_path}: {message}"
