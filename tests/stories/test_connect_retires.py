"""After the move to Forge the shared secret of Connect goes on schedule, and not before Forge is there to rely on."""

import requests

RETIRED = "SELECT state, retired_at IS NOT NULL FROM registry.connect_installations WHERE tenant_id = %s"
SECRETS = "SELECT purpose FROM app.sealed_secrets WHERE tenant_id = %s ORDER BY 1"
MONTH_AGO = """
    UPDATE registry.connect_installations SET linked_at = linked_at - interval '30 days',
    applied_at = applied_at - interval '31 days' WHERE tenant_id = %s
"""


def moved(stack, site):
    """A site with an issue, first with Connect, then with Forge."""
    site.lifecycle("install")
    issue = site.create(**site.cvss["high"])
    site.tracked(issue)
    assert stack.forge("install", site.name)["accepted"]
    return issue


def run_job(stack):
    """What the schedule does once a day, now and to its end."""
    stack.database.execute(
        "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'retire-connect', %s)",
        '{"timestamp": 0}',
    )
    left = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'retire-connect' AND status <> 'succeeded'"
    stack.eventually(lambda: stack.database.rows(left) == [(0,)])


def test_a_secret_is_destroyed_thirty_days_after_the_move_and_the_tenant_does_not_notice(stack, used):
    site = used(stack, "genchi")
    issue, tenant = moved(stack, site), site.tenant
    token = site.token(kind="context", account="developer")
    path = f"/api/v1/issues/{issue}/clocks"
    run_job(stack)
    assert stack.database.rows(RETIRED, tenant) == [("active", False)]
    assert site.get(path, token).status_code == 200

    stack.database.execute(MONTH_AGO, tenant)
    run_job(stack)
    assert stack.database.rows(RETIRED, tenant) == [("uninstalled", True)]
    assert stack.database.rows(SECRETS, tenant) == [("forge-token",)]
    for late in (token, site.token(kind="context", account="developer")):
        refused = site.get(path, late)
        assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
    assert requests.get(site.panel_url(issue), timeout=30).status_code == 401
    query = "SELECT action, actor FROM app.audit_entries WHERE tenant_id = %s ORDER BY at DESC LIMIT 1"
    assert stack.database.rows(query, tenant) == [("installation.retired", "system")]

    site.lifecycle("rotate-secret")  # answered, and no secret is taken any more
    assert stack.database.rows(RETIRED, tenant) == [("uninstalled", True)]
    assert stack.database.rows(SECRETS, tenant) == [("forge-token",)]
    site.change(issue, **site.cvss["low"])
    stack.eventually(
        lambda: stack.invoke(path, issue=issue, site=site.name).json().get("severity", {}).get("level") == "low"
    )


def test_a_secret_stays_while_forge_is_silent(stack, used):
    site = used(stack, "kencha")
    issue, tenant = moved(stack, site), site.tenant
    stack.database.execute(MONTH_AGO, tenant)
    silence = "UPDATE registry.forge_installations SET seen_at = seen_at - interval '73 hours' WHERE tenant_id = %s"
    stack.database.execute(silence, tenant)
    run_job(stack)
    assert stack.database.rows(RETIRED, tenant) == [("active", False)]
    assert site.clocks(issue).status_code == 200

    assert stack.forge("cron", "kencha")["accepted"]
    run_job(stack)
    assert stack.database.rows(RETIRED, tenant) == [("uninstalled", True)]
