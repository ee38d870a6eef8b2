"""One seed, one world; and every state of a clock is on show."""

import re
from datetime import UTC, datetime

import pytest
from cvss import CVSS3
from hypothesis import given
from hypothesis import strategies as st

from simulator.issues import ValueUnknown, jira_time
from simulator.jql import JqlWrong, select
from simulator.seeds import CVSS
from simulator.site import Site

EPOCH = datetime(2026, 11, 22, 9, tzinfo=UTC)


def site(name="genchi", seed=1):
    return Site(name, "http://127.0.0.1:8101", seed=seed, number=0, epoch=EPOCH)


def told(one):
    issues = [(one.render_issue(issue), issue.changelog) for issue in one.issues.values()]
    return issues, one.client_key, one.cloud_id, one.people


def test_the_same_seed_gives_the_same_people_and_issues():
    assert told(site()) == told(site())
    assert told(site()) != told(site(seed=2))


def test_sites_share_ids_and_keys_but_not_identities():
    first, second = site(), site("kencha")
    assert first.issues.keys() == second.issues.keys()
    assert not {first.client_key, first.cloud_id} & {second.client_key, second.cloud_id}
    assert first.person("developer") != second.person("developer")
    assert first.person("developer2") == second.person("developer2")


def test_both_shapes_of_account_id_occur():
    shapes = {bool(re.fullmatch(r"[0-9a-f]{24}", one.account_id)) for one in site().people.values()}
    assert shapes == {True, False}


def test_every_seeded_score_is_that_of_its_vector():
    assert {float(CVSS3(vector).base_score) - score for vector, score in CVSS.values()} == {0.0}


def test_each_project_has_a_dozen_issues_with_the_states_that_matter():
    issues = site().issues.values()
    projects = [issue.project.key for issue in issues]
    assert min(projects.count("SEC"), projects.count("OPS")) >= 12
    resolutions = {issue.values["resolution"] for issue in issues}
    assert resolutions == {None, "Done", "Fixed", "Duplicate", "Won't Do", "Cannot Reproduce"}
    assert {issue.values["security"] for issue in issues} == {None, "Security team"}


def test_a_reopened_issue_has_its_whole_history():
    reopened = site().issue("SEC-13")
    moves = [
        (item["fromString"], item["toString"])
        for entry in reopened.changelog
        for item in entry["items"]
        if item["fieldId"] == "status"
    ]
    assert (moves, reopened.resolved) == ([("To Do", "Done"), ("Done", "To Do")], None)


@pytest.mark.parametrize(
    "values",
    [{"priority": "Urgent"}, {"labels": ["two words"]}, {"nonsense": 1}, {"summary": None}, {"status": 3}],
)
def test_a_value_that_jira_would_not_take_changes_nothing(values):
    one = site()
    issue, before = one.issue("SEC-1"), told(site())
    with pytest.raises(ValueUnknown):
        one.change(issue, {"priority": "Low"} | values, author=one.person("admin"), at=EPOCH)
    assert told(one) == before


def test_an_issue_that_cannot_be_created_takes_no_number():
    one = site()
    with pytest.raises(ValueUnknown):
        one.create("SEC", {"priority": "Urgent"}, author=one.person("admin"), at=EPOCH)
    assert told(one) == told(site())


def test_instants_are_written_as_jira_writes_them():
    assert jira_time(EPOCH.replace(microsecond=7000)) == "2026-11-22T09:00:00.007+0000"


WORDS = st.sampled_from(["project", "=", "!=", "in", "not", "(", ")", ",", "SEC", '"', "and", "or", "is", "empty"])
ISSUES = tuple(site().issues.values())


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=40).map(" ".join)))
def test_any_text_is_a_query_or_is_refused_as_one(jql):
    try:
        found = select(jql, ISSUES, now=EPOCH)
    except JqlWrong:
        return
    assert set(map(id, found)) <= set(map(id, ISSUES))
