"""Webhooks that flow while something breaks, and an oracle that knows how they must end."""

import threading
import time
from contextlib import contextmanager
from datetime import UTC, timedelta
from itertools import cycle, pairwise

import pytest

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

    def create(self, values):
        return self.world.create(self.site, "SEC", values=values, author=self.author)

    @contextmanager
    def blowing(self, *, pause_seconds=0.05):
        """Changes come from a thread of their own while the block runs."""
        blower = threading.Thread(target=self._blow, args=(pause_seconds,), daemon=True)
        blower.start()
        yield
        self._stopped.set()
        blower.join(timeout=60)

    def _blow(self, pause_seconds):
        for issue, score in zip(cycle(self.issues), cycle([9.8, 3.1, 6.1, 8.1, 3.1]), strict=False):
            if self._stopped.wait(pause_seconds):
                return
            while self.waiting() >= WAITING:
                if self._stopped.wait(0.5):
                    return
            self.world.change(self.site, issue, values={"cvss_score": score}, author=self.author)

    def deliveries(self):
        """The ledger once every webhook is acknowledged or given up."""
        return self.world.lanes["genchi"].ledger(wait_seconds=120)

    def waiting(self):
        return sum(one["state"] == "pending" for one in self.world.lanes["genchi"].ledger())

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

    def settles(self, *, seconds=40):
        """Wait until every issue stands as the oracle says; counts what was lost, doubled or half done."""
        self.deliveries()
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            late = [issue for issue in self.issues if self.stored(issue) != self.oracle(issue)]
            if not late:
                break
            time.sleep(2)
            # Work that failed is tried again later, and moved forward here; work that was lost stays lost.
            self.stack.database.let_time_pass()
        return self.counts(late)

    def counts(self, late):
        database = self.stack.database
        ledger = self.deliveries()
        acknowledged = [one["identifier"] for one in ledger if any(try_["status"] == 204 for try_ in one["attempts"])]
        stored = [name for (name,) in database.rows("SELECT delivery_id FROM app.webhook_deliveries")]
        audited = database.rows(
            "SELECT target FROM app.audit_entries WHERE action = 'issue.tracked' GROUP BY 1 HAVING count(*) > 1"
        )
        statuses = {try_["status"] for one in ledger for try_ in one["attempts"]}
        return {
            "acknowledged": len(acknowledged),
            "repeated": sum(len(one["attempts"]) > 1 for one in ledger),
            "lost": len(set(acknowledged) - set(stored)) + len(late),
            "doubled": len(stored) - len(set(stored)) + len(audited),
            "never acknowledged": len(ledger) - len(acknowledged),
            "half done": len(set(stored) - set(acknowledged)),
            "answers": sorted(str(status) for status in statuses),
        }


@pytest.fixture
def storm():
    """`storm(stack, issues=8)`."""
    return Storm


@pytest.fixture
def report(capsys):
    """Print figures where a person sees them, also when the test passes."""

    def show(what, counts):
        with capsys.disabled():
            print(f"\n{what}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))  # noqa: T201

    return show
