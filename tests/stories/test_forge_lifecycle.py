"""A Forge installation from its first call, whatever that is, to its removal: over HTTP, by simulated Forge."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

INSTALLATIONS = """
    SELECT forge_installation, tenant_id, environment, state FROM registry.forge_installations
    WHERE cloud_id = %s ORDER BY seen_at
"""
NOWHERE = {"lifecycle": "/nowhere"}
HIGH = {"issuetype": "Vulnerability", "labels": ["security"], "cvss_score": 8.1}


@pytest.fixture
def known(stack):
    """What we know of a site's Forge installations, oldest first."""
    return lambda site: stack.database.rows(INSTALLATIONS, stack.simulator.site(site).cloud_id)


@pytest.fixture
def audited(stack):
    def audited(tenant):
        query = (
            "SELECT action, detail FROM app.audit_entries WHERE tenant_id = %s AND action LIKE 'install%%' ORDER BY at"
        )
        return stack.database.rows(query, tenant)

    return audited


def sent(stack, site, kind, body=None, **wanted):
    """One system call of Forge, by hand."""
    headers = stack.fit(site, kind=kind, **wanted)["headers"]
    return requests.post(f"{stack.url}/forge/{kind}", json=body or {}, headers=headers, timeout=30)


def events_of(stack, site):
    """The ledger of system calls, once none is pending."""
    url = f"{stack.simulator.control_url}/sites/{site}/events"
    return requests.get(url, params={"wait": 25}, timeout=40).json()["deliveries"]


@pytest.mark.parametrize("site", ["genible", "kencha"])
def test_an_event_that_comes_before_installed_makes_the_tenant(stack, known, audited, site):
    answer = stack.forge("install", site, routes=NOWHERE)
    assert answer["status"] == 404  # as if it were late
    issue = stack.control(f"/sites/{site}/issues", project="SEC", **HIGH)["id"]
    stack.eventually(lambda: known(site))
    assert sent(stack, site, "lifecycle").status_code == 200  # there it is
    [(installation, tenant, environment, state)] = known(site)
    assert (installation, environment, state) == (answer["installation_id"], "PRODUCTION", "active")
    assert audited(tenant) == [("installation.added", {"host": "forge"})]
    read = "SELECT count(*) FROM app.issues WHERE tenant_id = %s AND issue_id = %s AND tracking = 'tracked'"
    stack.eventually(lambda: stack.database.rows(read, tenant, int(issue)) == [(1,)])


def test_an_upgrade_is_audited_once_with_both_versions_and_changes_nothing_else(stack, known, audited):
    before = known("genible")
    tenant = before[0][1]
    answer = stack.forge("upgrade", "genible", app_version="2.0.0", routes={"lifecycle": "/forge/lifecycle"})
    assert answer["accepted"]
    assert stack.forge("cron", "genible")["accepted"]
    assert sent(stack, "genible", "events", {"eventType": "of an older one"}, app_version="1.0.0").status_code == 200
    assert known("genible") == before
    upgrade = ("installation.upgraded", {"from_version": "1.0.0", "to_version": "2.0.0"})
    assert audited(tenant)[1:] == [upgrade]

    for version in ("2.0.7", "2.1.0"):  # a patch is no news; a minor version rolls out without a word
        assert sent(stack, "genible", "cron", app_version=version).status_code == 200
    assert audited(tenant)[2:] == [("installation.upgraded", {"from_version": "2.0.0", "to_version": "2.1.0"})]
    other = stack.database.rows("SELECT app_version FROM registry.forge_installations WHERE tenant_id <> %s", tenant)
    assert {version for (version,) in other} <= {"1.0.0"}  # each site has its own
    for version in ("1.0.0", "2.0.0", "17.3.1"):  # several majors are alive at once
        assert stack.invoke("/api/v1/issues/10001/clocks", site="genible", app_version=version).status_code == 200


@pytest.mark.parametrize("reading", ["endpoint", "module"])
def test_the_call_before_a_removal_is_known_by_either_reading_and_a_reinstall_is_the_same_tenant(
    stack, known, audited, reading
):
    stack.forge("install", "genible", module_keys=reading)
    [*_, (_, tenant, _, state)] = known("genible")
    assert state == "active"
    assert stack.forge("uninstall", "genible")["accepted"]
    assert known("genible")[-1][3] == "uninstalled"
    assert stack.database.rows("SELECT count(*) FROM app.forge_tokens WHERE tenant_id = %s", tenant) == [(0,)]
    assert stack.invoke("/api/v1/issues/10001/clocks", site="genible").status_code == 403

    answer = stack.forge("install", "genible")
    assert answer["accepted"]
    back = known("genible")[-1]
    assert back == (answer["installation_id"], tenant, "PRODUCTION", "active")
    action, detail = audited(tenant)[-1]
    assert action == "installation.returned"
    assert detail["from_installation"]


def test_a_reinstall_without_a_word_of_removal_ends_the_one_before(stack, known):
    old, new = (stack.forge("install", "kencha")["installation_id"] for _ in range(2))
    states = {installation: (tenant, state) for installation, tenant, _, state in known("kencha")}
    assert (states[old][1], states[new][1]) == ("suspended", "active")
    assert states[old][0] == states[new][0]
    assert stack.invoke("/api/v1/issues/10001/clocks", site="kencha", previous=1).status_code == 403
    assert sent(stack, "kencha", "cron", previous=1).status_code == 403
    tokens = "SELECT count(*) FROM app.forge_tokens WHERE tenant_id = %s"
    assert stack.database.rows(tokens, states[new][0]) == [(1,)]  # the old one's system token is destroyed


def test_another_environment_is_refused_and_leaves_nothing(stack, known):
    before = known("genible")
    for environment in ("DEVELOPMENT", "STAGING"):
        answers = [sent(stack, "genible", kind, environment=environment) for kind in ("lifecycle", "events", "cron")]
        answers.append(stack.invoke("/api/v1/issues/10001/clocks", site="genible", environment=environment))
        assert [answer.status_code for answer in answers] == [403] * 4
    assert known("genible") == before


def test_a_first_contact_by_many_calls_at_once_makes_one_tenant_and_fails_none(stack, known, audited):
    stack.forge("install", "genchi", routes=NOWHERE)
    headers = [stack.fit("genchi", kind="cron")["headers"] for _ in range(16)]

    def call(own):
        return requests.post(f"{stack.url}/forge/cron", json={}, headers=own, timeout=30).status_code

    with ThreadPoolExecutor(8) as callers:
        assert set(callers.map(call, headers)) == {200}
    [(_, tenant, _, _)] = known("genchi")
    assert audited(tenant) == [("installation.added", {"host": "forge"})]
    sealed = "SELECT version FROM app.sealed_secrets WHERE tenant_id = %s"
    assert stack.database.rows(sealed, tenant) == [(1,)]


def deliveries(stack, issue):
    query = "SELECT delivery_id FROM app.webhook_deliveries WHERE issue_id = %s ORDER BY 1"
    return [name for (name,) in stack.database.rows(query, int(issue))]


def test_an_event_is_stored_once_however_often_and_under_whatever_token_it_comes(stack):
    stack.control("/control", site="kencha", events={"duplicate": 2})
    issue = stack.control("/sites/kencha/issues", project="SEC", **HIGH)["id"]
    [event] = [one for one in events_of(stack, "kencha") if one["issue"] and one["issue"]["id"] == issue]
    stack.control("/control", site="kencha", reset=True)
    assert [attempt["status"] for attempt in event["attempts"]] == [200, 200, 200]
    first, business = deliveries(stack, issue)
    [name] = {first, business} - {f"forge:{event['identifier']}"}
    kind, number, updated = split_name(name)
    again = {"eventType": kind, "issue": {"id": number, "fields": {"updated": updated}}}
    answer = sent(stack, "kencha", "events", again | {"retryContext": {"retryCount": 1}})
    assert (answer.status_code, answer.json()) == (200, {})
    assert deliveries(stack, issue) == [first, business]

    later = {"eventType": kind, "issue": {"id": number, "fields": {"updated": "2031-01-01T00:00:00.000+0000"}}}
    assert sent(stack, "kencha", "events", later).status_code == 200
    assert len(deliveries(stack, issue)) == 4


def split_name(name):
    """Event, issue and instant of a business key."""
    kind, _, rest = name.removeprefix("forge:").partition(":issue:")
    number, _, updated = rest.partition(":")
    return f"{kind}:issue", number, updated


def test_events_are_answered_long_before_forge_gives_up(stack):
    seconds = []
    for number in range(30):
        body = {"eventType": "avi:jira:updated:issue", "issue": {"id": str(20_000 + number)}}
        headers = stack.fit("kencha", kind="events")["headers"]
        began = time.perf_counter()
        answer = requests.post(f"{stack.url}/forge/events", json=body, headers=headers, timeout=30)
        seconds.append(time.perf_counter() - began)
        assert (answer.status_code, answer.json()) == (200, {})
    assert sorted(seconds)[27] < 0.3


def test_an_event_that_could_not_be_stored_comes_again_and_is_read_once(stack):
    """A lost event is not noticed by anybody: what is not stored must not be answered with 200."""
    stack.database.execute("REVOKE INSERT ON app.webhook_deliveries FROM pledge_web")
    try:
        issue = stack.control("/sites/kencha/issues", project="SEC", **HIGH)["id"]
        time.sleep(0.5)
        assert deliveries(stack, issue) == []
    finally:
        stack.database.execute("GRANT INSERT ON app.webhook_deliveries TO pledge_web")
    [event] = [one for one in events_of(stack, "kencha") if one["issue"] and one["issue"]["id"] == issue]
    assert [attempt["status"] for attempt in event["attempts"]][-1] == 200
    assert event["attempts"][0]["status"] == 500
    assert len(deliveries(stack, issue)) == 2
