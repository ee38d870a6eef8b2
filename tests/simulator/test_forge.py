"""The Forge app of a site: its lifecycle, its invocation tokens, its key set, and Connect beside it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
import requests

from app.protocol.forge_fit import verify_invocation
from app.protocol.signatures import read_key_set
from simulator.forge_app import APP_ID
from simulator.running import Simulator

EXAMPLES = json.loads((Path(__file__).parents[1] / "vectors" / "fit_example.json").read_text("utf-8"))["examples"]


@pytest.fixture
def lifecycle(forge):
    return lambda: forge.received("/forge/lifecycle")


def test_an_install_is_told_with_a_token_of_the_served_key_set_and_a_system_token(simulator, lifecycle, verify, ask):
    (received,) = lifecycle()
    claims, site = verify(received), simulator.site("genchi")
    example = EXAMPLES["trigger_avi_forge_installed_app"]
    assert claims.keys() == example["claims"].keys()
    assert claims["app"].keys() - {"license"} == example["claims"]["app"].keys()
    assert received.json.keys() == example["request"]["body"].keys()
    assert claims["exp"] - claims["iat"] == 25
    assert claims["app"]["apiBaseUrl"] == f"{simulator.control_url}/ex/jira/{site.cloud_id}"
    assert claims["app"]["installationId"].rpartition("/")[2] == received.json["id"]
    assert received.json["eventType"] == "avi:forge:installed:app"
    assert received.json["installerAccountId"] == site.person("admin").account_id
    assert ask(received.headers["x-forge-oauth-system"], "/rest/api/3/myself").json()["accountType"] == "app"


def test_the_app_s_own_verifier_accepts_what_is_sent(simulator, lifecycle):
    document = requests.get(f"{simulator.control_url}/.well-known/jwks.json", timeout=30).content
    invocation = verify_invocation(
        lifecycle()[0].token,
        keys=read_key_set(document),
        app_id=APP_ID,
        environments=frozenset({"PRODUCTION"}),
        now=datetime.now(UTC),
        api_url=simulator.control_url,
    )
    assert (invocation.module_type, invocation.module_key) == ("core:endpoint", "ep-lifecycle")
    assert (invocation.cloud_id, invocation.has_principal) == (simulator.site("genchi").cloud_id, False)


def test_an_uninstall_is_told_first_and_ends_access_at_once(control, lifecycle, verify, ask):
    token = lifecycle()[0].headers["x-forge-oauth-system"]
    assert control("POST", "/sites/genchi/uninstall", params={"as": "forge"})["accepted"]
    received = lifecycle()[-1]
    claims, example = verify(received), EXAMPLES["preUninstall"]
    assert claims.keys() == example["claims"].keys()
    assert claims["context"]["moduleKey"] == received.json["context"]["moduleKey"] == "pledge-uninstall"
    context_token = jwt.decode(received.json["contextToken"], options={"verify_signature": False})
    assert (context_token["iss"], context_token["aud"]) == ("forge/context-token", "forge")
    assert ask(token, "/rest/api/3/myself").status_code == 401


def test_an_uninstall_goes_on_when_the_app_fails_and_is_not_tried_again(control, forge, ledger):
    forge.answers.append(500)
    assert control("POST", "/sites/genchi/uninstall", params={"as": "forge"})["status"] == 500
    assert control("GET", "/sites/genchi")["forge"]["active"] is False
    assert [len(one["attempts"]) for one in ledger()] == [1, 1]


def test_a_silent_uninstall_tells_nobody(control, lifecycle):
    control("POST", "/sites/genchi/uninstall", params={"as": "forge", "silent": "true"})
    assert len(lifecycle()) == 1
    assert control("GET", "/sites/genchi")["forge"]["active"] is False


def test_a_reinstall_is_a_new_installation_of_the_same_site(control, forge, lifecycle, verify):
    control("POST", "/sites/genchi/uninstall", params={"as": "forge"})
    control("POST", "/sites/genchi/install", params={"app": forge.url, "as": "forge"})
    before, _, after = [verify(one)["app"] for one in lifecycle()]
    assert before["installationId"] != after["installationId"]
    assert before["apiBaseUrl"] == after["apiBaseUrl"]
    assert control("GET", "/sites/genchi")["forge"]["former"] == [before["installationId"]]


def test_an_upgrade_keeps_the_installation_and_a_minor_one_is_silent(control, lifecycle, verify):
    control("PATCH", "/sites/genchi/forge", json={"app_version": "1.1.0", "license": "inactive"})
    control("POST", "/sites/genchi/upgrade", params={"app_version": "2.0.0"})
    before, after = [verify(one)["app"] for one in lifecycle()]
    assert before["installationId"] == after["installationId"]
    assert (before["appVersion"], after["appVersion"]) == ("1.0.0", "2.0.0")
    assert (before["license"]["active"], after["license"]["active"]) == (True, False)
    assert lifecycle()[-1].json["eventType"] == "avi:forge:upgraded:app"


def test_the_app_s_identity_is_what_the_install_says(control, app, lifecycle, simulator, verify):
    wanted = {"environment": "DEVELOPMENT", "routes": {"lifecycle": "/elsewhere"}, "module_keys": "module"}
    query = {"app": f"{app.url}/base", "as": "forge", "app_version": "7.0.0"}
    control("POST", "/sites/genible/install", params=query, json=wanted)
    (received,) = app.received("/elsewhere")  # an absolute route replaces the path of the base URL
    claims = verify(received)["app"]
    assert (claims["environment"]["type"], claims["appVersion"]) == ("DEVELOPMENT", "7.0.0")
    assert claims["module"] == {"type": "core:endpoint", "key": "pledge-lifecycle"}
    assert "license" not in claims
    assert claims["environment"]["id"] != verify(lifecycle()[0])["app"]["environment"]["id"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"app": "http://app.example.com"},
        {"environment": "TEST"},
        {"license": "maybe"},
        {"colour": "red"},
        {"routes": {"other": "/x"}},
        {"routes": "/x"},
        {"app_id": "pledge"},
    ],
)
def test_an_install_that_cannot_be_is_refused(simulator, app, wanted):
    url = f"{simulator.control_url}/sites/genchi/install?as=forge"
    answer = requests.post(url, json={"app": app.url} | wanted, timeout=30)
    assert (answer.status_code, app.requests) == (400, [])


def test_one_site_takes_the_other_reading_of_what_is_documented_twice(control, app, verify):
    control("POST", "/sites/kencha/install", params={"app": app.url, "as": "forge"})
    (received,) = app.received("/forge/lifecycle")
    assert verify(received)["app"]["module"]["key"] == "pledge-lifecycle"
    assert not {"eventType", "context"} & received.json.keys()


def test_both_hosts_stand_side_by_side(control, installed, forge, verify, secret):
    control("PATCH", "/sites/genchi/issues/SEC-1", json={"priority": "Low", "as": "developer"})
    control("GET", "/sites/genchi/webhooks", params={"wait": 5})
    control("GET", "/sites/genchi/events", params={"wait": 5})
    (webhook,), (event,) = installed.received("/hooks"), forge.received("/forge/events")
    assert webhook.json["issue"]["id"] == event.json["issue"]["id"]
    assert webhook.json["user"]["accountId"] == event.json["atlassianId"]
    state = control("GET", "/sites/genchi")
    assert (state["app"]["active"], state["forge"]["active"]) == (True, True)
    control("POST", "/sites/genchi/uninstall")
    assert control("GET", "/sites/genchi")["forge"]["active"] is True


def test_connect_on_forge_names_the_forge_installation(control, forge, verify):
    parameters = {"app": forge.url, "as": "connect", "installationId": "forge"}
    control("POST", "/sites/genchi/install", params=parameters)
    known = verify(forge.received("/forge/lifecycle")[0])["app"]["installationId"]
    assert forge.received("/installed")[-1].json["installationId"] == known


def test_plain_connect_names_no_installation(installed):
    assert "installationId" not in installed.received("/installed")[0].json


def test_keys_rotate_and_the_old_are_kept_or_dropped(simulator, control, forge, lifecycle, verify):
    url = f"{simulator.control_url}/.well-known/jwks.json"
    control("POST", "/control", json={"jwks": "rotate"})
    control("POST", "/sites/genchi/cron")
    assert len(requests.get(url, timeout=30).json()["keys"]) == 2
    verify(lifecycle()[0])
    control("POST", "/control", json={"jwks": "drop"})
    with pytest.raises(KeyError):
        verify(lifecycle()[0])
    verify(forge.received("/forge/cron")[0])


def test_the_key_set_goes_down_and_comes_back(simulator, control):
    url = f"{simulator.control_url}/.well-known/jwks.json"
    control("POST", "/control", json={"jwks": "down"})
    assert requests.get(url, timeout=30).status_code == 503
    control("POST", "/control", json={"reset": True})
    assert requests.get(url, timeout=30).status_code == 200


def test_the_same_seed_gives_the_same_installations():
    ids = []
    for _ in range(2):
        with Simulator(seed=3) as running:
            forge = running.world.forge["genchi"]
            query = {"app": "http://127.0.0.1:9", "as": "forge"}
            for _ in range(2):
                requests.post(f"{running.control_url}/sites/genchi/install", params=query, timeout=20)
            ids.append([forge.former[0].id, forge.installation.id])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2
