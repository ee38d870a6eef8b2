"""What users see in Jira without opening anything: a lozenge and searchable values on the issue, and how often they
are written."""

from datetime import timedelta

import pytest
from flask import Flask

from app import wiring
from app.domain.identifiers import TenantId
from app.settings import read_settings
from app.store.database import open_engines

LOZENGE = "com.atlassian.jira.issue:io.pledge.app:pledge-issue:status"
PROPERTY = "pledge-security"
DAY = timedelta(days=1)


@pytest.fixture
def services(stack, monkeypatch):
    """The use cases in this process, as the worker has them: what the clock says is the test's to decide."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    engine = open_engines(Flask("app"), stack.database.worker, connections=4)
    yield wiring.services_of(read_settings(stack.env), engine, process="test")
    engine.dispose()


@pytest.fixture
def publish(services, genchi):
    """Publish as the worker would at that instant; returns what was written for that issue, in order."""

    def publish(issue, *, now=None):
        writes = genchi.seeded.writes
        before, total = len(writes), 0
        tenant = TenantId(genchi.tenant)
        while (report := services.publishing.publish(tenant, now=now or wiring.now())).looked_at:
            total += report.written
        assert total == len(writes) - before
        return [write for write in writes[before:] if write["issue"] == issue]

    return publish


@pytest.fixture
def quiet(stack):
    """A worker that is not there writes nothing by itself."""
    stack.worker.stop()
    yield
    stack.worker.start()


@pytest.fixture
def issue(genchi):
    made = genchi.create(**genchi.cvss["high"])
    genchi.tracked(made)
    return made


def properties(genchi, issue):
    return genchi.seeded.issue(issue).properties


def test_a_tracked_issue_has_its_deadline_in_jira_within_a_minute(genchi, issue):
    found = genchi.stack.eventually(lambda: properties(genchi, issue).get(LOZENGE), seconds=90)
    assert found == {"type": "lozenge", "value": {"label": "Due in 27d", "type": "inprogress"}}
    due = genchi.bound(genchi.seeded.issue(issue), "high")
    assert properties(genchi, issue)[PROPERTY] == {
        "state": "running",
        "due": f"{due:%Y-%m-%dT%H:%M:%SZ}",
        "promise": "security-bug-fix",
    }


def test_a_raised_severity_changes_both_and_a_day_changes_one_once(genchi, issue, publish, quiet):
    genchi.stack.worker.start()
    genchi.change(issue, **genchi.cvss["critical"])
    genchi.eventually(issue, lambda seen: seen["severity"]["level"] == "critical")
    genchi.stack.worker.stop()
    assert {write["key"] for write in publish(issue)} == {PROPERTY, LOZENGE}
    due = genchi.bound(genchi.seeded.issue(issue), "critical")
    assert properties(genchi, issue)[LOZENGE]["value"]["label"] == "Due in 9d"
    for minute in range(1, 60):
        assert publish(issue, now=wiring.now() + timedelta(minutes=minute)) == []
    [write] = publish(issue, now=due - 9 * DAY + timedelta(seconds=1))
    assert (write["key"], write["value"]["value"]["label"]) == (LOZENGE, "Due in 8d")
    for hour in range(2, 24):
        assert publish(issue, now=due - 9 * DAY + timedelta(hours=hour)) == []
    both = publish(issue, now=due + DAY + timedelta(seconds=1))
    assert {write["key"]: write["value"].get("state") for write in both} == {PROPERTY: "breached", LOZENGE: None}
    assert properties(genchi, issue)[LOZENGE]["value"] == {"label": "1d overdue", "type": "removed"}
