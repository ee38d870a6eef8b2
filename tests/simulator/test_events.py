"""What Forge sends by itself: issue events with retries, the hourly trigger, and what goes wrong on request."""

import json
from pathlib import Path

import pytest

EXAMPLES = json.loads((Path(__file__).parents[1] / "vectors" / "fit_example.json").read_text("utf-8"))["examples"]


@pytest.fixture
def relabel(control):
    """Change labels of SEC-1 so many times; each is one event."""

    def change(times=1, site="genchi"):
        for number in range(times):
            control("PATCH", f"/sites/{site}/issues/SEC-1", json={"labels": ["security", f"n{number}"]})

    return change


@pytest.fixture
def faults(control):
    return lambda **wanted: control("POST", "/control", json={"events": {"retry_seconds": [0] * 4} | wanted})


@pytest.fixture
def sent(forge):
    return lambda: forge.received("/forge/events")


def test_a_change_is_an_event_with_the_reduced_payload(simulator, control, sent, ledger, verify):
    control("PATCH", "/sites/genchi/issues/SEC-1", json={"as": "developer", "cvss_score": 3.1})
    assert [one["state"] for one in ledger()] == ["delivered"] * 2
    (received,), site = sent(), simulator.site("genchi")
    claims, body, example = verify(received), received.json, EXAMPLES["trigger_avi_jira_created_issue"]
    assert claims.keys() == example["claims"].keys()
    assert claims["app"]["module"] == example["claims"]["app"]["module"]
    assert body.keys() - {"changelog"} == example["request"]["body"].keys()
    assert body["issue"]["fields"].keys() - {"updated"} == example["request"]["body"]["issue"]["fields"].keys()
    assert (body["eventType"], body["selfGenerated"]) == ("avi:jira:updated:issue", False)
    assert body["atlassianId"] == site.person("developer").account_id
    assert body["issue"]["id"] == site.issue("SEC-1").id
    assert [item["field"] for item in body["changelog"]["items"]] == ["CVSS Score"]


def test_created_and_deleted_issues_are_events(control, sent, ledger):
    key = control("POST", "/sites/genchi/issues", json={"summary": "New"})["key"]
    control("PATCH", f"/sites/genchi/issues/{key}", json={"delete": True})
    ledger()
    assert [one.json["eventType"] for one in sent()] == ["avi:jira:created:issue", "avi:jira:deleted:issue"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, "INVALID_REMOTE_INVOCATION_ERROR"),
        (404, "INVALID_REMOTE_INVOCATION_ERROR"),
        (302, "INVALID_REMOTE_INVOCATION_ERROR"),
        (401, "INVALID_FORGE_INVOCATION_TOKEN"),
    ],
)
def test_whatever_is_not_success_is_tried_again_with_its_reason(forge, faults, relabel, sent, ledger, status, reason):
    faults()
    forge.answers.extend([status, status])
    relabel()
    assert [one["status"] for one in ledger()[-1]["attempts"]] == [status, status, 204]
    contexts = [one.json.get("retryContext") for one in sent()]
    again = {"retryReason": reason, "retryData": None}
    assert contexts == [None, {"retryCount": 1} | again, {"retryCount": 2} | again]


def test_every_retry_has_a_token_of_its_own(forge, faults, relabel, sent, ledger, verify):
    faults()
    forge.answers.append(500)
    relabel()
    ledger()
    first, second = [verify(one)["jti"] for one in sent()]
    assert first != second


def test_four_retries_are_all(forge, faults, relabel, ledger):
    faults()
    forge.answers.extend([503] * 9)
    relabel()
    assert (ledger()[-1]["state"], len(ledger()[-1]["attempts"])) == ("failed", 5)


def test_an_app_that_is_too_slow_is_told_so(forge, faults, relabel, sent, ledger):
    faults(timeout_seconds=0.3)
    forge.delays.append(0.8)
    relabel()
    ledger()
    assert sent()[-1].json["retryContext"]["retryReason"] == "TIMEOUT_ERROR"


def test_another_site_draws_the_retry_context_below_payload(app, control, faults, relabel):
    control("POST", "/sites/kencha/install", params={"app": app.url, "as": "forge"})
    faults()
    app.answers.append(500)
    relabel(site="kencha")
    control("GET", "/sites/kencha/events", params={"wait": 10})
    assert app.received("/forge/events")[-1].json["payload"]["retryContext"]["retryCount"] == 1


def test_a_lost_install_is_tried_again(app, control, faults, ledger):
    faults()
    app.answers.append(503)
    outcome = control("POST", "/sites/genchi/install", params={"app": app.url, "as": "forge"})
    assert (outcome["status"], ledger()[0]["state"]) == (503, "delivered")


def test_an_extra_copy_has_the_same_token_id(faults, relabel, sent, ledger, verify):
    faults(duplicate=1)
    relabel()
    ledger()
    first, second = sent()
    assert (first.json, verify(first)["jti"]) == (second.json, verify(second)["jti"])


def test_the_faults_of_webhooks_hold_for_events(control, relabel, sent, ledger):
    control("POST", "/control", json={"webhooks": {"drop": 1}})
    relabel(2)
    assert [one["state"] for one in ledger()[1:]] == ["dropped", "delivered"]
    assert len(sent()) == 1


def test_events_can_arrive_backwards(faults, relabel, sent, ledger):
    faults(reorder=3)
    relabel(3)
    ledger()
    labels = [one.json["changelog"]["items"][0]["toString"] for one in sent()]
    assert labels == ["security n2", "security n1", "security n0"]


def test_events_for_a_removed_installation_are_not_sent(forge, control, faults, relabel, ledger):
    faults(delay_seconds=0.3)
    relabel()
    control("POST", "/sites/genchi/install", params={"app": forge.url, "as": "forge"})
    assert [one["state"] for one in ledger()] == ["delivered", "undeliverable", "delivered"]


def test_cron_brings_a_fresh_system_token_each_time(control, forge, verify, ask):
    for _ in range(2):
        assert control("POST", "/sites/genchi/cron")["accepted"]
    first, second = forge.received("/forge/cron")
    claims, example = verify(first), EXAMPLES["scheduledTrigger_hour"]
    assert claims.keys() == example["claims"].keys()
    assert first.json.keys() == example["request"]["body"].keys()
    assert claims["app"]["module"]["key"] == "ep-cron"
    assert claims["context"]["moduleKey"] == first.json["context"]["moduleKey"] == "pledge-hourly"
    tokens = [one.headers["x-forge-oauth-system"] for one in (first, second)]
    assert len(set(tokens)) == 2
    assert [ask(token, "/rest/api/3/myself").status_code for token in tokens] == [200, 200]
    assert "x-forge-oauth-user" not in first.headers


def test_cron_is_not_tried_again(control, forge, ledger):
    forge.answers.append(500)
    assert control("POST", "/sites/genchi/cron")["status"] == 500
    assert [one["state"] for one in ledger()] == ["delivered", "failed"]


@pytest.mark.parametrize(("seconds", "calls"), [(1800, 0), (3600, 1), (2.5 * 3600, 2), (86400 * 30, 24)])
def test_the_hourly_trigger_follows_the_simulated_clock(control, forge, ledger, seconds, calls):
    control("POST", "/control", json={"advance_seconds": seconds})
    ledger()
    assert len(forge.received("/forge/cron")) == calls


def test_the_hourly_trigger_does_not_run_again_for_hours_taken_back(control, forge, ledger):
    control("POST", "/control", json={"advance_seconds": 7200})
    control("POST", "/control", json={"reset": True})
    ledger()
    assert len(forge.received("/forge/cron")) == 2
