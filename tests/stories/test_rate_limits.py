"""Two web processes that count together: a burst, a person too many times, and a store that goes and comes back."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

LIMIT = 25
PATH = "/api/v1/issues/10001/clocks"


@pytest.fixture
def limited(make_stack, redis_server):
    """Two web processes on one store, where a person may call 25 times a minute."""
    settings = {"PLEDGE_REDIS_URL": redis_server.url, "PLEDGE_RATE_LIMITS": f"reads.subject={LIMIT}"}
    with make_stack(processes=2, worker=False, **settings) as running:
        running.install()
        yield running


def burst(stack, *, account, calls):
    """The instants between which each call was admitted, and the answers to those that were not."""
    headers = {"Authorization": f"JWT {stack.token(kind='context', account=account)}"}

    def call(_):
        began = time.monotonic()
        # A connection of its own each time, so that both processes are asked.
        answer = requests.get(stack.url + PATH, headers=headers, timeout=30)
        return (began, time.monotonic()), answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(calls)))
    admitted = sorted(instants for instants, answer in answers if answer.status_code != 429)
    return admitted, [answer for _, answer in answers if answer.status_code == 429]


def is_never_over(admitted, limit):
    return all(last[1] - first[0] >= 60 for first, last in zip(admitted, admitted[limit:], strict=False))


def lines(stack, code):
    return [line for line in map(json.loads, list(stack.web.lines)) if line.get("code") == code]


def test_two_processes_and_a_burst_are_never_over_the_limit_of_a_person(limited, redis_server):
    admitted, refused = burst(limited, account="developer", calls=4 * LIMIT)
    # A store that does not answer in time, on a machine this busy, lets each process count for itself.
    outages = len(lines(limited, "limiter_store_down"))
    assert len(admitted) >= LIMIT
    assert is_never_over(admitted, LIMIT * (1 + outages))
    assert refused
    for answer in refused:
        assert answer.json()["code"] == "rate_limited"
        assert 0 < int(answer.headers["Retry-After"]) <= 64
        assert '"reads.subject";r=0;t=' in answer.headers["RateLimit"]
        assert f'"reads.subject";q={LIMIT};w=60' in answer.headers["RateLimit-Policy"]
    assert burst(limited, account="developer2", calls=1)[1] == []
    kept = b" ".join(redis_server.client.keys()).decode()
    assert "subject:" in kept
    assert "network" not in kept
    assert not any(person.account_id in kept for person in limited.simulator.site("genchi").people.values())


def test_requests_go_on_without_the_store_and_it_is_used_again_once_it_is_back(limited, redis_server):
    assert limited.clocks(10001).status_code == 200
    redis_server.stop()
    admitted, refused = burst(limited, account="developer", calls=4 * LIMIT)
    assert len(admitted) >= LIMIT
    assert refused, "each process still counts for itself"
    limited.eventually(lambda: lines(limited, "limiter_store_down"))
    redis_server.start()

    def is_back():
        limited.clocks(10001, account="developer2")
        return lines(limited, "limiter_store_back") and redis_server.client.keys()

    limited.eventually(is_back)


def refusal(**settings):
    """What `pledge web` says when it does not start."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PLEDGE_")}
    environ |= {
        "PLEDGE_BASE_URL": "https://app.example.com",
        "PLEDGE_DATABASE_URL": "postgresql://web@db.example.com/pledge",
        "PLEDGE_KEYRING_FILE": "/nonexistent/keyring.json",
    }
    command = [sys.executable, "-m", "app.wiring", "web", "--port", "8000", "--processes", "2"]
    done = subprocess.run(command, env=environ | settings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    return done.stderr


def test_two_web_processes_in_production_do_not_start_without_a_store_or_with_a_wrong_one():
    assert "PLEDGE_REDIS_URL is not set, but 2 web processes have to count requests together" in refusal()
    told = refusal(PLEDGE_REDIS_URL="http://:canary@127.0.0.1")
    assert "PLEDGE_REDIS_URL is no Redis URL" in told
    assert "canary" not in told
    store = {"PLEDGE_REDIS_URL": "redis://127.0.0.1:1/0"}
    assert "'reads.everybody'" in refusal(**store, PLEDGE_RATE_LIMITS="reads.everybody=5")
    assert "keyring" in refusal(**store), "with a store it goes on to what is missing next"
