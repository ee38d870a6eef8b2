"""A lapsed licence: people still read, leave and take along what is theirs, and change nothing; facts are followed."""

import pytest

from app.domain.access.roles import Permission
from app.edge import mounts
from app.edge.gates import by_scheme, context_token, forge_page
from app.edge.limits import READS
from app.edge.mounts import MOUNTS, Mount
from simulator.forge_app import APP_ID, read_app
from simulator.minting import forge_token

SITE = "genible"
PEOPLE = by_scheme(JWT=context_token, Bearer=forge_page)
STATES = ("active", "inactive", "absent")
CONTEXTS = {"active": {"license": {"active": True}}, "inactive": {"license": {"active": False}}, "absent": {}}
JSON = {"data": b"{}", "content_type": "application/json"}


def change():
    return "changed"


def export():
    return "exported"


@pytest.fixture(scope="module")
def web(make_web, atlassian):
    """The product on both hosts, and two more routes of people: one changes something, the other is always allowed."""
    more = (
        Mount("POST", "/fragments/change", PEOPLE, READS, change, Permission.VIEW_OWN_ROLES),
        Mount("POST", "/fragments/export", PEOPLE, READS, export, Permission.VIEW_OWN_ROLES, without_licence=True),
    )
    install = mounts.install
    keys = f"{atlassian.control_url}/.well-known/jwks.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounts, "install", lambda app, **guarded: install(app, (*MOUNTS, *more), **guarded))
        with make_web(FORGE_APP_ID=APP_ID, FORGE_JWKS_URL=keys, ATLASSIAN_API_URL=atlassian.control_url) as made:
            atlassian.world.forge[SITE].install(read_app({"app": "http://127.0.0.1:9"}, api_url=atlassian.control_url))
            yield made


@pytest.fixture
def connect(web):
    """A request of Jira's own, or of a person in a page of ours, whose token says that of the licence."""

    def ask(method, target, licence, *, person=True, **sent):
        kind, claims = ("context", {}) if person else ("request", {"remove": ["sub"]})
        token = web.token(method, target, kind=kind, context=CONTEXTS[licence], **claims)
        return web.ask(method, target, token=token, **sent)

    return ask


@pytest.fixture
def forge(web, atlassian):
    """The same through Forge; a first call by Forge itself makes the installation known."""

    def ask(method, target, licence, *, person=True, **sent):
        wanted = {"kind": "ui", "account": "developer", "issue": "10001"} if person else {"kind": "cron"}
        made = forge_token(atlassian.world.forge[SITE], wanted | {"license": licence})
        headers = {name: value for name, value in made["headers"].items() if name != "Content-Type"}
        return web.client.open(target, method=method, headers=headers, **sent)

    assert ask("POST", "/forge/cron", "active", person=False, **JSON).status_code == 200
    return ask


@pytest.fixture(params=["connect", "forge"])
def ask(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("licence", STATES)
def test_only_a_licence_that_is_said_to_be_inactive_ends_changes(ask, licence):
    answer = ask("POST", "/fragments/change", licence)
    assert answer.status_code == (403 if licence == "inactive" else 200)
    if licence == "inactive":
        assert answer.mimetype == "application/problem+json"
        assert answer.get_json()["code"] == "license_inactive"


@pytest.mark.parametrize("licence", STATES)
def test_what_nobody_may_be_held_back_from_works_without_a_licence(ask, licence):
    assert ask("POST", "/fragments/export", licence).status_code == 200


def test_everything_is_read_without_a_licence_and_the_panel_says_so(forge):
    assert forge("GET", "/api/v1/issues/10001/clocks", "inactive").status_code == 200
    panel = "/fragments/issue?issueId=10001&issueKey=SEC-1"
    shown = {licence: forge("GET", panel, licence).get_json()["html"] for licence in STATES}
    assert ["read only" in shown[licence] for licence in STATES] == [False, True, False]


@pytest.mark.parametrize("target", ["/connect/webhooks?issueId=10001", "/connect/disabled"])
def test_what_connect_says_is_followed_without_a_licence(connect, target):
    assert connect("POST", target, "inactive", person=False, **JSON).status_code == 204


def test_what_connect_says_on_behalf_of_a_person_is_followed_too(web):
    target = "/connect/webhooks?issueId=10001"
    token = web.token("POST", target, context=CONTEXTS["inactive"])
    assert web.ask("POST", target, token=token, **JSON).status_code == 204


@pytest.mark.parametrize("kind", ["events", "lifecycle", "cron"])
def test_what_forge_says_is_followed_without_a_licence(web, forge, atlassian, kind):
    made = forge_token(atlassian.world.forge[SITE], {"kind": kind, "license": "inactive"})
    body = {"eventType": "avi:jira:updated:issue", "issue": {"id": "10001"}}
    assert web.client.post(f"/forge/{kind}", headers=made["headers"], json=body).status_code == 200


def test_a_route_on_which_people_change_something_cannot_forget_the_licence():
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    rows = [Mount(method, "/any", PEOPLE, READS, change, Permission.VIEW_OWN_ROLES) for method in methods]
    assert [row.needs_licence for row in rows] == [False, True, True, True, True]
    assert [row.rule for row in MOUNTS if row.needs_licence] == [
        "/fragments/views",
        "/fragments/admin",
        "/fragments/issue/decisions",
        "/api/v1/issues/<id_or_key>/events",
        "/api/v1/settings/following",
        "/api/v1/recipients",
        "/api/v1/calendar",
    ]
