"""Each account of each tenant once per cycle, whatever happens on the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import ceil

import pytest

from app.domain.privacy.ports import Answer, Outcome
from app.domain.privacy.sending import LEASE

CLOSED = "5be24ba3f91c106033269289"


def test_every_account_of_every_tenant_is_reported_once_in_full_requests(held, people):
    accounts = people(200)
    for tenant, part in ((held.tenant(), accounts[:120]), (held.tenant(), accounts[100:])):
        held.hold(tenant, *part)
    run = held.run()
    assert sorted(held.api.asked) == sorted(accounts)
    assert run.requests == len(held.api.requests) == ceil(200 / 90)
    assert all(len(batch) <= 90 for _, batch in held.api.requests)
    assert held.run().requests == 0


def test_what_was_stored_first_counts_in_whichever_tenant(held, people):
    [account], stored_at = people(1), held.now
    held.hold(held.tenant(), account)
    held.pass_time(days=3)
    tenant = held.tenant()
    held.hold(tenant, account, account)
    held.run()
    [(_, [line])] = held.api.requests
    assert line.updated_at == stored_at


def test_an_account_is_due_again_after_the_period_and_never_before(held, people):
    held.hold(held.tenant(), *people(3))
    held.run()
    held.pass_time(days=7, seconds=-1)
    assert held.run().requests == 0
    held.pass_time(seconds=1)
    assert held.run().accounts == 3


def test_the_period_that_atlassian_names_holds_from_then_on(held, people):
    held.hold(held.tenant(), *people(3))
    held.api.answers = [Answer(Outcome.TAKEN, status=204, period_text="P14D")]
    held.run()
    held.pass_time(days=13)
    assert held.run().requests == 0
    held.pass_time(days=1)
    assert held.run().accounts == 3
    assert held.status["period_seconds"] == 14 * 86400


@pytest.mark.parametrize(("text", "days"), [("P14D", 14), ("3 days", 3)])
def test_another_period_holds_also_for_accounts_that_were_reported_before(held, people, text, days):
    held.hold(held.tenant(), *people(100))
    held.api.answers = [
        Answer(Outcome.TAKEN, status=204),
        Answer(Outcome.TAKEN, status=204, period_text=text),
    ]
    held.run()
    held.pass_time(days=days, seconds=-1)
    assert held.run().requests == 0
    held.pass_time(seconds=1)
    assert held.run().accounts == 100


def test_a_period_that_nobody_understands_changes_nothing(held, people):
    held.hold(held.tenant(), *people(3))
    held.api.answers = [Answer(Outcome.TAKEN, status=204, period_text="soon")]
    held.run()
    assert held.status["period_seconds"] == 7 * 86400
    assert held.status["requests"][0]["period_text"] == "soon"


def test_words_that_stand_for_nobody_are_not_reported(held):
    held.hold(held.tenant(), "jira", "unknown", "unidentified", "operator", "two words", "x" * 129)
    assert held.run().requests == 0
    assert held.status["accounts"] == 0


def test_a_closed_account_is_erased_from_every_tenant_and_never_reported_again(held, people):
    tenants = [held.tenant() for _ in range(3)]
    for tenant in tenants:
        held.hold(tenant, CLOSED, *people(2))
    held.api.closed = {CLOSED}
    assert held.run().closed == 1
    for tenant in tenants:
        assert CLOSED not in held.actors(tenant)
        assert held.actors(tenant)[0] == "an erased person"
        action, _, detail = held.entries(tenant)[-1]
        assert (action, detail["reason"], detail["accounts"]) == ("accounts.erased", "account_closed", 1)
        assert CLOSED not in str(held.entries(tenant))
    held.pass_time(days=8)
    held.api.requests.clear()
    held.run()
    assert sorted(held.api.asked) == people(2)


def test_a_closed_account_that_is_stored_once_more_is_erased_once_more_and_not_asked_about(held):
    tenant = held.tenant()
    held.hold(tenant, CLOSED)
    held.api.closed = {CLOSED}
    held.run()
    held.pass_time(days=1)
    held.hold(tenant, CLOSED)
    held.api.requests.clear()
    held.run()
    assert held.api.requests == []
    assert held.actors(tenant) == ["an erased person"] * 2


def test_an_updated_account_is_as_fresh_as_the_answer_and_nothing_is_erased(held, people):
    [account], tenant = people(1), held.tenant()
    held.hold(tenant, account)
    held.pass_time(days=2)
    held.api.answers = [Answer(Outcome.TAKEN, status=200, updated=frozenset({account}))]
    told_at = held.now
    assert held.run().updated == 1
    assert held.actors(tenant) == [account]
    held.pass_time(days=7)
    held.run()
    assert held.api.requests[-1][1][0].updated_at == told_at


def test_a_request_that_is_refused_as_malformed_is_split_until_the_bad_ones_are_found(held, people):
    accounts = people(90)
    held.hold(held.tenant(), *accounts)
    held.api.malformed = {accounts[7], accounts[61]}
    run = held.run()
    assert (run.set_aside, run.accounts) == (2, 88)
    assert held.status["set_aside"] == 2
    assert ("report.refused", "set_aside", 2) in {(a, d.get("why"), d.get("accounts")) for a, _, d in held.entries()}
    taken = [one.account for _, batch in held.api.requests if not {b.account for b in batch} & held.api.malformed
             for one in batch]  # fmt: skip
    assert sorted(taken) == sorted(set(accounts) - held.api.malformed)
    assert run.requests <= 1 + 2 * 2 * 7
    held.pass_time(days=7)
    held.api.requests.clear()
    held.run()
    assert set(held.api.asked) == set(accounts) - held.api.malformed
    assert len(held.api.requests) == 1


def test_if_every_account_is_refused_the_fault_is_not_in_the_accounts(held, people):
    held.hold(held.tenant(), *people(90))
    held.api.malformed = set(people(90))
    run = held.run()
    assert (run.set_aside, held.status["set_aside"]) == (0, 0)
    assert run.requests < 40
    assert held.entries()[-1][0] == "report.refused"


def test_after_too_many_requests_everybody_waits_for_as_long_as_was_asked(held, people):
    held.hold(held.tenant(), *people(200))
    held.api.answers = [Answer(Outcome.SLOW_DOWN, status=429, retry_after_seconds=120)]
    assert held.run().waits_for == "slow down"
    assert len(held.api.requests) == 1
    held.pass_time(seconds=119)
    assert held.run().requests == 0
    held.pass_time(seconds=1)
    assert held.run().accounts == 200


def test_without_a_time_the_wait_grows(held, people):
    held.hold(held.tenant(), *people(3))
    waits = []
    for _ in range(3):
        held.api.answers = [Answer(Outcome.SLOW_DOWN, status=429)]
        held.run()
        [(until,)] = held.sql.rows("SELECT waits_until FROM registry.report_cycle")
        waits.append(until - held.now)
        held.now = until
    assert waits[0] < timedelta(seconds=76) < waits[2]


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.ODD])
def test_after_a_failure_the_same_accounts_come_again_later(held, people, outcome):
    held.hold(held.tenant(), *people(3))
    held.api.answers = [Answer(outcome, status=500)]
    run = held.run()
    assert (run.failed, run.accounts, held.status["waiting_after_failure"]) == (1, 0, 3)
    assert held.run().requests == 0
    held.pass_time(minutes=2)
    assert held.run().accounts == 3


def test_an_answer_that_means_nothing_erases_nobody_and_is_told(held):
    tenant = held.tenant()
    held.hold(tenant, CLOSED)
    held.api.answers = [Answer(Outcome.ODD, status=200, closed=frozenset({CLOSED}), why="unknown_account")]
    held.run()
    assert held.actors(tenant) == [CLOSED]
    [(action, target, detail)] = held.entries()
    assert (action, target, detail["why"]) == ("report.refused", "reports/all", "unknown_account")


def test_an_api_that_fails_three_times_in_a_row_is_left_alone(held, people):
    held.hold(held.tenant(), *people(400))
    held.api.answers = [Answer(Outcome.UNAVAILABLE, status=503)] * 10
    assert held.run().requests == 3


@pytest.mark.parametrize(("outcome", "hours"), [(Outcome.UNAUTHORIZED, 1), (Outcome.FORBIDDEN, 6)])
def test_a_refused_credential_is_told_and_not_tried_again_at_once(held, people, outcome, hours):
    held.hold(held.tenant(), *people(200))
    held.api.answers = [Answer(outcome, status=401)] * 10
    assert held.run().requests == 1
    assert held.entries()[-1][0] == "report.refused"
    held.api.answers.clear()
    held.pass_time(hours=hours, seconds=-1)
    assert held.run().requests == 0
    held.pass_time(seconds=1)
    assert held.run().accounts == 200


def test_where_each_site_is_asked_itself_no_request_speaks_of_two(held, people):
    tenants = [held.tenant() for _ in range(3)]
    for number, tenant in enumerate(tenants):
        held.hold(tenant, *people(5, prefix=f"5be24ad8b165324037{number:02}"))
    held.run(is_shared=False)
    assert [(who, len(batch)) for who, batch in held.api.requests] == [(tenant, 5) for tenant in tenants]


def test_where_a_sites_credential_is_refused_another_one_reports_its_people(held, people):
    first, second = held.tenant(), held.tenant()
    held.hold(first, *people(5))
    held.api.refused = {first}
    assert held.run(is_shared=False).accounts == 5
    assert [who for who, _ in held.api.requests] == [first, second]


def test_people_of_a_site_that_is_gone_are_reported_by_another(held, people):
    gone, other = held.tenant(), held.tenant()
    held.hold(gone, *people(5))
    held.sql.execute("UPDATE registry.connect_installations SET state = 'uninstalled' WHERE tenant_id = %s", gone)
    assert held.run(is_shared=False).accounts == 5
    assert [who for who, _ in held.api.requests] == [other]


def test_tries_of_other_credentials_are_bounded(held, people):
    tenants = [held.tenant() for _ in range(6)]
    held.hold(tenants[0], *people(5))
    held.api.refused = set(tenants)
    run = held.run(is_shared=False)
    assert (run.requests, run.accounts) == (3, 0)


def test_one_site_that_is_down_holds_up_no_other(held, people):
    down, up = held.tenant(), held.tenant()
    held.hold(down, *people(100))
    held.hold(up, *people(5, prefix="5be24ad8b16532403799"))
    held.api.answers = [Answer(Outcome.UNAVAILABLE, status=503)]
    assert held.run(is_shared=False).accounts == 5
    assert [who for who, _ in held.api.requests] == [down, up]


def test_an_account_that_is_erased_while_its_report_is_under_way_comes_to_nothing(held, people):
    accounts, tenant = people(3), held.tenant()
    held.hold(tenant, *accounts)
    held.api.on_ask = lambda _: held.erasing.erase(tenant, accounts[:1], actor="operator", reason="requested")
    held.run()
    assert held.status["accounts"] == 2
    held.pass_time(days=7)
    held.api.requests.clear()
    held.api.on_ask = None
    held.run()
    assert sorted(held.api.asked) == accounts[1:]


def test_an_account_that_is_erased_before_its_request_is_left_out(held, people):
    accounts, tenant = people(100), held.tenant()
    held.hold(tenant, *accounts)
    held.list()
    asked_first = []

    def erase_the_rest(batch):
        if not asked_first:
            asked_first.extend(one.account for one in batch)
            rest = set(accounts) - set(asked_first)
            held.erasing.erase(tenant, rest, actor="operator", reason="requested")

    held.api.on_ask = erase_the_rest
    held.run()
    assert len(held.api.requests) == 1
    assert held.status["accounts"] == 90


def test_an_account_that_is_added_during_a_pass_is_reported_within_a_period(held, people):
    tenant = held.tenant()
    held.hold(tenant, *people(3))
    held.run()
    held.hold(tenant, CLOSED)
    reported_at = None
    for _ in range(15):
        held.pass_time(hours=12)
        held.run(at_once=False)
        if CLOSED in held.api.asked and reported_at is None:
            reported_at = held.now
    assert reported_at is not None
    assert held.api.asked.count(CLOSED) == 1


def test_the_load_is_spread_over_the_period_and_requests_stay_full(held, people):
    held.hold(held.tenant(), *people(900))
    sizes = []
    for _ in range(7 * 6 + 4):
        before = len(held.api.requests)
        held.run(at_once=False)
        sizes.append(sum(len(batch) for _, batch in held.api.requests[before:]))
        held.pass_time(hours=4)
    assert sorted(held.api.asked) == people(900)
    assert max(sizes) <= 270
    assert len(held.api.requests) <= ceil(900 / 90) + 7 * 2


def test_two_workers_report_nobody_twice_and_skip_nobody(held, people):
    accounts = people(700)
    held.hold(held.tenant(), *accounts[:400])
    held.hold(held.tenant(), *accounts[300:])
    held.list()
    workers = [held.reporting(database=held.open(held.sql.worker)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda worker: worker.run(at_once=True), workers))
    held.run()
    assert sorted(held.api.asked) == sorted(accounts)


def test_what_a_killed_worker_had_under_way_comes_again_when_its_lease_ends(held, people):
    class Killed(BaseException):
        """No handler of the product sees it."""

    def kill(_):
        raise Killed

    held.hold(held.tenant(), *people(100))
    held.api.on_ask = kill
    with pytest.raises(Killed):
        held.run()
    held.api.on_ask = None
    lost = len(held.api.requests.pop()[1])
    assert held.run().accounts == 100 - lost
    held.pass_time(seconds=LEASE.total_seconds())
    assert held.run().accounts == lost
    assert sorted(held.api.asked) == people(100)


def test_a_worker_that_slept_through_its_lease_reports_nobody(held, people):
    held.hold(held.tenant(), *people(91))
    other = held.reporting(database=held.open(held.sql.worker))

    def sleep(batch):
        held.api.on_ask = None
        if len(batch) > 1:
            held.pass_time(seconds=LEASE.total_seconds() + 1)
            other.run(at_once=True)

    held.api.malformed = {people(91)[0]}
    held.api.on_ask = sleep
    held.run()
    reported = [one.account for _, batch in held.api.requests if people(91)[0] not in {b.account for b in batch}
                for one in batch]  # fmt: skip
    assert sorted(reported) == people(91)[1:]
