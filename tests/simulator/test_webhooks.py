"""Webhooks: signed, retried, and wrong on request."""

import pytest
from atlassian_jwt import Authenticator


class Verifier(Authenticator):
    def __init__(self, secret):
        super().__init__()
        self._secret = secret

    def get_shared_secret(self, client_key):
        return self._secret


@pytest.fixture
def ledger(control):
    return lambda: control("GET", "/sites/genchi/webhooks", params={"wait": 10})["deliveries"]


@pytest.fixture
def relabel(control):
    """Change labels of SEC-1 so many times; each is one webhook."""

    def change(times):
        for number in range(times):
            control("PATCH", "/sites/genchi/issues/SEC-1", json={"labels": ["security", f"n{number}"]})

    return change


@pytest.fixture
def hooks(control):
    return lambda **faults: control("POST", "/control", json={"site": "genchi", "webhooks": faults})


def test_a_change_is_announced_with_a_token_whose_hash_fits(simulator, control, installed, secret, ledger):
    change = {"as": "developer", "priority": "Low", "cvss_score": 3.1}
    control("PATCH", "/sites/genchi/issues/SEC-1", json=change)
    assert [one["state"] for one in ledger()] == ["delivered"]
    received, site = installed.received("/hooks")[0], simulator.site("genchi")
    assert received.target == f"/hooks?issueId={site.issue('SEC-1').id}"
    verified = Verifier(secret).authenticate("POST", received.target, {"Authorization": f"JWT {received.token}"})
    assert verified.client_key == site.client_key
    assert received.headers["User-Agent"] == "Atlassian Webhook HTTP Client"
    assert received.headers["X-Atlassian-Webhook-Flow"] == "Primary"
    body = received.json
    assert (body["webhookEvent"], body["user"]["accountId"]) == (
        "jira:issue_updated",
        site.person("developer").account_id,
    )
    assert {item["field"]: item["toString"] for item in body["changelog"]["items"]} == {
        "priority": "Low",
        "CVSS Score": "3.1",
    }


def test_created_and_deleted_issues_are_announced(control, installed, ledger):
    made = {"project": "SEC", "summary": "New", "issuetype": "Vulnerability", "labels": ["security"]}
    key = control("POST", "/sites/genchi/issues", json=made)["key"]
    control("PATCH", f"/sites/genchi/issues/{key}", json={"delete": True})
    assert [one["event"] for one in ledger()] == ["jira:issue_created", "jira:issue_deleted"]
    assert [one.json["issue"]["key"] for one in installed.received("/hooks")] == [key, key]


def test_a_change_that_changes_nothing_is_not_announced(control, installed, ledger):
    control("PATCH", "/sites/genchi/issues/SEC-1", json={"priority": "High"})
    assert ledger() == []


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503])
def test_a_delivery_is_tried_again_under_the_same_identifier(installed, hooks, relabel, ledger, status):
    hooks(retry_seconds=[0, 0])
    installed.answers.extend([status, status])
    relabel(1)
    assert [one["status"] for one in ledger()[0]["attempts"]] == [status, status, 204]
    received = [one.headers for one in installed.received("/hooks")]
    assert len({one["X-Atlassian-Webhook-Identifier"] for one in received}) == 1
    assert [one.get("X-Atlassian-Webhook-Retry") for one in received] == [None, "1", "2"]


@pytest.mark.parametrize(("answers", "tries"), [([401], 1), ([404], 1), ([500, 500, 500], 3)])
def test_other_refusals_are_final_and_retries_end(installed, hooks, relabel, ledger, answers, tries):
    hooks(retry_seconds=[0, 0])
    installed.answers.extend(answers)
    relabel(1)
    delivery = ledger()[0]
    assert (delivery["state"], len(delivery["attempts"])) == ("failed", tries)


def test_webhooks_can_be_duplicated(installed, hooks, relabel, ledger):
    hooks(duplicate=2)
    relabel(1)
    ledger()
    identifiers = [one.headers["X-Atlassian-Webhook-Identifier"] for one in installed.received("/hooks")]
    assert (len(identifiers), len(set(identifiers))) == (3, 1)


def test_webhooks_can_be_dropped(installed, hooks, relabel, ledger):
    hooks(drop=1)
    relabel(2)
    assert [one["state"] for one in ledger()] == ["dropped", "delivered"]
    assert len(installed.received("/hooks")) == 1


def test_webhooks_can_arrive_backwards(installed, hooks, relabel, ledger):
    hooks(reorder=3)
    relabel(3)
    sent = [one["identifier"] for one in ledger()]
    arrived = [one.headers["X-Atlassian-Webhook-Identifier"] for one in installed.received("/hooks")]
    assert arrived == sent[::-1]


def test_a_site_does_not_announce_what_another_site_changed(control, installed, ledger):
    control("PATCH", "/sites/kencha/issues/SEC-1", json={"priority": "Low"})
    assert control("GET", "/sites/kencha/webhooks", params={"wait": 1})["deliveries"] == []
    assert ledger() == []
