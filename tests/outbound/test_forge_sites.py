"""The one question to a site whose tenant is not known yet: which Connect client key was it?"""

import pytest

from app.domain.ports import JiraUnavailable
from app.outbound.forge_sites import CLIENT_KEY_PROPERTY, ForgeSiteQuestions

CLOUD = "/ex/jira/7c0f5b0a-4d57-4f0e-8a41-0d6c2f9d5e01"
PATH = f"{CLOUD}/rest/atlassian-connect/1/addons/io.pledge.app/properties/{CLIENT_KEY_PROPERTY}"


@pytest.fixture
def ask(peer):
    def ask(base=None):
        def authorize(headers):
            headers["Authorization"] = "Bearer system"

        return ForgeSiteQuestions(peer.url).connect_client_key(
            base or peer.url + CLOUD, app_key="io.pledge.app", authorize=authorize
        )

    return ask


def test_the_property_is_read_with_the_system_token(peer, ask):
    peer.answers[PATH] = (200, {}, b'{"key": "x", "value": "client-key-1"}')
    assert ask() == "client-key-1"
    assert peer.asked == [PATH]
    assert peer.headers[0]["Authorization"] == "Bearer system"


def test_a_site_that_has_no_such_property_never_had_the_connect_app(ask):
    assert ask() is None


@pytest.mark.parametrize(
    "answer",
    [
        (401, {}, b""),
        (403, {}, b""),
        (429, {}, b""),
        (500, {}, b""),
        (503, {}, b""),
        (302, {"Location": "/ex/jira/elsewhere"}, b""),
        (200, {}, b""),
        (200, {}, b"<html>"),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (200, {}, b'{"value": null}'),
        (200, {}, b'{"value": {"clientKey": "x"}}'),
        (200, {}, b'{"value": 7}'),
        (200, {}, b'{"value": "' + b"x" * 70_000 + b'"}'),
        (204, {}, b""),
    ],
    ids=lambda answer: f"{answer[0]} {answer[2][:16]!r}",
)
def test_anything_else_is_no_answer_and_decides_nothing(peer, ask, answer):
    """Taken for "never had it", it would give a customer a second, empty tenant."""
    peer.answers[PATH] = answer
    with pytest.raises(JiraUnavailable) as refusal:
        ask()
    assert refusal.value.retry_after_seconds == 60
    assert peer.asked == [PATH]


def test_the_site_says_when_to_come_back(peer, ask):
    peer.answers[PATH] = (429, {"Retry-After": "7"}, b"")
    with pytest.raises(JiraUnavailable) as refusal:
        ask()
    assert refusal.value.retry_after_seconds == 7


def test_a_site_that_is_away_is_no_answer(clock):
    with pytest.raises(JiraUnavailable):
        ForgeSiteQuestions("http://127.0.0.1:1").connect_client_key(
            "http://127.0.0.1:1" + CLOUD, app_key="io.pledge.app", authorize=dict
        )


@pytest.mark.parametrize("base", ["{other}", "{own}.example.com", "{own}@{host}", "{own}1"])
def test_the_token_goes_nowhere_else(peer, make_peer, ask, base):
    other = make_peer()
    url = base.format(own=peer.url, other=other.url, host=other.url.removeprefix("http://")) + CLOUD
    with pytest.raises(JiraUnavailable):
        ask(url)
    assert (peer.asked, other.asked) == ([], [])
