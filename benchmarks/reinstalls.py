"""500 re-installs of one site, 16 at once: how long they take, and whose the processor's time is.

Run with `python -m benchmarks.reinstalls [ROUNDS]`. They are signed before the clock starts, all in one second, so that
each is applied, one after the other: a site has one lock. Web (2 processes), worker and PostgreSQL as they run, with
fsync; what sends is this process.
"""

import http.client
import json
import os
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import local
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks.running import Running, pid_of, processor_seconds, running
from simulator import connect
from simulator.signing import claims_for, sign

REINSTALLS, AT_ONCE, ROUNDS = 500, 16, 5


class Sender:
    """Sends what is signed, each thread on a connection of its own."""

    def __init__(self, product: Running) -> None:
        self._product, self._thread = product, local()
        self._site = product.simulator.site("genchi")
        self._address = urlsplit(product.url)

    def signed(self) -> list[tuple[dict[str, str], bytes]]:
        """As many re-installs, each with a secret of its own."""
        key, installation = self._product.simulator.world.install_key, self._site.installation
        claims = claims_for("POST", self._path, issuer=installation.client_key, context={})
        claims |= {"aud": [self._product.url]}
        body = connect.lifecycle_payload(self._site, "installed", installation=installation)
        made = []
        for _ in range(REINSTALLS):
            token = sign(claims | {"jti": str(uuid4())}, key.private, algorithm="RS256", header={"kid": key.kid})
            content = json.dumps(body | {"sharedSecret": connect.new_secret()}).encode()
            made.append(({"Authorization": f"JWT {token}", "Content-Type": "application/json"}, content))
        return made

    def send(self, one: tuple[dict[str, str], bytes]) -> int:
        """One re-install; returns the status."""
        if not hasattr(self._thread, "connection"):
            self._thread.connection = http.client.HTTPConnection(self._address.netloc, timeout=60)
        connection: http.client.HTTPConnection = self._thread.connection
        headers, body = one
        connection.request("POST", self._path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    @property
    def _path(self) -> str:
        return str(self._site.installation.descriptor.lifecycle["installed"])


def main() -> None:
    """Print a line for each round, and the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    took: list[dict[str, float]] = []
    with running() as product:
        sender = Sender(product)
        for _ in range(rounds):
            took.append(_round(product, sender))
            print(", ".join(f"{name} {each:.1f} s" for name, each in took[-1].items()), flush=True)
    medians = {name: statistics.median(each[name] for each in took) for name in took[0]}
    print(f"medians of {rounds}: " + ", ".join(f"{name} {each:.1f} s" for name, each in medians.items()))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _round(product: Running, sender: Sender) -> dict[str, float]:
    signed, before, began = sender.signed(), _used(product), time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as senders:
        statuses = Counter(senders.map(sender.send, signed))
    seconds, after = time.perf_counter() - began, _used(product)
    if statuses != {204: REINSTALLS}:
        raise RuntimeError(f"not each was acknowledged: {statuses}")
    return {"in all": seconds} | {name: after[name] - before[name] for name in after}


def _used(product: Running) -> dict[str, float]:
    """Processor seconds so far, by whom."""
    worker = product.worker_pid()
    return {
        "web": processor_seconds(pid_of(product.url)),
        "PostgreSQL": processor_seconds(product.server.postmaster_pid),
        "worker": 0.0 if worker is None else processor_seconds(worker),
        "sender": time.process_time(),
    }


if __name__ == "__main__":
    main()
