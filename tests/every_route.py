"""Every route as each kind of caller would call it, on both hosts, with credentials that are genuine.

What has to hold of every route (who gets in, what is logged, what an answer carries, what is reported) is asked of
every route, and a new one is among them because the table of mounts says so.
"""

import json
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import uuid4

import requests

from app.domain.access.roles import Role, is_granted
from app.edge.gates import signed_install
from app.edge.mounts import MOUNTS
from simulator import connect

SITES = {"Connect": "genchi", "Forge": "kencha"}
"""Where the app is installed, by host."""
PEOPLE = {"outsider": "outsider", "user": "developer", "project admin": "lead", "Jira admin": "admin"}
"""The handles of those who have that role and no other, but for `admin` in OPS: SEC is the project of every call."""
ROLES = ("stranger", *PEOPLE, "app")
QUERIES = {
    "/connect/issue": {"issueId": "10001", "issueKey": "SEC-1", "projectId": "10000"},
    "/connect/project": {"projectId": "10000", "projectKey": "SEC"},
    "/fragments/project": {"projectId": "10000", "projectKey": "SEC"},
    "/fragments/download": {"projectId": "10000", "format": "json"},
    "/connect/webhooks": {"issueId": "10001"},
    "/connect/security/containers/search": {"workspaceId": "pledge", "searchQuery": "SEC"},
    "/fragments/issue": {"issueId": "10001", "issueKey": "SEC-1"},
    "/fragments/issue/decisions": {"issueId": "10001", "issueKey": "SEC-1"},
    "/api/v1/me": {"projectId": "10000"},
}
GIVEN = {200, 201, 202, 204, 206}
ONCE = frozenset({"/oauth/callback"})
"""Gives something to whoever brings back what was given out a moment before, once; everybody else gets the same 404."""
PARTS = {
    "<id_or_key>": "10001",
    "<path:name>": "pledge.css",
    "<recipient>": "00000000-0000-4000-8000-000000000000",
    "<token>": "made-up-token",
}
"""What stands for the variable parts of a path; there is no such recipient and no such link."""
FORMS = {
    "/fragments/issue/decisions": {"kind": "extension_requested", "reason": "made up", "step": "record"},
    "/fragments/views": {"name": "made up"},
    "/fragments/admin": {"version": "0", "vector_field": "auto", "score_field": "auto", "step": "save"},
    "/fragments/admin/rights": {"step": "request", "kind": "access", "account": "5b10a2844c20165700ede21g"},
}
"""What a form of a page of ours says."""
FRAMED = frozenset({"/connect/issue", "/connect/project", "/connect/site", "/connect/admin"})
"""Pages that Jira frames: the address is signed for the person who looks."""
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Call:
    """One request, ready to be sent."""

    method: str
    target: str
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    def send(self, stack, **headers):
        """The answer of that running product; nothing is followed."""
        with requests.Session() as session:
            session.trust_env = False
            headers = self.headers | (_JSON if self.body else {}) | headers
            return session.request(
                self.method, stack.url + self.target, data=self.body, headers=headers, timeout=30, allow_redirects=False
            )


def install(stack):
    """Both hosts."""
    stack.install(SITES["Connect"])
    assert stack.forge("install", SITES["Forge"])["accepted"]


def install_and_read(stack):
    """Both hosts, and the issue of every call has been read."""
    install(stack)
    stack.tracked(10001, site=SITES["Connect"])
    path = "/api/v1/issues/10001/clocks"
    stack.eventually(lambda: stack.invoke(path, site=SITES["Forge"]).json()["tracking"] == "tracked")


def admitted():
    """Every route, with each host that serves it and a role that is let in."""
    for mount in MOUNTS:
        if mount.host == "metrics":
            yield mount, "Connect", "scraper"
        is_of_app = is_granted(mount.permission, frozenset({Role.APP})) and mount.rule not in FRAMED
        for host in SITES:
            if mount.host in {"any", host.lower()}:
                yield mount, host, "app" if is_of_app else "Jira admin"


def roles_of(mount):
    """Those of people and of the app; where metrics are shown, who has their token too."""
    return (*ROLES, "scraper") if mount.host == "metrics" else ROLES


def target_of(mount, **more):
    """The path and query of that route; `more` is added to the query."""
    path = mount.rule
    for name, value in PARTS.items():
        path = path.replace(name, value)
    query = QUERIES.get(mount.rule, {}) | more
    return f"{path}?{urlencode(query)}" if query else path


def call(stack, mount, *, host, role, method=None, **more):
    """A request to that route by somebody of that role; by another `method` than its own, if one is given."""
    method, target = method or mount.method, _with_something_there(stack, mount, host, target_of(mount, **more))
    headers = dict(stack.scraper) if role == "scraper" else {}
    if mount.rule == "/exports/<token>" and _works(stack):
        target = target.replace(PARTS["<token>"], token_of_export(stack))
        # A part of it only: with the last byte it would be gone for the next one who asks.
        headers["Range"] = "bytes=0-0"
    if mount.rule == "/receipts/<token>" and _works(stack):
        target = target.replace(PARTS["<token>"], token_of_receipt(stack))
    if role not in {"stranger", "scraper"}:
        headers |= (_connect if host == "Connect" else _forge)(stack, mount, role, method=method, target=target)
    return Call(method, target, headers, _body(stack, mount) if method in {"POST", "PUT"} else b"")


def _with_something_there(stack, mount, host, target):
    """The same with the id or the token of what is there, made anew: a call may have ended the one before."""
    made = {"/api/v1/recipients/<recipient>": "/api/v1/recipients", "/calendar/<token>.ics": "/api/v1/calendar"}
    if mount.rule == "/api/v1/calendar" and mount.method == "DELETE":
        made[mount.rule] = mount.rule
    if mount.rule not in made:
        return target
    [row] = [each for each in MOUNTS if (each.method, each.rule) == ("POST", made[mount.rule])]
    for role in PEOPLE if mount.rule == "/api/v1/calendar" else ["Jira admin"]:
        answer = call(stack, row, host=host, role=role).send(stack).json()
    own = answer.get("id") or answer["url"].rpartition("/")[2].removesuffix(".ics")
    return target.replace(PARTS["<recipient>"], own).replace(PARTS["<token>"], own)


def _works(stack):
    """Whether it is the product itself, with a worker: elsewhere no export gets ready, and nobody can ask for one."""
    return stack.worker is not None and stack.worker.module == "app.wiring"


def token_of_export(stack):
    """The token of a link to an export that is ready; asked for anew where another took its place."""
    known = getattr(stack, "export_token", None)
    if known is None or requests.head(f"{stack.url}/exports/{known}", timeout=30).status_code != 200:
        asked = _asked_by_the_administrator(stack, "/api/v1/exports")
        known = stack.export_token = asked["link"].rpartition("/")[2]
        stack.eventually(lambda: requests.head(f"{stack.url}/exports/{known}", timeout=30).status_code == 200)
    return known


def token_of_receipt(stack):
    """The token of a link to the receipt of a deletion that was asked for; asked for anew where it is gone."""
    known = getattr(stack, "receipt_token", None)
    if known is None or requests.head(f"{stack.url}/receipts/{known}", timeout=30).status_code != 202:
        asked = _asked_by_the_administrator(stack, "/api/v1/privacy/requests", kind="erasure")
        known = stack.receipt_token = asked["receipt_link"].rpartition("/")[2]
    return known


def _asked_by_the_administrator(stack, path, **body):
    token = stack.token(SITES["Connect"], kind="context", account="admin")
    return requests.post(stack.url + path, headers={"Authorization": f"JWT {token}"}, json=body, timeout=30).json()


def settle(stack, mount):
    """What a call has ended is begun again."""
    if mount.rule == "/connect/uninstalled":
        stack.install(SITES["Connect"])


def _connect(stack, mount, role, *, method, target):
    """What such a caller can get hold of: the host signs requests, a person has the page's address and page tokens."""
    account = {} if role == "app" else {"account": PEOPLE[role]}
    kind = "context"
    if mount.gate is signed_install and role == "app":
        kind = "install"
    elif role == "app" or mount.rule in FRAMED:
        kind = "request"
    token = stack.token(SITES["Connect"], kind=kind, method=method, path=target, **account)
    return {"Authorization": f"JWT {token}"}


def _forge(stack, mount, role, *, method, target):
    if role != "app":
        return stack.fit(SITES["Forge"], kind="ui", account=PEOPLE[role], issue="10001")["headers"]
    kind = mount.rule.removeprefix("/forge/") if mount.rule.startswith("/forge/") else "events"
    return stack.fit(SITES["Forge"], kind=kind)["headers"]


def _body(stack, mount):
    site = stack.simulator.site(SITES["Connect"])
    if mount.gate is signed_install:
        event = mount.rule.rpartition("/")[2]
        payload = connect.lifecycle_payload(site, event, installation=site.installation)
        return json.dumps(payload | {"sharedSecret": site.installation.secret}).encode()
    if mount.rule.endswith("/<id_or_key>/events"):
        return json.dumps({"id": uuid4().hex, "kind": "extension_requested"}).encode()
    if mount.rule in FORMS:
        return json.dumps({name: [value] for name, value in ({"id": uuid4().hex} | FORMS[mount.rule]).items()}).encode()
    if mount.rule == "/api/v1/recipients":
        return json.dumps({"label": "Team", "address": "team@example.com"}).encode()
    if mount.rule == "/api/v1/privacy/requests":
        return json.dumps({"kind": "access", "account": "5b10a2844c20165700ede21g"}).encode()
    if mount.rule == "/forge/events":
        return json.dumps({"eventType": "avi:jira:updated:issue", "issue": {"id": "10001"}}).encode()
    if mount.method == "PUT":
        return json.dumps({"version": 0, "configuration": {}}).encode()
    if mount.rule.startswith("/connect/security/"):
        return json.dumps({"ids": ["pledge", "pledge/10000"]}).encode()
    return b"{}"
