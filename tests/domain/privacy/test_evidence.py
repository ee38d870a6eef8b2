"""The cycle is a promise: each pass leaves evidence, and somebody is told when it is a day late."""

from datetime import timedelta

from app.domain.alerts.operations import Watch
from app.domain.privacy.cycle import CycleState
from app.domain.privacy.ports import Answer, Outcome


def test_nothing_is_known_before_anything_was_listed(held):
    assert held.status["state"] is CycleState.NOTHING_HELD
    assert held.status["listed_at"] is None


def test_each_pass_says_what_it_took(held, people):
    held.hold(held.tenant(), *people(100))
    held.run(at_once=False)
    held.pass_time(seconds=1)
    held.run()
    [(action, target, detail)] = held.entries()
    assert (action, target) == ("reports.completed", "pass/1")
    assert detail == {"requests": 2, "refused": 0, "accounts": 100, "closed": 0, "updated": 0}
    held.run()
    assert len(held.entries()) == 1
    held.pass_time(days=7)
    held.run()
    assert [target for _, target, _ in held.entries()] == ["pass/1", "pass/2"]
    assert held.status["pass"] == 3


def test_a_day_late_is_a_breach_that_somebody_is_told_of_once_a_day(held, people):
    held.hold(held.tenant(), *people(3))
    held.run()
    assert held.status["state"] is CycleState.ON_TIME
    held.pass_time(days=8, seconds=-1)
    assert held.status["state"] is CycleState.BEHIND
    held.pass_time(seconds=1)
    assert held.status["state"] is CycleState.BREACHED
    held.api.answers = [Answer(Outcome.UNAVAILABLE, status=503)]
    for _ in range(2):
        held.run()
    late = [entry for entry in held.entries() if entry[0] == "reports.late"]
    assert [detail["due"] for _, _, detail in late] == [3]
    told = []
    Watch(database=held.worker, tell=told.append).evaluate(now=held.now)
    assert "PRIV-01" in {alert.rule.rule_id for alert in told}

    held.pass_time(days=1)
    held.run()
    assert held.status["state"] is CycleState.ON_TIME
    assert held.sql.rows("SELECT told_at FROM registry.report_cycle") == [(None,)]


def test_a_closed_account_that_is_not_erased_within_a_day_is_a_breach(held, people):
    held.hold(held.tenant(), *people(1))
    held.run()
    # as if every erasure since had failed
    held.sql.execute("UPDATE registry.account_reports SET state = 'closed', answered_at = %s", held.now)
    held.pass_time(days=1)
    assert held.status["state"] is CycleState.BREACHED
    held.run()
    assert held.status["state"] is not CycleState.BREACHED
    assert held.status["closed_unerased"] == 0


def test_evidence_names_nobody(held, people):
    [account] = people(1)
    held.hold(held.tenant(), account)
    held.api.closed = {account}
    held.run()
    assert account not in str(held.status)
    assert account not in str(held.sql.rows("SELECT * FROM registry.report_log"))


def test_since_when_the_oldest_is_due_and_a_closed_one_waits_is_told(held, people):
    tenant, accounts = held.tenant(), people(2)
    held.hold(tenant, *accounts)
    assert held.list(period=timedelta(days=7)) == 2

    def oldest():
        with held.worker.begin() as uow:
            return uow.reports.oldest()

    due = "SELECT min(due_at) FROM registry.account_reports"
    assert oldest() == (held.sql.rows(due)[0][0], None)
    at = held.now
    held.sql.execute("UPDATE registry.account_reports SET state = 'closed', answered_at = %s", at)
    assert oldest() == (None, at)
