"""What is reported of an error that nobody expected: forced in every route and job of the running product.

The product runs as it always does; the Sentry that it reports to is the test's own. See `tests/broken_product.py`.
"""

import json
from dataclasses import replace

import pytest

from app.edge.mounts import MOUNTS
from app.jobs.schedule import SCHEDULE, TENANT_JOBS
from tests import every_route
from tests.broken_product import BREAK, CANARY
from tests.edge.header_lint import flaws
from tests.error_sink import ErrorSink

SENT = {
    "Cookie": f"session={CANARY}; __Host-secret={CANARY}",
    "User-Agent": CANARY,
    "Referer": f"https://example.atlassian.net/{CANARY}",
    "X-Forwarded-For": CANARY,
    "X-Request-Id": CANARY,
    "traceparent": f"00-{CANARY}-{CANARY}-01",
    "sentry-trace": f"{CANARY}-{CANARY}-1",
    "baggage": f"sentry-trace_id={CANARY}",
}
BODY = json.dumps({"sharedSecret": CANARY, "issue": {"summary": CANARY}, "mail": f"{CANARY}@example.com"}).encode()


@pytest.fixture(scope="module")
def sink():
    made = ErrorSink()
    yield made
    made.close()


@pytest.fixture(scope="module")
def broken(make_stack, sink):
    with make_stack(module="tests.broken_product", PLEDGE_SENTRY_DSN=sink.dsn, PLEDGE_SECURITY_TAB="on") as stack:
        every_route.install(stack)
        yield stack


@pytest.fixture(scope="module")
def failures(broken, sink):
    """Every route's answer to a request in which the view fails, and the credentials that were sent."""
    answers, credentials = {}, []
    for mount, host, role in every_route.admitted():
        call = every_route.call(broken, mount, host=host, role=role, mail=f"{CANARY}@example.com")
        # Forge sends names of traces along, which are no secret; whatever is one is longer.
        credentials += [value.split()[-1] for value in call.headers.values() if len(value) > 60]
        answer = replace(call, body=BODY).send(broken, **SENT, **{BREAK: "view"})
        answers[mount.endpoint, host] = answer
    broken.eventually(lambda: len(reports(sink)) >= len(answers))
    return answers, credentials


def reports(sink):
    """The events that came from requests, by trace id."""
    return {event["tags"]["trace_id"]: event for event in sink.events if "trace_id" in event["tags"]}


def queue(stack, task, **arguments):
    stack.database.execute(
        "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args) VALUES ('default', %s, %s)",
        task,
        json.dumps(arguments),
    )


def reported_jobs(sink):
    return {event["tags"].get("job") for event in sink.events} - {None}


def test_every_failure_in_a_route_is_reported_once_with_its_endpoint_and_trace(failures, sink):
    answers, _ = failures
    assert {endpoint for endpoint, _ in answers} == {mount.endpoint for mount in MOUNTS}
    for (endpoint, _), answer in answers.items():
        assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
        found = [event for event in sink.events if event["tags"].get("trace_id") == answer.json()["trace_id"]]
        (event,) = found
        assert (event["tags"]["endpoint"], event["tags"]["code"]) == (endpoint, "unexpected")
        assert [value["type"] for value in event["exception"]["values"]] == ["ValueError", "RuntimeError"]
        frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
        assert [frame["function"] for frame in frames[-2:]] == ["fail_in_view", "fail"]


def test_no_report_holds_anything_that_was_sent_or_stood_around(failures, sink, broken):
    _, credentials = failures
    assert len(credentials) >= 20
    assert CANARY not in sink.text
    assert not any(credential in sink.text for credential in credentials)
    assert not any(credential.rpartition(".")[2] in sink.text for credential in credentials)
    assert broken.simulator.site("genchi").installation.secret not in sink.text
    for person in every_route.PEOPLE.values():
        assert broken.simulator.site("genchi").person(person).account_id not in sink.text
    assert "127.0.0.1" not in "".join(json.dumps(event) for event in sink.events)


def test_the_log_of_a_failure_holds_as_little(failures, broken):
    _, credentials = failures
    assert CANARY not in broken.web.output
    assert not any(credential in broken.web.output for credential in credentials)
    assert '"error": "RuntimeError"' in broken.web.output


def test_an_answer_that_failed_carries_the_shields_and_tells_nothing(failures):
    answers, _ = failures
    for answer in answers.values():
        assert flaws(answer.status_code, answer.headers) == []
        assert CANARY not in answer.text


def test_a_failure_outside_the_app_is_reported_too(broken, sink):
    (mount,) = [mount for mount in MOUNTS if mount.rule == "/connect/issue"]
    call = every_route.call(broken, mount, host="Connect", role="Jira admin")
    answer = call.send(broken, **SENT, **{BREAK: "outside"})
    assert answer.status_code == 500
    assert flaws(answer.status_code, answer.headers) == []
    trace_id = answer.json()["trace_id"]
    event = broken.eventually(lambda: reports(sink).get(trace_id))
    assert event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"] == "fail"
    assert CANARY not in sink.text


def test_every_failing_job_is_reported_with_its_name(broken, sink):
    for job in SCHEDULE:
        queue(broken, job.name, timestamp=0)
    for job in TENANT_JOBS:
        queue(broken, job.kind, tenant=1)
    names = {job.name for job in SCHEDULE} | {job.kind for job in TENANT_JOBS}
    broken.eventually(lambda: reported_jobs(sink) == names)
    events = [event for event in sink.events if "job" in event["tags"]]
    assert {event["exception"]["values"][-1]["type"] for event in events} == {"RuntimeError"}
    assert CANARY not in sink.text
    assert CANARY not in broken.worker.output


def test_a_sentry_that_does_not_answer_delays_no_answer_of_ours(broken, sink):
    """The answers come while Sentry holds every one of its own back: it is freed only after the last of ours."""
    (mount,) = [mount for mount in MOUNTS if mount.rule == "/healthz"]
    call = every_route.call(broken, mount, host="Connect", role="stranger")
    sink.answering.clear()
    try:
        answers = [call.send(broken, **{BREAK: "view"}) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {500}
        assert call.send(broken).status_code == 200
    finally:
        sink.answering.set()
    wanted = {answer.json()["trace_id"] for answer in answers}
    broken.eventually(lambda: wanted <= set(reports(sink)))
