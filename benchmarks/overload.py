"""The most webhooks that this machine takes for minutes, then three times as many: what is answered, and what it costs.

Run with `python -m benchmarks.overload [SECONDS [RATE]]`. Webhooks of 200 sites come at a rate, whether or not answers
come; product, database, Jira and sender share the processors. Without a rate one is searched first, in steps of ten
seconds. Meanwhile somebody opens a panel twice a second. Latencies count from the instant at which a webhook was due.
"""

import http.client
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.crowd import UNLIMITED, Crowd, crowd, load
from benchmarks.running import running

SITES, ISSUES = 200, 50
SECONDS = 300.0
BURST, BURST_SECONDS = 3, 30.0
LIMIT_MILLISECONDS = 1000.0
_FIRST_RATE, _STEP, _STEP_SECONDS = 25.0, 1.25, 10.0
_PART, _TRIES = 0.8, 4
"""Of the rate at which the last step was good: ten seconds are no five minutes. Less still, where that is too much."""
_TAKEN = 0.999
"""What a neighbour on the same processors makes late for a moment is no word about the rate."""
_PANEL = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=10000"


class Panel:
    """Somebody who opens a panel, twice a second."""

    def __init__(self, crowd: Crowd) -> None:
        self._product = crowd.product
        self._until = threading.Event()
        self.milliseconds: list[float] = []
        self.statuses: set[int] = set()

    def look(self) -> None:
        """Until told to stop; with a token that is seldom older than a minute."""
        address, asked = urlsplit(self._product.url), 0
        while not self._until.wait(0.5):
            if asked % 60 == 0:
                token = self._product.token(kind="request", path=_PANEL, account="developer", issue="SEC-1")
            asked += 1
            began = time.perf_counter()
            connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
            connection.request("GET", _PANEL, headers={"Authorization": f"JWT {token}"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            self.milliseconds.append((time.perf_counter() - began) * 1000)
            self.statuses.add(answer.status)

    def told(self) -> str:
        """p50 and p99."""
        ordered = sorted(self.milliseconds)
        p50, p99 = ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
        return f"{len(ordered)} panels, p50 {p50:.0f} ms, p99 {p99:.0f} ms, status {sorted(self.statuses)}"

    def stop(self) -> None:
        """Look no more."""
        self._until.set()


@contextmanager
def watched(crowd: Crowd) -> Iterator[tuple[Panel, dict[str, float]]]:
    """A panel is looked at, and the most memory that each process had is noted."""
    panel, most = Panel(crowd), crowd.memory_mib()
    ended = threading.Event()

    def weigh() -> None:
        while not ended.wait(3.0):
            for name, mib in crowd.memory_mib().items():
                most[name] = max(most[name], mib)

    threads = [threading.Thread(target=panel.look), threading.Thread(target=weigh)]
    for thread in threads:
        thread.start()
    try:
        yield panel, most
    finally:
        panel.stop()
        ended.set()
        for thread in threads:
            thread.join()


def is_held(happened: dict[str, Any]) -> bool:
    """Whether the webhooks were taken, in time."""
    taken = happened["statuses"].get("204", 0)
    return bool(taken >= happened["sent"] * _TAKEN and happened["taken"]["p99"] < LIMIT_MILLISECONDS)


def told(happened: dict[str, Any]) -> str:
    """One line."""
    parts = [f"{happened['sent']} sent at {happened['per_second']:.0f}/s: {happened['statuses']}"]
    for name in ("taken", "refused"):
        if happened[name]:
            parts.append(f"{name} {', '.join(f'{key} {value:.0f} ms' for key, value in happened[name].items())}")
    parts.append(f"without Retry-After {happened['without_retry_after']}, unsent {happened['unsent']}")
    return "; ".join(parts)


def rounded(numbers: dict[str, float], digits: int = 0) -> dict[str, float]:
    """To look at."""
    return {name: round(number, digits) for name, number in numbers.items()}


def searched(crowd: Crowd) -> float:
    """The rate of the last step that was good; a step that was not is tried once more."""
    rate, good, failures = _FIRST_RATE, _FIRST_RATE, 0
    while failures < 2:
        happened = crowd.send(rate=rate, seconds=_STEP_SECONDS)
        print(f"  {told(happened)} ({load()})", flush=True)
        if is_held(happened):
            rate, good, failures = rate * _STEP, rate, 0
        else:
            failures += 1
    return good


@dataclass(frozen=True)
class Kept:
    """What the database has written and keeps."""

    wal_bytes: int
    transactions: int
    deliveries: int
    delivery_bytes: int
    issues: int
    other_bytes: int

    @classmethod
    def of(cls, crowd: Crowd) -> "Kept":
        """As it is now."""
        return cls(*map(int, crowd.rows(_KEPT)[0]))

    def since(self, before: "Kept") -> str:
        """Per webhook and per issue that came."""
        came = max(1, self.deliveries - before.deliveries)
        kept = (self.delivery_bytes - before.delivery_bytes) / came
        text = f"for each webhook {(self.wal_bytes - before.wal_bytes) / came / 1000:.1f} kB of write-ahead log"
        text += (
            f", {(self.transactions - before.transactions) / came:.1f} transactions, {kept:.0f} bytes kept for 3 days"
        )
        return (
            text + f"; {self.other_bytes / max(1, self.issues) / 1000:.1f} kB for each of {self.issues} tracked issues"
        )


_KEPT = """
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'),
        (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
        (SELECT count(*) FROM app.webhook_deliveries), pg_total_relation_size('app.webhook_deliveries'),
        (SELECT count(*) FROM app.issues),
        (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('app', 'registry') AND c.relkind = 'r' AND c.relname <> 'webhook_deliveries')"""


def main() -> None:
    """Print what happened."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else SECONDS
    with running(**UNLIMITED) as product, crowd(product, sites=SITES, issues=ISSUES) as sites:
        sites.send(rate=20.0, seconds=10.0)
        print(f"{SITES} sites of {ISSUES} issues; the rate is searched:", flush=True)
        rate = float(sys.argv[2]) if sys.argv[2:] else _PART * searched(sites)
        for _ in range(1 if sys.argv[2:] else _TRIES):
            print(f"drained after {sites.await_idle(seconds=1800):.0f} s", flush=True)
            before, used, kept = sites.memory_mib(), sites.processor_seconds(), Kept.of(sites)
            with watched(sites) as (panel, most):
                happened = sites.send(rate=rate, seconds=seconds)
                waiting = sites.waiting()
            print(f"{seconds:.0f} s: {told(happened)} ({load()})\n  {panel.told()}", flush=True)
            print(f"  memory before {rounded(before)}, at most {rounded(most)}; {waiting} issues wait to be read")
            spent = {name: (now - used[name]) / seconds for name, now in sites.processor_seconds().items()}
            print(f"  processors used: {rounded(spent, 2)}; {Kept.of(sites).since(kept)}", flush=True)
            if is_held(happened):
                break
            rate *= _PART
        with watched(sites) as (panel, most):
            happened = sites.send(rate=BURST * rate, seconds=BURST_SECONDS)
        print(
            f"{BURST} times that for {BURST_SECONDS:.0f} s: {told(happened)} ({load()})\n  {panel.told()}", flush=True
        )
        drained = sites.await_idle(seconds=1800)
        print(f"  memory at most {rounded(most)}; drained after {drained:.0f} s, then {rounded(sites.memory_mib())}")
        happened = sites.send(rate=rate / 2, seconds=10.0)
        print(f"afterwards, half of the rate: {told(happened)} ({load()})")


if __name__ == "__main__":
    main()
