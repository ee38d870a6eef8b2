"""The sections of the administration: what each tells, what its forms do, and what they refuse."""

from html import unescape

import pytest
import requests

from tests.edge.panels.test_issue_panel import Page
from tests.edge.panels.test_pages import HOSTILE, text_of

ADMIN = "/fragments/admin?section="
FOLLOWING = {"vector_field": "auto", "score_field": "auto"}


@pytest.fixture(scope="module")
def served(stack):
    """One product on one site, with what it knows of some issues."""
    stack.install("genchi")
    stack.tracked("10001", account="admin")
    return stack


def send(served, section, *, account="admin", **fields):
    """A form of that section, as the browser sends it."""
    token = served.token("genchi", kind="context", account=account)
    headers = {"Authorization": f"JWT {token}"}
    return requests.post(served.url + ADMIN + section, data=fields, headers=headers, timeout=60)


def well_formed(html):
    page = Page(html)
    assert (page.roots, page.broken) == (1, [])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert not [tag for tag, _ in page.elements if tag in ("script", "style", "img")]
    return page


def refused(answer, status):
    """The page that a refusal brings with it."""
    assert answer.status_code == status, answer.text
    return unescape(well_formed(answer.json()["html"]).text)


def in_force(served):
    return served.get("/api/v1/settings/following", account="admin").json()


def save(served, **fields):
    version = str(in_force(served)["version"])
    return send(served, "following", **FOLLOWING | {"version": version, "step": "save"} | fields)


@pytest.mark.parametrize("section", ["overview", "following", "policies", "policies&policy=kencha"])
def test_every_section_is_well_formed_and_for_administrators_only(served, section):
    shown = served.get(ADMIN + section, account="admin")
    well_formed(shown.text)
    assert len(shown.content) < 100_000
    for account in ("developer", "lead", "outsider"):
        assert "This page is for administrators" in text_of(served.get(ADMIN + section, account=account))


@pytest.mark.parametrize("account", ["developer", "lead"])
def test_a_form_of_somebody_who_is_no_administrator_changes_nothing(served, account):
    before = in_force(served)
    answer = send(served, "following", account=account, step="save", version=str(before["version"]), pausing="x = y")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert in_force(served)["version"] == before["version"]


def test_following_tells_how_far_it_is_and_what_has_no_meaning(served):
    served.database.execute(
        "INSERT INTO app.unmapped_values (tenant_id, kind, name, issue_id, met_at) "
        "SELECT tenant_id, 'resolution', %s, 10001, now() FROM app.tenants WHERE tenant_id > 0",
        HOSTILE["script"],
    )
    shown = text_of(served.get(ADMIN + "following", account="admin"))
    assert "Reading everything" in shown
    assert "because the app was installed" in shown
    assert HOSTILE["script"] in shown
    assert "Issue 10001" in shown


def test_a_mapping_is_tried_on_an_issue_and_nothing_is_kept(served):
    before = in_force(served)
    form = FOLLOWING | {"version": "0", "example": "sec-1", "step": "try"}
    tried = text_of(send(served, "following", **form))
    assert "SEC-1 counts" in tried
    assert "High by its CVSS field" in tried
    without = text_of(send(served, "following", version="0", example="SEC-1", step="try"))
    assert "High by its CVSS field" not in without
    elsewhere = text_of(send(served, "following", **form, jql="project = OPS"))
    assert "SEC-1 does not count" in elsewhere
    assert in_force(served)["version"] == before["version"]


@pytest.mark.parametrize("key", ["SEC-999999", "OPS-1", "'; --", "\u202e" * 300])
def test_an_example_that_the_reader_may_not_see_is_like_one_that_is_not_there(served, key):
    answer = send(served, "following", **FOLLOWING, version="0", example=key, step="try")
    assert "that you may see" in refused(answer, 400)


def test_a_mapping_is_saved_and_somebody_who_was_slower_is_told(served):
    version = in_force(served)["version"]
    priorities = "High = critical\nLow = none"
    saved = save(served, priorities_are="own", priorities=priorities)
    assert "Saved" in text_of(saved)
    found = in_force(served)
    assert found["configuration"]["priorities"] == {"high": "critical", "low": "none"}
    slower = send(served, "following", **FOLLOWING, version=str(version), step="save", jql="project = SEC")
    said = refused(slower, 409)
    assert "Somebody else has changed this" in said
    assert "project = SEC" in slower.json()["html"]
    assert "Load the newest" in said
    assert in_force(served)["configuration"] == found["configuration"]
    entry = "SELECT actor, detail ->> 'changed' FROM app.audit_entries WHERE action = 'following.changed'"
    assert served.database.rows(entry) == [("jira-admin", "priorities")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"jql": "x) OR (project = OPS"}, "Jql"),
        ({"jql": "a" * 2_001}, "Jql"),
        ({"vector_field": "summary"}, "Vector field: a custom field is named by its id"),
        ({"priorities_are": "own", "priorities": "High"}, "is not “name = meaning”"),
        ({"priorities_are": "own", "priorities": "High = low\nhigh = low"}, "stands twice"),
        ({"priorities_are": "own", "priorities": "High = awful"}, "the levels are"),
        ({"pausing": "Limbo = lunch"}, "no status 'limbo'"),
        ({"pausing": HOSTILE["script"] + " = x"}, "no status"),
        ({"pausing": HOSTILE["right to left"] + " = x"}, "names and what they mean"),
        ({"fixed_are": "own", "fixed_resolutions": "Vanquished"}, "no resolution 'vanquished'"),
        ({"fixed_are": "own", "fixed_resolutions": "Done", "other_are": "own", "other_resolutions": "done"}, "too"),
    ],
)
def test_a_mapping_that_cannot_be_in_force_comes_back_as_it_was_written(served, fields, said):
    before = in_force(served)["version"]
    answer = save(served, **fields)
    assert said in refused(answer, 400)
    assert " ".join(next(iter(fields.values())).split()[:1]) in unescape(answer.json()["html"])
    assert in_force(served)["version"] == before


@pytest.mark.parametrize(
    "fields",
    [
        {"step": "drop", "version": "0"},
        {"step": "save"},
        {"step": "save", "version": "-1"},
        {"step": "save", "version": "²"},
        {"step": "save", "version": "x" * 10_000},
    ],
)
def test_a_form_of_nobodys_making_is_refused(served, fields):
    answer = send(served, "following", **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


def test_a_version_beyond_all_numbers_is_a_conflict(served):
    refused(send(served, "following", **FOLLOWING, version="9" * 30, step="save", jql="project = SEC"), 409)


def test_policies_are_listed_and_compared_by_what_they_say_differently(served):
    listed = text_of(served.get(ADMIN + "policies", account="admin"))
    assert "Every stored date follows from it" in listed
    assert listed.count("In force") == 2
    compared = text_of(served.get(ADMIN + "policies&policy=genchi", account="admin"))
    assert "Not promised" in compared
    assert "See what would change" in compared


@pytest.mark.parametrize("name", ["nowhere", "", "../kencha", "kencha&policy=genchi", "k" * 5_000])
def test_a_policy_of_nowhere_is_refused(served, name):
    answer = served.get(f"{ADMIN}policies&policy={name}", account="admin")
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


@pytest.mark.parametrize("fields", [{"step": "preview"}, {"step": "choose", "policy": "nowhere"}, {"policy": "genchi"}])
def test_a_choice_of_nobodys_making_is_refused(served, fields):
    assert send(served, "policies", **fields).status_code == 400


def test_what_a_policy_would_do_is_shown_before_it_does_and_then_every_date_is_made_anew(served):
    stored = "SELECT count(DISTINCT policy), count(*) FROM app.clock_bounds"
    before = served.get("/api/v1/settings", account="admin").json()
    impact = send(served, "policies", step="preview", policy="genible")
    assert served.get("/api/v1/settings", account="admin").json() == before
    page = well_formed(impact.text)
    assert "issues that are followed" in page.text
    assert "what follows from it is counted anew" in page.text
    [seen] = [each["value"] for tag, each in page.elements if tag == "input" and each["name"] == "before"]
    late = send(served, "policies", step="choose", policy="genible", before="0" * 64)
    assert "Another policy is in force by now" in refused(late, 409)
    done = send(served, "policies", step="choose", policy="genible", before=seen)
    assert "is in force" in text_of(done)
    made_anew = "Every stored date follows from it"
    served.eventually(lambda: made_anew in served.get(ADMIN + "policies", account="admin").text)
    assert served.database.rows(stored)[0][0] == 1
    entry = "SELECT actor, detail ->> 'policy' FROM app.audit_entries WHERE action = 'policy.chosen'"
    assert served.database.rows(entry) == [("jira-admin", "genible")]
    again = send(served, "policies", step="choose", policy="kencha", before=seen)
    assert again.status_code == 409
