"""What Jira asks about its Security tab, and what it is told: our own things, and keys of projects."""

import json
from datetime import UTC, datetime

import pytest
from flask import Flask

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import IssueId, TenantId
from app.domain.tracking.model import IssueRecord, Tracking
from app.store.database import SqlDatabase, open_engines

TAB = "/connect/security"


@pytest.fixture(scope="module")
def projects(web):
    """Issues of two projects are tracked, one of a third is not."""
    at = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    ((tenant,),) = web.database.rows("SELECT tenant_id FROM registry.connect_installations")
    engines = open_engines(Flask("worker"), web.database.worker, connections=1)
    with SqlDatabase(engines, clock=lambda: at).begin(TenantId(tenant)) as uow:
        for number, key, project, tracking in (
            (1, "SEC-1", 10000, Tracking.TRACKED),
            (2, "SEC-2", 10000, Tracking.TRACKED),
            (3, "A_B-7", 10001, Tracking.TRACKED),
            (4, "OPS-1", 10002, Tracking.NOT_TRACKED),
        ):
            uow.issues.save(IssueRecord(IssueId(number), key, project, tracking, None, None, at, ()), at)
        uow.commit(because=Bookkeeping.READ_SETTLED)
    engines.dispose()


def post(web, path, ids):
    body = json.dumps({"ids": ids}).encode()
    return web.ask("POST", f"{TAB}/{path}", kind="request", data=body, content_type="application/json").json


def search(web, **query):
    target = f"{TAB}/containers/search?" + "&".join(f"{name}={value}" for name, value in query.items())
    return [row["name"] for row in web.ask("GET", target, kind="request").json["containers"]]


def test_the_one_workspace_is_told_to_whoever_names_it(web):
    [workspace] = post(web, "workspaces", ["another", "pledge"])["workspaces"]
    assert workspace == {
        "id": "pledge",
        "name": "Pledge",
        "url": web.site_url,
        "avatarUrl": "http://127.0.0.1:8000/static/icon.svg",
    }
    assert post(web, "workspaces", ["another"]) == {"workspaces": []}


def test_projects_with_tracked_issues_are_containers(web, projects):
    assert post(web, "containers", ["pledge/10000", "pledge/10002", "pledge/1", "x"])["containers"] == [
        {
            "id": "pledge/10000",
            "name": "SEC",
            "url": f"{web.site_url}/browse/SEC",
            "avatarUrl": "http://127.0.0.1:8000/static/icon.svg",
            "lastUpdatedDate": "2026-11-22T09:00:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("wanted", "found"), [("", ["A_B", "SEC"]), ("se", ["SEC"]), ("_", ["A_B"]), ("%25", []), ("OPS", [])]
)
def test_a_search_finds_parts_of_keys_in_any_case(web, projects, wanted, found):
    assert search(web, workspaceId="pledge", searchQuery=wanted) == found


def test_a_search_in_another_workspace_finds_nothing(web, projects):
    assert search(web, workspaceId="another", searchQuery="") == []


@pytest.mark.parametrize(
    "body", [b"{}", b'{"ids": "pledge"}', b'{"ids": [1]}', b"[]", b'{"ids": [' + b'"",' * 1000 + b'""]}']
)
def test_ids_that_are_no_list_of_texts_are_refused(web, body):
    answer = web.ask("POST", f"{TAB}/workspaces", kind="request", data=body, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", ["context", None])
def test_a_page_token_or_none_learns_nothing(web, kind):
    answer = web.ask("GET", f"{TAB}/containers/search?workspaceId=pledge&searchQuery=", kind=kind)
    assert answer.status_code == 401


def test_where_the_tab_is_off_the_routes_are_not_there(make_web):
    with make_web(SECURITY_TAB="off") as web:
        for path in ("workspaces", "containers"):
            body = {"data": b'{"ids": []}', "content_type": "application/json"}
            assert web.ask("POST", f"{TAB}/{path}", kind="request", **body).status_code == 404
        target = f"{TAB}/containers/search?workspaceId=pledge&searchQuery="
        assert web.ask("GET", target, kind="request").status_code == 404
