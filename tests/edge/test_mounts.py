"""The table of mounts asks the table of roles, on every request."""

import pytest

from app.domain.access.roles import ROLES, Permission, Role

JSON = {"data": b"{}", "content_type": "application/json"}
ROUTES = {
    Role.ANYONE: ("GET", "/healthz", {}),
    Role.APP: ("POST", "/connect/webhooks?issueId=10001", {"kind": "request", **JSON}),
    Role.USER: ("GET", "/api/v1/me", {"kind": "context"}),
}


@pytest.mark.parametrize("role", ROUTES)
def test_what_a_row_of_the_roles_no_longer_grants_is_refused_at_once(web, monkeypatch, role):
    method, target, sent = ROUTES[role]
    assert web.ask(method, target, **sent).status_code in {200, 204, 503}  # this site's Jira does not know the secret
    monkeypatch.setitem(ROLES, role, frozenset())
    answer = web.ask(method, target, **sent)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "not_permitted")


def test_a_token_is_checked_before_any_role_is(web, monkeypatch):
    monkeypatch.setitem(ROLES, Role.USER, frozenset())
    assert web.ask("GET", "/api/v1/me", token="x.y.z").status_code == 401


def test_a_page_without_a_person_opens_and_holds_nothing(web):
    token = web.token("GET", "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=1", remove=["sub"])
    answer = web.ask("GET", "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=1", token=token)
    assert answer.status_code == 200
    assert "You cannot see this" in answer.get_data(as_text=True)


def test_every_permission_is_spelled_scope_resource_action():
    assert all(len(permission.value.split(":")) == 3 for permission in Permission)
