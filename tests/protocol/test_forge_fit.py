"""The Forge Invocation Token: the examples pass, and each check of the example file refuses what it is for."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.protocol import refusals
from app.protocol.forge_fit import require_system_call, require_ui_call, unverified_fit_kid

DOCUMENT = json.loads((Path(__file__).parents[1] / "vectors" / "fit_example.json").read_text("utf-8"))
EXAMPLES = DOCUMENT["examples"]
KID = EXAMPLES["preUninstall"]["jwt_header"]["kid"]
ISSUED = EXAMPLES["preUninstall"]["claims"]["iat"]
CLOUD_ID = "7c0f5b0a-4d57-4f0e-8a41-0d6c2f9d5e01"
OTHER_ID = "00000000-4d57-4f0e-8a41-0d6c2f9d5e01"
UI = ["ui_jira_issuePanel_invokeRemote", "ui_jira_issuePanel_requestRemote"]
PANEL_KEYS = frozenset({"acme-panel"})
SYSTEM_KEYS = frozenset({"ep-events", "ep-lifecycle", "ep-cron"})


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_proven(other_side, forge, example):
    header, claims = EXAMPLES[example]["jwt_header"], EXAMPLES[example]["claims"]
    token = other_side.rs256(claims, **header)
    assert unverified_fit_kid(token) == KID
    proven = forge.verify(token)
    app = claims["app"]
    assert proven.installation_id == app["installationId"]
    assert (proven.environment_type, proven.environment_id) == ("PRODUCTION", app["environment"]["id"])
    assert (proven.module_type, proven.module_key) == (app["module"]["type"], app["module"]["key"])
    assert proven.account_id == claims.get("principal")
    assert proven.has_principal is (example in UI)
    assert (proven.cloud_id, proven.api_base_url) == (CLOUD_ID, app["apiBaseUrl"])
    assert proven.site_url == ("https://acme-demo.atlassian.net" if example in UI else None)
    assert proven.license_active is (True if example in UI else None)
    assert proven.context == claims.get("context", {})
    assert (proven.token_id, proven.app_version) == (claims["jti"], "4.2.0")
    assert proven.issued_at == datetime.fromtimestamp(claims["iat"], UTC)
    assert proven.expires_at == datetime.fromtimestamp(claims["exp"], UTC)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_reaches_its_own_kind_of_route_and_no_other(forge, example):
    proven = forge.verify(forge.sign(EXAMPLES[example]["claims"]))
    everything = PANEL_KEYS | SYSTEM_KEYS
    if example in UI:
        assert require_ui_call(proven, module_keys=PANEL_KEYS) == EXAMPLES[example]["claims"]["principal"]
        with pytest.raises(refusals.PrincipalRefused):
            require_system_call(proven, module_keys=everything)
    else:
        require_system_call(proven, module_keys=SYSTEM_KEYS)
        with pytest.raises(refusals.PrincipalRequired):
            require_ui_call(proven, module_keys=everything)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("app__license", ...),
        ("app__license", None),
        ("app__license__active", ...),
        ("app__license__active", "true"),
        ("app__license", {"isActive": True}),
    ],
)
def test_a_licence_that_the_token_does_not_state_is_unknown(forge, place, value):
    assert forge.verify(forge.sign(forge.claims(**{place: value}))).license_active is None


@pytest.mark.parametrize(
    "changes",
    [
        {"context": ...},
        {"context": None},
        {"app__installation": ...},
        {"app__installation__contexts": ...},
        {"app__installation__contexts": [{"name": "confluence", "cloudId": OTHER_ID}]},
        {"app__environment__id": ...},
        {"app__environment__id": "ari:cloud:ecosystem::environment/c2a7b1de-1111-4aaa-8bbb-9d9d9d9d9d9d"},
        {"app__appVersion": ...},
        {"context__siteUrl": None},
        {"icLabel": None},
        {"exp": ISSUED + 3600},
    ],
    ids=repr,
)
def test_what_the_documentation_calls_optional_may_be_absent(forge, changes):
    proven = forge.verify(forge.sign(forge.claims(**changes)))
    assert proven.cloud_id == CLOUD_ID


def test_the_simulated_api_can_stand_in_for_atlassians(forge):
    url = f"http://127.0.0.1:8100/ex/jira/{CLOUD_ID}"
    token = forge.sign(forge.claims(app__apiBaseUrl=url))
    assert forge.verify(token, api_url="http://127.0.0.1:8100").api_base_url == url
    with pytest.raises(refusals.ApiBaseUrlRefused):
        forge.verify(token)
