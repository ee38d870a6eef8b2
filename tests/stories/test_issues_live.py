"""What happens to an issue after it was first read, and what its webhooks may go through on the way."""

import pytest


@pytest.fixture
def issue(genchi):
    """A new issue of high severity, read."""
    made = genchi.create(**genchi.cvss["high"])
    genchi.tracked(made)
    return made


def test_an_issue_that_is_closed_and_reopened_has_a_second_cycle(genchi, issue):
    genchi.change(issue, status="Done", resolution="Fixed")
    genchi.eventually(issue, lambda seen: seen["clocks"][0]["state"] == "met")
    genchi.change(issue, status="To Do", resolution=None)
    seen = genchi.eventually(issue, lambda seen: len(seen["clocks"]) == 2)
    assert [(clock["cycle"], clock["state"]) for clock in seen["clocks"]] == [(2, "running"), (1, "met")]


@pytest.mark.parametrize("vanish", ["hidden", "deleted"])
def test_an_issue_that_jira_no_longer_shows_is_flagged_and_never_met(genchi, issue, vanish):
    genchi.page(issue, account="admin")  # Jira's word on this person is good for a quarter of an hour
    before = genchi.clocks(issue, account="admin").json()
    key = genchi.seeded.issue(issue).key
    genchi.change(issue, **({"delete": True} if vanish == "deleted" else {"security": "Managers"}))
    seen = genchi.eventually(issue, lambda seen: seen["hidden_since"], account="admin")
    assert seen["clocks"][0]["state"] == "running"
    assert genchi.due_at(seen) == genchi.due_at(before)
    token = genchi.token(kind="context", account="admin")
    target = f"/fragments/issue?issueId={issue}&issueKey={key}"
    panel = genchi.stack.eventually(lambda: genchi.get(target, token)).text
    assert "Jira no longer shows this issue" in panel
    assert "due in" in panel


def test_a_hidden_issue_that_comes_back_is_no_longer_flagged(genchi, issue):
    genchi.change(issue, security="Managers")
    genchi.eventually(issue, lambda seen: seen["hidden_since"])
    genchi.change(issue, security=None)
    genchi.eventually(issue, lambda seen: seen["hidden_since"] is None)


def test_taking_the_label_off_does_not_take_the_promise_off(genchi):
    issue = genchi.create(issuetype="Bug", **genchi.cvss["high"])
    genchi.tracked(issue)
    genchi.change(issue, labels=[])
    seen = genchi.read_again(issue)
    assert (seen["tracking"], seen["clocks"][0]["state"]) == ("tracked", "running")


def test_a_webhook_of_an_issue_that_matters_to_no_promise_leaves_no_row(genchi):
    task = genchi.create(project="OPS", issuetype="Task", labels=[])
    genchi.change(task, summary="Still a task")
    sent = [delivery for delivery in genchi.deliveries() if delivery["issue"]["id"] == task]
    assert [delivery["attempts"][0]["status"] for delivery in sent] == [204, 204]
    for table in ("issues", "webhook_deliveries", "pending_reads"):
        query = f"SELECT count(*) FROM app.{table} WHERE issue_id = %s"  # noqa: S608  the three names above
        assert genchi.stack.database.rows(query, int(task)) == [(0,)]


@pytest.mark.parametrize(
    "weather",
    [{"duplicate": 2}, {"reorder": 5}, {"delay_seconds": 1.5}, {"drop": 4}, {"duplicate": 1, "reorder": 5}],
    ids=["each three times", "backwards", "late", "only the last", "backwards and twice"],
)
def test_webhooks_end_in_the_same_state_however_they_arrive(calm, weather):
    issue = calm.create(**calm.cvss["high"])
    calm.tracked(issue)
    calm.deliveries()
    calm.weather(webhooks=weather)
    for values in (
        calm.cvss["critical"],
        {"status": "Done", "resolution": "Fixed"},
        {"status": "To Do", "resolution": None},
        calm.cvss["low"],
        {"summary": "The last word"},
    ):
        calm.change(issue, **values)
    calm.weather(webhooks={"reorder": 0, "duplicate": 0})
    seen = calm.eventually(issue, lambda seen: seen["severity"]["level"] == "low" and len(seen["clocks"]) == 2)
    assert [(clock["cycle"], clock["state"]) for clock in seen["clocks"]] == [(2, "running"), (1, "met")]
    database = calm.stack.database
    kinds = database.rows("SELECT kind FROM app.clock_events WHERE issue_id = %s ORDER BY at, kind", int(issue))
    assert [kind for (kind,) in kinds] == [
        "reported",
        "severity_set",
        "severity_set",
        "fixed",
        "reopened",
        "severity_set",
    ]
    delivered = [one["identifier"] for one in calm.deliveries() if one["issue"]["id"] == issue and one["attempts"]]
    stored = database.rows("SELECT delivery_id FROM app.webhook_deliveries WHERE issue_id = %s", int(issue))
    assert sorted(stored) == sorted((identifier,) for identifier in delivered)
