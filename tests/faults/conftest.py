"""Webhooks that flow while something breaks, and an oracle that knows how they must end.

`PLEDGE_TEST_FAULTS=all` (`make faults-all`) breaks each thing as often as the table in the README says, and ends with
that table; without it each is broken a few times, and what takes minutes is left out.
"""

import os
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise

import pytest

ALL = os.environ.get("PLEDGE_TEST_FAULTS") == "all"
collect_ignore = [] if ALL else ["long"]

DAYS = {9.8: 10, 8.1: 28, 6.1: 84, 3.1: 175}
"""CVSS score → days of the policy `atlassian-marketplace`."""
WAITING = 100
"""So many webhooks may wait for an answer: a slow machine gets fewer of them, not a longer queue."""
RETRIES_SECONDS = [0.2] * 1000
"""A sender that does not give up: what it is told of in the end is what counts."""


class Storm:
    """Webhooks of one site that flow until they are told to stop, each of a changed severity."""

    def __init__(self, stack, *, issues):
        self.stack, self.world = stack, stack.simulator.world
        self.site = stack.simulator.site("genchi")
        stack.control("/control", site="genchi", webhooks={"retry_seconds": RETRIES_SECONDS, "timeout_seconds": 5})
        self.author = self.site.people["admin"]
        values = {"issuetype": "Vulnerability", "labels": ["security"], "cvss_score": 8.1}
        self.issues = [self.create(values) for _ in range(issues)]
        self._stopped = threading.Event()
        self._first = len(self.world.lanes["genchi"].ledger())
        self._mended_at = self._settled_at = time.monotonic()

    def create(self, values):
        return self.world.create(self.site, "SEC", values=values, author=self.author)

    @contextmanager
    def blowing(self, *, pause_seconds=0.05):
        """Changes come from a thread of their own while the block runs."""
        blower = threading.Thread(target=self._blow, args=(pause_seconds,), daemon=True)
        self._begun = datetime.now(UTC)
        blower.start()
        try:
            yield
        finally:
            self._stopped.set()
            blower.join(timeout=60)
        self._mended_at = time.monotonic()

    def _blow(self, pause_seconds):
        for issue, score in zip(cycle(self.issues), cycle([9.8, 3.1, 6.1, 8.1, 3.1]), strict=False):
            if self._stopped.wait(pause_seconds):
                return
            while self.waiting() >= WAITING:
                if self._stopped.wait(0.5):
                    return
            self.world.change(self.site, issue, values={"cvss_score": score}, author=self.author)

    def deliveries(self):
        """The ledger of this storm once every webhook is acknowledged or given up."""
        return self.world.lanes["genchi"].ledger(wait_seconds=120)[self._first :]

    def waiting(self):
        return self.world.lanes["genchi"].waiting

    def delivered(self):
        return sum(one["state"] == "delivered" for one in self.world.lanes["genchi"].ledger())

    def refused(self):
        """How often so far a webhook was answered with 503."""
        tries = (try_ for one in self.world.lanes["genchi"].ledger() for try_ in one["attempts"])
        return sum(try_["status"] == 503 for try_ in tries)

    def oracle(self, issue):
        """Due instant and severity facts of an issue, computed without the product from what Jira says of it."""
        scores = [8.1]
        for entry in issue.changelog:
            scores += [float(item["toString"]) for item in entry["items"]]
        changes = sum(1 for old, new in pairwise(scores) if old != new)
        created = issue.created.replace(microsecond=issue.created.microsecond // 1000 * 1000)
        return created + timedelta(days=DAYS[scores[-1]]), 1 + changes

    def stored(self, issue):
        """The same as the product has it: only what is committed, by a superuser's eye."""
        database = self.stack.database
        bounds = database.rows("SELECT due_at FROM app.clock_bounds WHERE issue_id = %s", int(issue.id))
        facts = database.rows(
            "SELECT count(*) FROM app.clock_events WHERE issue_id = %s AND kind = 'severity_set'", int(issue.id)
        )
        return (bounds[0][0].astimezone(UTC), facts[0][0]) if len(bounds) == 1 else None

    def settles(self, *, seconds=120, time_passes=True):
        """Wait until every issue stands as the oracle says; counts what was lost, doubled or half done."""
        self.deliveries()
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            late = [issue for issue in self.issues if self.stored(issue) != self.oracle(issue)]
            if not late:
                break
            time.sleep(2)
            # Work that failed is tried again later, and moved forward here; work that was lost stays lost.
            if time_passes:
                self.stack.database.let_time_pass()
        self._settled_at = time.monotonic()
        return self.counts(late)

    def counts(self, late):
        database = self.stack.database
        ledger = self.deliveries()
        named = {one["identifier"] for one in ledger}
        acknowledged = {one["identifier"] for one in ledger if any(try_["status"] == 204 for try_ in one["attempts"])}
        stored = [name for (name,) in database.rows("SELECT delivery_id FROM app.webhook_deliveries") if name in named]
        audited = database.rows(
            "SELECT target FROM app.audit_entries WHERE action = 'issue.tracked' GROUP BY 1 HAVING count(*) > 1"
        )
        twice = [issue for issue in late if self.has_more_than(self.oracle(issue), issue)]
        statuses = {try_["status"] for one in ledger for try_ in one["attempts"]}
        return {
            "acknowledged": len(acknowledged),
            "repeated": sum(len(one["attempts"]) > 1 for one in ledger),
            "lost": len(acknowledged - set(stored)) + len(late) - len(twice),
            "doubled": len(stored) - len(set(stored)) + len(audited) + len(twice),
            "never acknowledged": len(named) - len(acknowledged),
            "half done": len(set(stored) - acknowledged),
            "answers": sorted(str(status) for status in statuses),
        }

    def has_more_than(self, expected, issue):
        """Whether something of this issue was done once too often."""
        stored = self.stored(issue)
        return stored is not None and stored[1] > expected[1]

    @property
    def outage_seconds(self):
        """The longest time for which this site, which never stopped sending, had nothing acknowledged."""
        tries = [try_ for one in self.deliveries() for try_ in one["attempts"] if try_["status"] == 204]
        instants = sorted(at for try_ in tries if (at := datetime.fromisoformat(try_["at"])) > self._begun)
        return max((after - before).total_seconds() for before, after in pairwise([self._begun, *instants]))

    @property
    def back_seconds(self):
        """From the end of the last fault until everything stood as the oracle says; no retry waits for its time."""
        return self._settled_at - self._mended_at


@pytest.fixture
def storm():
    """`storm(stack, issues=8)`."""
    return Storm


@pytest.fixture
def rounds():
    """`rounds(few, every)`: how often something is broken in this run."""
    return lambda few, every: every if ALL else few


FIGURES = []
COLUMNS = ("acknowledged", "lost", "doubled", "half done", "longest outage", "back to normal within")


@pytest.fixture
def report(capsys):
    """Print figures where a person sees them, also when the test passes, and keep them for the table."""

    def show(what, counts, *, weather=None, note=""):
        if weather is not None:
            counts = counts | {
                "longest outage": f"{weather.outage_seconds:.1f} s",
                "back to normal within": f"{weather.back_seconds:.1f} s",
            }
        FIGURES.append((what, counts, note))
        with capsys.disabled():
            print(f"\n{what}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))  # noqa: T201

    return show


def pytest_terminal_summary(terminalreporter):
    """The table of the README, of what was broken in this run."""
    if not (ALL and FIGURES):
        return
    rows = [("fault", *COLUMNS, "and"), ("---",) * (len(COLUMNS) + 2)]
    rows += [(what, *(str(counts.get(name, "–")) for name in COLUMNS), note) for what, counts, note in FIGURES]
    terminalreporter.section("faults", sep="-")
    for row in rows:
        terminalreporter.write_line(f"| {' | '.join(row)} |")
