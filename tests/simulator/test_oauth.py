"""The simulated authorization server: what it asks of a client, how it rotates, and what it takes for theft."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from simulator.oauth import client_secret

CLIENT, CALLBACK, VERIFIER = "made-up-client", "http://127.0.0.1:9/oauth/callback", "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "audience": "api.atlassian.com",
    "client_id": CLIENT,
    "scope": "report:personal-data offline_access",
    "redirect_uri": CALLBACK,
    "state": "a-state",
    "response_type": "code",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Client:
    """A client that behaves, unless it is told otherwise."""

    def __init__(self, simulator):
        self.url = f"{simulator.control_url}/oauth"

    def authorize(self, **changes):
        asked = {name: value for name, value in (ASKED | changes).items() if value is not None}
        return requests.get(f"{self.url}/authorize", params=asked, allow_redirects=False, timeout=20)

    def code(self, **changes):
        back = parse_qs(urlsplit(self.authorize(**changes).headers["Location"]).query)
        assert back["state"] == ["a-state"]
        return back["code"][0]

    def post(self, path="/oauth/token", **form):
        own = {"client_id": CLIENT, "client_secret": client_secret(CLIENT)}
        return requests.post(self.url + path, data=own | form, timeout=20)

    def exchange(self, code, /, **changes):
        form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.post(**form | {"code": code} | changes)

    def refresh(self, token, **changes):
        return self.post(grant_type="refresh_token", refresh_token=token, **changes)


@pytest.fixture
def client(simulator):
    return Client(simulator)


@pytest.fixture
def tokens(client):
    return client.exchange(client.code()).json()


@pytest.fixture
def report(simulator):
    def report(token):
        lines = [{"accountId": "5be24ad8b1653240376955d2", "updatedAt": "2026-11-22T09:00:00Z"}]
        url, headers = f"{simulator.control_url}/app/report-accounts/", {"Authorization": f"Bearer {token}"}
        return requests.post(url, json={"accounts": lines}, headers=headers, timeout=20).status_code

    return report


def test_a_consent_gives_a_code_which_gives_tokens_that_may_report(tokens, report):
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, ASKED["scope"])
    assert report(tokens["access_token"]) == 204
    assert report(tokens["refresh_token"]) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge": None},
        {"audience": None},
        {"redirect_uri": "https://attacker.example.com/"},
        {"response_type": "token"},
    ],
)
def test_what_is_asked_wrongly_leads_nowhere(client, changes):
    assert client.authorize(**changes).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:9/other"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"code": "made-up"}, "invalid_grant"),
    ],
)
def test_a_code_is_good_for_its_own_client_address_and_verifier_only(client, changes, error):
    answer = client.exchange(client.code(), **changes)
    assert (answer.status_code in {400, 401}, answer.json()["error"]) == (True, error)


def test_a_code_that_comes_twice_ends_what_it_gave(client, report):
    code = client.code()
    tokens = client.exchange(code).json()
    assert client.exchange(code).json()["error"] == "invalid_grant"
    assert report(tokens["access_token"]) == 401


def test_a_refresh_token_is_taken_again_for_some_minutes_and_then_taken_for_stolen(client, control, tokens, report):
    newer = client.refresh(tokens["refresh_token"]).json()
    assert newer["refresh_token"] != tokens["refresh_token"]
    assert report(tokens["access_token"]) == 401
    again = client.refresh(tokens["refresh_token"])
    assert again.status_code == 200
    control("POST", "/control", json={"advance_seconds": 601})
    stolen = client.refresh(tokens["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (403, "invalid_grant")
    assert report(again.json()["access_token"]) == 401
    assert client.refresh(again.json()["refresh_token"]).status_code == 403


def test_a_revoked_grant_is_over_and_a_revocation_never_says_what_was_known(client, tokens, report):
    assert client.post("/oauth/revoke", token="made-up").status_code == 200
    assert client.post("/oauth/revoke", token=tokens["refresh_token"]).status_code == 200
    assert report(tokens["access_token"]) == 401
    assert client.refresh(tokens["refresh_token"]).status_code == 403


def test_faults_can_be_asked_for_and_are_in_the_ledger(simulator, client, control, tokens):
    control("POST", "/control", json={"oauth": {"answers": [{"status": 429, "retry_after": "9"}], "lose": 1}})
    assert client.refresh(tokens["refresh_token"]).headers["Retry-After"] == "9"
    assert client.refresh(tokens["refresh_token"]).status_code == 502
    assert client.refresh(tokens["refresh_token"]).status_code == 200
    found = requests.get(f"{simulator.control_url}/grants", timeout=20)
    assert [line["status"] for line in found.json()["requests"] if line["kind"] == "refresh_token"] == [429, 502, 200]
    assert tokens["refresh_token"] not in found.text
    assert requests.post(f"{simulator.control_url}/control", json={"oauth": {"x": 1}}, timeout=20).status_code == 400
