"""Deadlines become messages: web and worker as processes, real mail, duplicates from Jira, kills in between."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import requests

from app import wiring
from tests.mail_server import MailServer

DAY = 86_400
QUEUED = (
    "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name LIKE '%%tell-people' AND status IN ('todo', 'doing')"
)
PERSON = {"label": "On call", "address": "oncall@example.com", "zone": "Europe/Berlin"}


class Town:
    """One site, somebody who is told, and a mail server."""

    def __init__(self, stack, site, mail, services):
        self.stack, self.site, self.box, self.services = stack, site, mail.box, services
        self.database = stack.database

    def tell_somebody(self, **changes):
        """Told since long: what happens to an issue that is created in the past concerns them."""
        token = self.stack.token(kind="context", account="admin")
        headers = {"Authorization": f"JWT {token}"}
        answer = requests.post(
            f"{self.stack.url}/api/v1/recipients", json=PERSON | changes, headers=headers, timeout=30
        )
        assert answer.status_code == 201, answer.text
        self.database.execute("UPDATE app.recipients SET added_at = now() - interval '1 year'")

    def issue(self, *, days_ago, **values):
        """A high one of that age, read."""
        self.stack.control("/control", advance_seconds=-days_ago * DAY)
        made = self.site.create(**self.site.cvss["high"] | values)
        self.stack.control("/control", advance_seconds=days_ago * DAY)
        self.site.tracked(made)
        return self.site.seeded.issue(made).key

    def wake(self):
        """As the schedule does it each quarter of an hour."""
        self.services.telling.wake(now=datetime.now(UTC))

    def run(self):
        """And the worker has done what there was to do."""
        self.wake()
        self.stack.eventually(lambda: self.database.rows(QUEUED) == [(0,)])

    def let_leases_end(self):
        self.database.execute("UPDATE app.digests SET leased_until = now()")

    def subjects_of(self, key):
        return [subject for subject in self.box.subjects if key in subject]


@pytest.fixture(scope="module")
def mail():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def running(make_stack, mail):
    settings = {"PLEDGE_SMTP_URL": mail.url, "PLEDGE_MAIL_FROM": "pledge@example.org"}
    with make_stack(**settings) as stack, pytest.MonkeyPatch.context() as environment:
        for name in [name for name in stack.env if name.startswith("PLEDGE_")]:
            environment.setenv(name, stack.env[name])
        stack.install("genchi")
        with wiring.Operations().services() as services:
            yield stack, services


@pytest.fixture
def town(running, mail, used):
    stack, services = running
    stack.database.execute("DELETE FROM app.recipients")
    mail.box.__init__()
    made = Town(stack, used(stack, "genchi"), mail, services)
    yield made
    made.site.weather(reset=True)
    if stack.worker.popen.poll() is not None:
        stack.worker.start()


def test_a_breach_is_one_message_however_often_jira_says_the_same(town):
    town.tell_somebody()
    key = town.issue(days_ago=29)
    town.run()
    assert town.subjects_of(key) == [f"[Pledge] {key} High: overdue for 24 hours"]
    town.site.weather(webhooks={"duplicate": 2})
    for number in range(3):
        town.site.change(key, summary=f"Said again {number}")
    town.site.deliveries()
    town.site.read_again(key)
    town.run()
    town.run()
    assert len(town.subjects_of(key)) == 1
    [message] = town.box.messages
    assert f"/browse/{key}" in message.get_content()
    assert "Said again" not in message.as_string()


def test_the_panel_of_a_breach_says_how_many_were_told_and_by_what_and_names_nobody(town):
    key = town.issue(days_ago=29)
    panel = f"/fragments/issue?issueId={town.site.seeded.issue(key).id}&issueKey={key}"
    assert "Nobody is told: this site has no recipient." in town.stack.get(panel).text
    town.tell_somebody()
    town.tell_somebody(address="other@example.com")
    town.run()
    shown = town.stack.get(panel).text
    assert "Told by mail to 2 recipients of this site" in shown
    assert not {word for word in (PERSON["label"], "oncall@", "other@") if word in shown}


def test_an_issue_that_is_fixed_in_time_is_told_to_nobody(town):
    town.tell_somebody()
    key = town.issue(days_ago=29)
    town.site.change(key, status="Done", resolution="Fixed")
    town.site.eventually(key, lambda seen: seen["clocks"][0]["state"] == "met_late")
    town.run()
    assert town.subjects_of(key) == []


def test_a_worker_that_is_killed_before_the_message_is_taken_sends_it_once_later(town):
    town.tell_somebody()
    key = town.issue(days_ago=29)
    town.box.on_mail = town.stack.worker.kill
    town.wake()
    town.stack.eventually(lambda: town.stack.worker.popen.poll() is not None)
    town.box.on_mail = lambda: None
    assert town.subjects_of(key) == []
    town.stack.worker.start()
    town.run()
    assert town.subjects_of(key) == []  # the lease of the one that was killed still holds
    town.let_leases_end()
    town.run()
    town.run()
    assert len(town.subjects_of(key)) == 1


def test_a_worker_that_is_killed_once_the_message_is_taken_sends_at_most_the_same_message_again(town):
    town.tell_somebody()
    key = town.issue(days_ago=29)
    town.box.on_data = town.stack.worker.kill
    town.wake()
    town.stack.eventually(lambda: town.stack.worker.popen.poll() is not None)
    town.box.on_data = lambda: None
    town.stack.worker.start()
    town.let_leases_end()
    town.run()
    town.run()
    told = [message for message in town.box.messages if key in message["Subject"]]
    assert len(told) == 2
    assert len({message["Message-ID"] for message in told}) == 1


def test_a_mail_server_that_comes_back_finds_everything_waiting(town):
    town.tell_somebody()
    key = town.issue(days_ago=29)
    town.box.codes = {PERSON["address"]: 451}
    town.wake()
    town.stack.eventually(lambda: town.database.rows("SELECT count(*) FROM app.digests") == [(1,)])
    town.box.codes = {}
    town.stack.eventually(
        lambda: town.database.rows("SELECT count(*) FROM app.digests WHERE leased_until > now() - interval '1 hour'")
    )
    town.let_leases_end()
    town.database.let_time_pass()
    town.run()
    assert len(town.subjects_of(key)) == 1


def test_what_an_import_or_a_recomputation_brings_is_told_to_nobody(town):
    town.tell_somebody()
    keys = [town.issue(days_ago=days) for days in (20, 26, 29, 60)]
    town.database.execute("DELETE FROM app.clock_bounds")
    command = [sys.executable, "-m", "app.wiring", "clocks", "recompute", "--json"]
    done = subprocess.run(command, env=town.stack.env, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)[0]["issues"] >= len(keys)
    town.run()
    assert town.box.messages == []


def test_who_has_unsubscribed_is_told_nothing_more(town):
    town.tell_somebody()
    town.issue(days_ago=29)
    town.run()
    [message] = town.box.messages
    url = message["List-Unsubscribe"].strip("<>")
    assert url in message.get_content()
    assert requests.post(url, data={"List-Unsubscribe": "One-Click"}, timeout=30).status_code == 200
    key = town.issue(days_ago=29)
    town.run()
    assert town.subjects_of(key) == []
    shown = subprocess.run(
        [sys.executable, "-m", "app.wiring", "installations", "recipients", str(town.site.tenant)],
        env=town.stack.env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "unsubscribed" in shown.stdout
    assert PERSON["address"] not in shown.stdout


def test_an_operator_adds_and_removes_somebody_by_a_file_that_nobody_else_reads(town):
    command = [sys.executable, "-m", "app.wiring", "installations", "recipients", str(town.site.tenant), "--json"]
    options = {"env": town.stack.env, "capture_output": True, "text": True, "timeout": 60, "check": False}
    added = subprocess.run([*command, "--add", "-"], input=json.dumps(PERSON), **options)
    [shown] = json.loads(added.stdout)
    assert (shown["label"], shown["standing"]) == ("On call", "active")
    assert PERSON["address"] not in added.stdout + added.stderr
    refused = subprocess.run(
        [*command, "--add", "-"], input='{"label": "x", "address": "planted@@example.com"}', **options
    )
    assert (refused.returncode, "planted" in refused.stdout + refused.stderr) == (1, False)
    assert json.loads(subprocess.run([*command, "--remove", shown["id"]], **options).stdout) == []
    unknown = subprocess.run([*command, "--remove", shown["id"]], **options)
    assert unknown.returncode == 1


def test_no_log_line_of_a_day_of_telling_holds_an_address_or_a_link(town):
    town.tell_somebody()
    town.issue(days_ago=29)
    town.run()
    [message] = town.box.messages
    token = message["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    output = town.stack.web.output + town.stack.worker.output
    assert PERSON["address"] not in output
    assert token not in output


def feed_of(town, account):
    token = town.stack.token(kind="context", account=account)
    made = requests.post(f"{town.stack.url}/api/v1/calendar", headers={"Authorization": f"JWT {token}"}, timeout=30)
    return made.json()["url"]


def test_a_calendar_shows_what_jira_lets_its_owner_see_and_ends_when_they_say_so(town):
    key = town.issue(days_ago=1)
    hidden = town.issue(days_ago=1)
    town.site.change(hidden, security="Managers")
    due = town.site.bound(town.site.seeded.issue(key), "high")
    url = feed_of(town, "developer2")
    stream = requests.get(url, timeout=30)
    assert stream.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert f"SUMMARY:{key} High\r\n" in stream.text
    assert f"DTSTART:{due:%Y%m%dT%H%M%SZ}\r\n" in stream.text
    assert hidden not in stream.text
    assert key not in requests.get(feed_of(town, "outsider"), timeout=30).text
    newer = feed_of(town, "developer2")
    assert [requests.get(each, timeout=30).status_code for each in (url, newer)] == [404, 200]
    token = town.stack.token(kind="context", account="developer2")
    ended = requests.delete(f"{town.stack.url}/api/v1/calendar", headers={"Authorization": f"JWT {token}"}, timeout=30)
    gone, never = requests.get(newer, timeout=30), requests.get(f"{town.stack.url}/calendar/{'x' * 43}.ics", timeout=30)
    assert (ended.status_code, gone.status_code, never.status_code) == (204, 404, 404)
    assert gone.json() | {"trace_id": ""} == never.json() | {"trace_id": ""}


def test_a_calendar_that_jira_cannot_confirm_says_so_instead_of_being_empty(town):
    town.issue(days_ago=1)
    url = feed_of(town, "lead")
    town.site.weather(storm={"status": 503, "count": 50})
    assert requests.get(url, timeout=30).status_code == 503


def test_a_site_that_wants_it_has_each_breach_under_its_issue_once(town):
    town.tell_somebody(medium="jira_comment", address=None)
    late, soon = town.issue(days_ago=28.5), town.issue(days_ago=26)
    town.run()
    town.run()
    comments = {key: town.site.seeded.issue(key).comments for key in (late, soon)}
    assert [len(comments[key]) for key in (late, soon)] == [1, 0]
    [paragraph] = comments[late][0]["body"]["content"]
    assert paragraph["content"][0]["text"].startswith("High, Security bug fix: overdue since ")
    assert town.box.messages == []
