"""Who gets in where: every route, every method, every role, on both hosts, over HTTP; compared with a reviewed file.

When it differs, the failure prints the matrix as it is now: read each changed line before it becomes the file.
"""

from collections import Counter
from pathlib import Path

import pytest

from app.domain.access.roles import ASKED_OF_JIRA, ROLES, Permission, Role, is_granted
from app.edge.gates import open_to_all
from app.edge.mounts import MOUNTS, our_pages
from app.jobs.schedule import SCHEDULE, TENANT_JOBS
from tests import every_route

REVIEWED = Path(__file__).parent / "roles_matrix.txt"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FACTS = {
    "/connect/issue": "8.1",
    "/fragments/issue": "8.1",
    "/connect/project": ">SEC-1<",
    "/fragments/project": ">SEC-1<",
    "/fragments/download": "base64,eyJpdGVtcyI6IFt7",
    "/connect/admin": "<dt>Policy</dt>",
    "/fragments/admin": "section-overview",
    "/fragments/issue/decisions": "10001",
    "/api/v1/clocks": '"SEC-1"',
    "/api/v1/clocks.csv": ",SEC-1,",
}
"""Of the issue that every call is about, its score or its key: who reads that has seen the issue. Of a file that is not
empty how its JSON begins, which is `{"items": [{`."""
HEAD = """\
Who gets in where: for each method and route the permission that it needs and, for each host, the answer to each role.
Every role has what it can get hold of there: the project admin administers SEC and is no Jira admin, the Jira admin
does not administer SEC, the outsider may not browse it, and the app is Atlassian's server, in the host's name.

  yes      let in, and given what the route is for
  nothing  let in, and shown no fact of the issue
  4xx      refused

A method without a line answers 405 to all of them.

"""


@pytest.fixture(scope="module")
def served(make_stack):
    with make_stack(PLEDGE_SECURITY_CONTACT="mailto:security@example.com", PLEDGE_SECURITY_TAB="on") as stack:
        every_route.install_and_read(stack)
        yield stack


def verdict(answer, mount):
    if answer.status_code >= 300:
        return str(answer.status_code)
    fact = FACTS.get(mount.rule)
    return "nothing" if fact is not None and fact not in answer.text else "yes"


def methods_of(mount):
    """Those that this row answers, or that none does: another row of the same address has its own lines."""
    others = {other.method for other in MOUNTS if other.rule == mount.rule and other is not mount}
    return [method for method in METHODS if method not in others and not (method == "HEAD" and "GET" in others)]


def row(first, second, cells):
    """A line of the matrix; `cells` by host and role."""
    parts = ["".join(f"{cells(host, role):<14}" for role in every_route.ROLES) for host in every_route.SITES]
    return f"{first:42}{second:27}| {'| '.join(parts)}".rstrip()


def line_of(stack, mount, method):
    """The verdicts of one route and method; None where nobody may use the method."""
    found = {}
    for host in every_route.SITES:
        for role in every_route.ROLES:
            answer = every_route.call(stack, mount, host=host, role=role, method=method).send(stack)
            every_route.settle(stack, mount)
            found[host, role] = verdict(answer, mount)
    if set(found.values()) == {"405"}:
        return None
    return row(f"{method + ' ':5}{mount.rule}", mount.permission, lambda *cell: found[cell])


def test_every_route_lets_in_whom_the_reviewed_matrix_says(served):
    lines = [
        row("", "", lambda host, role: host if role == every_route.ROLES[0] else ""),
        row("", "permission", lambda _, role: role),
        *(line for mount in MOUNTS for method in methods_of(mount) if (line := line_of(served, mount, method))),
    ]
    now = HEAD + "\n".join(lines) + "\n"
    if now != REVIEWED.read_text(encoding="utf-8"):
        pytest.fail(f"the matrix is now:\n{now}", pytrace=False)


def test_every_permission_is_needed_somewhere_and_granted_to_somebody():
    rows = [*MOUNTS, *TENANT_JOBS, *SCHEDULE]
    assert {row.permission for row in rows} == set(Permission)
    assert set().union(*ROLES.values()) == set(Permission)


def test_what_is_open_to_all_is_exactly_what_anyone_may_see():
    assert {mount.endpoint for mount in MOUNTS if mount.gate is open_to_all} == {
        mount.endpoint for mount in MOUNTS if is_granted(mount.permission, frozenset({Role.ANYONE}))
    }


def test_what_jira_is_asked_about_is_reached_only_through_a_gate_that_proves_a_person():
    asked = {
        mount.gate for mount in MOUNTS if mount.permission in set().union(*(ROLES[role] for role in ASKED_OF_JIRA))
    }
    assert asked == {our_pages}


def test_no_role_that_jira_is_asked_about_gives_what_another_of_them_gives():
    given = Counter(permission for role in ASKED_OF_JIRA for permission in ROLES[role])
    # Whoever administers the site or the project may decide, and has to see the issue as well.
    assert {permission: count for permission, count in given.items() if count > 1} == {Permission.RECORD_DECISION: 2}
