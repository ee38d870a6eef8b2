"""Nothing that is secret or personal reaches a log line, whatever is sent to the running product."""

import json
import socket
import time
from dataclasses import replace

import pytest
import requests

from app.edge.mounts import MOUNTS
from app.jobs.logs import FIELDS
from tests import every_route

WORD = "canary7f3a"
EMAIL = f"{WORD}@example.com"
ALWAYS = {"at", "level", "event"}
ON_ERRORS = {"error", "where"}
HEADERS = {
    "Cookie": f"session={WORD}",
    "User-Agent": WORD,
    "Referer": f"https://example.atlassian.net/{WORD}",
    "X-Forwarded-For": WORD,
    "X-Request-Id": WORD,
    "traceparent": WORD,
}


@pytest.fixture(scope="module")
def installed(make_stack):
    """The product after every route was asked in every way, and a job has read an issue."""
    with make_stack(PLEDGE_SECURITY_CONTACT="mailto:security@example.com", PLEDGE_SECURITY_TAB="on") as stack:
        yield stack, asked(stack)


def asked(stack):
    """Ask; returns every credential that was sent, and the signature of each."""
    every_route.install_and_read(stack)
    tokens = [stack.token(kind="context", account="developer"), stack.token(kind="context", account="outsider")]
    for mount in MOUNTS:
        path = mount.rule.replace("<id_or_key>", "10001").replace("<path:name>", f"{WORD}.css").replace("<token>", WORD)
        target = f"{path}?issueId=10001&issueKey=SEC-1&projectId=1&mail={EMAIL}"
        for kind in ("request", "context", "install"):
            token = mint(stack, kind=kind, method=mount.method, path=target, account="developer")
            tokens.append(token)
            send(stack, mount.method, target, headers={"Authorization": f"JWT {token}"})
            send(stack, mount.method, f"{target}&jwt={token}")
        send(stack, mount.method, target, headers={"Authorization": f"Basic {WORD}"})
        send(stack, mount.method, target, headers={"Authorization": f"JWT {WORD}.{WORD}.{WORD}"})
        send(stack, "DELETE", target)
    tokens += ask_as_everybody(stack)
    send_mangled(stack, tokens[0])
    stack.control("/sites/genchi/issues", summary=f"{WORD} summary", labels=["security"], priority="High")
    stack.tracked(10001)
    stack.clocks(10001, account="outsider")
    time.sleep(0.5)  # the last lines of the worker
    return [*tokens, *[token.rpartition(".")[2] for token in tokens]]


def ask_as_everybody(stack):
    """Each route by each role on each host, with words all around; returns the credentials that were sent."""
    credentials, statuses = [], {mount.endpoint: set() for mount in MOUNTS}
    for mount in MOUNTS:
        for host in every_route.SITES:
            for role in every_route.roles_of(mount):
                call = every_route.call(stack, mount, host=host, role=role, mail=EMAIL)
                credentials += [value.split()[-1] for value in call.headers.values() if len(value) > 60]
                own = json.loads(call.body or b"{}")
                # a decision takes no field that it does not know
                more = {"reason": f"{WORD} {EMAIL}"} if "kind" in own else {"description": WORD, "mail": EMAIL}
                body = json.dumps(own | more).encode()
                for sent in (replace(call, body=body), replace(call, body=WORD.encode()), call):
                    statuses[mount.endpoint].add(sent.send(stack, **HEADERS).status_code)
                    every_route.settle(stack, mount)
    for mount in MOUNTS:
        assert statuses[mount.endpoint] & every_route.GIVEN or mount.rule in every_route.ONCE, mount
        assert mount.is_public or {status for status in statuses[mount.endpoint] if status >= 400}, mount
    assert len(credentials) > 100
    return credentials


def mint(stack, **wanted):
    url = f"{stack.simulator.control_url}/sites/genchi/token"
    return requests.post(url, json=wanted, timeout=30).json()["token"]


def send(stack, method, target, *, headers=None):
    body = json.dumps({"issue": {"summary": WORD}, "mail": EMAIL, "sharedSecret": WORD * 4})
    headers = {"Content-Type": "application/json", "X-Request-Id": WORD, "User-Agent": WORD, **(headers or {})}
    requests.request(method, stack.url + target, data=body, headers=headers, timeout=30)


def send_mangled(stack, token):
    with socket.create_connection(("127.0.0.1", int(stack.url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(f"GET /connect/issue?jwt={token}\r\n\r\n".encode())
        while connection.recv(65536):
            pass


def lines_of(stack):
    return [line for process in (stack.web, stack.worker) for line in process.output.splitlines()]


def test_no_line_holds_a_token_secret_query_address_or_text_of_an_issue(installed):
    stack, tokens = installed
    output = "\n".join(lines_of(stack))
    assert WORD not in output
    assert "jwt=" not in output
    assert "issueKey=" not in output
    assert not any(token in output for token in tokens)
    for name in every_route.SITES.values():
        site = stack.simulator.site(name)
        for person in (*site.people.values(), site.app_user):
            assert person.account_id not in output
            assert person.name not in output
        assert not any(issue.values["summary"] in output for issue in site.issues.values())
    assert stack.simulator.site("genchi").installation.secret not in output


def test_every_line_is_json_with_listed_fields_only(installed):
    stack, _ = installed
    lines = [json.loads(line) for line in lines_of(stack)]
    assert len(lines) > 50
    for line in lines:
        assert set(line) >= ALWAYS
        assert set(line) <= ALWAYS | ON_ERRORS | set(FIELDS)


def test_every_refusal_is_in_the_log_with_its_reason_and_trace(installed):
    stack, _ = installed
    answer = requests.get(f"{stack.url}/connect/issue", headers={"Authorization": "JWT x.y.z"}, timeout=30)
    trace_id = answer.json()["trace_id"]
    lines = stack.eventually(lambda: [json.loads(line) for line in lines_of(stack) if trace_id in line])
    (line,) = lines
    assert (line["event"], line["status"], line["endpoint"]) == ("refused", 401, "panels.issue.page")
    assert line["code"].startswith("token_")
    assert line["code"] != answer.json()["code"]


def test_nothing_that_was_sent_was_a_fault_of_ours(installed):
    stack, _ = installed
    faults = [line for line in map(json.loads, lines_of(stack)) if line["level"] == "error"]
    assert [line for line in faults if line.get("kind") != "alert"] == []


def test_the_json_of_a_tracked_issue_carries_the_shields_too(installed):
    stack, _ = installed
    answer = stack.clocks(10001)
    assert answer.status_code == 200
    assert answer.json()["tracking"] == "tracked"
    assert answer.headers["Cache-Control"] == "no-store, no-cache"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "max-age=63072000" in answer.headers["Strict-Transport-Security"]
