"""What would be wrong with a Forge manifest although Atlassian's own validator is content with it.

`@forge/manifest` 13.7.0 accepts invented events, missing token scopes, backend endpoints without a route and http
URLs (tried), and cannot know our routes. Each of these installs well and then fails on every site at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from descriptor.forge_modules import EVENT_SCOPES, UI_MODULE_KEYS

Routes = Mapping[str, frozenset[str]]

_TOKEN_SCOPES: Final = {"appSystemToken": "read:app-system-token", "appUserToken": "read:app-user-token"}
_WRITE_SCOPE: Final = "write:jira-work"
_CONNECT_SCOPE: Final = "read:connect-jira"
_HOOKS: Final = "migration:dataResidency"


def check(document: Mapping[str, Any], *, routes: Routes) -> tuple[str, ...]:
    """Every fault, as `where: what`; empty when there is none.

    `routes`: the routes for calls by Forge itself that the app serves, each with the module keys that its gate
    admits; they must be the manifest's, in both directions. Expects a document whose shape Atlassian's validator
    accepts; anything else is that validator's to refuse.
    """
    return (
        *_check_events(document),
        *_check_scopes(document),
        *_check_endpoints(document),
        *_check_routes(document, routes),
        *_check_pages(document),
        *_check_remotes(document),
        *_check_connect(document),
    )


def _check_events(document: Mapping[str, Any]) -> Iterator[str]:
    for trigger in _modules(document, "trigger"):
        for event in trigger["events"]:
            if event not in EVENT_SCOPES:
                yield f"trigger {trigger['key']}: {event} is no event that Pledge knows; it would never come"


def _check_scopes(document: Mapping[str, Any]) -> Iterator[str]:
    """What is used must be asked for, and nothing else: each scope more is a question to every administrator."""
    asked = set(document["permissions"]["scopes"])
    needed = _needed_scopes(document)
    for scope in sorted(needed.keys() - asked):
        yield f"permissions.scopes: {scope} is missing, {needed[scope]} needs it"
    for scope in sorted(asked - needed.keys()):
        yield f"permissions.scopes: {scope} is used by nothing"


def _needed_scopes(document: Mapping[str, Any]) -> dict[str, str]:
    needed = {}
    for trigger in _modules(document, "trigger"):
        for event in trigger["events"]:
            scope = EVENT_SCOPES.get(event)
            if scope is not None:
                needed[scope] = f"event {event}"
    for endpoint in _modules(document, "endpoint"):
        for token, scope in _TOKEN_SCOPES.items():
            if endpoint.get("auth", {}).get(token, {}).get("enabled"):
                needed[scope] = f"endpoint {endpoint['key']}"
    for module in _modules(document, "jira:entityProperty"):
        needed[_WRITE_SCOPE] = f"entity property {module['key']}"
    if "connect" in document["app"]:
        needed[_CONNECT_SCOPE] = "app.connect"
    return needed


def _check_endpoints(document: Mapping[str, Any]) -> Iterator[str]:
    """One trust class per endpoint: a page chooses its own path, Forge's own calls have a fixed one."""
    pages, backend = _page_callers(document), _backend_callers(document)
    for endpoint in _modules(document, "endpoint"):
        key, path = endpoint["key"], _path(endpoint)
        if key in pages and key in backend:
            yield f"endpoint {key}: pages and Forge's own calls must not share one"
        elif key in pages and path is not None:
            yield f"endpoint {key}: a page chooses its own path, so route.path would bind nothing"
        elif key in backend and path is None:
            yield f"endpoint {key}: route.path is missing, so {', '.join(sorted(backend[key]))} would reach no route"
        elif key not in pages and key not in backend:
            yield f"endpoint {key}: no module uses it"


def _check_routes(document: Mapping[str, Any], routes: Routes) -> Iterator[str]:
    backend = _backend_callers(document)
    declared: dict[str, set[str]] = {}
    for endpoint in _modules(document, "endpoint"):
        path = _path(endpoint)
        if path is not None:
            declared.setdefault(path, set()).update({endpoint["key"]}, backend.get(endpoint["key"], set()))
    for path in sorted(declared.keys() | routes.keys()):
        if path not in routes:
            yield f"route {path}: the app does not serve it"
        elif path not in declared:
            yield f"route {path}: the app serves it, but no endpoint declares it"
        elif declared[path] != routes[path]:
            yield f"route {path}: declared for {_list(declared[path])}, but the gate admits {_list(routes[path])}"
    if _modules(document, _HOOKS):
        yield f"{_HOOKS}: the app serves no residency hook"


def _check_pages(document: Mapping[str, Any]) -> Iterator[str]:
    keys = {key for callers in _page_callers(document).values() for key in callers}
    if keys != UI_MODULE_KEYS:
        yield f"modules: pages are {_list(keys)}, but the gate admits {_list(UI_MODULE_KEYS)}"


def _check_remotes(document: Mapping[str, Any]) -> Iterator[str]:
    for remote in document["remotes"]:
        base_url = remote["baseUrl"]
        urls = base_url if isinstance(base_url, dict) else {"default": base_url}
        for region, url in urls.items():
            parts = urlsplit(url)
            if parts.scheme != "https" or not parts.hostname:
                yield f"remote {remote['key']}, {region}: {url} is not https; tokens would travel in clear"
            elif parts.path or parts.query or parts.fragment or parts.username is not None:
                # route.path and invokeRemote's path are resolved by the URL standard: only the origin is kept
                yield f"remote {remote['key']}, {region}: {url} is more than an origin; Forge would drop the rest"
        if remote.get("storage", {}).get("inScopeEUD") is not True:
            yield f"remote {remote['key']}: storage.inScopeEUD must be true, for account ids and issue keys are stored"


def _check_connect(document: Mapping[str, Any]) -> Iterator[str]:
    """All of Connect or nothing of it: a new app may not have any, an existing one loses its sites without it."""
    wanted = "connect" in document["app"]
    for where, present in (
        ("connectModules", bool(document.get("connectModules"))),
        ("modules.connectToForgeMigration", bool(_modules(document, "connectToForgeMigration"))),
    ):
        if present and not wanted:
            yield f"{where}: a new app must not have it; with it app.connect is needed"
        if wanted and not present:
            yield f"{where}: missing, although app.connect continues a Connect app"


def _page_callers(document: Mapping[str, Any]) -> dict[str, set[str]]:
    return _callers(
        (module["resolver"].get("endpoint"), module["key"]) for module in _every(document) if "resolver" in module
    )


def _backend_callers(document: Mapping[str, Any]) -> dict[str, set[str]]:
    return _callers((module.get("endpoint"), module["key"]) for module in _every(document))


def _callers(pairs: Iterable[tuple[str | None, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for endpoint, caller in pairs:
        if endpoint is not None:
            found.setdefault(endpoint, set()).add(caller)
    return found


def _every(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in document["modules"]:
        yield from _modules(document, kind)


def _modules(document: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["modules"].get(kind, [])
    return found


def _path(endpoint: Mapping[str, Any]) -> str | None:
    path: str | None = endpoint.get("route", {}).get("path")
    return path


def _list(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)) or "none"
