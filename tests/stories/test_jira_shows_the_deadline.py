"""What users see in Jira without opening anything: a lozenge and searchable values on the issue, and how often they
are written. The jobs run in this process, at the instant that the test says; all else is HTTP."""

import json
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
import requests
from flask import Flask

from app import wiring
from app.domain.identifiers import TenantId
from app.domain.ports import JiraUnavailable
from app.settings import read_settings
from app.store.database import open_engines
from tests.conftest import Process

LOZENGE = "com.atlassian.jira.issue:io.pledge.app:pledge-issue:status"
FORGE_LOZENGE = "com.atlassian.jira.issue:11111111-2222-4333-8444-555555555555:pledge-issue:status"
PROPERTY = "pledge-security"
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def stack(make_stack):
    with make_stack(worker=False, PLEDGE_SECURITY_TAB="on") as running:
        yield running


@pytest.fixture
def services(stack, monkeypatch):
    """The use cases as the worker has them."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    # So many writes at once have to wait for each other: here, and not in the next job.
    monkeypatch.setattr("app.outbound.budget._PACED_SECONDS", 60.0)
    engine = open_engines(Flask("app"), stack.database.worker, connections=4)
    yield wiring.services_of(read_settings(stack.env), engine, process="test")
    engine.dispose()


class Desk:
    """The worker's jobs for one site, when the test wants them."""

    def __init__(self, services, site):
        self.services, self.site = services, site

    @property
    def tenant(self):
        return TenantId(self.site.tenant)

    def read(self):
        """Whatever webhooks asked for, once they are all here."""
        self.site.deliveries()
        while self.services.following.read_pending(self.tenant, now=wiring.now()):
            pass

    def publish(self, *, now=None):
        """What was written because of it, oldest first."""
        writes = self.site.seeded.writes
        before = len(writes)
        while self.services.publishing.publish(self.tenant, now=now or wiring.now()).looked_at:
            continue
        return writes[before:]

    def let_quota_forget(self):
        """What Jira asked for is kept twice: by the labels, in the job's time, and by the quota, in real time."""
        self.site.stack.database.execute("DELETE FROM registry.jira_quota WHERE tenant_id > 0")

    def properties(self, issue):
        return self.site.seeded.issue(issue).properties

    def lozenge(self, issue):
        return self.properties(issue)[LOZENGE]["value"]["label"]


@pytest.fixture
def desk(services, genchi):
    made = Desk(services, genchi)
    # Jira's wish for rest, of an earlier test, is over.
    genchi.stack.database.execute("UPDATE app.publications SET rests_until = NULL")
    made.let_quota_forget()
    made.read()
    made.publish()
    yield made
    genchi.weather(reset=True)
    genchi.seeded.echoes_writes = False


@pytest.fixture
def issue(desk):
    """A new issue of high severity, read and published."""
    made = desk.site.create(**desk.site.cvss["high"])
    desk.read()
    desk.publish()
    return made


def of(issue, writes):
    """The properties that were written on that issue."""
    return [write for write in writes if write.get("issue") == issue]


def test_a_tracked_issue_has_its_deadline_in_jira(desk, issue):
    due = desk.site.bound(desk.site.seeded.issue(issue), "high")
    assert desk.properties(issue) == {
        LOZENGE: {"type": "lozenge", "value": {"label": "Due in 27d", "type": "inprogress"}},
        PROPERTY: {"state": "running", "due": f"{due:%Y-%m-%dT%H:%M:%SZ}", "promise": "security-bug-fix"},
    }
    page = requests.get(f"{desk.site.seeded.url}/browse/{desk.site.seeded.issue(issue).key}?host=connect", timeout=30)
    assert '<span class="lozenge inprogress">Due in 27d</span>' in page.text


def test_a_raised_severity_changes_both_and_a_day_changes_one_once(desk, issue):
    desk.site.change(issue, **desk.site.cvss["critical"])
    desk.read()
    assert {write["key"] for write in of(issue, desk.publish())} == {PROPERTY, LOZENGE}
    assert desk.lozenge(issue) == "Due in 9d"
    for minute in range(1, 60):
        assert of(issue, desk.publish(now=wiring.now() + timedelta(minutes=minute))) == []
    due = desk.site.bound(desk.site.seeded.issue(issue), "critical")
    [write] = of(issue, desk.publish(now=due - 9 * DAY + SECOND))
    assert (write["key"], desk.lozenge(issue)) == (LOZENGE, "Due in 8d")
    for hour in range(2, 24):
        assert of(issue, desk.publish(now=due - 9 * DAY + timedelta(hours=hour))) == []
    late = of(issue, desk.publish(now=due + DAY + SECOND))
    assert {write["key"] for write in late} == {PROPERTY, LOZENGE}
    assert (desk.properties(issue)[PROPERTY]["state"], desk.lozenge(issue)) == ("breached", "1d overdue")


def test_an_issue_that_is_fixed_says_so_and_time_changes_nothing_any_more(desk, issue):
    desk.site.change(issue, status="Done", resolution="Fixed")
    desk.read()
    desk.publish()
    assert (desk.properties(issue)[PROPERTY]["state"], desk.lozenge(issue)) == ("met", "Fixed in time")
    for days in (1, 30, 400):
        assert of(issue, desk.publish(now=wiring.now() + days * DAY)) == []


def test_our_own_writes_come_back_as_webhooks_and_cause_no_other_write(desk, issue):
    desk.site.seeded.echoes_writes = True
    desk.site.change(issue, **desk.site.cvss["low"])
    desk.read()
    assert len(of(issue, desk.publish())) == 2
    for _ in range(3):
        desk.read()
        assert of(issue, desk.publish()) == []
    echoed = [one for one in desk.site.deliveries() if one["issue"]["id"] == issue and one["event"].endswith("updated")]
    assert len(echoed) == 3  # the change, and one for each of our two writes


def test_an_issue_that_jira_hides_is_not_asked_for_until_it_is_shown_again(desk, issue):
    desk.site.change(issue, security="Managers", **desk.site.cvss["low"])
    # The label changes before the webhook has been read: Jira refuses the write.
    assert of(issue, desk.publish(now=wiring.now() + 9 * DAY)) == []
    assert desk.services.publishing.counts(desk.tenant)["labels_refused"] >= 1
    desk.read()
    desk.site.change(issue, security=None)
    desk.read()
    assert {write["key"] for write in of(issue, desk.publish())} == {PROPERTY, LOZENGE}
    assert desk.properties(issue)[PROPERTY]["state"] == "running"
    assert desk.services.publishing.counts(desk.tenant)["labels_refused"] == 0


@pytest.mark.parametrize("status", [429, 503])
def test_bad_weather_delays_a_write_and_jira_is_left_alone_as_long_as_it_asks(desk, issue, status):
    desk.site.change(issue, **desk.site.cvss["low"])
    desk.read()
    desk.site.weather(storm={"status": status, "count": 1, "seconds": 600})
    with pytest.raises(JiraUnavailable) as told:
        desk.publish()
    assert told.value.retry_after_seconds == 600
    desk.let_quota_forget()
    assert desk.publish(now=wiring.now() + timedelta(seconds=590)) == []
    later = wiring.now() + timedelta(seconds=610)
    assert len(of(issue, desk.publish(now=later))) == 2
    assert of(issue, desk.publish(now=later)) == []


def test_only_tenants_with_something_due_get_a_job(desk, issue):
    def jobs():
        query = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'publish-labels' AND status = 'todo'"
        return desk.site.stack.database.rows(query)[0][0]

    desk.site.stack.database.execute("DELETE FROM jobs.procrastinate_jobs")
    assert (desk.services.publishing.wake(now=wiring.now()), jobs()) == (0, 0)
    assert desk.services.publishing.wake(now=wiring.now() + 2 * DAY) == 1
    assert (desk.services.publishing.wake(now=wiring.now() + 2 * DAY), jobs()) == (1, 1)


def test_a_removed_app_writes_nothing_and_after_its_return_everything_once(desk, issue, services):
    tenant = desk.tenant
    desk.site.lifecycle("uninstall")
    before = len(desk.site.seeded.writes)
    assert services.publishing.publish(tenant, now=wiring.now() + 2 * DAY).looked_at == 0
    assert len(desk.site.seeded.writes) == before
    assert desk.site.seeded.security.entries == {}
    desk.site.lifecycle("install")
    again = desk.publish()
    assert {write["key"] for write in of(issue, again)} == {PROPERTY, LOZENGE}
    pushes = [write for write in again if "entries" in write]
    assert {write["operation"] for write in pushes} == {"BACKFILL"}
    assert f"pledge-{issue}" in desk.site.seeded.security.entries
    assert of(issue, desk.publish()) == []


def test_a_deadline_stands_on_the_security_tab_and_is_sent_when_it_changes(desk, issue):
    entries = desk.site.seeded.security.entries
    entry = entries[f"pledge-{issue}"]
    due = desk.site.bound(desk.site.seeded.issue(issue), "high")
    assert entry["additionalInfo"]["content"] == f"Due {due:%Y-%m-%d} (High, 28 days)"
    assert [write for write in desk.publish(now=wiring.now() + 3 * DAY) if "entries" in write] == []
    desk.site.change(issue, **desk.site.cvss["critical"])
    desk.read()
    [push] = [write for write in desk.publish() if "entries" in write]
    assert (push["operation"], [one["id"] for one in push["entries"]]) == ("NORMAL", [f"pledge-{issue}"])
    assert entries[f"pledge-{issue}"]["severity"] == {"level": "critical"}
    assert entries[f"pledge-{issue}"]["updateSequenceNumber"] > entry["updateSequenceNumber"]
    desk.site.change(issue, status="Done", resolution="Fixed")
    desk.read()
    desk.publish()
    assert entries[f"pledge-{issue}"]["status"] == "closed"


def test_an_entry_that_jira_refuses_is_counted_and_not_sent_again_until_it_changes(desk, issue):
    desk.site.seeded.security.refused.add(f"pledge-{issue}")
    desk.site.change(issue, **desk.site.cvss["low"])
    desk.read()
    report = desk.services.publishing.publish(desk.tenant, now=wiring.now())
    assert (report.pushed, report.failed) == (0, 1)
    assert desk.services.publishing.counts(desk.tenant)["entries_refused"] == 1
    assert [write for write in desk.publish() if "entries" in write] == []
    desk.site.seeded.security.refused.clear()
    desk.site.change(issue, **desk.site.cvss["critical"])
    desk.read()
    assert [write["operation"] for write in desk.publish() if "entries" in write] == ["NORMAL"]


def test_a_forge_site_has_the_same_under_the_name_of_the_forge_app(stack, services, used):
    site = used(stack, "kencha")
    assert stack.forge("install", "kencha")["accepted"]
    [(tenant,)] = stack.database.rows("SELECT tenant_id FROM registry.forge_installations")
    issue = site.create(**site.cvss["high"])

    def publish():
        services.following.read_pending(TenantId(tenant), now=wiring.now())
        services.publishing.publish(TenantId(tenant), now=wiring.now())
        return site.seeded.issue(issue).properties

    found = stack.eventually(publish)
    assert set(found) == {PROPERTY, FORGE_LOZENGE}
    assert site.seeded.security.entries == {}  # the tab is declared for Connect alone


def test_nothing_is_written_where_writing_is_off(stack, desk, issue):
    before = len(desk.site.seeded.writes)
    engine = open_engines(Flask("off"), stack.database.worker, connections=1)
    settings = read_settings(stack.env | {"PLEDGE_WRITE_TO_JIRA": "off", "PLEDGE_SECURITY_TAB": "off"})
    off = wiring.services_of(settings, engine, process="test").publishing
    assert off.wake(now=wiring.now() + 9 * DAY) == 0
    assert off.publish(desk.tenant, now=wiring.now() + 9 * DAY).looked_at == 0
    engine.dispose()
    assert len(desk.site.seeded.writes) == before
    assert desk.publish(now=wiring.now() + 9 * DAY)


def test_an_operator_brings_a_site_up_to_date_and_fills_the_tab_again(desk, issue):
    def pledge(*arguments):
        command = [sys.executable, "-m", "app.wiring", "installations", "publish", *arguments, "--json"]
        env = desk.site.stack.env
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    tenant = str(desk.tenant)
    said = json.loads(pledge(tenant).stdout)
    assert said["done"] | {"looked_at": 0} == dict.fromkeys(said["done"], 0)
    desk.site.seeded.security.entries.clear()
    before = len(desk.site.seeded.writes)
    outcome = pledge(tenant, "--backfill")
    said = json.loads(outcome.stdout)
    writes = desk.site.seeded.writes[before:]
    assert said["done"]["pushed"] == said["now"]["entries"] == len(desk.site.seeded.security.entries)
    assert said["done"]["written"] == sum("issue" in write for write in writes)
    assert {write["operation"] for write in writes if "entries" in write} == {"BACKFILL"}
    assert outcome.returncode == (5 if said["now"]["labels_refused"] or said["now"]["entries_refused"] else 0)
    desk.site.weather(storm={"status": 503, "count": 1, "seconds": 60})
    assert pledge(tenant, "--backfill").returncode == 3
    assert pledge("999999").returncode == 1


def test_the_due_date_in_jira_is_the_one_that_the_api_says(desk, issue):
    said = desk.site.clocks(issue).json()["clocks"][0]["due_at"]
    due = datetime.fromisoformat(said).replace(microsecond=0)
    assert desk.properties(issue)[PROPERTY]["due"] == f"{due:%Y-%m-%dT%H:%M:%SZ}"


def test_what_a_killed_worker_was_writing_is_written_by_the_next_and_nothing_is_written_for_ever(desk):
    stack, issues = desk.site.stack, [desk.site.create(**desk.site.cvss["high"]) for _ in range(6)]
    desk.read()
    before = len(desk.site.seeded.writes)
    worker = Process("worker", ready="worker ready", env=stack.env)
    desk.site.weather(latency_seconds=1.5)
    assert desk.services.publishing.wake(now=wiring.now()) == 1
    stack.eventually(lambda: len(desk.site.seeded.writes) > before + 2)
    worker.kill()
    desk.site.weather(latency_seconds=0)
    begun = of_any(issues, desk.site.seeded.writes[before:])
    assert 0 < len({write["issue"] for write in begun}) < len(issues)
    # What the killed one had taken is free again a minute later.
    desk.publish(now=wiring.now() + timedelta(minutes=2))
    written = of_any(issues, desk.site.seeded.writes[before:])
    assert {desk.lozenge(issue) for issue in issues} == {"Due in 27d"}
    assert len(written) - 2 * len(issues) in {0, 1, 2}  # only what was under way is written twice
    # By its own account: the last request of the killed one may still be on its way.
    assert desk.services.publishing.publish(desk.tenant, now=wiring.now() + timedelta(minutes=4)).written == 0
    numbers = {}
    for write in desk.site.seeded.writes:
        for entry in write.get("entries", ()):
            assert entry["updateSequenceNumber"] > numbers.get(entry["id"], 0)
            numbers[entry["id"]] = entry["updateSequenceNumber"]
    assert {f"pledge-{issue}" for issue in issues} <= set(numbers)


def of_any(issues, writes):
    return [write for write in writes if write.get("issue") in issues]
