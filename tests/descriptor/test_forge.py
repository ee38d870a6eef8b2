"""The manifest: one source with the Connect descriptor, least scopes, and nothing of Connect for a new app."""

import json
import re

import pytest

from app.edge.mounts import MOUNTS
from descriptor import connect, forge, modules
from descriptor.forge_modules import ENDPOINTS, EVENT_SCOPES, SYSTEM_ROUTES, UI_MODULE_KEYS
from descriptor.yaml_text import to_yaml
from tests.descriptor.conftest import APP_ID, CELLS, ROOT

SOURCES = tuple(
    source
    for value in vars(modules).values()
    for source in (value if isinstance(value, tuple) else (value,))
    if isinstance(source, (modules.IssueContext, modules.Page, modules.IssueEvent, modules.EntityProperty))
)


def keys_of(manifest):
    return [module["key"] for kind in manifest["modules"].values() for module in kind]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.key)
def test_every_module_and_event_of_the_one_source_is_in_both_documents(manifest, source):
    descriptor = connect.render(app_key="io.pledge.app", base_url="https://pledge.example.com")
    assert source.key in [module["key"] for kind in descriptor["modules"].values() for module in kind]
    if isinstance(source, modules.IssueEvent):
        events = [event for trigger in manifest["modules"]["trigger"] for event in trigger["events"]]
        assert events.count(f"avi:jira:{source.change}:issue") == 1
    else:
        assert source.key in keys_of(manifest)


def test_a_new_app_has_no_trace_of_connect(manifest):
    assert "connect" not in to_yaml(manifest).lower()


def test_an_existing_connect_app_keeps_its_key_and_its_lifecycle(migration_manifest):
    assert migration_manifest["app"]["connect"] == {
        "key": "io.pledge.app",
        "remote": forge.REMOTE_KEY,
        "authentication": "jwt",
    }
    (lifecycle,) = migration_manifest["connectModules"]["jira:lifecycle"]
    assert lifecycle["installed"] == modules.LIFECYCLE.installed
    assert lifecycle["uninstalled"] == modules.LIFECYCLE.uninstalled
    assert list(migration_manifest["connectModules"]) == ["jira:lifecycle"]


def test_the_variants_differ_in_nothing_but_connect(manifest, migration_manifest):
    del migration_manifest["app"]["connect"]
    del migration_manifest["connectModules"]
    del migration_manifest["modules"]["connectToForgeMigration"]
    migration_manifest["permissions"]["scopes"].remove("read:connect-jira")
    assert migration_manifest == manifest


def test_writing_is_asked_for_only_where_something_is_written(manifest):
    least = ["read:app-system-token", "read:app-user-token", "read:jira-work"]
    assert manifest["permissions"] == {"scopes": [*least, "write:jira-work"]}
    reading = forge.render(app_id=APP_ID, cells=CELLS, migration=None, writes=False)
    assert reading["permissions"] == {"scopes": least}
    assert "jira:entityProperty" not in reading["modules"]


def test_searches_find_the_same_of_the_property_on_both_hosts(manifest):
    [property] = manifest["modules"]["jira:entityProperty"]
    descriptor = connect.render(app_key="io.pledge.app", base_url="https://pledge.example.com")
    [twin] = descriptor["modules"]["jiraEntityProperties"][0]["keyConfigurations"]
    assert property["propertyKey"] == twin["propertyKey"]
    assert property["values"] == [
        {"path": one["objectName"], "type": one["type"], "searchAlias": one["alias"]} for one in twin["extractions"]
    ]


def test_pages_get_the_reader_s_token_and_forge_s_own_calls_the_system_s(manifest):
    auth = {endpoint["key"]: set(endpoint["auth"]) for endpoint in manifest["modules"]["endpoint"]}
    assert auth == {
        "ep-ui": {"appUserToken"},
        "ep-events": {"appSystemToken"},
        "ep-lifecycle": {"appSystemToken"},
        "ep-uninstall": {"appSystemToken"},
        "ep-cron": {"appSystemToken"},
    }


def test_changes_that_pledge_makes_itself_do_not_come_back_as_events(manifest):
    (trigger,) = (each for each in manifest["modules"]["trigger"] if "avi:jira:updated:issue" in each["events"])
    assert trigger["filter"] == {"ignoreSelf": True}


def test_residency_is_said_honestly_and_no_hook_is_declared(manifest):
    (remote,) = manifest["remotes"]
    assert remote["storage"] == {"inScopeEUD": True}
    assert "storage" in remote["operations"]
    assert "migration:dataResidency" not in manifest["modules"]


def test_no_two_modules_share_a_key_and_each_key_fits(migration_manifest):
    keys = [*keys_of(migration_manifest), *(remote["key"] for remote in migration_manifest["remotes"])]
    assert len(set(keys)) == len(keys)
    assert all(len(endpoint.key) <= 23 for endpoint in ENDPOINTS)


def test_no_key_opens_two_routes_and_no_page_opens_any():
    admitted = [key for keys in SYSTEM_ROUTES.values() for key in keys]
    assert len(set(admitted)) == len(admitted)
    assert not UI_MODULE_KEYS & set(admitted)


def test_the_routes_for_forge_itself_are_the_contract_s():
    assert dict(SYSTEM_ROUTES) == {
        "/forge/events": {"ep-events", "pledge-issue-events"},
        "/forge/lifecycle": {"ep-lifecycle", "ep-uninstall", "pledge-lifecycle", "pledge-uninstall"},
        "/forge/cron": {"ep-cron", "pledge-hourly"},
    }
    assert {"pledge-issue", "pledge-project", "pledge-site", "pledge-admin"} == UI_MODULE_KEYS


def test_every_event_that_may_be_named_is_named(manifest):
    events = {event for trigger in manifest["modules"]["trigger"] for event in trigger["events"]}
    assert events == EVENT_SCOPES.keys()


def test_the_readme_lists_every_module_with_its_endpoint_and_every_package_with_its_version():
    readme = (ROOT / "descriptor" / "README.md").read_text(encoding="utf-8")
    for endpoint in ENDPOINTS:
        for caller in endpoint.callers:
            assert f"| `{caller}` | `{endpoint.key}` |" in readme
    package = json.loads((ROOT / "descriptor" / "forge_ui" / "package.json").read_text(encoding="utf-8"))
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert f"| `{name}` | {version} |" in readme


def test_the_shell_asks_each_module_s_own_fragment_which_is_mounted():
    shell = (ROOT / "descriptor" / "forge_ui" / "shell.js").read_text(encoding="utf-8")
    asked = dict(re.findall(r'"(pledge-[a-z]+)": .*"/fragments/([a-z]+)"', shell))
    assert asked == {key: key.removeprefix("pledge-") for key in UI_MODULE_KEYS}
    assert {("GET", f"/fragments/{name}") for name in asked.values()} <= {(row.method, row.rule) for row in MOUNTS}
