"""Keys of Forge invocations: one set, asked for rarely, kept while it cannot be had, but not for ever."""

import json
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from app.domain.installations.admission import KeysUnavailable
from app.outbound.forge_keys import ForgeKeys

PATH = "/.well-known/jwks.json"
HOUR = 3600.0


def jwk(kid):
    public = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key()))
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": public["n"], "e": public["e"]}


OLD, NEW = jwk("forge/invocation-token/old"), jwk("forge/invocation-token/new")


def published(*keys):
    return (200, {"Content-Type": "application/json"}, json.dumps({"keys": keys}).encode())


@pytest.fixture
def keys(peer, clock):
    peer.answers[PATH] = published(OLD)
    return ForgeKeys(peer.url + PATH, elapsed=clock)


def test_known_keys_are_asked_for_once(peer, keys):
    for _ in range(5):
        assert keys.keys(OLD["kid"]).keys() == {OLD["kid"]}
    assert peer.asked == [PATH]


def test_a_new_key_is_fetched_when_it_is_first_used(peer, keys, clock):
    keys.keys(OLD["kid"])
    peer.answers[PATH] = published(OLD, NEW)
    clock.seconds += 30
    assert keys.keys(NEW["kid"]).keys() == {OLD["kid"], NEW["kid"]}
    assert len(peer.asked) == 2


def test_a_withdrawn_key_is_gone_with_the_next_fetch(peer, keys, clock):
    keys.keys(OLD["kid"])
    peer.answers[PATH] = published(NEW)
    clock.seconds += 30
    assert OLD["kid"] not in keys.keys(NEW["kid"])


def test_a_flood_of_unknown_kids_goes_out_twice_a_minute_and_hinders_no_known_one(peer, keys, clock):
    for _ in range(120):
        assert "planted" not in keys.keys("planted")
        assert OLD["kid"] in keys.keys(OLD["kid"])
        clock.seconds += 0.5
    assert len(peer.asked) == 2


UNFIT = {
    "down": (503, {}, b""),
    "gone": (404, {}, b""),
    "elsewhere": (302, {"Location": "/other"}, b""),
    "a page": (200, {}, b"<html>"),
    "no set": (200, {}, b'{"keys": {}}'),
    "too large": (200, {}, b'{"keys": [], "x": "' + b"x" * 300_000 + b'"}'),
    "a secret in it": (200, {}, json.dumps({"keys": [OLD | {"d": "AQAB"}]}).encode()),
    "one kid twice": (200, {}, json.dumps({"keys": [OLD, NEW | {"kid": OLD["kid"]}]}).encode()),
}


@pytest.mark.parametrize("answer", UNFIT.values(), ids=UNFIT)
def test_without_any_set_nobody_is_refused_for_good(peer, keys, clock, answer):
    good, peer.answers[PATH] = peer.answers[PATH], answer
    peer.answers["/other"] = good
    for _ in range(3):
        with pytest.raises(KeysUnavailable) as refusal:
            keys.keys(OLD["kid"])
        assert refusal.value.retry_after_seconds == 30
    assert peer.asked == [PATH]  # and not at the pace of whoever calls us
    peer.answers[PATH] = good
    clock.seconds += 30
    assert OLD["kid"] in keys.keys(OLD["kid"])


@pytest.mark.parametrize("answer", UNFIT.values(), ids=UNFIT)
def test_known_keys_serve_on_for_a_day_while_the_set_cannot_be_had(peer, keys, clock, answer):
    keys.keys(OLD["kid"])
    peer.answers[PATH] = answer
    clock.seconds += 24 * HOUR - 1
    assert OLD["kid"] in keys.keys(OLD["kid"])
    assert "unknown" not in keys.keys("unknown")
    clock.seconds += 2
    with pytest.raises(KeysUnavailable):
        keys.keys(OLD["kid"])


def test_a_peer_that_is_slow_costs_two_seconds_once(peer, keys):
    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        time.sleep(3)

    peer.answers[PATH] = drip
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            keys.keys(OLD["kid"])
    assert 1.5 < time.monotonic() - began < 2.9


def test_calls_at_once_cause_one_fetch(peer, keys):
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.keys(OLD["kid"]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert peer.asked == [PATH]
