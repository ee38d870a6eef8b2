"""A Connect site with data moves to Forge: the same tenant, and nothing of it changes but how it is reached."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
import requests

TRACKED = 200
HOW_REACHED = "current_installation,cloud_id,forge_installation,linked_at"
NOWHERE = {"lifecycle": "/nowhere"}
GROWS_BY_ONE = {"app.installations", "app.data_keys", "app.sealed_secrets", "app.forge_tokens", "app.audit_entries",
                "registry.forge_installations"}  # fmt: skip
TABLES = """
    SELECT oid::regclass::text FROM pg_class JOIN pg_attribute ON attrelid = oid AND attname = 'tenant_id'
    WHERE relkind = 'r' AND relnamespace IN ('app'::regnamespace, 'registry'::regnamespace)
    AND relname !~ '^(audit_(waiting|leaves|checkpoints|anchor)|signals|alerts|jira_quota|metrics)'
    AND relname NOT IN ('issue_labels', 'publications', 'runs')
"""
"""What a worker writes by itself is left out: the log's own tables, which follow the entries, counts, runs, labels."""


def everything(stack, tenant):
    """Table → all rows of that tenant as texts; only how it is reached is left out."""
    found = {}
    for (name,) in stack.database.rows(TABLES):
        query = f"""
            SELECT (to_jsonb(t) - '{{{HOW_REACHED}}}'::text[])::text FROM {name} t
            WHERE tenant_id = %s AND t::text !~ %s
        """  # noqa: S608  the catalogue's own names
        found[name] = {row for (row,) in stack.database.rows(query, tenant, "secrets.opened")}
    return found


def settle(stack, tenant):
    """Until nothing that was asked for is left to do."""
    waiting = "SELECT count(*) FROM app.pending_reads WHERE tenant_id = %s"
    jobs = """
        SELECT count(*) FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing')
        AND task_name IN ('read-issues', 'sync-issues', 'recompute-clocks')
    """
    stack.eventually(lambda: stack.database.rows(waiting, tenant) == stack.database.rows(jobs) == [(0,)], seconds=60)


def host_of(stack, tenant):
    """Through which of its installations the tenant is reached now."""
    query = """
        SELECT i.client_key IS NULL FROM app.tenants t
        JOIN app.installations i ON i.tenant_id = t.tenant_id AND i.installation_id = t.current_installation
        WHERE t.tenant_id = %s
    """
    [(is_forge,)] = stack.database.rows(query, tenant)
    return "forge" if is_forge else "connect"


def fill(site, *, tracked):
    """A Connect tenant with so many tracked issues of every severity, some of them fixed."""
    site.lifecycle("install")
    levels = list(site.cvss.values())
    with ThreadPoolExecutor(4) as people:
        issues = list(people.map(lambda number: site.create(**levels[number % len(levels)]), range(tracked)))
    for issue in issues[::10]:
        site.change(issue, status="Done", resolution="Fixed")
    count = "SELECT count(*) FROM app.issues WHERE issue_id = ANY(%s) AND tenant_id = %s AND tracking = 'tracked'"
    ids = [int(issue) for issue in issues]
    site.stack.eventually(lambda: site.stack.database.rows(count, ids, site.tenant) == [(tracked,)], seconds=240)
    settle(site.stack, site.tenant)
    return issues


def assert_moved(site, before):
    """The tenant is reached through Forge, each table grew by its row of the move, and no row was lost or changed."""
    stack, tenant = site.stack, site.tenant
    assert host_of(stack, tenant) == "forge"
    after = everything(stack, tenant)
    assert {name: before[name] - after[name] for name in before if before[name] - after[name]} == {}
    added = {name: len(after[name] - before[name]) for name in after if after[name] - before[name]}
    assert added == dict.fromkeys(GROWS_BY_ONE, 1)
    query = "SELECT action FROM app.audit_entries WHERE tenant_id = %s AND action <> %s ORDER BY at DESC LIMIT 1"
    assert stack.database.rows(query, tenant, "secrets.opened") == [("installation.moved",)]


def assert_used_through_forge(site, issue):
    """A change in Jira comes by Forge's event, is read with Forge's token, and is seen in Forge's page."""
    site.change(issue, **site.cvss["low"])

    def seen():
        answer = site.stack.invoke(f"/api/v1/issues/{issue}/clocks", issue=issue, site=site.name)
        return answer.status_code == 200 and answer.json()["severity"]["level"] == "low" and answer.json()

    assert site.due_at(site.stack.eventually(seen)) == site.bound(site.seeded.issue(issue), "low")


def test_an_install_that_names_a_forge_installation_moves_nothing_until_jira_says_whose_the_site_is(stack, used):
    """Connect signs no body, and any site could name any installation: only the key that Jira keeps counts."""
    site = used(stack, "genchi")
    issues = fill(site, tracked=5)
    stack.forge("install", "genchi", routes=NOWHERE)
    params = {"app": stack.url, "as": "connect", "installationId": "forge"}
    url = f"{stack.simulator.control_url}/sites/genchi/install"
    assert requests.post(url, params=params, timeout=30).json()["accepted"]
    await_the_move(stack, site.tenant)
    before = everything(stack, site.tenant)
    # A person's call brings no system token, so nobody can be asked, and nothing is believed instead.
    assert stack.invoke(f"/api/v1/issues/{issues[1]}/clocks", issue=issues[1]).status_code == 503
    assert host_of(stack, site.tenant) == "connect"
    assert stack.forge("cron")["accepted"]
    assert_moved(site, before)
    stack.worker.start()
    assert_used_through_forge(site, issues[1])


@contextmanager
def stopped_at(stack, table):
    """Nobody can write to that table meanwhile; yields a wait for somebody who tries to."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(stack.database.superuser) as holder:
        holder.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield lambda: stack.eventually(lambda: stack.database.rows(waiting) != [(0,)])


def killed_at(stack, site, table):
    """The hourly call comes, and the web server loses power while it waits to write to that table."""
    with ThreadPoolExecutor(1) as forge, stopped_at(stack, table) as await_writer:
        call = forge.submit(stack.forge, "cron", site)
        await_writer()
        stack.web.kill()
        assert not call.result()["accepted"]
    stack.web.start()
    stack.await_ready()


def await_the_move(stack, tenant):
    """Who moved is imported anew: that is the worker's, who waits until the move has been looked at."""
    settle(stack, tenant)
    stack.worker.stop()


def test_a_tenant_with_200_issues_moves_by_the_key_that_jira_keeps_though_twice_killed(stack, used):
    site = used(stack, "kencha")
    issues = fill(site, tracked=TRACKED)
    chosen = [sys.executable, "-m", "app.wiring", "installations", "policy", str(site.tenant), "genchi"]
    subprocess.run(chosen, env=stack.env, check=True, capture_output=True, timeout=60)
    await_the_move(stack, site.tenant)
    before, clocks = everything(stack, site.tenant), [site.clocks(issue).json()["clocks"] for issue in issues[:4]]
    stack.forge("install", "kencha", routes=NOWHERE)

    killed_at(stack, "kencha", "app.audit_entries")  # the last thing that the move writes
    assert everything(stack, site.tenant) == before
    assert host_of(stack, site.tenant) == "connect"

    killed_at(stack, "kencha", "app.sealed_secrets")  # it has moved, and its token is not kept yet
    assert host_of(stack, site.tenant) == "forge"

    assert stack.forge("cron", "kencha")["accepted"]
    assert_moved(site, before)
    stack.worker.start()
    after = [stack.invoke(f"/api/v1/issues/{issue}/clocks", issue=issue, site="kencha") for issue in issues[:4]]
    unchanged = [[lasting(clock) for clock in answer.json()["clocks"]] for answer in after]
    assert unchanged == [[lasting(clock) for clock in found] for found in clocks]
    assert_used_through_forge(site, issues[1])


def lasting(clock):
    """What of a clock does not change while time passes."""
    return {name: value for name, value in clock.items() if name not in {"remaining_seconds", "why"}}


def test_while_jira_has_bad_weather_nothing_is_decided_and_forge_tries_again(make_stack, used):
    with make_stack() as stack:
        moves_in_bad_weather(stack, used(stack, "kencha"))


def moves_in_bad_weather(stack, site):
    issues = fill(site, tracked=5)
    await_the_move(stack, site.tenant)
    before = everything(stack, site.tenant)
    site.weather(storm={"status": 503, "count": 1000})
    assert stack.forge("install", "kencha")["status"] == 503
    assert stack.forge("cron", "kencha")["status"] == 503
    # Nothing is decided in between, and no second tenant is made for want of an answer.
    assert stack.invoke(f"/api/v1/issues/{issues[1]}/clocks", issue=issues[1], site="kencha").status_code == 503
    assert everything(stack, site.tenant) == before
    assert stack.database.rows("SELECT count(*) FROM registry.tenants WHERE tenant_id > 0") == [(1,)]
    [(waits_for, cloud)] = stack.database.rows("SELECT waits_for, cloud_id FROM registry.forge_contacts")
    assert (waits_for, cloud) == ("jira", site.seeded.cloud_id)  # an operator sees that somebody waits
    site.weather(reset=True)
    stack.eventually(lambda: host_of(stack, site.tenant) == "forge")  # Forge has tried again by itself
    assert stack.database.rows("SELECT count(*) FROM registry.forge_contacts") == [(0,)]
    assert_moved(site, before)
    stack.worker.start()
    assert_used_through_forge(site, issues[1])


@pytest.mark.parametrize("name", ["genchi", "kencha"])
def test_what_connect_still_says_does_not_take_a_moved_tenant_back(stack, used, name):
    site = used(stack, name)
    site.lifecycle("rotate-secret")
    assert host_of(stack, site.tenant) == "forge"
    issue = list(site.seeded.issues)[-1]
    site.change(issue, summary="Told by both hosts")
    settle(stack, site.tenant)
    stack.get(f"/api/v1/issues/{issue}/clocks", site=name).raise_for_status()
    stack.invoke(f"/api/v1/issues/{issue}/clocks", issue=issue, site=name).raise_for_status()
    site.lifecycle("uninstall")
    assert host_of(stack, site.tenant) == "forge"
    assert stack.get(f"/api/v1/issues/{issue}/clocks", site=name).status_code == 401
    assert_used_through_forge(site, issue)


def test_a_site_that_never_had_connect_becomes_a_tenant_of_its_own(stack):
    assert stack.forge("install", "genible")["accepted"]
    query = "SELECT action, detail FROM app.audit_entries WHERE action ~ '^installation' ORDER BY at DESC LIMIT 1"
    assert stack.database.rows(query) == [("installation.added", {"host": "forge"})]
    site = stack.simulator.site("genible")
    address = (
        "SELECT display_url FROM app.installations WHERE tenant_id ="
        " (SELECT tenant_id FROM registry.forge_installations WHERE cloud_id = %s)"
    )
    # no call of Forge itself says where people reach the site, and links in mails lead there
    stack.eventually(lambda: stack.database.rows(address, site.cloud_id) == [(site.display_url,)])


def test_a_development_installation_is_never_linked_to_a_production_tenant(make_stack, used):
    """All environments share one audience, and any developer may install his own on any site of his."""
    with make_stack(PLEDGE_FORGE_ENVIRONMENTS="PRODUCTION,DEVELOPMENT") as stack:
        site = used(stack, "genchi")
        site.lifecycle("install")
        site.tracked("10001")
        stack.forge("install", environment="DEVELOPMENT", routes=NOWHERE)
        params = {"app": stack.url, "as": "connect", "installationId": "forge"}
        url = f"{stack.simulator.control_url}/sites/genchi/install"
        assert requests.post(url, params=params, timeout=30).json()["accepted"]  # named by a signed install, even
        before = everything(stack, site.tenant)
        assert stack.forge("cron")["accepted"]
        assert everything(stack, site.tenant) == before
        assert host_of(stack, site.tenant) == "connect"
        [(own,)] = stack.database.rows("SELECT tenant_id FROM registry.forge_installations")
        assert own != site.tenant  # which imports for itself; nothing is taken from the other

        assert stack.forge("install")["accepted"]  # production, on the same site
        assert host_of(stack, site.tenant) == "forge"
        query = "SELECT environment, tenant_id, state FROM registry.forge_installations ORDER BY 1"
        [(_, own, first), (_, tenant, second)] = stack.database.rows(query)
        assert (tenant, first, second) == (site.tenant, "active", "active")
        assert own != tenant
