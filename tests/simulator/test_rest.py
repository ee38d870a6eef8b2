"""The REST subset: who is let in, what the app may see, pages, and storms."""

import time
from email.utils import parsedate_to_datetime

import pytest
import requests


def search(rest, **body):
    return rest("POST", "/rest/api/3/search/jql", json=body)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iss": "com.example.other"},
        {"qsh": "context-qsh"},
        {"qsh": None},
    ],
)
def test_a_token_that_is_not_for_this_request_is_refused(simulator, installed, secret, claims):
    target = "/rest/api/3/myself"
    token = installed.sign(secret, "GET", target, **claims)
    url = simulator.site("genchi").url + target
    assert requests.get(url, headers={"Authorization": f"JWT {token}"}, timeout=30).status_code == 401


def test_no_token_and_another_sites_secret_are_refused(simulator, installed, secret):
    target = "/rest/api/3/issue/SEC-1?fields=summary"
    headers = {"Authorization": f"JWT {installed.sign(secret, 'GET', target)}"}
    own, other = (simulator.site(name).url + target for name in ("genchi", "kencha"))
    assert requests.get(own, headers=headers, timeout=30).status_code == 200
    assert requests.get(own, timeout=30).status_code == 401
    assert requests.get(other, headers=headers, timeout=30).status_code == 401


def test_an_issue_comes_with_the_fields_asked_for(rest, simulator):
    site = simulator.site("genchi")
    vector = site.fields["cvss_vector"].id
    issue = rest("GET", f"/rest/api/3/issue/SEC-1?fields=status,labels,{vector}&expand=names").json()
    assert issue["fields"].keys() == {"status", "labels", vector}
    assert issue["fields"]["status"]["statusCategory"]["key"] == "new"
    assert issue["names"][vector] == "CVSS Vector"
    assert rest("GET", f"/rest/api/3/issue/{issue['id']}").json()["key"] == "SEC-1"


def test_custom_fields_have_other_ids_on_another_site(simulator, rest):
    listed = {one["name"]: one["id"] for one in rest("GET", "/rest/api/3/field").json()}
    assert listed["CVSS Vector"] != simulator.site("kencha").fields["cvss_vector"].id


def test_what_the_app_may_not_see_does_not_exist_for_it(rest, control):
    missing = rest("GET", "/rest/api/3/issue/SEC-999")
    control("PATCH", "/sites/genchi/issues/SEC-1", json={"security": "Managers"})
    hidden = rest("GET", "/rest/api/3/issue/SEC-1")
    assert missing.status_code == hidden.status_code == 404
    assert missing.json() == hidden.json()
    assert rest("GET", "/rest/api/3/issue/SEC-1/changelog").status_code == 404
    assert search(rest, jql="key = SEC-1").json()["issues"] == []
    bulk = rest("POST", "/rest/api/3/issue/bulkfetch", json={"issueIdsOrKeys": ["SEC-1", "SEC-2"]}).json()
    assert ([one["key"] for one in bulk["issues"]], bulk["issueErrors"][0]["id"]) == (["SEC-2"], "SEC-1")


def test_a_changelog_comes_in_pages(rest, control):
    for number in range(5):
        control("PATCH", "/sites/genchi/issues/OPS-1", json={"summary": f"Title {number}"})
    first = rest("GET", "/rest/api/3/issue/OPS-1/changelog?maxResults=3").json()
    second = rest("GET", "/rest/api/3/issue/OPS-1/changelog?startAt=3&maxResults=3").json()
    assert [first["isLast"], second["isLast"]] == [False, True]
    assert [len(first["values"]), len(second["values"]), second["total"]] == [3, 2, 5]
    titles = [entry["items"][0]["toString"] for entry in first["values"] + second["values"]]
    assert titles == [f"Title {number}" for number in range(5)]


def test_a_search_comes_in_pages_until_there_is_no_token(rest, simulator):
    found, token = [], None
    while True:
        page = search(rest, jql="project = SEC ORDER BY key ASC", maxResults=7, nextPageToken=token).json()
        found += [issue["id"] for issue in page["issues"]]
        token = page.get("nextPageToken")
        assert page["isLast"] is (token is None)
        if token is None:
            break
    assert found == [one.id for one in simulator.site("genchi").issues.values() if one.project.key == "SEC"]


@pytest.mark.parametrize(
    ("jql", "keys"),
    [
        ("labels in (vulnerability) AND project = OPS ORDER BY key", ["OPS-11", "OPS-12"]),
        ("key in (SEC-2, SEC-1) order by created desc", ["SEC-1", "SEC-2"]),
        ("project = SEC AND (status = Done AND resolution = 'Won\\'t Do')", ["SEC-9"]),
        ("project = SEC AND NOT issuetype in (Vulnerability, Bug)", ["SEC-19"]),
        ("project = SEC AND created >= -36h", ["SEC-1"]),
        ("issuetype = Vulnerability AND labels != security", ["OPS-11"]),
        ("project = SEC AND labels is EMPTY AND type = Bug", ["SEC-17"]),
    ],
)
def test_jql_finds_what_it_says(rest, jql, keys):
    found = search(rest, jql=jql, fields=["summary"]).json()
    assert [issue["key"] for issue in found["issues"]] == keys


@pytest.mark.parametrize("jql", ["", "order by created", "nonsense = 1", "project =", "project = SEC )"])
def test_jql_that_jira_would_refuse_is_refused(rest, jql):
    assert search(rest, jql=jql).status_code == 400


def test_histories_of_many_issues_come_at_once(rest, simulator):
    site = simulator.site("genchi")
    wanted = {"issueIdsOrKeys": ["SEC-7", "SEC-13"], "fieldIds": ["status"], "maxResults": 3}
    first = rest("POST", "/rest/api/3/changelog/bulkfetch", json=wanted).json()
    token = {"nextPageToken": first["nextPageToken"]}
    second = rest("POST", "/rest/api/3/changelog/bulkfetch", json=wanted | token).json()
    entries = [one for page in (first, second) for log in page["issueChangeLogs"] for one in log["changeHistories"]]
    assert (len(entries), second["nextPageToken"]) == (4, None)
    assert {item["field"] for entry in entries for item in entry["items"]} == {"status"}
    closed = site.issue("SEC-7").resolved
    assert entries[1]["created"] == int(closed.timestamp() * 1000)


def test_permissions_are_told_for_any_account(rest, simulator):
    site = simulator.site("genchi")
    plain, secured = int(site.issue("SEC-1").id), int(site.issue("SEC-11").id)

    def granted(handle):
        block = {"permissions": ["BROWSE_PROJECTS"], "projects": [10000, 10001], "issues": [plain, secured]}
        body = {"accountId": site.person(handle).account_id, "projectPermissions": [block]}
        row = rest("POST", "/rest/api/3/permissions/check", json=body).json()["projectPermissions"][0]
        return row["projects"], row["issues"]

    assert granted("developer") == ([10000, 10001], [plain, secured])
    assert granted("developer2") == ([10000, 10001], [plain])
    assert granted("outsider") == ([10001], [])


def test_administering_jira_and_a_project_are_two_permissions(rest, simulator):
    def granted(handle):
        block = {"permissions": ["ADMINISTER_PROJECTS"], "projects": [10000, 10001], "issues": [10001]}
        body = {"accountId": simulator.site("genchi").person(handle).account_id, "projectPermissions": [block]}
        answer = rest("POST", "/rest/api/3/permissions/check", json=body | {"globalPermissions": ["ADMINISTER"]}).json()
        (row,) = answer["projectPermissions"]
        return answer["globalPermissions"], row["projects"], row["issues"]

    assert granted("admin") == (["ADMINISTER"], [10001], [])
    assert granted("lead") == ([], [10000], [10001])
    assert granted("developer") == ([], [], [])


def test_a_project_can_be_closed_to_a_person(rest, control, simulator):
    closed = {"project": "SEC", "account": "developer", "allowed": False}
    control("POST", "/control", json={"site": "genchi", "browse": closed})
    block = {"permissions": ["BROWSE_PROJECTS"], "projects": [10000]}
    account = simulator.site("genchi").person("developer").account_id
    body = {"accountId": account, "projectPermissions": [block]}
    answer = rest("POST", "/rest/api/3/permissions/check", json=body).json()
    assert answer["projectPermissions"][0]["projects"] == []


@pytest.mark.parametrize(
    ("form", "reads"),
    [
        ("seconds", lambda after: int(after) == 2),
        ("date", lambda after: 0 <= parsedate_to_datetime(after).timestamp() - time.time() + 1 < 4),
        ("absent", lambda after: after is None),
        ("absurd", lambda after: int(after) > 10**6),
    ],
)
def test_a_storm_answers_429_so_many_times_with_every_form_of_retry_after(rest, control, form, reads):
    control("POST", "/control", json={"site": "genchi", "storm": {"count": 2, "retry_after": form}})
    answers = [rest("GET", "/rest/api/3/myself") for _ in range(3)]
    assert [one.status_code for one in answers] == [429, 429, 200]
    assert reads(answers[0].headers.get("Retry-After"))
    assert answers[0].headers["RateLimit-Reason"] == "jira-burst-based"


def test_latency_and_5xx_end_with_a_reset(rest, control):
    control("POST", "/control", json={"latency_seconds": 0.3, "storm": {"status": 503, "count": 9}})
    started = time.monotonic()
    assert rest("GET", "/rest/api/3/myself").status_code == 503
    assert time.monotonic() - started >= 0.3
    control("POST", "/control", json={"reset": True})
    assert rest("GET", "/rest/api/3/myself").status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"latency": 1}, {"storm": {"status": 418}}, {"webhooks": {"drop": "x"}}, {"latency_seconds": -1}]
)
def test_a_fault_that_does_not_exist_is_refused(simulator, wrong):
    answer = requests.post(f"{simulator.control_url}/control", json=wrong, timeout=30)
    assert answer.status_code == 400


def test_time_moves_what_jira_dates_but_not_tokens(rest, control):
    control("POST", "/control", json={"advance_seconds": -864000})
    key = control("POST", "/sites/genchi/issues", json={"summary": "Ten days old"})["key"]
    assert search(rest, jql=f"key = {key} AND created <= 2100-01-01").json()["issues"]
    created = rest("GET", f"/rest/api/3/issue/{key}").json()["fields"]["created"]
    age_seconds = time.time() - time.mktime(time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone
    assert abs(age_seconds - 864000) < 60


def test_the_rest_of_the_subset_answers(rest, simulator):
    site = simulator.site("genchi")
    assert rest("GET", "/rest/api/3/myself").json()["accountType"] == "app"
    assert rest("GET", "/rest/api/3/serverInfo").json()["baseUrl"] == site.url
    addon = rest("GET", "/rest/atlassian-connect/1/addons/com.example.receiver").json()
    assert addon["license"]["active"] is True
    assert rest("GET", "/rest/api/3/myself", data=b"x").status_code == 403


def test_what_a_site_calls_things_is_listed(rest):
    listed = {name: {one["name"] for one in rest("GET", f"/rest/api/3/{name}").json()} for name in LISTS}
    assert all(LISTS[name] in listed[name] for name in LISTS)


LISTS = {"issuetype": "Vulnerability", "priority": "Highest", "resolution": "Obsolete"}


def test_a_query_is_parsed_strictly(rest):
    queries = ["project = SEC", "project = SEC ORDER BY key", "nofield = 1", "issuetype = Gremlin", "ORDER BY key"]
    parsed = rest("POST", "/rest/api/3/jql/parse?validation=strict", json={"queries": queries}).json()["queries"]
    assert [one["query"] for one in parsed] == queries
    assert [bool(one.get("errors")) for one in parsed] == [False, False, True, True, False]
    assert ["orderBy" in one.get("structure", {}) for one in parsed] == [False, True, False, False, False]
    assert ["where" in one.get("structure", {}) for one in parsed] == [True, True, False, False, False]
    assert rest("POST", "/rest/api/3/jql/parse", json={"queries": queries}).status_code == 400


def test_a_page_token_ends_with_its_era(rest, control):
    first = search(rest, jql="project = SEC", maxResults=3).json()
    again = {"jql": "project = SEC", "maxResults": 3, "nextPageToken": first["nextPageToken"]}
    assert search(rest, **again).status_code == 200
    control("POST", "/control", json={"page_era": 1})
    assert search(rest, **again).status_code == 400


def test_an_issue_that_moves_keeps_its_id_and_says_so(rest, control):
    issue = rest("GET", "/rest/api/3/issue/SEC-1?fields=project").json()
    moved = control("PATCH", "/sites/genchi/issues/SEC-1", json={"move": "OPS"})
    assert moved["id"] == issue["id"]
    now = rest("GET", f"/rest/api/3/issue/{issue['id']}?fields=project").json()
    assert (now["key"], now["fields"]["project"]["key"]) == (moved["key"], "OPS")
    [entry] = rest("GET", f"/rest/api/3/issue/{issue['id']}/changelog").json()["values"]
    assert {item["fieldId"]: item["toString"] for item in entry["items"]} == {
        "project": "Operations",
        "issuekey": moved["key"],
    }
