"""Forge events until they are acknowledged: verified, stored once and queued, by 2 web processes, with a worker.

Forge waits 5 s and then tries again; 300 ms are promised. Rounds alternate between one connection, as a site sends its
events, and eight that never rest, as in a storm: more than two processors can serve, so that most of it is waiting.
"""

import json
import os

from benchmarks.load import Load, measure_each, median
from benchmarks.running import Running, running

ROUNDS = 5
EVENTS = 300
CONNECTIONS = (1, 8)
SITE = "genible"


def main() -> None:
    """Print a table: events per second, p50 and p99 of an acknowledgement; and how busy the machine was."""
    with running() as product:
        answer = product.ask(f"/sites/{SITE}/install?app={product.url}&as=forge")
        if not answer["accepted"]:
            raise RuntimeError(str(answer))
        rounds: dict[int, list[Load]] = {connections: [] for connections in CONNECTIONS}
        _measure(product, -1, connections=2)  # the first event of each process fetches Forge's keys
        for number in range(ROUNDS):
            for connections, each in rounds.items():
                each.append(_measure(product, number, connections=connections))
    print("| connections | events / s | p50 ms | p99 ms | worst p99 of a round |")
    print("|---|---|---|---|---|")
    for connections, each in rounds.items():
        load, worst = median(each), max(one.p99_milliseconds for one in each)
        times = (load.p50_milliseconds, load.p99_milliseconds, worst)
        cells = (str(connections), f"{load.per_second:.0f}", *(f"{time:.0f}" for time in times))
        print(f"| {' | '.join(cells)} |")
    print(f"load average of the machine afterwards: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _measure(product: Running, number: int, *, connections: int) -> Load:
    """A round of events that nobody has sent before; tokens are made shortly before they are used, as Forge does."""
    sent = [_event(product, f"{number}-{connections}-{serial}", serial) for serial in range(EVENTS)]
    return measure_each(f"{product.url}/forge/events", sent, connections=connections)


def _event(product: Running, change: str, serial: int) -> tuple[dict[str, str], bytes]:
    headers = product.ask(f"/sites/{SITE}/fit", kind="events")["headers"]
    fields = {"issuetype": {"name": "Vulnerability"}, "labels": ["security"]}
    issue = {"id": str(10001 + serial % 18), "fields": fields}
    body = {"eventType": "avi:jira:updated:issue", "issue": issue, "changelog": {"id": change}}
    return {str(name): str(value) for name, value in dict(headers).items()}, json.dumps(body).encode()


if __name__ == "__main__":
    main()
