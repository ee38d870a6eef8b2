"""Prometheus scrapes the running product, and its rules name what is really there."""

import re
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.domain.alerts.rules import RULES
from app.domain.metrics.model import METRICS
from app.jobs.schedule import JOB_NAMES

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES_FILE = DEPLOY / "prometheus" / "alerts.yml"
HOOKS = 12
NOT_ALERTED = {"pledge_events_waiting", "pledge_issues_waiting", "pledge_audit_entries_waiting"} | {
    "pledge_audit_checkpoints_waiting",
    "pledge_jira_tenants_waiting",
}
"""How many; how old the oldest of them is, is what the rules look at."""


@pytest.fixture(scope="module")
def cell(make_stack):
    """Two web processes and a worker, after an installation, webhooks and a refused forgery."""
    with make_stack(processes=2) as stack:
        stack.install()
        stack.tracked(10001)
        for _ in range(HOOKS):
            token = stack.token(kind="request", method="POST", path="/connect/webhooks?issueId=10001")
            headers = {"Authorization": f"JWT {token}", "Content-Type": "application/json"}
            answer = requests.post(
                f"{stack.url}/connect/webhooks?issueId=10001", data=b"{}", headers=headers, timeout=30
            )
            assert answer.status_code == 204
        yield stack


def numbers(stack):
    """What is scraped: number by name and labels."""
    answer = stack.scrape()
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for f in families for sample in f.samples}


@pytest.fixture(scope="module")
def scraped(cell):
    """A scrape after everybody has stored what he counted, and a worker has measured."""

    def settled():
        found = numbers(cell)
        is_whole = found["pledge_acknowledgement_seconds_count",] >= HOOKS + 1
        return found if is_whole and ("pledge_measurement_age_seconds",) in found else None

    return cell.eventually(settled)


def rules():
    [group] = yaml.safe_load(RULES_FILE.read_text())["groups"]
    return group["rules"]


def test_every_process_tells_what_all_of_them_have_counted(cell, scraped):
    seen = {numbers(cell)["pledge_acknowledgement_seconds_count",] for _ in range(10)}
    assert seen == {scraped["pledge_acknowledgement_seconds_count",]}
    hooks = ("pledge_answers_total", ("endpoint", "connect_webhooks.issue_changed"), ("status", "2xx"))
    assert scraped[hooks] >= HOOKS


def test_every_metric_that_a_rule_names_is_in_a_real_scrape(cell, scraped):
    # Declared in each scrape, also while there is nothing of it to count.
    names = set(re.findall(r"^# TYPE (\S+) ", cell.scrape().text, re.MULTILINE)) | {name for name, *_ in scraped}
    for rule in rules():
        named = set(re.findall(r"\bpledge_[a-z_]+", rule["expr"]))
        assert named or rule["expr"].startswith("up{")
        assert named <= names, rule["alert"]


def test_every_metric_has_a_rule_or_a_reason_to_have_none():
    expressions = " ".join(rule["expr"] for rule in rules())
    unwatched = {metric.name for metric in METRICS if not re.search(rf"\b{metric.name}(_bucket)?\b", expressions)}
    assert unwatched == NOT_ALERTED


def test_every_rule_says_which_promise_it_guards_and_where_to_look():
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"promise", "summary", "look"} <= rule["annotations"].keys()
        assert rule["expr"].count("(") == rule["expr"].count(")")
        # Every process tells of the whole cell: what is summed over instances is counted twice.
        assert not re.search(r"\bsum\(|sum by \([a-z, ]*\) \((?!max)", rule["expr"])


def test_no_label_names_a_tenant_a_person_or_an_issue(cell, scraped):
    labels = {(name, value) for _, *pairs in scraped for name, value in pairs}
    assert {name for name, _ in labels} <= {"endpoint", "status", "limit", "job", "state", "le", "rule"}
    assert {value for name, value in labels if name == "job"} <= JOB_NAMES | {"other"}
    assert {value for name, value in labels if name == "rule"} <= {rule.rule_id for rule in RULES} | {
        "AUD-02",
        "AUD-03",
    }
    text = cell.scrape().text
    site = cell.simulator.site("genchi")
    for canary in (site.url.rpartition("/")[2], site.installation.client_key, "SEC-1", "10001"):
        assert canary not in text


def test_what_is_refused_for_a_limit_is_counted_with_its_name(cell):
    ((rows,),) = cell.database.rows("SELECT count(*) FROM registry.metrics")
    assert rows < 300, "the number of series follows from the tables, not from what is sent"
    for path in ("/nowhere", "/nowhere/else", "/%2e%2e/x", "/wp-login.php"):
        requests.get(cell.url + path, timeout=30)
    nobody = ("pledge_answers_total", ("endpoint", "none"), ("status", "4xx"))
    assert cell.eventually(lambda: numbers(cell).get(nobody, 0) >= 4)
