"""The simulated reporting API: whom it lets in, what it says of accounts, how it fails, and what it remembers."""

from datetime import UTC, datetime

import pytest
import requests

ACTIVE, CLOSED = "5be24ad8b1653240376955d2", "5be24ba3f91c106033269289"
SITE_PATH = "/rest/atlassian-connect/latest/report-accounts"


@pytest.fixture
def report(simulator, control, app):
    """Report accounts at the API, with the system token of a Forge app."""
    control("POST", "/sites/genchi/install", params={"app": app.url, "as": "forge"})
    token = app.received("/forge/lifecycle")[-1].headers["x-forge-oauth-system"]

    def send(*accounts, at=None, token=token, **more):
        lines = [{"accountId": account, "updatedAt": at or datetime.now(UTC).isoformat()} for account in accounts]
        url, headers = f"{simulator.control_url}/app/report-accounts/", {"Authorization": f"Bearer {token}"}
        return requests.post(url, json={"accounts": lines} | more, headers=headers, timeout=20)

    return send


def test_accounts_of_which_there_is_nothing_to_say_are_answered_without_a_body(report):
    answer = report(ACTIVE)
    assert (answer.status_code, answer.content) == (204, b"")


def test_who_closed_the_account_or_changed_it_since_is_told(report, control):
    control("POST", "/control", json={"accounts": {"close": [CLOSED], "update": [ACTIVE]}})
    answer = report(ACTIVE, CLOSED, at="2026-01-01T00:00:00Z")
    told = {line["accountId"]: line["status"] for line in answer.json()["accounts"]}
    assert told == {ACTIVE: "updated", CLOSED: "closed"}
    assert report(ACTIVE, at="2999-01-01T00:00:00Z").status_code == 204


@pytest.mark.parametrize("accounts", [[], [ACTIVE] * 91, ["no account"], ["x" * 129], [""]])
def test_what_is_malformed_is_refused(report, accounts):
    answer = report(*accounts)
    assert (answer.status_code, answer.json().keys()) == (400, {"errorType", "errorMessage"})


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01T00:00:00"])
def test_an_instant_without_zone_is_refused(report, at):
    assert report(ACTIVE, at=at).status_code == 400


def test_an_account_can_be_made_malformed(report, control):
    control("POST", "/control", json={"accounts": {"malformed": [ACTIVE]}})
    assert report(ACTIVE, CLOSED).status_code == 400
    assert report(CLOSED).status_code == 204


def test_a_token_that_nobody_issued_is_refused(report):
    assert report(ACTIVE, token="nonsense").status_code == 401


def test_a_connect_app_reports_at_its_site_with_a_signature_of_its_own(simulator, installed, secret):
    def post(token):
        url = simulator.site("genchi").url + SITE_PATH
        lines = [{"accountId": ACTIVE, "updatedAt": "2026-01-01T00:00:00Z"}]
        return requests.post(url, json={"accounts": lines}, headers={"Authorization": f"JWT {token}"}, timeout=20)

    assert post(installed.sign(secret, "POST", SITE_PATH)).status_code == 204
    assert post(installed.sign(secret, "GET", SITE_PATH)).status_code == 401
    assert post(installed.sign("another secret of 32 characters!", "POST", SITE_PATH)).status_code == 401


@pytest.mark.parametrize("text", ["7 Days", "P7D", "7", "604800", "soon"])
def test_the_cycle_can_be_said_in_any_form(report, control, text):
    control("POST", "/control", json={"accounts": {"cycle_period": text}})
    assert report(ACTIVE).headers["Cycle-Period"] == text
    control("POST", "/control", json={"accounts": {"cycle_period": None}})
    assert "Cycle-Period" not in report(ACTIVE).headers


def test_answers_can_be_canned(report, control):
    answers = [
        {"status": 429, "retry_after": "120"},
        {"status": 503, "times": 2},
        {"status": 200, "body": "<html>", "content_type": "text/html"},
        {"status": 200, "size": 1000},
    ]
    control("POST", "/control", json={"accounts": {"answers": answers}})
    got = [report(ACTIVE) for _ in range(6)]
    assert [answer.status_code for answer in got] == [429, 503, 503, 200, 200, 204]
    assert got[0].headers["Retry-After"] == "120"
    assert got[3].text == "<html>"
    assert len(got[4].content) == 1000


def test_more_than_so_many_requests_are_refused_until_time_has_passed(report, control):
    control("POST", "/control", json={"accounts": {"rate": {"requests": 2, "seconds": 3600}}})
    got = [report(ACTIVE) for _ in range(3)]
    assert [answer.status_code for answer in got] == [204, 204, 429]
    assert 3500 < int(got[2].headers["Retry-After"]) <= 3600
    control("POST", "/control", json={"advance_seconds": 3601})
    assert report(ACTIVE).status_code == 204


def test_the_ledger_knows_who_was_reported_twice_and_who_never_was(report, control):
    report(ACTIVE)
    report(ACTIVE)
    report("no account")
    shown = control("POST", "/reports", json={"accounts": [ACTIVE, CLOSED]})
    assert [line["status"] for line in shown["requests"]] == [204, 204, 400]
    assert {line["way"] for line in shown["requests"]} == {"api"}
    assert (list(shown["doubles"]), shown["missing"]) == ([ACTIVE], [CLOSED])
    control("POST", "/control", json={"accounts": {"reset": True}})
    assert control("GET", "/reports")["requests"] == []


@pytest.mark.parametrize("wanted", [[], {"shut": []}, {"answers": [{"code": 1}]}, {"answers": ["x"]}])
def test_what_the_control_does_not_know_is_refused(simulator, wanted):
    answer = requests.post(f"{simulator.control_url}/control", json={"accounts": wanted}, timeout=20)
    assert answer.status_code == 400
