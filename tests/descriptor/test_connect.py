"""The Connect descriptor: valid for Atlassian, honest about http, and the README that lists it is true."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from descriptor import modules
from descriptor.connect import check, render

ROOT = Path(__file__).parents[2]
PAGES = ("jiraProjectPages", "generalPages", "adminPages")


@pytest.fixture
def document():
    return render(app_key="io.pledge.app", base_url="https://pledge.example.com")


def test_the_descriptor_is_valid(document):
    assert check(document) == ()


def test_a_base_url_with_a_path_is_kept_in_the_link_to_itself():
    document = render(app_key="io.pledge.app", base_url="https://example.com/pledge")
    assert check(document) == ()
    assert document["links"] == {"self": "https://example.com/pledge/atlassian-connect.json"}


def test_a_development_descriptor_is_told_that_atlassian_would_refuse_http():
    problems = check(render(app_key="io.pledge.app", base_url="http://127.0.0.1:8000"))
    assert len(problems) == 1
    assert "Atlassian accepts only https" in problems[0]


def test_every_migration_that_the_gates_rely_on_is_asked_for(document):
    assert document["apiMigrations"] == {"signed-install": True, "context-qsh": True, "gdpr": True}


def test_writing_is_asked_for_only_where_something_is_written(document):
    assert document["scopes"] == ["READ", "WRITE"]
    reading = render(app_key="io.pledge.app", base_url="https://pledge.example.com", writes=False)
    assert reading["scopes"] == ["READ"]
    assert "jiraEntityProperties" not in reading["modules"]
    assert check(reading) == ()


def test_searches_find_state_and_due_date_of_the_property(document):
    [property] = document["modules"]["jiraEntityProperties"]
    assert property["entityType"] == "issue"
    assert property["keyConfigurations"] == [
        {
            "propertyKey": "pledge-security",
            "extractions": [
                {"objectName": "state", "type": "string", "alias": "securityState"},
                {"objectName": "due", "type": "date", "alias": "securityDue"},
            ],
        }
    ]


def test_the_security_tab_is_declared_with_its_three_questions_only_where_it_is_on(document):
    assert "jiraSecurityInfoProvider" not in document["modules"]
    with_tab = render(app_key="io.pledge.app", base_url="https://pledge.example.com", security_tab=True)
    assert check(with_tab) == ()
    actions = with_tab["modules"]["jiraSecurityInfoProvider"]["actions"]
    assert {name: action["templateUrl"] for name, action in actions.items()} == {
        "fetchWorkspaces": "https://pledge.example.com/connect/security/workspaces",
        "fetchContainers": "https://pledge.example.com/connect/security/containers",
        "searchContainers": "https://pledge.example.com/connect/security/containers/search",
    }


def test_the_panel_names_the_issue_with_context_variables(document):
    (panel,) = document["modules"]["jiraIssueContexts"]
    assert panel["key"] == "pledge-issue"
    assert panel["target"]["url"] == "/connect/issue?issueId={issue.id}&issueKey={issue.key}&projectId={project.id}"


def test_each_page_is_where_jira_looks_for_it_and_that_of_a_project_names_it(document):
    urls = {kind: [page["url"] for page in document["modules"][kind]] for kind in PAGES}
    assert urls == {
        "jiraProjectPages": ["/connect/project?projectId={project.id}&projectKey={project.key}"],
        "generalPages": ["/connect/site"],
        "adminPages": ["/connect/admin"],
    }


def test_every_webhook_names_the_issue_in_the_signed_query(document):
    webhooks = document["modules"]["webhooks"]
    assert [hook["event"] for hook in webhooks] == [
        "jira:issue_created",
        "jira:issue_updated",
        "jira:issue_deleted",
    ]
    assert {hook["url"] for hook in webhooks} == {"/connect/webhooks?issueId=${issue.id}"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"key": "k" * 65}, "$.key"),
        ({"key": "no spaces"}, "$.key"),
        ({"scopes": ["EVERYTHING"]}, "$.scopes"),
        ({"surprise": 1}, "$"),
        ({"apiMigrations": {"unheard-of": True}}, "$.apiMigrations"),
        ({"modules": {"jiraIssueContexts": [{"key": "under_score"}]}}, "$.modules.jiraIssueContexts[0].key"),
        ({"modules": {"unknownModules": []}}, "$.modules"),
    ],
)
def test_a_descriptor_that_breaks_a_rule_is_refused_at_the_place_that_breaks_it(document, change, where):
    assert any(problem.startswith(where) for problem in check(document | change))


@pytest.mark.parametrize("field", ["key", "baseUrl", "authentication"])
def test_a_descriptor_without_a_required_field_is_refused(document, field):
    del document[field]
    assert any(field in problem for problem in check(document))


@given(key=st.from_regex(r"\A[a-zA-Z0-9._-]{1,64}\Z"))
def test_any_key_that_atlassian_allows_gives_a_valid_descriptor(key):
    assert check(render(app_key=key, base_url="https://pledge.example.com")) == ()


def test_no_two_modules_share_a_key_and_each_key_fits_both_hosts():
    keys = [modules.ISSUE_CONTEXT.key, *(event.key for event in modules.ISSUE_EVENTS)]
    keys += [modules.ISSUE_PROPERTY.key, modules.SECURITY_PROVIDER.key, *(page.key for page in modules.PAGES)]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-zA-Z0-9-]{1,100}", key) for key in keys)


def test_every_parameter_of_a_url_arrives_once(document):
    urls = [hook["url"] for hook in document["modules"]["webhooks"]]
    urls.append(document["modules"]["jiraIssueContexts"][0]["target"]["url"])
    urls.append(document["modules"]["jiraProjectPages"][0]["url"])
    for url in urls:
        names = [name for name, _ in parse_qsl(urlsplit(url).query)]
        assert names
        assert len(set(names)) == len(names)


def test_the_icon_is_shipped():
    assert (ROOT / "app" / "edge" / modules.ISSUE_CONTEXT.icon_path.lstrip("/")).is_file()


def test_the_readme_lists_every_module_with_its_url(document):
    readme = (ROOT / "descriptor" / "README.md").read_text(encoding="utf-8")
    rows = [(hook["key"], hook["url"]) for hook in document["modules"]["webhooks"]]
    panel = document["modules"]["jiraIssueContexts"][0]
    rows.append((panel["key"], panel["target"]["url"]))
    rows += [(page["key"], page["url"]) for kind in PAGES for page in document["modules"][kind]]
    assert all(f"| `{key}` | `{url}` |" in readme for key, url in rows)
    assert all(f"`{path}`" in readme for path in document["lifecycle"].values())
