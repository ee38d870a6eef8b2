"""A backlog of 100,000 events that one worker has to work off while new ones come: who waits for whom?

Run with `python -m benchmarks.backlog`. Of 200 sites one has sent two fifths of it. While the worker, which was away,
works that off, every site sends further webhooks in turn. An event is done when its issue was
read after it had come; fifty events are about each issue, as after a change of many fields by hand or in bulk, and one
read is enough for all of them.
"""

import sys
import time
from datetime import UTC, datetime
from threading import Thread

import psycopg
from flask import Flask

from app.domain.audit.entry import Bookkeeping
from app.store.database import SqlDatabase, open_engines
from benchmarks.crowd import UNLIMITED, Crowd, crowd, load
from benchmarks.running import running

SITES, ISSUES = 200, 50
EVENTS, PER_ISSUE = 100_000, 50
NOISY_SHARE = 0.4
NEW_PER_SECOND, NEW_SECONDS = 10.0, 120.0
_FIRST_OLD = 1_000_000
"""Issues of the backlog are none of those that new webhooks are about."""

_FILL = (
    """INSERT INTO app.webhook_deliveries (tenant_id, delivery_id, issue_id, received_at)
        SELECT %(tenant)s, 'old-' || n, %(first)s + n / %(per)s, %(now)s FROM generate_series(0, %(events)s - 1) n""",
    """INSERT INTO app.pending_reads (tenant_id, issue_id, asked_at, due_at, attempts)
        SELECT %(tenant)s, %(first)s + n, %(now)s, %(now)s, 0 FROM generate_series(0, (%(events)s - 1) / %(per)s) n""",
)
_WAITING = "SELECT tenant_id, issue_id FROM app.pending_reads"
_EVENTS = "SELECT tenant_id, issue_id, received_at FROM app.webhook_deliveries"


def fill(sites: Crowd, events: int) -> None:
    """As so many webhooks would have left it, fifty for each issue, two fifths of the first site."""
    noisy = int(events * NOISY_SHARE)
    others = (events - noisy) // (len(sites.tenants) - 1)
    counts = [events - others * (len(sites.tenants) - 1), *([others] * (len(sites.tenants) - 1))]
    with psycopg.connect(sites.product.server.superuser_url("pledge"), autocommit=True) as connection:
        for tenant, count in zip(sites.tenants, counts, strict=True):
            values = {"tenant": tenant, "first": _FIRST_OLD, "events": count, "per": PER_ISSUE, "now": now()}
            for each in _FILL:
                connection.execute(each, values)
        connection.execute("ANALYZE")
    engines = open_engines(Flask("backlog"), sites.product.env["PLEDGE_DATABASE_URL"], connections=1)
    database = SqlDatabase(engines, clock=now)
    for tenant in sites.tenants:
        with database.begin(tenant) as uow:
            uow.enqueue("read-issues", tenant)
            uow.commit(because=Bookkeeping.READ_ASKED)
    engines.dispose()


def now() -> datetime:
    """The instant."""
    return datetime.now(UTC)


class Watch:
    """Looks twice a second at which issues wait: one that no longer does was read in the half second before."""

    def __init__(self, sites: Crowd) -> None:
        self._sites = sites
        self._waiting: set[tuple[int, int]] = set()
        self.read: dict[tuple[int, int], list[datetime]] = {}

    def look(self) -> set[tuple[int, int]]:
        """Those that wait."""
        waiting, at = set(self._sites.rows(_WAITING)), now()
        for issue in self._waiting - waiting:
            self.read.setdefault(issue, []).append(at)
        self._waiting = waiting
        return waiting

    def until_none_is_old(self) -> float:
        """Print once in half a minute what waits, until nothing of the backlog does; returns the seconds."""
        began, told, noisy = time.monotonic(), 0.0, self._sites.tenants[0]
        while True:
            old = [(tenant, issue) for tenant, issue in self.look() if issue >= _FIRST_OLD]
            seconds = time.monotonic() - began
            if seconds >= told or not old:
                told += 30
                memory = {name: f"{mib:.0f} MiB" for name, mib in self._sites.memory_mib().items()}
                of_noisy, sites = sum(tenant == noisy for tenant, _ in old), len({tenant for tenant, _ in old})
                print(
                    f"  {seconds:.0f} s: {len(old)} old issues wait, {of_noisy} of the noisy; {sites} sites; {memory}"
                )
                sys.stdout.flush()
            if not old:
                return seconds
            time.sleep(0.5)

    def seconds_of(self, tenant: int, issue: int, since: datetime) -> float | None:
        """From an event until its issue was read; None where it was not."""
        after = [at for at in self.read.get((tenant, issue), []) if at > since]
        return (min(after) - since).total_seconds() if after else None


def report(sites: Crowd, watch: Watch, began: datetime) -> None:
    """The table, and how evenly the quiet ones were served."""
    kinds: dict[tuple[str, str], list[float | None]] = {}
    longest: dict[int, float] = {}
    for tenant, issue, received_at in sites.rows(_EVENTS):
        seconds = watch.seconds_of(tenant, issue, max(received_at, began))
        is_noisy = tenant == sites.tenants[0]
        kind = ("backlog" if issue >= _FIRST_OLD else "new", "the noisy site" if is_noisy else "the others")
        kinds.setdefault(kind, []).append(seconds)
        if not is_noisy:
            longest[tenant] = max(longest.get(tenant, 0.0), seconds or 0.0)
    print("| events | of | number | not seen done | p50 s | p99 s | worst s |")
    print("|---|---|---|---|---|---|---|")
    for kind, each in sorted(kinds.items()):
        done = sorted(seconds for seconds in each if seconds is not None)
        times = (done[len(done) // 2], done[int(len(done) * 0.99)], done[-1])
        undone = len(each) - len(done)
        print(f"| {' | '.join(kind)} | {len(each):,} | {undone} | {' | '.join(f'{time:.1f}' for time in times)} |")
    waits = sorted(longest.values())
    print(f"longest wait of each quiet site: {waits[0]:.1f} s at least, {waits[len(waits) // 2]:.1f} s median,", end="")
    print(f" {waits[-1]:.1f} s at most")


def main() -> None:
    """Print the figures."""
    events = int(sys.argv[1]) if sys.argv[1:] else EVENTS
    with running(worker=False, **UNLIMITED) as product, crowd(product, sites=SITES, issues=ISSUES) as sites:
        with product.worker():
            sites.send(rate=20.0, seconds=10.0)
            sites.await_idle(seconds=600)
        sites.rows("DELETE FROM app.webhook_deliveries RETURNING 1")
        fill(sites, events)
        print(f"{events:,} events of {SITES} sites wait ({load()})", flush=True)
        began, happened, watch = now(), {}, Watch(sites)
        new = Thread(target=lambda: happened.update(sites.send(rate=NEW_PER_SECOND, seconds=NEW_SECONDS)))
        with product.worker():
            new.start()
            seconds = watch.until_none_is_old()
            print(f"worked off after {seconds:.0f} s, {events / seconds:.0f} events/s ({load()})", flush=True)
            while new.is_alive() or watch.look():
                time.sleep(0.5)
        print(f"new ones: {happened['statuses']}, acknowledged p99 {happened['taken']['p99']:.0f} ms")
        report(sites, watch, began)


if __name__ == "__main__":
    main()
