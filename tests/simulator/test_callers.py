"""Jira by cloud id: what the bearer of a Forge token may read, and for how long."""

import pytest
import requests


@pytest.fixture
def system_token(forge):
    return forge.received("/forge/lifecycle")[-1].headers["x-forge-oauth-system"]


@pytest.fixture
def user_token(control, forge):
    def give(account):
        return control("POST", "/sites/genchi/fit", json={"account": account})["headers"]["x-forge-oauth-user"]

    return give


PROPERTY = "/rest/atlassian-connect/1/addons/{}/properties/connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8"


def test_the_app_reads_what_it_reads_over_connect(ask, system_token, rest):
    for target in ("/rest/api/3/issue/SEC-1", "/rest/api/3/field", "/rest/api/3/issue/SEC-6/changelog"):
        assert ask(system_token, target).json() == rest("GET", target).json()
    checked = {"projectPermissions": [{"permissions": ["BROWSE_PROJECTS"], "issues": [10001]}]}
    answer = ask(system_token, "/rest/api/3/permissions/check", method="POST", json=checked).json()
    assert answer["projectPermissions"] == [{"permission": "BROWSE_PROJECTS", "projects": [], "issues": [10001]}]


def test_a_user_token_sees_what_the_user_sees(simulator, ask, user_token):
    site = simulator.site("genchi")
    token = user_token("outsider")
    assert ask(token, "/rest/api/3/myself").json()["accountId"] == site.person("outsider").account_id
    assert ask(token, "/rest/api/3/issue/SEC-1").status_code == 404
    assert ask(user_token("developer"), "/rest/api/3/issue/SEC-1").status_code == 200
    found = ask(token, "/rest/api/3/search/jql?jql=project=SEC&fields=id").json()
    assert found["issues"] == []
    checked = {"projectPermissions": [{"permissions": ["BROWSE_PROJECTS"], "issues": [10001]}]}
    answer = ask(token, "/rest/api/3/permissions/check", method="POST", json=checked).json()
    assert answer["projectPermissions"][0]["issues"] == []


@pytest.mark.parametrize("token", ["", "invented", "simulated.invented"])
def test_an_invented_token_is_refused(ask, forge, token):
    assert ask(token, "/rest/api/3/myself").status_code == 401


def test_a_token_of_one_site_is_worth_nothing_on_another(ask, system_token, control, forge):
    control("POST", "/sites/genible/install", params={"app": forge.url, "as": "forge"})
    assert ask(system_token, "/rest/api/3/myself", site="genible").status_code == 401


def test_a_token_lives_four_hours_of_the_simulated_clock(control, ask, system_token):
    control("POST", "/control", json={"advance_seconds": 4 * 3600 - 60})
    assert ask(system_token, "/rest/api/3/myself").status_code == 200
    control("POST", "/control", json={"advance_seconds": 60})
    assert ask(system_token, "/rest/api/3/myself").status_code == 401


def test_a_token_is_handed_out_again_while_half_its_life_is_left(control, forge, system_token):
    def sent():
        return control("POST", "/sites/genchi/fit", json={"kind": "events"})["headers"]["x-forge-oauth-system"]

    assert sent() == system_token
    control("POST", "/sites/genchi/uninstall", params={"as": "forge", "silent": "true"})
    control("POST", "/control", json={"advance_seconds": 2 * 3600 + 1})
    assert sent() != system_token


def test_tokens_expire_on_request(control, ask, system_token):
    assert control("POST", "/sites/genchi/expire-tokens")["expired"] >= 1
    assert ask(system_token, "/rest/api/3/myself").status_code == 401


def test_a_token_of_a_former_installation_is_refused(control, forge, ask, system_token):
    control("POST", "/sites/genchi/install", params={"app": forge.url, "as": "forge"})
    assert ask(system_token, "/rest/api/3/myself").status_code == 401


def test_the_system_token_reads_the_client_key_of_the_connect_app(simulator, ask, installed, system_token):
    target = PROPERTY.format("com.example.receiver")
    assert ask(system_token, target).json() == {
        "key": target.rpartition("/")[2],
        "value": simulator.site("genchi").client_key,
    }
    assert ask(system_token, PROPERTY.format("com.example.other")).status_code == 404
    assert ask(system_token, target.replace("connect_client_key", "other")).status_code == 404


def test_there_is_no_client_key_where_connect_never_was(ask, system_token):
    assert ask(system_token, PROPERTY.format("com.example.receiver")).status_code == 404


def test_a_user_does_not_read_the_client_key(ask, installed, user_token):
    assert ask(user_token("admin"), PROPERTY.format("com.example.receiver")).status_code == 403


def test_storms_reach_jira_by_cloud_id(control, ask, system_token):
    control("POST", "/control", json={"site": "genchi", "storm": {"status": 429, "count": 1}})
    assert [ask(system_token, "/rest/api/3/myself").status_code for _ in range(2)] == [429, 200]


def test_a_young_installation_can_be_refused_for_a_while(control, ask, system_token):
    control("POST", "/control", json={"site": "genchi", "storm": {"status": 403, "count": 2}})
    answers = [ask(system_token, "/rest/api/3/myself") for _ in range(3)]
    assert [one.status_code for one in answers] == [403, 403, 200]
    assert "Retry-After" not in answers[0].headers


def test_a_forge_token_does_not_open_the_site_s_own_address(simulator, installed, system_token):
    url = f"{simulator.site('genchi').url}/rest/api/3/myself"
    assert requests.get(url, headers={"Authorization": f"Bearer {system_token}"}, timeout=30).status_code == 401
