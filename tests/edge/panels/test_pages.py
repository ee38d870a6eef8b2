"""The pages of project and site, as both hosts get them: what they tell, to whom, and what bad input comes to."""

import base64
import json
import re
from html import unescape
from urllib.parse import quote

import pytest
import requests

from tests.edge.panels.test_issue_panel import Page

SEC = "projectId=10000&projectKey=SEC"
OPS = "projectId=10001&projectKey=OPS"
PROJECT = f"/fragments/project?{SEC}"
SITE = "/fragments/site?section="
SECTIONS = {
    **{f"project {name}": f"{PROJECT}&section={name}" for name in ("board", "heat", "burn-down", "table")},
    **{f"site {name}": SITE + name for name in ("promises", "clocks", "upcoming", "breaches")},
}
RESTRICTED = "SEC-11"
"""Has a security level: admin and developer may see it, developer2 may not."""
HOSTILE = {
    "script": "\"><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 7 * 7 }}",
    "right to left": "\u202egnorw ti ekam\u202c \u0645\u0631\u062d\u0628\u0627",
    "zero width": "a\u200b\u200d\ufeffb",
    "300 characters": "W" * 300,
    "emoji": "\U0001f9d1\U0001f3fd\u200d\U0001f680" * 20,
}
BAD = {
    "an unknown state": f"{PROJECT}&section=table&state=bogus",
    "an unknown severity": f"{PROJECT}&section=table&severity=HIGH",
    "an unknown section": f"{PROJECT}&section=secrets",
    "an unknown section of the site": f"{SITE}secrets",
    "an unknown column": f"{PROJECT}&section=table&columns=state,password",
    "an unknown form of file": f"/fragments/download?{SEC}&format=exe",
    "no form of file": f"/fragments/download?{SEC}",
    "a filter that stands twice": f"{PROJECT}&section=table&state=met&state=open",
    "a day of another spelling": f"{PROJECT}&section=table&due=31-12-2026",
    "a day that is none": f"{PROJECT}&section=table&due=2026-02-30",
    "a day after the end of days": f"{PROJECT}&section=table&due=9999-12-31",
    "a day with something after it": f"{PROJECT}&section=table&ended_since=2026-01-01T00:00:00Z",
    "no day at all": f"{SITE}clocks&within=0",
    "days without end": f"{SITE}clocks&within=99999999999999999999",
    "days in other digits": f"{SITE}clocks&within=" + quote("²"),
    "a search of 10,000 characters": f"{PROJECT}&section=table&key=" + "A" * 10_000,
    "a search of 5,000 characters": f"{PROJECT}&section=table&key=" + "A" * 5_000,
    "a search with a NUL": f"{PROJECT}&section=table&key=SEC-1%00",
    "a cursor of nobody's making": f"{PROJECT}&section=table&cursor=x",
    "a cursor that is JSON": f"{PROJECT}&section=table&cursor="
    + base64.urlsafe_b64encode(b'["a"]').decode().rstrip("="),
    "a cursor from before the beginning": f"{PROJECT}&section=table&cursor="
    + base64.urlsafe_b64encode(b"[-1]").decode().rstrip("="),
    "a cursor from beyond the end": f"{PROJECT}&section=table&cursor="
    + base64.urlsafe_b64encode(b"[99999999999999]").decode().rstrip("="),
    "a project by its key": "/fragments/project?projectId=SEC&projectKey=SEC",
    "a project id beyond all numbers": f"/fragments/project?projectId={'9' * 30}&projectKey=SEC",
    "a key of a project that is markup": "/fragments/project?projectId=10000&projectKey=" + quote("<b>"),
    "two projects": f"{PROJECT}&projectId=10001",
}


@pytest.fixture(scope="module")
def served(stack):
    """One product on two sites, with what both know of their issues."""
    for site in ("genchi", "kencha"):
        stack.install(site)
    for issue in ("10001", "10003", "10007", "10011"):
        stack.tracked(issue, account="admin")
    stack.eventually(lambda: "SEC-11" in stack.get(f"{PROJECT}&section=table", account="admin").text)
    return stack


def text_of(answer):
    assert answer.status_code == 200, answer.text
    return Page(answer.text).text


def tile(answer, key):
    return re.search(rf'id="tile-{key}".*?class="metric">([^<]+)<', answer.text)[1]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_fragment_has_one_root_is_well_nested_and_light(served, name):
    answer = served.get(SECTIONS[name], account="admin")
    page = Page(answer.text)
    assert (page.roots, page.broken) == (1, [])
    assert len(answer.content) < 100_000
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert "style" not in {attribute for _, attributes in page.elements for attribute in attributes}
    assert not [tag for tag, _ in page.elements if tag in ("script", "style")]


@pytest.mark.parametrize("name", SECTIONS)
def test_both_hosts_get_the_same_fragment(served, name):
    served.forge("install", "genible")
    served.eventually(
        lambda: served.invoke("/api/v1/issues/10001/clocks", site="genible").json()["tracking"] == "tracked"
    )
    answer = served.invoke(SECTIONS[name], account="admin", site="genible", issue="10001")
    page = Page(answer.json()["html"])
    assert (page.roots, page.broken) == (1, [])
    titles = re.findall(r'class="title">([^<]+)<', served.get(SECTIONS[name], account="admin").text)
    assert re.findall(r'class="title">([^<]+)<', answer.json()["html"]) == titles


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_cleanly(served, name):
    answer = served.get(BAD[name])
    assert answer.status_code == 400
    if "10,000" not in name:  # the server itself refuses a line of that length
        assert answer.json()["code"] == "parameter_malformed"
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "query", [SEC.replace("10000", "4711"), OPS.replace("10001", "999999999999999999"), "projectId=0"]
)
def test_a_project_of_nowhere_or_of_another_tenant_is_denied_without_a_number(served, query):
    answer = served.get(f"/fragments/project?{query}")
    if query == "projectId=0":
        assert answer.status_code == 400
        return
    assert "You cannot see this project" in text_of(answer)
    assert "tile-" not in answer.text


def test_who_may_not_browse_a_project_reads_no_number_of_it_anywhere(served):
    for name, path in SECTIONS.items():
        answer = served.get(path, account="outsider")
        assert "/browse/SEC-" not in answer.text, name
    assert "You cannot see this project" in text_of(served.get(PROJECT, account="outsider"))
    both, one = (text_of(served.get(SITE + "promises", account=who)) for who in ("developer", "outsider"))
    assert "1 overdue" in both
    assert "overdue" not in one
    file = served.get(f"/fragments/download?{SEC}&format=json", account="outsider")
    assert "(0 clocks)" in text_of(file)


def test_an_issue_with_a_security_level_counts_only_for_whom_jira_confirms_it(served):
    """And the page says that such are not counted, whether there is one or not."""
    seen, unseen = (served.get(f"{PROJECT}&section=table&state=open", account=who) for who in ("admin", "developer2"))
    assert int(tile(seen, "open")) == int(tile(unseen, "open")) + 1
    assert RESTRICTED in seen.text
    assert RESTRICTED not in unseen.text
    for answer in (seen, unseen):
        assert "counts only where Jira says that you may see it" in text_of(answer)
        assert answer.text.count('<tr><th scope="row">') == int(tile(answer, "open"))


def test_a_level_that_is_taken_off_or_put_on_is_followed(served):
    """By the numbers of somebody who has seen no list, so that Jira has not just said that he may see the issue."""
    url = f"{served.simulator.control_url}/sites/genchi/issues/SEC-5"

    def is_open():
        return int(tile(served.get(f"{PROJECT}&section=heat", account="lead"), "open"))

    before = is_open()
    requests.patch(url, json={"security": "Security team"}, timeout=30).raise_for_status()
    served.eventually(lambda: is_open() == before - 1)
    requests.patch(url, json={"security": None}, timeout=30).raise_for_status()
    served.eventually(lambda: is_open() == before)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_of_a_site_stay_words(served, name):
    said = HOSTILE[name]
    served.database.execute("UPDATE app.clock_bounds SET cancelled_reason = %s WHERE outcome = 'cancelled'", said)
    served.database.execute(
        "UPDATE app.issues SET fix_versions = jsonb_build_array(jsonb_build_array(%s::text, false))"
        " WHERE issue_key <> 'SEC-3'",
        said,
    )
    for path in (f"{PROJECT}&section=table&columns=promise,version", SITE + "clocks&columns=promise,version"):
        answer = served.get(path, account="admin")
        page = Page(answer.text)
        assert (page.roots, page.broken) == (1, [])
        assert page.text.count(" ".join(said.split())) > 2
        assert "bdi" in {tag for tag, _ in page.elements}
        assert not {"script", "img"} & {tag for tag, _ in page.elements}


@pytest.mark.parametrize("name", HOSTILE)
def test_why_a_promise_was_broken_is_read_where_breaches_are_and_stays_words(served, name):
    said = HOSTILE[name][:300]
    headers = {"Authorization": f"JWT {served.token('genchi', kind='context', account='admin')}"}
    body = {"kind": "explained", "id": f"explained-{abs(hash(name))}", "reason": said}
    answer = requests.post(f"{served.url}/api/v1/issues/10003/events", json=body, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text
    for path in (SITE + "breaches", "/fragments/issue?issueId=10003&issueKey=SEC-3"):
        page = Page(served.get(path, account="developer").text)
        assert (page.roots, page.broken) == (1, [])
        assert f"Why it was late: {' '.join(said.split())}" in page.text
        assert not {"script", "img"} & {tag for tag, _ in page.elements}


def test_a_cursor_of_another_site_leads_into_ones_own_list_only(served):
    """It names a place in an order, and nothing that is not its reader's."""
    first = served.get("/api/v1/clocks?limit=3", site="kencha", account="admin").json()
    own = {
        item["issue"]["key"] for item in served.get("/api/v1/clocks?limit=100", account="developer2").json()["items"]
    }
    found = served.get(f"{SITE}clocks&cursor={first['next_cursor']}", account="developer2")
    assert set(re.findall(r'/browse/([A-Z]+-\d+)"', found.text)) <= own
    assert RESTRICTED not in found.text


def test_issues_lead_to_the_site_and_not_to_its_api(served):
    """Forge says in each call from a page where the site is; until then only the address of its API is known."""
    link = f"{served.simulator.site('genible').url}/browse/SEC-3"

    def is_linked():
        answer = served.invoke(f"{PROJECT}&section=table", account="admin", site="genible", issue="10001")
        return link in answer.json()["html"]

    served.eventually(is_linked)  # its issues are read in the background


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_searches_find_nothing_and_are_shown_as_they_are(served, name):
    said = HOSTILE[name][:255]
    answer = served.get(f"{PROJECT}&section=table&key={quote(said)}", account="admin")
    page = Page(answer.text)
    assert (page.roots, page.broken) == (1, [])
    assert "No clocks match" in page.text
    [typed] = [attributes["value"] for tag, attributes in page.elements if attributes.get("id") == "filter-key"]
    assert typed == said.strip().upper()
    assert "script" not in {tag for tag, _ in page.elements}


def test_a_number_is_the_issue_of_this_project_that_has_it(served):
    answer = served.get(f"{PROJECT}&section=table&key=3", account="admin")
    assert re.findall(r'/browse/(SEC-\d+)"', answer.text) == ["SEC-3"]


@pytest.mark.parametrize("form", ["csv", "json", "ics"])
def test_a_file_is_exactly_what_the_list_shows(served, form):
    shown = served.get(f"{PROJECT}&section=table&state=open", account="admin")
    keys = re.findall(r'/browse/(SEC-\d+)"', shown.text)
    answer = served.get(f"/fragments/download?{SEC}&state=open&format={form}", account="admin")
    [href] = re.findall(r'href="(data:[^"]+)"', answer.text)
    content = base64.b64decode(unescape(href).partition(",")[2]).decode()
    if form == "json":
        found = [item["issue"]["key"] for item in json.loads(content)["items"]]
    elif form == "csv":
        found = [line.split(",")[1] for line in content.splitlines()[1:]]
    else:
        found = re.findall(r"SUMMARY:(SEC-\d+):", content)
        undated = {"SEC-15", "SEC-18"}  # no deadline, and not rated yet
        keys = [key for key in keys if key not in undated]
    assert found == keys


def test_columns_stay_picked(served):
    first = served.get(f"{PROJECT}&section=table&columns=state&columns=due", account="admin")
    assert re.findall(r'<th scope="col">([^<]+)<', first.text) == ["Issue", "State", "Due"]
    assert "columns=state%2Cdue" in first.text


def test_columns_of_which_not_everybody_thinks_can_be_picked(served):
    """And the file has them too: what Jira says, and what the policy calls it."""
    said = {"critical", "9.8", "Security Bug Fix Policy, cloud apps", "4.2"}
    shown = served.get(f"{PROJECT}&section=table&key=3&columns=severity,score,clause,ticket,version", account="admin")
    assert re.findall(r'<th scope="col">([^<]+)<', shown.text) == [
        "Issue", "Severity", "CVSS", "Clause", "AMS ticket", "Fix version",
    ]  # fmt: skip
    assert all(word in text_of(shown).lower() for word in map(str.lower, said))
    [item] = served.get("/api/v1/clocks?limit=1&state=breached", account="admin").json()["items"]
    assert (item["cvss_score"], item["clause"], item["ams_ticket"]) == (
        9.8,
        "Security Bug Fix Policy, cloud apps",
        None,
    )
    assert item["fix_versions"] == [{"name": "4.2", "released": False}]
    file = served.get("/api/v1/clocks.csv?limit=1&state=breached", account="admin").text.splitlines()
    assert file[0].endswith(",cvss_score,clause,ams_ticket,fix_versions")
    assert file[1].endswith(',9.8,"Security Bug Fix Policy, cloud apps",,4.2')


def send(served, path, *, site="genchi", account="developer", **form):
    token = served.token(site, kind="context", account=account)
    return requests.post(served.url + path, data=form, headers={"Authorization": f"JWT {token}"}, timeout=30)


def views_in(answer):
    page = Page(answer.text)
    return [
        attributes for tag, attributes in page.elements if tag == "a" and attributes.get("id", "").startswith("view-")
    ]


def test_a_view_is_kept_by_its_name_opened_and_forgotten(served):
    asked = f"/fragments/views?{SEC}&state=breached&columns=state,due"
    first = send(served, asked, name="  What   is late ")
    assert "Saved." in text_of(first)
    [link] = views_in(first)
    shown = served.get(link["hx-get"], account="developer")
    assert re.findall(r'<th scope="col">([^<]+)<', shown.text) == ["Issue", "State", "Due"]
    assert re.findall(r'/browse/(SEC-\d+)"', shown.text) == ["SEC-3"]
    assert "What is late" in text_of(shown)
    again = send(served, f"/fragments/views?{SEC}&state=met", name="What is late")
    assert [link["id"] for link in views_in(again)] == [link["id"]]
    assert "state=met" in views_in(again)[0]["hx-get"]
    gone = send(served, asked, forget=link["id"].removeprefix("view-"))
    assert ("Forgotten." in text_of(gone), views_in(gone)) == (True, [])


def test_a_view_is_its_owners_alone(served):
    """Not another person's of the site, not those of the same person on another site, whatever id is said."""
    kept = send(served, "/fragments/views?key=SEC-3", name="Mine")
    [link] = views_in(kept)
    for site, account in (("genchi", "admin"), ("kencha", "developer")):
        seen = served.get(f"{SITE}clocks", site=site, account=account)
        assert link["id"] not in seen.text
        assert "Mine" not in text_of(seen)
        tried = send(served, "/fragments/views", site=site, account=account, forget=link["id"].removeprefix("view-"))
        assert "not there any more" in text_of(tried)
    assert link["id"] in served.get(f"{SITE}clocks", account="developer").text
    send(served, "/fragments/views", forget=link["id"].removeprefix("view-"))


@pytest.mark.parametrize(
    ("form", "status"),
    [({"name": "x" * 61}, 400), ({"name": "a\x07b"}, 400), ({"name": "  "}, 400), ({"forget": "not-an-id"}, 400)],
)
def test_a_view_without_a_proper_name_is_refused(served, form, status):
    answer = send(served, "/fragments/views", **form)
    assert answer.status_code == status
    assert views_in(served.get(f"{SITE}clocks", account="developer")) == []


def test_nobody_keeps_more_than_twenty_views_and_hostile_names_stay_words(served):
    names = [*HOSTILE.values(), *map(str, range(20))]
    kept = [send(served, "/fragments/views?state=met", account="lead", name=name[:60]) for name in names]
    assert [answer.status_code for answer in kept] == [200] * 20 + [409] * (len(names) - 20)
    assert "as many as a person can keep" in kept[-1].json()["html"]
    page = Page(served.get(f"{SITE}clocks", account="lead").text)
    assert (page.roots, page.broken) == (1, [])
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    served.database.execute("DELETE FROM app.saved_views")


def test_a_jira_that_does_not_answer_leaves_a_page_without_a_fact(served):
    served.control("/control", site="kencha", storm={"status": 503, "count": 50})
    answer = served.get(PROJECT, site="kencha", account="developer2")
    assert "Cannot confirm what you may see" in text_of(answer)
    assert "tile-" not in answer.text
    served.control("/control", reset=True)
