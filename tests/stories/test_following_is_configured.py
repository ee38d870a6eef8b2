"""An administrator says which issues count and what their fields mean; every issue is read anew under it."""

import json
import subprocess
import sys

import pytest
import requests

PATH = "/api/v1/settings/following"


@pytest.fixture(scope="module")
def genchi(stack):
    stack.install("genchi")
    return stack.simulator.site("genchi")


@pytest.fixture(scope="module")
def settings(stack, genchi):
    """The settings as an administrator has them."""
    return Settings(stack, genchi)


class Settings:
    """GET and PUT as somebody of the site, and waiting for what follows."""

    def __init__(self, stack, site):
        self.stack, self.site = stack, site

    def shown(self, account="admin"):
        return self.stack.get(PATH, account=account)

    def put(self, configuration, *, version=None, account="admin"):
        version = self.shown().json()["version"] if version is None else version
        token = self.stack.token(kind="context", account=account)
        body = {"version": version, "configuration": configuration}
        return requests.put(self.stack.url + PATH, json=body, headers={"Authorization": f"JWT {token}"}, timeout=60)

    def settled(self):
        """What is shown once no run is under way."""

        def ask():
            shown = self.shown().json()
            runs = [shown[kind] for kind in ("import", "reconciliation") if shown[kind]]
            return shown if all(run["phase"] in {"done", "failed"} for run in runs) else None

        return self.stack.eventually(ask)

    def change(self, **configuration):
        """That is in force, and everything has been read under it."""
        answer = self.put(configuration)
        assert answer.status_code == 200, answer.text
        return self.settled()

    def create(self, **values):
        values = {"project": "SEC", "issuetype": "Bug", **values}
        return self.stack.control("/sites/genchi/issues", **values)["id"]

    def edit(self, issue, **values):
        url = f"{self.stack.simulator.control_url}/sites/genchi/issues/{issue}"
        requests.patch(url, json=values, timeout=30).raise_for_status()


def test_what_counts_is_read_on_installation(settings):
    shown = settings.settled()
    counting = [issue for issue in settings.site.issues.values() if counts(issue) and issue.key != "SEC-11"]
    assert shown["version"] == 0
    assert shown["tracked"] == len(counting) + 1  # the app may see the one of the security team too
    assert shown["import"]["cause"] == "installed"
    assert shown["import"]["created"] == shown["tracked"]
    assert shown["unmapped"] == []


def counts(issue):
    values = issue.values
    return values["issuetype"] == "Vulnerability" or {"security", "vulnerability"} & set(values["labels"])


@pytest.mark.parametrize("account", ["developer", "lead", "outsider"])
def test_only_who_administers_jira_sees_and_changes_it(settings, account):
    assert settings.shown(account).status_code == 403
    assert settings.put({}, version=0, account=account).status_code == 403


@pytest.mark.parametrize(
    ("configuration", "where", "said"),
    [
        ({"jql": "x) OR (project = OPS"}, "jql", "not opened"),
        ({"jql": "project = SEC ORDER BY key"}, "jql", "ORDER BY"),
        ({"jql": "nofield = 1"}, "jql", "'nofield' does not exist"),
        ({"jql": "issuetype = Gremlin"}, "jql", "'gremlin' does not exist"),
        ({"jql": "project = "}, "jql", "ends too early"),
        ({"jql": 7}, "jql", "no text"),
        ({"fixed_resolutions": ["Vanquished"]}, "fixed_resolutions", "no resolution 'vanquished'"),
        ({"pausing": {"Limbo": "x"}}, "pausing", "no status 'limbo'"),
        ({"pausing": {"In Review": "lunch"}}, "pausing.in review", "allows no pause for 'lunch'"),
        ({"priorities": {"Urgent": "high"}}, "priorities", "no priority 'urgent'"),
        ({"priorities": {"High": "awful"}}, "priorities.high", "the levels are"),
        ({"reported_field": "customfield_1"}, "reported_field", "no field customfield_1"),
        ({"reported_field": "summary"}, "reported_field", "by its id"),
        ({"vector_field": "{score}"}, "vector_field", "of type number"),
        ({"colour": "blue"}, "colour", "no such setting"),
    ],
)
def test_what_cannot_be_in_force_is_refused_precisely(settings, configuration, where, said):
    text = json.dumps(configuration).replace("{score}", settings.site.fields["cvss_score"].id)
    answer = settings.put(json.loads(text), version=0)
    assert (answer.status_code, answer.json()["code"]) == (400, "configuration_refused")
    assert any(one["where"] == where and said in one["reason"] for one in answer.json()["findings"])


def test_a_query_of_the_sites_own_decides_and_nobody_who_counted_before_is_lost(settings):
    ours = settings.create(project="OPS", labels=["ours"], priority="High")
    before = settings.settled()["tracked"]
    shown = settings.change(jql='project = OPS AND labels = "ours"')
    assert (shown["version"], shown["tracked"]) == (1, before + 1)
    assert shown["import"]["cause"] == "settings"
    assert settings.stack.tracked(ours)["clocks"][0]["state"] == "running"
    later = settings.create(project="OPS", labels=["ours"])
    assert settings.stack.tracked(later)["severity"] is None
    other = settings.create(labels=["security"])
    settings.stack.eventually(lambda: settings.stack.clocks(other).json()["tracking"] == "not_tracked")


def test_two_administrators_at_once_do_not_overwrite_each_other(settings):
    version = settings.shown().json()["version"]
    assert settings.put({"score_field": None}, version=version).status_code == 200
    answer = settings.put({"vector_field": None}, version=version)
    assert (answer.status_code, answer.json()["code"]) == (409, "version_conflict")
    settings.settled()


def test_fields_and_priorities_that_were_chosen_are_what_is_read(settings):
    site = settings.site
    issue = settings.create(labels=["security"], priority="Low", cvss_score=9.8, reported_on="2026-01-02")
    assert settings.stack.tracked(issue)["severity"]["level"] == "low"
    settings.change()
    assert settings.stack.tracked(issue)["severity"]["level"] == "critical"
    settings.change(
        score_field=None,
        vector_field=None,
        priorities={"Low": "medium"},
        reported_field=site.fields["reported_on"].id,
    )
    seen = settings.stack.tracked(issue)
    assert seen["severity"]["level"] == "medium"
    assert seen["clocks"][0]["started_at"] == "2026-01-02T00:00:00Z"
    kept = settings.stack.database.rows(
        "SELECT kind, data ->> 'severity' FROM app.superseded_events WHERE issue_id = %s ORDER BY superseded_at, 1",
        int(issue),
    )
    assert kept == [("severity_set", "low"), ("reported", None), ("severity_set", "critical")]
    settings.edit(issue, reported_on="2026-01-05")
    settings.stack.eventually(
        lambda: settings.stack.clocks(issue).json()["clocks"][0]["started_at"] == "2026-01-05T00:00:00Z"
    )
    settings.change()
    seen = settings.stack.tracked(issue)
    assert seen["severity"]["level"] == "critical"
    assert seen["clocks"][0]["started_at"] > "2026-01-05T00:00:00Z"


def test_what_cannot_be_read_says_what_is_missing(settings):
    settings.change()
    issue = settings.create(labels=["security"], cvss_vector="nonsense")
    seen = settings.stack.tracked(issue)
    fields = settings.site.fields
    assert (seen["severity"], seen["clocks"][0]["state"]) == (None, "awaiting_triage")
    assert seen["missing"] == [
        f"the field of the CVSS vector ({fields['cvss_vector'].id}) does not hold a CVSS v3 vector",
        f"the field of the CVSS score ({fields['cvss_score'].id}) is empty",
        "the priority is empty",
    ]


def test_a_resolution_that_nobody_explained_is_told_and_not_guessed(settings):
    issue = settings.create(labels=["security"], priority="High")
    settings.edit(issue, status="Done", resolution="Obsolete")
    told = settings.stack.eventually(lambda: settings.shown().json()["unmapped"])
    assert [value for value in told if value["kind"] != "priority"] == [
        {"kind": "resolution", "name": "Obsolete", "issue": issue}
    ]
    assert settings.stack.tracked(issue)["clocks"][0]["state"] == "running"
    shown = settings.change(other_resolutions=["Obsolete", "Won't Do", "Duplicate", "Cannot Reproduce"])
    assert shown["unmapped"] == []
    [clock] = settings.stack.tracked(issue)["clocks"]
    assert (clock["state"], clock["cancelled"]["reason"]) == ("cancelled", "Obsolete")


def test_each_change_has_its_entry_in_the_log(settings):
    rows = settings.stack.database.rows(
        "SELECT actor, detail ->> 'version' FROM app.audit_entries WHERE action = 'following.changed' ORDER BY at"
    )
    versions = settings.stack.database.rows("SELECT version::text FROM app.following_settings ORDER BY version")
    assert rows == [("jira-admin", version) for (version,) in versions]


def run(stack, *arguments):
    command = [sys.executable, "-m", "app.wiring", "installations", *arguments]
    return subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=60, check=False)


def test_an_operator_does_the_same_by_command(settings, tmp_path):
    stack = settings.stack
    [(tenant,)] = stack.database.rows("SELECT tenant_id FROM registry.connect_installations")
    file = tmp_path / "following.json"
    file.write_text('{"jql": "labels = security"}')
    changed = run(stack, "following", str(tenant), "--set", str(file), "--json")
    assert changed.returncode == 0, changed.stderr
    assert json.loads(changed.stdout)["configuration"]["jql"] == "labels = security"
    file.write_text('{"jql": "(labels = security"}')
    refused = run(stack, "following", str(tenant), "--set", str(file))
    assert (refused.returncode, refused.stdout) == (2, "jql: a bracket is not closed\n")
    done = run(stack, "sync", str(tenant), "--start", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["import"]["phase"], document["import"]["cause"]) == ("done", "asked")
    assert document["tracked"] == settings.settled()["tracked"]
