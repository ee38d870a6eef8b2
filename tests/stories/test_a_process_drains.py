"""A process that is told to stop finishes what it has accepted, and says first that it will accept no more."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

HOOK = "/connect/webhooks?issueId=10001"
CLIENTS = 6
STORED = "SELECT count(*) FROM app.webhook_deliveries WHERE delivery_id LIKE 'load-%%'"


@pytest.fixture(scope="module")
def draining(make_stack):
    """One product for both tests: the first ends its worker, the second its web server."""
    with make_stack(processes=2, PLEDGE_DRAIN_SECONDS="6") as stack:
        stack.install()
        stack.tracked(10001)
        yield stack


def head(stack, delivery, length):
    token = stack.token(kind="request", method="POST", path=HOOK)
    return (
        f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nAuthorization: JWT {token}\r\nContent-Type: application/json\r\n"
        f"X-Atlassian-Webhook-Identifier: {delivery}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def connected(stack):
    address = urlsplit(stack.url)
    return socket.create_connection((address.hostname, address.port), timeout=60)


class Balancer:
    """Sends webhooks as long as the product says that it is ready, and keeps every answer."""

    def __init__(self, stack):
        self.stack = stack
        self.token = stack.token(kind="request", method="POST", path=HOOK)
        self.is_told = threading.Event()
        self.answers = []

    def watch(self):
        with requests.Session() as session:
            while session.get(f"{self.stack.url}/readyz", timeout=60).status_code == 200:
                pass
        self.is_told.set()

    def send(self, client):
        """Over a connection that is kept, and over a new one for every second webhook."""
        with requests.Session() as kept:
            number = 0
            while not self.is_told.is_set():
                number += 1
                self.answers.append(self._hook(kept if number % 2 else requests, f"load-{client}-{number}"))

    def _hook(self, session, delivery):
        headers = {
            "Authorization": f"JWT {self.token}",
            "Content-Type": "application/json",
            "X-Atlassian-Webhook-Identifier": delivery,
        }
        return session.post(self.stack.url + HOOK, data=b"{}", headers=headers, timeout=60).status_code


def is_refused(stack):
    try:
        connected(stack).close()
    except ConnectionError:
        return True
    return False


def test_a_worker_ends_the_job_that_it_has_begun_and_takes_no_other(draining):
    newest = "SELECT max(read_at) FROM app.issues"
    running = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'read-issues' AND status = 'doing'"
    before = draining.database.rows(newest)
    draining.control("/control", site="genchi", latency_seconds=1.5)
    assert Balancer(draining)._hook(requests, "wakes-the-worker") == 204
    draining.eventually(lambda: draining.database.rows(running) == [(1,)])
    draining.worker.popen.terminate()
    assert draining.worker.popen.wait(timeout=60) == 0
    assert draining.database.rows(running) == [(0,)]
    assert draining.database.rows(newest) > before
    draining.control("/control", site="genchi", latency_seconds=0)


def test_a_web_server_under_load_stops_without_cutting_anything_that_it_accepted(draining):
    balancer = Balancer(draining)
    slow = connected(draining)
    slow.sendall(head(draining, "load-slow", 8) + b'{"a')
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        watching = pool.submit(balancer.watch)
        sending = [pool.submit(balancer.send, client) for client in range(CLIENTS)]
        draining.eventually(lambda: len(balancer.answers) > 50)
        draining.web.popen.terminate()
        watching.result()
        told_after = len(balancer.answers)
        # Not ready any more, and still at the service of whoever has not heard of it.
        assert balancer._hook(requests, "load-late") == 204
        assert requests.get(f"{draining.url}/healthz", timeout=60).status_code == 200
        for each in sending:
            each.result()
    assert told_after > 50
    assert set(balancer.answers) == {204}
    draining.eventually(lambda: is_refused(draining))
    # Its connection was accepted, so that it is waited for although no other is accepted any more.
    slow.sendall(b'": 1}')
    assert slow.recv(65536).startswith(b"HTTP/1.1 204 ")
    slow.close()
    assert draining.web.popen.wait(timeout=60) == 0
    assert draining.database.rows(STORED) == [(len(balancer.answers) + 2,)]
    assert "web drains" in draining.web.output
