"""The signed JSON of an issue's clocks, warm, 2 processes, beside two Flask views on the same server.

Rounds alternate between the three, so that whatever else the machine does hits all of them.
"""

import sys
import time

from benchmarks.load import measure, median
from benchmarks.running import running

ROUNDS = 7
SECONDS = 3.0


def main() -> None:
    """Print a table: requests per second, p50, p99, and the ratio to the view with one SELECT."""
    with running() as product:
        headers = {"Authorization": f"JWT {product.token(kind='context', account='developer')}"}
        baseline = product.serve("baseline", sys.executable, "-m", "benchmarks.baseline")
        targets = {
            "empty Flask view": f"{baseline}/empty",
            "view with one SELECT": f"{baseline}/select",
            "clocks JSON, signed": f"{product.url}/api/v1/issues/10001/clocks",
        }
        for url in targets.values():
            # One connection first: the first answer of each process asks Jira, the rest of the run asks nobody.
            measure(url, headers=headers, seconds=1.0, connections=1)
            time.sleep(1.0)
            measure(url, headers=headers, seconds=1.0, connections=2)
        rounds = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, url in targets.items():
                rounds[name].append(measure(url, headers=headers, seconds=SECONDS))
    found = {name: median(each) for name, each in rounds.items()}
    base = found["view with one SELECT"].per_second
    print("| | requests / s | p50 ms | p99 ms | of the view with one SELECT |")
    print("|---|---|---|---|---|")
    for name, load in found.items():
        ratio = load.per_second / base
        cells = (name, f"{load.per_second:.0f}", f"{load.p50_milliseconds:.1f}", f"{load.p99_milliseconds:.1f}")
        print(f"| {' | '.join(cells)} | {ratio:.0%} |")


if __name__ == "__main__":
    main()
