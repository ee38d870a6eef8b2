"""Install keys: asked for once, in order, and not at a stranger's pace."""

import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.domain.installations.admission import KeysUnavailable
from app.outbound.key_directories import InstallKeys
from app.protocol.refusals import KeyUnknown


def pem(key):
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki)


KEY, OTHER = (pem(rsa.generate_private_key(65537, 2048)) for _ in range(2))


@pytest.fixture
def second(make_peer):
    return make_peer()


@pytest.fixture
def keys(peer, second, clock):
    return InstallKeys((peer.url, second.url), elapsed=clock)


def test_the_first_server_that_has_the_key_is_the_last_one_asked(peer, second, keys):
    peer.answers["/kid"] = (200, {}, KEY)
    second.answers["/kid"] = (200, {}, OTHER)
    assert keys.key("kid") == KEY
    assert (peer.asked, second.asked) == (["/kid"], [])


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b""),
        (500, {}, b""),
        (301, {"Location": "/kid2"}, b""),
        (200, {}, b"<html>error</html>"),
        (200, {}, b""),
        (200, {}, b"x" * 20_000),
    ],
    ids=["404", "500", "redirect", "a page", "nothing", "too much"],
)
def test_where_the_first_server_has_no_key_the_second_is_asked(peer, second, keys, answer):
    peer.answers["/kid"] = answer
    peer.answers["/kid2"] = (200, {}, OTHER)
    second.answers["/kid"] = (200, {}, KEY)
    assert keys.key("kid") == KEY
    assert peer.asked == ["/kid"]


def test_a_server_that_is_away_is_passed_over(second, clock):
    second.answers["/kid"] = (200, {}, KEY)
    assert InstallKeys(("http://127.0.0.1:1", second.url), elapsed=clock).key("kid") == KEY


def test_a_key_that_no_server_has_is_unknown(keys):
    with pytest.raises(KeyUnknown):
        keys.key("kid")


@pytest.mark.parametrize("status", [200, 301, 403, 429, 500, 503])
def test_unless_every_server_said_so_the_key_is_not_unknown(second, keys, status):
    second.answers["/kid"] = (status, {}, b"")
    with pytest.raises(KeysUnavailable) as refusal:
        keys.key("kid")
    assert refusal.value.retry_after_seconds == 10


def test_a_known_key_is_kept_for_good(peer, keys, clock):
    peer.answers["/kid"] = (200, {}, KEY)
    keys.key("kid")
    peer.answers["/kid"] = (200, {}, OTHER)
    clock.seconds += 10**9
    assert keys.key("kid") == KEY
    assert peer.asked == ["/kid"]


@pytest.mark.parametrize(
    "planted",
    [
        b"<html>down for maintenance</html>",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505  weak on purpose
        pem(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["a page", "damaged", "too short", "of another kind"],
)
def test_an_answer_that_is_no_key_is_not_kept(peer, keys, planted):
    peer.answers["/kid"] = (200, {}, planted)
    with pytest.raises(KeysUnavailable):
        keys.key("kid")
    peer.answers["/kid"] = (200, {}, KEY)
    assert keys.key("kid") == KEY


def test_a_flood_of_unknown_kids_goes_out_ten_times_a_minute_and_hinders_no_known_one(peer, keys, clock):
    peer.answers["/known"] = (200, {}, KEY)
    keys.key("known")
    for number in range(9):
        with pytest.raises(KeyUnknown):
            keys.key(f"kid{number}")
    asked = len(peer.asked)
    for number in range(100):
        with pytest.raises(KeysUnavailable) as refusal:
            keys.key(f"flood{number}")
        assert 1 <= refusal.value.retry_after_seconds <= 61
    assert len(peer.asked) == asked == 10
    assert keys.key("known") == KEY
    clock.seconds += 60
    with pytest.raises(KeyUnknown):
        keys.key("later")


def test_in_no_window_of_a_minute_more_than_ten_go_out(peer, keys, clock):
    went_out = []
    for number in range(300):
        before = len(peer.asked)
        with pytest.raises((KeyUnknown, KeysUnavailable)):
            keys.key(f"kid{number}")
        went_out += [clock.seconds] * (len(peer.asked) - before)
        clock.seconds += 1.5
    assert len(went_out) > 40
    assert all(sum(at <= other < at + 60 for other in went_out) <= 10 for at in went_out)


def test_threads_that_ask_for_one_kid_cause_one_fetch(peer, keys):
    def slowly(handler):
        time.sleep(0.2)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(KEY), KEY))

    peer.answers["/kid"] = slowly
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.key("kid"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [KEY] * 8
    assert peer.asked == ["/kid"]


def test_a_kid_is_quoted_segment_by_segment(peer, keys):
    with pytest.raises(KeyUnknown):
        keys.key("a@b/?x#y")
    assert peer.asked == ["/a%40b/%3Fx%23y"]


def test_a_kid_that_traverses_does_not_leave_the_base_even_if_nobody_else_refused_it(peer, clock):
    peer.answers["/secret"] = (200, {}, KEY)
    with pytest.raises(KeysUnavailable):
        InstallKeys((peer.url + "/keys",), elapsed=clock).key("../secret")
    assert peer.asked == []
