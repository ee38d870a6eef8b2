"""How a grant comes about, and who cannot make one: attacks by their names."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from app.domain.integrations.connecting import CallbackRefused, StillDisconnecting
from app.vault.client_secret import ClientSecretUnusable


def query(state, code="made-up-code", **more):
    return urlencode({"code": code, "state": state, **more})


@pytest.fixture
def begun(house, parameters):
    """An attempt: its URL, its parameters, and the query that the browser brings."""
    url = house.worker.connecting.begin(redirect_uri=None, now=house.now())
    return url, parameters(url), house.consent(url)


def refused(house, brought):
    """It is refused, always in the same words, and nothing at all is written."""
    before = house.everything()
    with pytest.raises(CallbackRefused) as error:
        house.web.connecting.receive(brought, now=house.now())
    assert str(error.value) == CallbackRefused.__doc__
    assert house.everything() == before


def test_what_is_asked_has_pkce_a_state_and_the_documented_parameters(begun):
    _, asked, _ = begun
    assert asked.pop("state") != asked.pop("code_challenge")
    assert asked == {
        "audience": "api.atlassian.com",
        "client_id": "made-up-client",
        "scope": "offline_access report:personal-data",
        "redirect_uri": "http://127.0.0.1:8000/oauth/callback",
        "response_type": "code",
        "prompt": "consent",
        "code_challenge_method": "S256",
    }


def test_a_consent_in_the_browser_ends_in_a_grant_whose_tokens_are_nowhere_in_the_clear(house, begun):
    assert house.state == "connecting"
    house.web.connecting.receive(begun[2], now=house.now())
    assert begun[1]["state"] not in house.everything()
    house.worker.integrations.tend(now=house.now())
    assert house.state == "connected"
    assert [action for action, _ in house.entries()] == ["integration.asked", "integration.connected"]
    everything = house.everything()
    assert len(house.held()) == 2
    assert not [token for token in house.held() if token in everything]
    assert house.sealed() == [("atlassian:access", 1), ("atlassian:refresh", 1)]


def test_the_address_at_which_the_browser_ended_can_be_pasted(house, begun):
    for other in ("http://elsewhere.example.com/oauth/callback", "http://127.0.0.1:8000/other", "not even a URL", ""):
        with pytest.raises(CallbackRefused):
            house.worker.connecting.receive_pasted(f"{other}?{begun[2]}", now=house.now())
    house.worker.connecting.receive_pasted(f" http://127.0.0.1:8000/oauth/callback?{begun[2]}\n", now=house.now())
    house.worker.connecting.finish(now=house.now())
    assert house.state == "connected"


def test_state_of_another_session(house, begun):
    refused(house, query("A" * 43))
    former = begun[1]["state"]
    house.worker.connecting.begin(redirect_uri=None, now=house.now())
    refused(house, query(former))


def test_a_state_that_expired(house, begun):
    house.moved += timedelta(minutes=10)
    refused(house, begun[2])
    house.worker.integrations.tend(now=house.now())
    assert (house.state, house.status["problem"], house.sealed()) == ("not connected", "expired", [])


def test_code_replay_by_the_same_address(house, begun):
    house.web.connecting.receive(begun[2], now=house.now())
    refused(house, begun[2])
    house.worker.integrations.tend(now=house.now())
    refused(house, begun[2])
    assert house.living == 1


def test_code_replay_at_the_authorization_server_ends_what_the_code_gave(house, begun, parameters):
    stolen = parameters(f"?{begun[2]}")["code"]
    house.web.connecting.receive(begun[2], now=house.now())
    house.worker.integrations.tend(now=house.now())
    second = parameters(house.worker.connecting.begin(redirect_uri=None, now=house.now()))
    house.web.connecting.receive(query(second["state"], stolen), now=house.now())
    house.worker.integrations.tend(now=house.now())
    assert house.status["problem"] == "invalid_grant"
    assert house.living == 0


def test_pkce_downgrade_and_a_code_for_another_challenge(house, begun, parameters):
    """A code that was injected from elsewhere fits no verifier of ours."""
    mine, theirs = begun[1], house.worker.connecting.begin(redirect_uri=None, now=house.now())
    injected = parameters(f"?{begun[2]}")["code"]
    house.web.connecting.receive(query(parameters(theirs)["state"], injected), now=house.now())
    house.worker.integrations.tend(now=house.now())
    assert (house.state, house.status["problem"]) == ("not connected", "invalid_grant")
    assert mine["code_challenge_method"] == "S256"


def test_mix_up_of_issuers(house, parameters):
    house.control(issuer="https://attacker.example.com")
    url = house.worker.connecting.begin(redirect_uri=None, now=house.now())
    refused(house, house.consent(url))
    house.control(issuer=f"{house.simulator.control_url}/oauth")
    url = house.worker.connecting.begin(redirect_uri=None, now=house.now())
    house.web.connecting.receive(house.consent(url), now=house.now())


@pytest.mark.parametrize("more", [{"code": "other"}, {"state": "B" * 43}, {"error": "access_denied"}])
def test_a_parameter_that_says_two_things(house, begun, more):
    refused(house, f"{begun[2]}&{urlencode(more)}")


def test_a_person_who_says_no_ends_the_attempt(house):
    house.control(deny=True)
    url = house.worker.connecting.begin(redirect_uri=None, now=house.now())
    house.web.connecting.receive(house.consent(url), now=house.now())
    assert (house.state, house.status["problem"], house.sealed()) == ("not connected", "access_denied", [])
    assert house.entries()[-1] == ("integration.failed", {"why": "access_denied"})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": 200, "body": "<!doctype html>", "content_type": "text/html"}, "not_as_documented"),
        ({"status": 200, "body": " ", "size": 50_000_000}, "AnswerTooLarge"),
        ({"status": 200}, "not_as_documented"),
        ({"status": 503}, "status_503"),
        ({"status": 400, "body": '{"error": "invalid_grant"}'}, "invalid_grant"),
    ],
)
def test_an_answer_that_gives_no_tokens_ends_the_attempt_and_is_never_asked_for_again(house, begun, answer, why):
    house.control(answers=[answer])
    house.web.connecting.receive(begun[2], now=house.now())
    house.worker.integrations.tend(now=house.now())
    house.worker.integrations.tend(now=house.now())
    assert (house.state, house.status["problem"], house.sealed()) == ("not connected", why, [])
    assert len(house.asked("authorization_code")) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"scope": "offline_access"}, "scope_missing"),
        ({"refresh_token": None}, "not_as_documented"),
        ({"token_type": "mac"}, "not_as_documented"),
        ({"access_token": "a\r\nX-Injected: 1"}, "not_as_documented"),
    ],
)
def test_tokens_that_are_of_no_use_are_not_taken(house, begun, canned, changes, why):
    good = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "token_type": "bearer"}
    house.control(answers=[canned(**good | changes)])
    house.web.connecting.receive(begun[2], now=house.now())
    house.worker.integrations.tend(now=house.now())
    assert (house.state, house.status["problem"]) == ("not connected", why)


def test_a_worker_that_was_killed_while_it_exchanged_leaves_an_attempt_that_is_over(house, begun):
    house.web.connecting.receive(begun[2], now=house.now())
    house.sql.execute("UPDATE app.integrations SET attempt_stage = 'exchanging'")
    house.worker.integrations.tend(now=house.now())
    assert house.asked("authorization_code") == []
    house.moved += timedelta(minutes=10)
    house.worker.integrations.tend(now=house.now())
    assert (house.status["problem"], house.sealed()) == ("expired", [])


def test_a_failed_attempt_leaves_a_good_grant_as_it_is(house):
    house.connect()
    house.control(deny=True)
    url = house.worker.connecting.begin(redirect_uri=None, now=house.now())
    assert house.state == "connected"
    house.web.connecting.receive(house.consent(url), now=house.now())
    assert house.state == "connected"
    assert house.worker.tokens.current() == 1


def test_while_a_revocation_is_under_way_nobody_connects(house):
    house.connect()
    house.worker.disconnecting.disconnect(now=house.now())
    with pytest.raises(StillDisconnecting):
        house.worker.connecting.begin(redirect_uri=None, now=house.now())


def test_a_client_secret_that_others_may_read_is_not_used(house, begun):
    house.secret.chmod(0o604)
    with pytest.raises(ClientSecretUnusable, match="chmod 600"):
        house.worker.connecting.server.identify({})
    house.web.connecting.receive(begun[2], now=house.now())
    house.worker.integrations.tend(now=house.now())
    assert (house.status["problem"], house.asked("authorization_code")) == ("vault_unavailable", [])
