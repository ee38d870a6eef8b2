"""System tokens as Forge brings them: sealed, renewed, missing, over; and the keys that invocations are signed with."""

import pytest
import requests

AGE = """
    WITH seen AS (UPDATE registry.forge_installations SET seen_at = seen_at - %s::interval)
    UPDATE app.forge_tokens SET received_at = received_at - %s::interval, expires_at = expires_at - %s::interval
"""
TABLES = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relkind = 'r' AND relnamespace IN ('app'::regnamespace, 'registry'::regnamespace, 'jobs'::regnamespace)
"""


@pytest.fixture(scope="module")
def running(stack):
    assert stack.forge("install")["accepted"]
    return stack


@pytest.fixture
def version(running):
    """The version of the only token, which is also that of the only envelope."""

    def version():
        [(found,)] = running.database.rows("SELECT version FROM app.forge_tokens")
        assert running.database.rows("SELECT version FROM app.sealed_secrets") == [(found,)]
        return found

    return version


def pending(stack):
    return {issue for (issue,) in stack.database.rows("SELECT issue_id FROM app.pending_reads")}


def clocks(stack, issue):
    return stack.invoke(f"/api/v1/issues/{issue}/clocks", issue=issue).json()


def tracked(stack, issue):
    return stack.eventually(lambda: clocks(stack, issue)["tracking"] == "tracked")


def test_the_hourly_call_replaces_the_token_only_after_half_an_hour(running, version):
    assert version() == 1
    assert running.forge("cron")["accepted"]
    assert version() == 1
    running.database.execute(AGE, *["29 minutes"] * 3)
    assert running.forge("cron")["accepted"]
    assert version() == 1
    running.database.execute(AGE, *["1 minute"] * 3)
    assert running.forge("cron")["accepted"]
    assert version() == 2
    tracked(running, "10001")


def test_the_token_of_a_new_version_counts_at_once_because_the_old_one_may_lack_what_was_just_agreed_to(
    running, version
):
    before = version()
    assert running.forge("upgrade", app_version="2.0.0")["accepted"]
    assert version() == before + 1
    assert running.forge("cron")["accepted"]
    assert version() == before + 1


def test_a_call_without_a_token_takes_none_away(running, version):
    running.database.execute(AGE, *["31 minutes"] * 3)
    before = version()
    headers = running.fit(kind="cron")["headers"]
    del headers["x-forge-oauth-system"]
    assert requests.post(f"{running.url}/forge/cron", json={}, headers=headers, timeout=30).status_code == 200
    assert version() == before
    running.database.execute(AGE, *["1 second"] * 3)
    assert running.forge("cron")["accepted"]
    assert version() == before + 1


def test_no_token_of_anybody_is_in_any_row_or_line_of_the_log(running):
    running.invoke("/api/v1/issues/10002/clocks", issue="10002")
    tracked(running, "10002")
    kept = [
        text
        for (name,) in running.database.rows(TABLES)
        for (text,) in running.database.rows(f"SELECT t::text FROM {name} t")  # noqa: S608  the catalogue's own names
    ]
    said = [*kept, running.web.output, running.worker.output]
    grants = running.simulator.world.forge["genchi"].tokens._grants
    assert {grant.person.handle for grant in grants.values()} >= {"app", "developer"}
    for token in grants:
        for spelling in (token, token.removeprefix("simulated."), token.encode().hex()):
            assert not [text for text in said if spelling in text]
    fit = running.fit(kind="cron")
    requests.post(f"{running.url}/forge/cron", json={}, headers=fit["headers"], timeout=30).raise_for_status()
    assert fit["token"].rpartition(".")[2] not in running.web.output


def unread(running):
    """An issue that counts, and of which no event has told."""
    running.control("/control", site="genchi", webhooks={"drop": 3600})
    made = running.control("/sites/genchi/issues", project="SEC", issuetype="Vulnerability", cvss_score=8.1)
    running.control("/control", site="genchi", webhooks={"drop": 0})
    return str(made["id"])


def test_reads_wait_while_the_token_is_over_and_the_next_hourly_call_resumes_them(running):
    tracked(running, "10001")
    new = unread(running)
    running.database.execute(AGE, *["3 hours"] * 3)
    assert clocks(running, new)["tracking"] == "unknown"  # a person's page brings no system token
    running.eventually(lambda: "TokenAwaited" in running.worker.output)  # it says so
    assert pending(running) == {int(new)}
    assert clocks(running, "10001")["tracking"] == "tracked"  # what is known is shown all the while
    assert running.forge("cron")["accepted"]
    tracked(running, new)
    running.eventually(lambda: pending(running) == set())


def test_a_token_that_jira_no_longer_takes_loses_nothing_either(running):
    new = unread(running)
    running.control("/sites/genchi/expire-tokens")
    assert clocks(running, new)["tracking"] == "unknown"
    running.eventually(lambda: running.database.rows("SELECT max(attempts) > 0 FROM app.pending_reads") == [(True,)])
    assert pending(running) == {int(new)}
    running.database.execute(AGE, *["1 hour"] * 3)
    assert running.forge("cron")["accepted"]
    running.database.let_time_pass()
    tracked(running, new)


def test_a_site_without_any_token_yet_is_read_as_soon_as_one_comes(running):
    """An app whose first calls carry none, as when the scope was approved later."""
    running.forge("install", "genible", routes={"lifecycle": "/nowhere"})
    issue = running.control("/sites/genible/issues", project="SEC", issuetype="Vulnerability", cvss_score=8.1)["id"]
    count = "SELECT count(*) FROM app.issues WHERE issue_id = %s AND tracking = 'tracked'"
    running.eventually(lambda: running.database.rows(count, int(issue)) == [(1,)])


def test_while_the_key_set_is_down_calls_are_refused_for_later_and_served_when_it_is_up(make_stack):
    """A 401 would be written down as a token that failed, and events that fail so are shown to the customer."""
    with make_stack() as stack:
        stack.control("/control", jwks="down")
        assert stack.forge("install")["status"] == 503
        answer = stack.invoke("/api/v1/issues/10001/clocks")
        assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert stack.database.rows("SELECT count(*) FROM registry.forge_installations") == [(0,)]
        stack.control("/control", jwks="rotate")
        stack.control("/control", jwks="up")
        stack.eventually(lambda: stack.forge("cron")["status"] == 200, seconds=45)
        assert stack.invoke("/api/v1/issues/10001/clocks").status_code == 200
        stack.control("/control", jwks="down")  # the keys that are known serve on
        assert stack.forge("cron")["status"] == 200
