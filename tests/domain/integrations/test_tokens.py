"""Tokens are renewed by one process at a time; what is lost on the way, and a grant that is gone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts.operations import Watch
from app.domain.identifiers import AccountId
from app.domain.integrations.tokens import GrantUnavailable
from app.domain.privacy.ports import Outcome, ReportedAccount

ACCOUNT = ReportedAccount(AccountId("5be24ad8b1653240376955d2"), b"digest", datetime(2026, 11, 15, tzinfo=UTC))


@pytest.fixture
def connected(house):
    house.connect()
    return house


def unavailable(process):
    with pytest.raises(GrantUnavailable) as error:
        process.tokens.current()
    return error.value


def test_a_token_that_is_good_is_used_without_asking_anybody(connected):
    assert [connected.worker.tokens.current() for _ in range(3)] == [1, 1, 1]
    assert connected.worker.ask([ACCOUNT]).outcome is Outcome.TAKEN
    assert connected.asked("refresh_token") == []


def test_a_token_is_renewed_before_it_ends_and_the_former_ones_are_gone(connected):
    first = connected.held()
    connected.pass_time(minutes=59, seconds=30)
    assert connected.worker.tokens.current() == 2
    assert connected.sealed() == [("atlassian:access", 2), ("atlassian:refresh", 2)]
    assert connected.worker.ask([ACCOUNT]).outcome is Outcome.TAKEN
    assert len(connected.held()) == 3
    assert set(first) - set(connected.held())
    everything = connected.everything()
    assert not [token for token in {*first, *connected.held()} if token in everything]


def test_a_token_that_is_good_for_seconds_is_used_and_not_renewed_for_ever(house):
    house.control(access_seconds=30)
    house.connect()
    assert house.worker.tokens.current() == 2
    assert house.asked("refresh_token") == [200]


def test_two_workers_that_find_it_ended_at_once_ask_once(connected):
    workers = [connected.process(connected.sql.worker) for _ in range(4)]
    connected.pass_time(hours=2)
    start = threading.Barrier(len(workers))

    def current(worker):
        start.wait(60)
        return worker.tokens.current()

    with ThreadPoolExecutor(len(workers)) as pool:
        assert list(pool.map(current, workers)) == [2, 2, 2, 2]
    assert connected.asked("refresh_token") == [200]


def test_a_worker_waits_for_the_one_that_asks_and_takes_what_it_got(connected, canned):
    connected.pass_time(hours=2)
    good = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "token_type": "Bearer"}
    connected.control(answers=[{**canned(**good), "delay_seconds": 1.0}])
    other = connected.process(connected.sql.worker)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(connected.worker.tokens.current)
        while connected.sql.rows("SELECT leased_until FROM app.integrations") == [(None,)]:
            pass
        assert other.tokens.current() == 2
        assert other.paused.is_set()
        assert first.result() == 2
    assert len(connected.asked("refresh_token")) == 1


def test_a_lost_answer_is_asked_for_again_with_the_former_token(connected):
    connected.pass_time(hours=2)
    connected.control(lose=1)
    lacking = unavailable(connected.worker)
    assert (lacking.why, lacking.is_over, lacking.retry_after_seconds) == ("status_502", False, 29)
    connected.moved += timedelta(seconds=30)
    assert connected.worker.tokens.current() == 2
    assert connected.worker.ask([ACCOUNT]).outcome is Outcome.TAKEN


def test_a_worker_killed_between_the_answer_and_our_commit_is_survived_within_the_window(connected):
    former = connected.sql.rows("SELECT row_id, envelope FROM app.sealed_secrets WHERE row_id LIKE '%%refresh'")
    connected.pass_time(hours=2)
    assert connected.worker.tokens.current() == 2
    # As if what came had never been stored: the lease is left behind, and the token that is used up.
    connected.sql.execute("DELETE FROM app.sealed_secrets")
    key = connected.sql.rows("SELECT key_id FROM app.data_keys WHERE purpose = 'oauth-token'")[0][0]
    connected.sql.execute(
        "INSERT INTO app.sealed_secrets (tenant_id, purpose, row_id, version, key_id, envelope)"
        " VALUES (0, 'oauth-token', %s, 1, %s, %s)", former[0][0], key, former[0][1]
    )  # fmt: skip
    connected.sql.execute(
        "UPDATE app.integrations SET refresh_version = 1, access_version = 1, access_expires_at = %s,"
        " leased_until = %s", connected.now(), connected.now() + timedelta(seconds=1)
    )  # fmt: skip
    connected.moved += timedelta(seconds=2)
    other = connected.process(connected.sql.worker)
    assert other.tokens.current() == 2
    assert other.ask([ACCOUNT]).outcome is Outcome.TAKEN


def test_after_the_window_the_reuse_ends_the_grant_and_somebody_is_told(connected):
    connected.control(reuse_seconds=0, lose=1)
    connected.pass_time(hours=2)
    unavailable(connected.worker)
    connected.pass_time(minutes=1)
    lacking = unavailable(connected.worker)
    assert (lacking.why, lacking.is_over) == ("needs reconnecting", True)
    assert (connected.state, connected.status["problem"]) == ("needs reconnecting", "invalid_grant")
    assert connected.sealed() == []
    assert connected.sql.rows("SELECT 1 FROM app.data_keys WHERE purpose = 'oauth-token'") == []
    assert connected.entries()[-1] == ("integration.lost", {"why": "invalid_grant", "secrets": 2})
    raised = Watch(connected.worker.database, tell=lambda _: None).evaluate(now=connected.now())
    assert "PRIV-03" in [alert.rule.rule_id for alert in raised]
    connected.connect()
    assert connected.worker.ask([ACCOUNT]).outcome is Outcome.TAKEN


def test_a_grant_that_the_person_ended_is_found_by_the_refused_report(connected):
    connected.control(revoke=True)
    answer = connected.worker.ask([ACCOUNT])
    assert (answer.outcome, answer.why) == (Outcome.UNAUTHORIZED, "needs reconnecting")
    assert connected.asked("refresh_token") == [403]


def test_an_access_token_that_is_refused_before_its_time_is_renewed_once(connected):
    connected.control(expire=True)
    assert connected.worker.ask([ACCOUNT]).outcome is Outcome.TAKEN
    assert connected.asked("refresh_token") == [200]
    connected.control_all(accounts={"answers": [{"status": 401, "times": 2}]})
    assert connected.worker.ask([ACCOUNT]).outcome is Outcome.UNAUTHORIZED
    assert connected.asked("refresh_token") == [200, 200]


def test_a_server_that_asks_for_patience_gets_it(connected):
    connected.pass_time(hours=2)
    connected.control(answers=[{"status": 429, "retry_after": "120"}, {"status": 503}])
    answer = connected.worker.ask([ACCOUNT])
    assert (answer.outcome, answer.why) == (Outcome.SLOW_DOWN, "status_429")
    assert 110 <= answer.retry_after_seconds <= 120
    connected.moved += timedelta(seconds=110)
    unavailable(connected.worker)
    assert connected.asked("refresh_token") == [429]
    connected.moved += timedelta(seconds=10)
    assert unavailable(connected.worker).why == "status_503"
    connected.moved += timedelta(seconds=61)
    assert connected.worker.tokens.current() == 2
    assert connected.state == "connected"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": 200, "body": "<!doctype html>", "content_type": "text/html"}, "not_as_documented"),
        ({"status": 200, "body": "{}", "size": 50_000_000}, "AnswerTooLarge"),
        ({"status": 302}, "Redirected"),
        ({"status": 401, "body": '{"error": "invalid_client"}'}, "invalid_client"),
        ({"status": 400, "body": '{"error": "<script>"}'}, "status_400"),
    ],
)
def test_an_answer_that_means_nothing_loses_no_grant_and_is_told(connected, answer, why):
    connected.pass_time(hours=2)
    connected.control(answers=[answer])
    assert unavailable(connected.worker).why == why
    assert connected.entries()[-1] == ("integration.refused", {"why": why, "failures": 1})
    connected.moved += timedelta(seconds=31)
    assert connected.worker.tokens.current() == 2


def test_disconnect_during_a_refresh_revokes_the_newer_token(connected):
    connected.pass_time(hours=2)
    renewing = connected.worker.tokens.server.refresh

    def refresh(fill):
        answered = renewing(fill)
        connected.worker.disconnecting.disconnect(now=connected.now())
        return answered

    object.__setattr__(connected.worker.tokens.server, "refresh", refresh)
    assert unavailable(connected.worker).is_over
    assert connected.sealed() == [("atlassian:refresh", 2)]
    connected.worker.integrations.tend(now=connected.now())
    assert (connected.state, connected.living, connected.sealed()) == ("disconnected", 0, [])


def test_without_a_grant_nobody_is_asked(house):
    answer = house.worker.ask([ACCOUNT])
    assert (answer.outcome, answer.why) == (Outcome.UNAUTHORIZED, "not connected")
    assert house.worker.integrations.status.lacking() == "atlassian is not connected"
