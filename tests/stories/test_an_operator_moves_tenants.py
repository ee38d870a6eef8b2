"""An operator follows the move of all tenants to Forge, and links late what first contact could not."""

import json
import subprocess
import sys

import psycopg
import pytest

NOWHERE = {"lifecycle": "/nowhere"}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
SEALED = "SELECT count(*) FROM app.sealed_secrets WHERE tenant_id = %s AND purpose = 'forge-token'"


@pytest.fixture(scope="module")
def stack(make_stack):
    with make_stack(PLEDGE_FORGE_ENVIRONMENTS="PRODUCTION,DEVELOPMENT") as running:
        yield running


def command(*arguments):
    return [sys.executable, "-m", "app.wiring", "installations", "migrate", *arguments]


def migrate(stack, *arguments):
    """Exit code, and what was printed as JSON."""
    done = subprocess.run(command(*arguments, "--json"), env=stack.env, capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout)


def backfill(stack):
    """Exit code, and outcome by the last part of the Forge installation's id."""
    code, found = migrate(stack, "--backfill")
    return code, {each["forge_installation"]: each["outcome"] for each in found["installations"]}


def status(stack):
    """The rows by tenant, and the totals."""
    code, found = migrate(stack, "--status")
    assert code == 0
    return {each["tenant"]: each for each in found["tenants"]}, found["totals"]


def forge_tenant(stack, installation):
    query = "SELECT tenant_id FROM registry.forge_installations WHERE forge_installation = %s"
    [(tenant,)] = stack.database.rows(query, installation)
    return tenant


def test_without_any_site_there_is_nothing_to_move(stack):
    rows, totals = status(stack)
    assert (rows, set(totals.values())) == ({}, {0})
    assert backfill(stack) == (0, {})


def test_a_backfill_links_what_first_contact_could_not_though_it_is_killed(stack, used):
    """Forge was installed while Jira had no Connect app to name; the other way round it is linked at first contact."""
    installation = stack.forge("install", "genible")["installation_id"]
    site, own = used(stack, "genible"), forge_tenant(stack, installation)
    site.lifecycle("install")
    rows, totals = status(stack)
    assert (rows[own]["holds"], rows[site.tenant]["holds"]) == ("forge", "connect")
    assert (totals["forge"], totals["connect"], totals["linked"]) == (1, 1, 0)

    with psycopg.connect(stack.database.superuser) as holder:
        holder.execute("LOCK TABLE app.sealed_secrets IN EXCLUSIVE MODE")
        process = subprocess.Popen(command("--backfill"), env=stack.env, stdout=subprocess.PIPE)
        stack.eventually(lambda: stack.database.rows(WAITING) != [(0,)])
        process.kill()
        assert process.communicate(timeout=30) == (b"", None)
    assert forge_tenant(stack, installation) == site.tenant
    assert stack.database.rows(SEALED, own) == [(1,)]  # what the killed one had still to do

    for _ in range(2):
        assert backfill(stack) == (0, {installation: "already"})
        assert stack.database.rows(SEALED, own) == [(0,)]
    rows, totals = status(stack)
    assert (rows[own]["holds"], rows[site.tenant]["holds"]) == ("removed", "both")
    assert rows[site.tenant]["is_linked"]
    assert rows[site.tenant]["linked_at"] < rows[site.tenant]["retires_at"]
    assert totals["linked"] == 1
    entries = "SELECT tenant_id, actor FROM app.audit_entries WHERE action = 'installation.moved' ORDER BY at"
    assert stack.database.rows(entries) == [(site.tenant, "operator"), (own, "operator")]

    assert stack.forge("cron", "genible")["accepted"]  # it brings the token that this tenant has none of yet
    issue = site.create(**site.cvss["high"])
    stack.eventually(
        lambda: stack.invoke(f"/api/v1/issues/{issue}/clocks", issue=issue, site="genible").json().get("clocks")
    )


def test_who_waits_for_a_token_is_named_until_the_hourly_call_brings_one(stack, used):
    site = used(stack, "kencha")
    site.lifecycle("install")
    installation = stack.forge("install", "kencha", routes=NOWHERE)["installation_id"]
    assert stack.invoke("/api/v1/issues/10001/clocks", site="kencha").status_code == 503
    code, outcomes = backfill(stack)
    assert (code, outcomes[installation]) == (5, "waiting")
    rows, totals = status(stack)
    assert (rows[None]["holds"], rows[None]["site"], totals["waiting"]) == ("waiting", site.seeded.cloud_id, 1)

    assert stack.forge("cron", "kencha")["accepted"]
    assert backfill(stack)[0] == 0
    rows, totals = status(stack)
    assert (rows[site.tenant]["holds"], totals["waiting"]) == ("both", 0)


def test_a_developers_own_installation_is_never_linked(stack, used):
    site = used(stack, "genchi")
    site.lifecycle("install")
    installation = stack.forge("install", "genchi", environment="DEVELOPMENT")["installation_id"]
    own = forge_tenant(stack, installation)
    code, outcomes = backfill(stack)
    assert (code, outcomes[installation]) == (0, "apart")
    rows, _ = status(stack)
    assert (rows[own]["holds"], rows[own]["environment"], rows[site.tenant]["holds"]) == (
        "forge",
        "DEVELOPMENT",
        "connect",
    )
    shown = subprocess.run(command("--status"), env=stack.env, capture_output=True, text=True, timeout=120).stdout
    assert "(DEVELOPMENT)" in shown
    assert "linked" in shown.splitlines()[-1]


@pytest.mark.parametrize("arguments", [(), ("--status", "--backfill")])
def test_one_of_both_is_asked_for(stack, arguments):
    done = subprocess.run(command(*arguments), env=stack.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 4
    assert "--status or --backfill" in done.stderr
