"""What we declare to Atlassian is what is mounted, behind the right gate, and nothing of it is hidden."""

import pytest

from app.edge.gates import open_to_all, signed_install, signed_request
from app.edge.mounts import MOUNTS
from descriptor.connect import render

DOCUMENT = render(app_key="io.example.app", base_url="https://app.example.com", security_tab=True)
SELF = "/atlassian-connect.json"


def declared():
    """Every URL of the descriptor: method, path, and the gate that it needs."""
    lifecycle = DOCUMENT["lifecycle"]
    for event in ("installed", "uninstalled"):
        yield "POST", lifecycle[event], signed_install
    for event in ("enabled", "disabled"):
        yield "POST", lifecycle[event], signed_request
    for hook in DOCUMENT["modules"]["webhooks"]:
        yield "POST", hook["url"].partition("?")[0], signed_request
    for panel in DOCUMENT["modules"]["jiraIssueContexts"]:
        yield "GET", panel["target"]["url"].partition("?")[0], signed_request
        yield "GET", panel["icon"]["url"], open_to_all
    for kind in ("jiraProjectPages", "generalPages", "adminPages"):
        for page in DOCUMENT["modules"][kind]:
            yield "GET", page["url"].partition("?")[0], signed_request
    provider = DOCUMENT["modules"]["jiraSecurityInfoProvider"]
    for name, action in provider["actions"].items():
        method = "GET" if name.startswith("search") else "POST"
        yield method, action["templateUrl"].removeprefix(DOCUMENT["baseUrl"]), signed_request
    yield "GET", DOCUMENT["links"]["self"].removeprefix(DOCUMENT["baseUrl"]), open_to_all


def paths_in(value):
    """Every text of the descriptor that is an address of ours."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from paths_in(inner)
    elif isinstance(value, str) and value.startswith(("/", DOCUMENT["baseUrl"] + "/")):
        yield value.removeprefix(DOCUMENT["baseUrl"]).partition("?")[0]


@pytest.mark.parametrize(("method", "path", "gate"), list(declared()))
def test_a_declared_url_is_a_mounted_route_with_the_right_gate(built_app, method, path, gate):
    endpoint, _ = built_app.url_map.bind("app.example.com").match(path, method)
    (mount,) = [mount for mount in MOUNTS if mount.endpoint == endpoint]
    assert mount.gate is gate


def test_no_url_of_the_descriptor_is_left_out_here():
    assert set(paths_in(DOCUMENT)) == {path for _, path, _ in declared()}


def test_no_mounted_atlassian_route_is_undeclared():
    mounted = {(mount.method, mount.rule) for mount in MOUNTS if mount.host == "connect"}
    assert mounted == {(method, path) for method, path, gate in declared() if "/static/" not in path}
    assert ("GET", SELF) in mounted


def test_the_declared_icon_is_served(built_app):
    for _, path, gate in declared():
        if gate is open_to_all:
            answer = built_app.test_client().get(path)
            assert answer.status_code == 200
            answer.close()
