"""What somebody is on a site is Jira's word, asked on the server, whichever host they come through."""

from urllib.parse import urlencode

import pytest
import requests

SEC, OPS = "10000", "10001"
OF_ALL = [
    "tenant:clocks:list",
    "tenant:own-calendar:keep",
    "tenant:own-roles:view",
    "tenant:own-views:keep",
    "tenant:page:open",
]
OF_ADMINISTRATORS = {
    "project-admin": ["tenant:issue-clocks:decide"],
    "jira-admin": [
        "tenant:issue-clocks:decide",
        "tenant:recipients:manage",
        "tenant:data:export",
        "tenant:requests:manage",
        "tenant:settings:change",
        "tenant:settings:view",
    ],
}


@pytest.fixture(scope="module")
def installed(stack):
    stack.install("genchi")
    stack.forge("install", "kencha")
    return stack


@pytest.fixture(params=["Connect", "Forge"])
def ask(request, installed):
    """GET by that person, through that host."""

    def connect(path, account):
        return installed.get(path, account=account, site="genchi")

    def forge(path, account):
        return installed.invoke(path, account=account, site="kencha")

    return connect if request.param == "Connect" else forge


def me(ask, account, **query):
    answer = ask(f"/api/v1/me?{urlencode(query)}", account)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("account", "project", "roles"),
    [
        ("outsider", SEC, ["user"]),
        ("developer", SEC, ["user"]),
        ("lead", SEC, ["project-admin", "user"]),
        ("lead", OPS, ["user"]),
        ("admin", SEC, ["jira-admin", "user"]),
        ("admin", OPS, ["jira-admin", "project-admin", "user"]),
    ],
)
def test_each_permission_is_told_by_itself(ask, account, project, roles):
    told = me(ask, account, projectId=project)
    assert told["roles"] == roles
    granted = {each for role in roles for each in OF_ADMINISTRATORS.get(role, ())}
    assert told["permissions"] == sorted({*OF_ALL, *granted})


def test_without_a_project_nobody_is_told_to_administer_one(ask):
    assert me(ask, "lead")["roles"] == ["user"]
    assert me(ask, "admin")["roles"] == ["jira-admin", "user"]


def test_a_project_that_is_not_there_is_administered_by_nobody(ask):
    assert me(ask, "admin", projectId="99999")["roles"] == ["jira-admin", "user"]


def test_the_settings_are_for_administrators_of_jira_alone(ask):
    shown = ask("/api/v1/settings", "admin")
    assert shown.status_code == 200
    assert shown.json().keys() == {"policy", "region", "site"}
    assert shown.json()["policy"] == "atlassian-marketplace"
    for account in ("lead", "developer", "outsider"):
        answer = ask("/api/v1/settings", account)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/settings"])
def test_jira_in_a_storm_is_neither_a_yes_nor_a_no(installed, path):
    """As somebody whom nobody has asked about yet."""
    installed.control("/control", site="genchi", storm={"status": 503, "count": 9})
    answer = installed.get(path, account="developer2", site="genchi")
    installed.control("/control", site="genchi", reset=True)
    assert (answer.status_code, answer.json()["code"]) == (503, "jira_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_an_administrator_of_one_site_is_nobody_on_another(installed):
    elsewhere = installed.simulator.site("kencha").person("admin").account_id
    token = installed.token("genchi", kind="context", overrides={"sub": elsewhere})
    headers = {"Authorization": f"JWT {token}"}
    answer = requests.get(f"{installed.url}/api/v1/settings", headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
