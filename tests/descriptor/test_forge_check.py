"""Our own check: each mistake that Atlassian's validator lets pass is caught, and named where it is."""

import pytest

from descriptor.forge_check import check
from descriptor.forge_modules import SYSTEM_ROUTES


def endpoint(document, key):
    return next(each for each in document["modules"]["endpoint"] if each["key"] == key)


def drop_scope(scope):
    return lambda document: document["permissions"]["scopes"].remove(scope)


def add_scope(scope):
    return lambda document: document["permissions"]["scopes"].append(scope)


def set_url(url, region="EU"):
    return lambda document: document["remotes"][0]["baseUrl"].update({region: url})


def add_event(event):
    return lambda document: document["modules"]["trigger"][1]["events"].append(event)


def add_module(kind, **module):
    return lambda document: document["modules"].setdefault(kind, []).append(module)


MISTAKES = {
    "an invented event": (add_event("avi:forge:uninstalled:app"), "avi:forge:uninstalled:app is no event"),
    "a misspelt event": (add_event("avi:jira:create:issue"), "avi:jira:create:issue is no event"),
    "no scope for the events": (drop_scope("read:jira-work"), "read:jira-work is missing, event avi:jira:"),
    "no scope for the system token": (drop_scope("read:app-system-token"), "missing, endpoint ep-"),
    "no scope for the user token": (
        drop_scope("read:app-user-token"),
        "read:app-user-token is missing, endpoint ep-ui",
    ),
    "a scope that nothing uses": (add_scope("manage:jira-project"), "manage:jira-project is used by nothing"),
    "a property that cannot be written": (
        drop_scope("write:jira-work"),
        "write:jira-work is missing, entity property pledge-issue-property",
    ),
    "a backend endpoint without a route": (
        lambda document: endpoint(document, "ep-cron").pop("route"),
        "endpoint ep-cron: route.path is missing, so pledge-hourly",
    ),
    "a page endpoint with a route": (
        lambda document: endpoint(document, "ep-ui").update(route={"path": "/fragments/issue"}),
        "endpoint ep-ui: a page chooses its own path",
    ),
    "an endpoint that pages and Forge share": (
        lambda document: document["modules"]["jira:issueContext"][0]["resolver"].update(endpoint="ep-events"),
        "endpoint ep-events: pages and Forge's own calls",
    ),
    "an endpoint that nothing uses": (
        add_module("endpoint", key="ep-more", remote="pledge-backend", auth={}),
        "endpoint ep-more: no module uses it",
    ),
    "a route that does not exist": (
        lambda document: endpoint(document, "ep-cron")["route"].update(path="/forge/crons"),
        "route /forge/crons: the app does not serve it",
    ),
    "a route that nothing declares": (
        lambda document: endpoint(document, "ep-cron")["route"].update(path="/forge/crons"),
        "route /forge/cron: the app serves it, but no endpoint",
    ),
    "a module key that the gate refuses": (
        lambda document: document["modules"]["scheduledTrigger"][0].update(key="pledge-daily"),
        "route /forge/cron: declared for ep-cron, pledge-daily, but the gate admits ep-cron, pledge-hourly",
    ),
    "two trust classes on one route": (
        lambda document: endpoint(document, "ep-events")["route"].update(path="/forge/lifecycle"),
        "route /forge/lifecycle: declared for ep-events, ep-lifecycle",
    ),
    "a page that the gate refuses": (
        lambda document: document["modules"]["jira:issueContext"][0].update(key="pledge-issues"),
        "pages are pledge-admin, pledge-issues, pledge-project, pledge-site, but the gate admits pledge-admin",
    ),
    "a residency hook": (
        add_module("migration:dataResidency", key="move", remote="pledge-backend", path="/forge/move"),
        "migration:dataResidency: the app serves no",
    ),
    "an http URL": (set_url("http://eu.pledge.example.com"), "EU: http://eu.pledge.example.com is not https"),
    "an URL without host": (set_url("https:///x", "default"), "default: https:///x is not https"),
    "an URL with a path": (set_url("https://example.com/pledge"), "https://example.com/pledge is more than an origin"),
    "an URL with a slash": (set_url("https://example.com/"), "https://example.com/ is more than an origin"),
    "an URL with credentials": (set_url("https://me@example.com"), "https://me@example.com is more than an origin"),
    "a remote that hides what it stores": (
        lambda document: document["remotes"][0]["storage"].update(inScopeEUD=False),
        "storage.inScopeEUD must be true",
    ),
    "connect modules in a new app": (
        lambda document: document.update(connectModules={"jira:lifecycle": [{"key": "x", "installed": "/x"}]}),
        "connectModules: a new app must not have it",
    ),
    "a connect scope in a new app": (add_scope("read:connect-jira"), "read:connect-jira is used by nothing"),
    "a migration notice in a new app": (
        add_module("connectToForgeMigration", key="move", migrationGuideUrl="https://example.com"),
        "modules.connectToForgeMigration: a new app must not",
    ),
}
MIGRATION_MISTAKES = {
    "no lifecycle": (lambda document: document.pop("connectModules"), "connectModules: missing"),
    "no notice": (
        lambda document: document["modules"].pop("connectToForgeMigration"),
        "modules.connectToForgeMigration: missing",
    ),
    "no connect scope": (drop_scope("read:connect-jira"), "read:connect-jira is missing, app.connect"),
}


@pytest.mark.parametrize("variant", ["manifest", "migration_manifest"])
def test_what_pledge_renders_has_no_fault(request, variant):
    assert check(request.getfixturevalue(variant), routes=SYSTEM_ROUTES) == ()


@pytest.mark.parametrize(("mistake", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_caught(manifest, mistake, said):
    mistake(manifest)
    assert [fault for fault in check(manifest, routes=SYSTEM_ROUTES) if said in fault]


@pytest.mark.parametrize(("mistake", "said"), MIGRATION_MISTAKES.values(), ids=MIGRATION_MISTAKES.keys())
def test_a_mistake_in_the_migration_is_caught(migration_manifest, mistake, said):
    mistake(migration_manifest)
    (fault,) = check(migration_manifest, routes=SYSTEM_ROUTES)
    assert said in fault


def test_a_gate_that_admits_one_key_more_than_the_manifest_is_caught(manifest):
    routes = dict(SYSTEM_ROUTES) | {"/forge/cron": SYSTEM_ROUTES["/forge/cron"] | {"pledge-issue"}}
    (fault,) = check(manifest, routes=routes)
    assert fault.startswith("route /forge/cron: declared for ep-cron, pledge-hourly, but the gate admits")


def test_a_plain_url_is_checked_like_a_map_of_regions(manifest):
    manifest["remotes"][0]["baseUrl"] = "http://pledge.example.com"
    (fault,) = check(manifest, routes=SYSTEM_ROUTES)
    assert "http://pledge.example.com is not https" in fault
