"""Jira is not itself: a page instead of JSON, half an answer, another shape, far too much: nothing is believed."""

import json

import pytest
import responses

from app.domain.identifiers import AccountId, IssueId, ProjectId
from app.domain.ports import IssueHidden, JiraUnavailable, SiteAccess
from app.outbound.jira import RestJira

URL = "https://example.atlassian.net"
SITE = SiteAccess(base_url=URL, authorize=lambda headers, *, method, target: None)
ISSUE = IssueId(10001)
FIELDS = {
    "issuetype": {"name": "Bug"},
    "labels": ["security"],
    "priority": {"name": "High"},
    "status": {"statusCategory": {"key": "new"}},
    "resolution": None,
    "resolutiondate": None,
    "created": "2026-11-22T09:00:00.000+0100",
    "project": {"id": "10000"},
}
WHOLE = {"id": "10001", "key": "SEC-1", "fields": FIELDS}
CHANGES = {"isLast": True, "values": []}


@pytest.fixture
def wire():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        yield wire


@pytest.fixture
def answer(wire):
    """What the three calls of a read answer; unnamed ones answer well."""

    def answer(*, fields="[]", issue=None, changelog=None, **more):
        for path, body in (
            ("field", fields),
            ("status", '[{"id": "1", "statusCategory": {"key": "done"}}]'),
            ("issue/10001", json.dumps(WHOLE) if issue is None else issue),
            ("issue/10001/changelog", json.dumps(CHANGES) if changelog is None else changelog),
        ):
            # A refusal is of the issue: one of anything else says nothing about it.
            odd = more if path.startswith("issue") else {}
            wire.get(f"{URL}/rest/api/3/{path}", body=body, **odd)

    return answer


def read():
    return RestJira().read_issue(SITE, ISSUE)


def test_the_smallest_whole_answer_is_read(answer):
    answer()
    assert read().created_at.isoformat() == "2026-11-22T08:00:00+00:00"


def change(**values):
    return json.dumps(WHOLE | {"fields": FIELDS | values})


ODD = {
    "a page": "<html>Log in</html>",
    "nothing": "",
    "null": "null",
    "a number": "7",
    "a text": '"SEC-1"',
    "a list": "[]",
    "an empty object": "{}",
    "half an object": json.dumps(WHOLE)[:40],
    "very deep": "[" * 100_000,
    "fields that are a list": json.dumps(WHOLE | {"fields": []}),
    "fields that are null": json.dumps(WHOLE | {"fields": None}),
    "an id that is a word": json.dumps(WHOLE | {"id": "abc"}),
    "an id beyond numbers": json.dumps(WHOLE).replace('"10001"', "1e999"),
    "a created that is no instant": change(created="yesterday"),
    "a created without an offset": change(created="2026-11-22T09:00:00.000"),
    "a created before all time": change(created="0001-01-01T00:00:00.000+1200"),
    "a status that is a text": change(status="Done"),
    "labels that are a number": change(labels=7),
    "a priority that is a list": change(priority=[]),
    "fix versions that are a number": change(fixVersions=7),
    "fix versions that are texts": change(fixVersions=["4.2"]),
    "a fix version without a name": change(fixVersions=[{"id": "1"}]),
    "no project": change(project=None),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_issue_is_unavailable(answer, odd):
    answer(issue=ODD[odd])
    with pytest.raises(JiraUnavailable):
        read()


def test_a_name_of_a_version_is_cut_to_what_can_be_stored_and_a_thousand_of_them_to_twenty(answer):
    answer(issue=change(fixVersions=[{"name": "4\0.2\ud800" + "x" * 300, "released": "yes"}] * 1000))
    versions = read().fix_versions
    assert len(versions) == 20
    assert {(each.name[:5], len(each.name), each.is_released) for each in versions} == {("4.2?x", 255, False)}


ODD_CHANGELOGS = {
    "a page": "<html></html>",
    "a list": "[]",
    "no values": "{}",
    "values that are null": '{"values": null}',
    "a history that is a text": '{"values": ["x"]}',
    "items that are texts": '{"values": [{"id": "1", "created": "2026-11-22T09:00:00.000+0000", "items": ["x"]}]}',
    "an instant that is a number": '{"values": [{"id": "1", "created": 1, "items": [{"field": "f"}]}]}',
}


@pytest.mark.parametrize("odd", ODD_CHANGELOGS)
def test_an_odd_changelog_is_unavailable_and_never_an_issue_without_history(answer, odd):
    answer(changelog=ODD_CHANGELOGS[odd])
    with pytest.raises(JiraUnavailable):
        read()


@pytest.mark.parametrize("odd", ["<html></html>", "{}", "null", '["x"]', '[{"id": 1}]'])
def test_odd_fields_are_unavailable_and_not_kept(answer, odd):
    answer(fields=odd)
    with pytest.raises(JiraUnavailable):
        read()


def test_a_changelog_whose_last_page_is_never_called_so_ends(answer):
    answer(changelog='{"isLast": false, "values": []}')
    assert read().changes == ()


def test_an_answer_of_nine_megabytes_is_unavailable(answer):
    answer(issue=change(summary="x" * 9_000_000))
    with pytest.raises(JiraUnavailable):
        read()


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("body", ["", "<html></html>", '{"errorMessages": ["gone"]}', "[]", "null"])
def test_403_and_404_hide_whatever_else_they_say(answer, status, body):
    answer(issue=body, status=status)
    with pytest.raises(IssueHidden):
        read()


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_neither_followed_nor_believed(wire, answer, status):
    answer(status=status, headers={"Location": "https://evil.example.com/"})
    with pytest.raises(JiraUnavailable):
        read()
    assert {call.request.url.split("?")[0] for call in wire.calls} <= {
        f"{URL}/rest/api/3/{path}" for path in ("field", "status", "issue/10001", "issue/10001/changelog")
    }


PERMISSION = {"permission": "BROWSE_PROJECTS", "issues": [10001], "projects": []}


def ask(wire, body, status=200):
    wire.post(f"{URL}/rest/api/3/permissions/check", body=body, status=status)
    return RestJira().may_browse(SITE, AccountId("a"), ISSUE)


def rows(*found):
    return json.dumps({"globalPermissions": [], "projectPermissions": list(found)})


def test_a_permission_is_granted_by_its_own_name_and_for_this_very_issue(wire):
    assert ask(wire, rows(PERMISSION))


@pytest.mark.parametrize(
    "found",
    [
        [],
        [PERMISSION | {"issues": []}],
        [PERMISSION | {"issues": [10002]}],
        [PERMISSION | {"issues": [100010]}],
        [PERMISSION | {"permission": "ADMINISTER_PROJECTS"}],
        [PERMISSION | {"permission": "browse_projects"}],
        [PERMISSION | {"issues": [], "projects": [10001]}],
    ],
)
def test_anything_else_grants_nothing(wire, found):
    assert not ask(wire, rows(*found))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html></html>",
        "null",
        "{}",
        "[]",
        '{"projectPermissions": null}',
        '{"projectPermissions": ["BROWSE_PROJECTS"]}',
        '{"projectPermissions": [{"permission": "BROWSE_PROJECTS"}]}',
        '{"projectPermissions": [{"permission": "BROWSE_PROJECTS", "issues": ["all"]}]}',
        '{"projectPermissions": [{"permission": "BROWSE_PROJECTS", "issues": [1e999]}]}',
    ],
)
def test_an_odd_answer_about_permissions_is_unavailable(wire, body):
    with pytest.raises(JiraUnavailable):
        ask(wire, body)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_refusal_to_answer_is_unavailable_and_not_a_no(wire, status):
    """A no is remembered for half a minute, and shown as "you may not": this is neither."""
    with pytest.raises(JiraUnavailable):
        ask(wire, "{}", status)


ADMINISTER = {"globalPermissions": ["ADMINISTER"], "projectPermissions": []}
ADMINISTER_PROJECT = {
    "globalPermissions": [],
    "projectPermissions": [{"permission": "ADMINISTER_PROJECTS", "issues": [], "projects": [10000]}],
}


def administers(wire, body, *, project=None):
    wire.post(f"{URL}/rest/api/3/permissions/check", body=body)
    jira, account = RestJira(), AccountId("a")
    if project is None:
        return jira.may_administer_jira(SITE, account)
    return jira.may_administer_project(SITE, account, ProjectId(project))


def test_each_administrative_permission_is_asked_for_alone_and_granted_by_its_own_name(wire):
    assert administers(wire, json.dumps(ADMINISTER))
    assert administers(wire, json.dumps(ADMINISTER_PROJECT), project=10000)
    first, second = (json.loads(call.request.body) for call in wire.calls)
    assert first == {"accountId": "a", "globalPermissions": ["ADMINISTER"]}
    block = {"permissions": ["ADMINISTER_PROJECTS"], "projects": [10000], "issues": []}
    assert second == {"accountId": "a", "projectPermissions": [block]}


@pytest.mark.parametrize(
    "document",
    [
        ADMINISTER_PROJECT,
        {"globalPermissions": [], "projectPermissions": []},
        {"globalPermissions": ["SYSTEM_ADMIN", "ADMINISTER_PROJECTS", "administer"], "projectPermissions": []},
        {"globalPermissions": "ADMINISTER", "projectPermissions": []},
        {"globalPermissions": [["ADMINISTER"]], "projectPermissions": []},
    ],
)
def test_nothing_else_makes_an_administrator_of_jira(wire, document):
    assert not administers(wire, json.dumps(document))


@pytest.mark.parametrize(
    "changed",
    [
        {"permission": "BROWSE_PROJECTS"},
        {"permission": "ADMINISTER"},
        {"projects": []},
        {"projects": [10001]},
        {"projects": [100000]},
        {"projects": [], "issues": [10000]},
    ],
)
def test_nothing_else_makes_an_administrator_of_a_project(wire, changed):
    (granted,) = ADMINISTER_PROJECT["projectPermissions"]
    document = ADMINISTER | {"projectPermissions": [granted | changed]}
    assert not administers(wire, json.dumps(document), project=10000)


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"globalPermissions": null, "projectPermissions": null}'])
def test_an_odd_answer_about_administrators_is_unavailable(wire, body):
    for project in (None, 10000):
        with pytest.raises(JiraUnavailable):
            administers(wire, body, project=project)
