"""The one HTTP client: an answer cannot lead it anywhere, hold it up or fill it."""

import gzip
import time
from contextlib import suppress

import pytest
import requests

from app.outbound.session import AnswerTooLarge, AnswerTooSlow, GuardedSession, HostRefused, Redirected

LIMIT_BYTES = 10_000


@pytest.fixture
def get(peer):
    def get(path="/", *, timeout_seconds=5.0, allowed=None, **more):
        with GuardedSession(
            allowed=allowed or (lambda url: url.startswith(peer.url + "/")),
            timeout_seconds=timeout_seconds,
            body_limit_bytes=LIMIT_BYTES,
        ) as session:
            return session.get(peer.url + path, **more)

    return get


def drip(*, head, piece, times, pause_seconds=0.05):
    def answer(handler):
        with suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
            for _ in range(times):
                handler.wfile.write(piece)
                time.sleep(pause_seconds)

    return answer


def test_an_answer_up_to_the_limit_arrives_whole(peer, get):
    peer.answers["/"] = (200, {}, b"x" * LIMIT_BYTES)
    assert get().content == b"x" * LIMIT_BYTES


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_neither_followed_nor_taken_for_an_answer(peer, get, status):
    peer.answers["/"] = (status, {"Location": "/elsewhere"}, b"{}")
    with pytest.raises(Redirected):
        get()
    with pytest.raises(Redirected):
        get(allow_redirects=True)
    assert peer.asked == ["/", "/"]


def test_a_host_that_is_not_on_the_list_is_never_called(peer, get):
    with pytest.raises(HostRefused):
        get(allowed=lambda _: False)
    assert peer.asked == []


def test_the_list_sees_the_url_as_it_will_be_called(peer, get):
    seen = []
    get("/a/../b?c=d e", allowed=lambda url: not seen.append(url))
    assert seen == [peer.url + peer.asked[0]]


def test_a_body_over_the_limit_is_refused(peer, get):
    peer.answers["/"] = (200, {}, b"x" * (LIMIT_BYTES + 1))
    with pytest.raises(AnswerTooLarge):
        get()


def test_a_small_body_that_unpacks_to_a_huge_one_is_refused(peer, get):
    packed = gzip.compress(b"\0" * 50_000_000)
    peer.answers["/"] = (200, {"Content-Encoding": "gzip"}, packed)
    with pytest.raises(AnswerTooLarge):
        get()


def test_an_endless_body_is_cut_at_the_limit(peer, get):
    peer.answers["/"] = drip(head=b"", piece=b"x" * 1000, times=1_000, pause_seconds=0)
    with pytest.raises(AnswerTooLarge):
        get()


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Content-Length: 9999\r\n", b"x"),
        (b"", b"x"),
        (b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"0"),
    ],
    ids=["with a length", "without a length", "in chunks", "in the size of a chunk"],
)
def test_an_answer_that_drips_is_cut_off_in_time(peer, get, head, piece):
    peer.answers["/"] = drip(head=head, piece=piece, times=80)
    started = time.monotonic()
    with pytest.raises(AnswerTooSlow):
        get(timeout_seconds=0.4)
    assert time.monotonic() - started < 1.5


def test_a_peer_that_says_nothing_is_left_in_time(peer, get):
    peer.answers["/"] = lambda _: time.sleep(3)
    started = time.monotonic()
    with pytest.raises(requests.Timeout):
        get(timeout_seconds=0.3)
    assert time.monotonic() - started < 1.5


def test_an_answer_that_breaks_off_is_an_error_and_no_short_body(peer, get):
    peer.answers["/"] = drip(head=b"Content-Length: 100\r\n", piece=b"x", times=1)
    with pytest.raises(requests.RequestException):
        get()


def test_netrc_of_the_machine_does_not_replace_our_signature(peer, get, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password planted\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    get(headers={"Authorization": "JWT ours"})
    get()
    assert [headers.get("Authorization") for headers in peer.headers] == ["JWT ours", None]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_the_machine_does_not_read_our_traffic(peer, get, make_peer, monkeypatch, name):
    proxy = make_peer()
    monkeypatch.setenv(name, proxy.url)
    peer.answers["/"] = (200, {}, b"direct")
    assert get().content == b"direct"
    assert proxy.asked == []


def test_cookies_do_not_outlive_a_session(peer, get):
    peer.answers["/"] = (200, {"Set-Cookie": "session=planted; Path=/"}, b"")
    get()
    get()
    assert ["Cookie" in headers for headers in peer.headers] == [False, False]
