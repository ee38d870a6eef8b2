"""A backlog of 100,000 events that one worker has to work off while new ones come: who waits for whom?

Run with `python -m benchmarks.backlog`. Of 200 sites one has sent three fifths of it. While the worker, which was away,
works that off, every site sends further webhooks in turn. An event is done when its issue was
read after it had come; ten events are about each issue, as after a change of many fields by hand or in bulk, and one
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
EVENTS, PER_ISSUE = 100_000, 10
NOISY_SHARE = 0.6
NEW_PER_SECOND, NEW_SECONDS = 10.0, 240.0
_FIRST_OLD = 1_000_000
"""Issues of the backlog are none of those that new webhooks are about."""

_FILL = (
    """INSERT INTO app.webhook_deliveries (tenant_id, delivery_id, issue_id, received_at)
        SELECT %(tenant)s, 'old-' || n, %(first)s + n / %(per)s, %(now)s FROM generate_series(0, %(events)s - 1) n""",
    """INSERT INTO app.pending_reads (tenant_id, issue_id, asked_at, due_at, attempts)
        SELECT %(tenant)s, %(first)s + n, %(now)s, %(now)s, 0 FROM generate_series(0, (%(events)s - 1) / %(per)s) n""",
)
_NOTE = """
    CREATE SCHEMA measured;
    CREATE TABLE measured.reads (tenant_id bigint, issue_id bigint, asked_at timestamptz, done_at timestamptz);
    CREATE FUNCTION measured.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        INSERT INTO measured.reads VALUES (OLD.tenant_id, OLD.issue_id, OLD.asked_at, clock_timestamp());
        RETURN OLD; END $$;
    CREATE TRIGGER note AFTER DELETE ON app.pending_reads FOR EACH ROW EXECUTE FUNCTION measured.note();
"""
_TIMES = """
    SELECT event.tenant_id = %(noisy)s AS is_noisy, event.delivery_id LIKE 'old-%%' AS is_old,
        extract(epoch FROM (SELECT min(done_at) FROM measured.reads done WHERE done.tenant_id = event.tenant_id
            AND done.issue_id = event.issue_id AND done.done_at > event.received_at)
            - greatest(event.received_at, %(began)s)) AS seconds, event.tenant_id
    FROM app.webhook_deliveries event WHERE event.delivery_id LIKE 'old-%%' OR event.delivery_id LIKE 'flood-%%'
"""
_SUMMARY = f"""
    SELECT is_noisy, is_old, count(*), count(*) - count(seconds), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
        percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds), max(seconds)
    FROM ({_TIMES}) events GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608  joined from the texts above
_BY_TENANT = f"""
    SELECT min(longest), percentile_cont(0.5) WITHIN GROUP (ORDER BY longest), max(longest) FROM (
        SELECT tenant_id, max(seconds) AS longest FROM ({_TIMES}) events WHERE NOT is_noisy GROUP BY 1) tenants
"""  # noqa: S608  the same


def fill(sites: Crowd, events: int) -> None:
    """As so many webhooks would have left it, ten for each issue, most of them of the first site."""
    noisy = int(events * NOISY_SHARE)
    others = (events - noisy) // (len(sites.tenants) - 1)
    counts = [events - others * (len(sites.tenants) - 1), *([others] * (len(sites.tenants) - 1))]
    with psycopg.connect(sites.product.server.superuser_url("pledge"), autocommit=True) as connection:
        for tenant, count in zip(sites.tenants, counts, strict=True):
            values = {"tenant": tenant, "first": _FIRST_OLD, "events": count, "per": PER_ISSUE, "now": now()}
            for each in _FILL:
                connection.execute(each, values)
        connection.execute("CREATE INDEX ON app.webhook_deliveries (tenant_id, issue_id)")
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


def watch(sites: Crowd) -> float:
    """Print once in half a minute what waits, until nothing of the backlog does; returns the seconds."""
    began = time.monotonic()
    query = """SELECT count(*), count(*) FILTER (WHERE tenant_id = %s), count(DISTINCT tenant_id)
        FROM app.pending_reads WHERE issue_id >= %s"""
    told = 0.0
    while True:
        (issues, noisy, tenants) = sites.rows(query, sites.tenants[0], _FIRST_OLD)[0]
        seconds = time.monotonic() - began
        if seconds >= told:
            told += 30
            memory = {name: f"{mib:.0f} MiB" for name, mib in sites.memory_mib().items()}
            print(f"  {seconds:.0f} s: {issues} issues wait, {noisy} of the noisy site; {tenants} sites; {memory}")
            sys.stdout.flush()
        if not issues:
            return seconds
        time.sleep(1)


def report(sites: Crowd, began: datetime) -> None:
    """The table, and how evenly the quiet ones were served."""
    values = {"noisy": sites.tenants[0], "began": began}
    with psycopg.connect(sites.product.server.superuser_url("pledge"), autocommit=True) as connection:
        print("| events | of | number | not done | p50 s | p99 s | worst s |")
        print("|---|---|---|---|---|---|---|")
        for is_noisy, is_old, count, undone, *seconds in connection.execute(_SUMMARY, values):
            cells = ["backlog" if is_old else "new", "the noisy site" if is_noisy else "the others", f"{count:,}"]
            print(f"| {' | '.join(cells)} | {undone} | {' | '.join(f'{each:.1f}' for each in seconds)} |")
        least, middle, most = connection.execute(_BY_TENANT, values).fetchone()
    print(
        f"longest wait of a quiet site: {least:.1f} s of the first one, {middle:.1f} s median, {most:.1f} s of the last"
    )


def main() -> None:
    """Print the figures."""
    events = int(sys.argv[1]) if sys.argv[1:] else EVENTS
    with running(worker=False, **UNLIMITED) as product, crowd(product, sites=SITES, issues=ISSUES) as sites:
        with product.worker():
            sites.send(rate=20.0, seconds=10.0)
            sites.await_idle(seconds=600)
        sites.rows("DELETE FROM app.webhook_deliveries RETURNING 1")
        fill(sites, events)
        with psycopg.connect(product.server.superuser_url("pledge"), autocommit=True) as connection:
            connection.execute(_NOTE)
        print(f"{events:,} events of {SITES} sites wait ({load()})", flush=True)
        began, happened = now(), {}
        new = Thread(target=lambda: happened.update(sites.send(rate=NEW_PER_SECOND, seconds=NEW_SECONDS)))
        with product.worker():
            new.start()
            seconds = watch(sites)
            print(f"worked off after {seconds:.0f} s, {events / seconds:.0f} events/s ({load()})", flush=True)
            new.join()
            sites.await_idle(seconds=1800)
        print(f"new ones: {happened['statuses']}, acknowledged p99 {happened['taken']['p99']:.0f} ms")
        report(sites, began)


if __name__ == "__main__":
    main()
