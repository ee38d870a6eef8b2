"""People of a site ask what falls due: everybody is told of the issues that he may browse, as JSON and as CSV."""

import csv
import io
from urllib.parse import urlencode

import pytest

KEYS = {"issue", "project", "promise", "cycle", "state", "severity", "started_at", "due_at", "due_date", "due_before",
        "stopped_at", "remaining_seconds", "paused_seconds", "cancelled",
        "cvss_score", "clause", "ams_ticket", "fix_versions"}  # fmt: skip


@pytest.fixture(scope="module")
def site(genchi):
    """Three issues that everybody may browse, and one for the security team; by severity."""
    site = genchi
    site.made = {level: site.create(**site.cvss[level]) for level in ("low", "critical", "high")}
    site.made["secret"] = site.create(**site.cvss["critical"], security="Security team")
    for issue in site.made.values():
        site.tracked(issue)
    return site


@pytest.fixture
def ask(site):
    def ask(account="developer", *, path="/api/v1/clocks", **query):
        return site.stack.get(f"{path}?{urlencode(query)}", account=account, site=site.name)

    return ask


def ids(answer):
    return [item["issue"]["id"] for item in answer.json()["items"]]


def test_everybody_is_told_of_what_he_may_browse_the_most_urgent_first(site, ask):
    made = site.made
    mine = ask().json()
    assert mine["visible"] == "browsable"
    assert all(item.keys() == KEYS for item in mine["items"])
    assert [item["issue"]["id"] for item in mine["items"] if item["issue"]["id"] in made.values()] == [
        made["critical"], made["secret"], made["high"], made["low"]
    ]  # fmt: skip
    assert made["secret"] not in ids(ask("developer2"))
    assert not set(ids(ask("outsider"))) & set(made.values())
    shown = site.clocks(made["high"]).json()
    [item] = [item for item in mine["items"] if item["issue"]["id"] == made["high"]]
    [clock] = shown["clocks"]
    assert item["issue"] == shown["issue"]
    same = ("promise", "cycle", "state", "started_at", "due_at", "due_date", "due_before", "stopped_at")
    assert {name: item[name] for name in same} == {name: clock[name] for name in same}


def test_a_list_comes_page_by_page(ask):
    whole, pages, cursor = ids(ask()), [], {}
    while cursor is not None:
        answer = ask(limit=2, **cursor)
        pages += ids(answer)
        cursor = {"cursor": answer.json()["next_cursor"]} if answer.json()["next_cursor"] else None
    assert pages == whole
    assert len(whole) >= 4


def test_a_list_is_narrowed_by_state_project_and_date(site, ask):
    whole = ask().json()["items"]
    for state in ("running", "at_risk", "met", "breached"):
        assert ids(ask(state=state)) == [item["issue"]["id"] for item in whole if item["state"] == state]
    [high] = [item for item in whole if item["issue"]["id"] == site.made["high"]]
    own = [item["issue"]["id"] for item in whole if item["project"] == high["project"]]
    assert ids(ask(project=high["project"])) == own
    assert ids(ask(project="99999")) == []
    before = ids(ask(due_before=high["due_at"]))
    assert site.made["high"] not in before
    assert site.made["critical"] in before


@pytest.mark.parametrize(
    "query", [{"state": "late"}, {"project": "SEC"}, {"limit": 101}, {"cursor": "W10"}, {"due_before": "x"}]
)
@pytest.mark.parametrize("path", ["/api/v1/clocks", "/api/v1/clocks.csv"])
def test_what_is_not_as_documented_is_refused(ask, path, query):
    answer = ask(path=path, **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


def test_the_same_list_is_a_sheet(ask):
    items = ask(limit=3).json()["items"]
    answer = ask(path="/api/v1/clocks.csv", limit=3)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="clocks.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    same = ("promise", "state", "due_at", "started_at")
    assert [(row["issue_key"], *(row[name] for name in same)) for row in rows] == [
        (item["issue"]["key"], *(item[name] for name in same)) for item in items
    ]
    target, _, relation = answer.headers["Link"].partition("; ")
    assert relation == 'rel="next"'
    cursor = target.strip("<?>").partition("cursor=")[2]
    following = ask(path="/api/v1/clocks.csv", limit=3, cursor=cursor)
    assert rows[0]["issue_key"] not in following.text
    assert len(following.text.splitlines()) > 1


def test_while_jira_is_in_a_storm_nobody_is_told_anything(site, ask):
    site.weather(storm={"status": 503, "count": 9})
    answer = ask("lead")
    site.weather(reset=True)
    assert (answer.status_code, answer.json()["code"]) == (503, "jira_unavailable")
