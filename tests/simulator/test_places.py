"""Pages of a site that belong to no issue: who may open them, and what they frame."""

import pytest
import requests

from simulator.connect import fill
from simulator.running import Simulator


@pytest.fixture(scope="module")
def site():
    with Simulator(seed=1) as running:
        yield running.site("genchi")


@pytest.mark.parametrize(
    ("path", "person", "status"),
    [
        ("/projects/SEC", "developer", 200),
        ("/projects/SEC", "outsider", 404),
        ("/projects/OPS", "outsider", 200),
        ("/projects/NONE", "admin", 404),
        ("/apps", "outsider", 200),
        ("/admin/apps", "admin", 200),
        ("/admin/apps", "lead", 404),
    ],
)
def test_a_page_is_for_those_whom_jira_lets_see_it(site, path, person, status):
    answer = requests.get(f"{site.url}{path}", params={"as": person}, timeout=30)
    assert answer.status_code == status
    assert "frame-src 'none'" in answer.headers["Content-Security-Policy"]  # nothing is installed
    assert ("No app is installed" in answer.text) is (status == 200)


def test_the_address_of_a_page_names_its_project(site):
    template = "/p?projectId={project.id}&projectKey={project.key}"
    assert fill(template, site.projects["SEC"]) == "/p?projectId=10000&projectKey=SEC"
    assert fill(template, site.issue("SEC-1")) == "/p?projectId=10000&projectKey=SEC"


@pytest.mark.parametrize("path", ["context", "invoke"])
def test_no_page_of_forge_is_served_where_forge_is_not_installed(site, path):
    asked = requests.get if path == "context" else requests.post
    answer = asked(f"{site.url}/host/forge/{path}?as=admin&page=site", timeout=10)
    assert answer.status_code == 404
