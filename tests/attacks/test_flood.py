"""A flood of tokens that name unknown keys, on a stack of its own: a few are looked for in a minute, and no more."""

from concurrent.futures import ThreadPoolExecutor

import pytest

FETCHES_A_MINUTE = 10


@pytest.fixture
def key_server(canary):
    """The configured key server, counting; the simulated Atlassian's key is put there once it is known."""
    server = type(canary)()
    yield server
    server.close()


@pytest.fixture
def flooded(make_arena, key_server, canary):
    with make_arena(canary, worker=False, key_server=key_server) as made:
        made.settle()
        yield made


def unknown(arena, number):
    return arena.call("installed", token=arena.token("installed", header={"kid": f"unknown-{number}"}))


def test_a_flood_of_unknown_keys_is_turned_away(flooded, key_server):
    fetched = len(key_server.asked)
    assert fetched == 1  # two sites were installed and honest calls were made with one key
    for number in range(FETCHES_A_MINUTE - fetched):
        flooded.refuses(unknown(flooded, number), 401, "token_invalid", kind="installed")
    assert len(key_server.asked) == FETCHES_A_MINUTE
    for number in range(100, 110):
        reply = flooded.refuses(unknown(flooded, number), 503, "keys_unavailable", kind="installed")
        assert 0 < int(reply.headers["retry-after"]) <= 61
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: flooded.send(unknown(flooded, number)), range(200, 260)))
    assert {reply.status for reply in replies} == {503}
    assert len(key_server.asked) == FETCHES_A_MINUTE
    for kind in ("installed", "panel", "clocks", "webhook"):
        flooded.is_honest(kind)
    flooded.is_untouched()
