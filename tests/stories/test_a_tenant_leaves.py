"""A site uninstalls, comes back in time, leaves for good, and there is a receipt that anybody can check."""

import json
import re
import subprocess
import sys

import psycopg
import pytest
import requests

from app.store import tables as _tables  # noqa: F401  its import fills the metadata
from app.store.db import Base
from app.store.tenant_erasure import STAYS

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def pledge(stack, *arguments, **settings):
    command = [sys.executable, "-m", "app.wiring", *arguments]
    return subprocess.run(command, env=stack.env | settings, capture_output=True, text=True, timeout=120)


def age(stack):
    """An hour after its last lifecycle event: the token of that is dead."""
    stack.database.execute("UPDATE registry.connect_installations SET applied_at = applied_at - interval '2 hours'")


@pytest.fixture
def site(stack, used):
    """A site with issues that were read."""
    found = used(stack, "genchi")
    found.lifecycle("install")
    stack.tracked(10001)
    return found


def rows(stack, tenant):
    found = {}
    for table in Base.metadata.sorted_tables:
        if "tenant_id" in table.columns:
            query = f"SELECT count(*) FROM {table.fullname} WHERE tenant_id = %s"  # noqa: S608  our own names
            [(count,)] = stack.database.rows(query, tenant)
            found |= {table.fullname: count} if count else {}
    return found


def owned(stack, tenant):
    """What an erasure would delete."""
    return {table: count for table, count in rows(stack, tenant).items() if table not in STAYS}


def test_a_site_that_leaves_keeps_its_data_for_its_time_and_then_loses_it_to_the_last_row(stack, site, tmp_path):
    tenant, name = site.tenant, site.seeded.url.partition("://")[2]
    site.lifecycle("uninstall")
    assert stack.database.rows("SELECT count(*) FROM app.sealed_secrets WHERE tenant_id = %s", tenant) == [(0,)]
    site.lifecycle("install")
    assert site.tenant == tenant
    assert stack.clocks(10001).json()["tracking"] == "tracked"
    site.lifecycle("uninstall")
    before = owned(stack, tenant)

    dry = pledge(stack, "installations", "erase", str(tenant), "--dry-run", "--json")
    assert dry.returncode == 0
    told = json.loads(dry.stdout)
    assert told["site"] == name
    assert told["goes"] == before
    assert {each["table"] for each in told["stays"]} == set(STAYS)

    assert pledge(stack, "installations", "erase", str(tenant), "--now").returncode == 4
    wrong = pledge(stack, "installations", "erase", str(tenant), "--now", "--yes", "kencha.example.com")
    assert (wrong.returncode, owned(stack, tenant)) == (2, before)

    waits = pledge(stack, "installations", "erase", str(tenant), "--yes", name, "--json")
    assert json.loads(waits.stdout)["begun_at"] is None
    assert "app.issues" in owned(stack, tenant)

    age(stack)
    done = pledge(stack, "installations", "erase", str(tenant), "--now", "--yes", name, "--json")
    assert done.returncode == 0, done.stderr
    assert owned(stack, tenant) == {}
    assert json.loads(done.stdout)["receipt"].startswith("app.example.com/audit/receipt\n")
    assert pledge(stack, "installations", "erase", str(tenant)).stdout.endswith(
        json.loads(done.stdout)["receipt"] + "\n"
    )

    file = tmp_path / "receipt.txt"
    file.write_text(pledge(stack, "privacy", "receipt", "show", str(tenant)).stdout)
    key = pledge(stack, "privacy", "receipt", "key").stdout.strip()
    # With the published key it needs nothing of ours.
    offline = pledge(stack, "privacy", "receipt", "verify", str(file), "--key", key, "--json", PLEDGE_DATABASE_URL="x")
    assert (offline.returncode, json.loads(offline.stdout)["ok"]) == (0, True)
    file.write_text(file.read_text().replace('"operator"', '"retention"'))
    assert pledge(stack, "privacy", "receipt", "verify", str(file)).returncode == 2

    assert pledge(stack, "audit", "verify").returncode in {0, 3}
    listed = json.loads(pledge(stack, "installations", "left", "--json").stdout)
    assert [each["tenant"] for each in listed] == [tenant]


def test_everything_about_a_tenant_goes_into_a_file_and_from_there_into_another_one(stack, site, used, tmp_path):
    other, file = used(stack, "genible"), tmp_path / "genchi.zip"
    other.lifecycle("install")
    done = pledge(stack, "installations", "export", str(site.tenant), "--to", str(file), "--json")
    assert done.returncode == 0, done.stderr
    written = {each["name"]: each["sha256"] for each in json.loads(done.stdout)["files"] if each["imported"]}
    assert file.stat().st_mode & 0o777 == 0o600
    assert pledge(stack, "installations", "export", str(site.tenant), "--to", str(file)).returncode == 1
    decided = pledge(stack, "clocks", "record", str(site.tenant), "SEC-1", "extension_requested", "--actor", "support")
    assert decided.returncode == 0, decided.stderr
    refused = pledge(stack, "installations", "import", str(file), "--into", str(site.tenant))
    assert (refused.returncode, "not empty: app.clock_events" in refused.stderr) == (1, True)
    done = pledge(stack, "installations", "import", str(file), "--into", str(other.tenant), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["app.issues"] >= 1
    done = pledge(stack, "installations", "export", str(other.tenant), "--to", str(tmp_path / "genible.zip"), "--json")
    assert {each["name"]: each["sha256"] for each in json.loads(done.stdout)["files"] if each["imported"]} == written
    nobody = pledge(stack, "installations", "export", "4711", "--to", str(tmp_path / "nobody.zip"))
    assert (nobody.returncode, (tmp_path / "nobody.zip").exists()) == (1, False)


def test_the_link_that_was_shown_when_the_deletion_was_asked_for_leads_to_the_receipt(stack, site, tmp_path):
    tenant, name = str(site.tenant), site.seeded.url.partition("://")[2]
    headers = {"Authorization": f"JWT {site.token(kind='context', account='admin')}"}
    form = {"step": "erase", "site": name}
    address = f"{stack.url}/fragments/admin/rights?section=privacy"
    asked = requests.post(address, data=form, headers=headers, timeout=30)
    [link] = re.findall(r'id="receipt-link">([^<]+)<', asked.text)
    waiting = requests.get(link, timeout=30)
    assert (waiting.status_code, "Not deleted yet" in waiting.text) == (202, True)

    [request] = stack.get("/api/v1/privacy/requests", account="admin").json()["items"]
    age(stack)
    done = pledge(stack, "privacy", "requests", "fulfil", tenant, request["id"])
    assert done.returncode == 0, done.stderr
    stack.database.execute(  # what the schedule does once an hour
        "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'note-departures', %s)",
        '{"timestamp": 0}',
    )
    stack.eventually(lambda: requests.get(link, timeout=30).status_code == 200)
    assert owned(stack, int(tenant)) == {}
    given = requests.get(link, timeout=30)
    assert given.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert given.headers["Content-Disposition"].startswith("attachment;")
    assert "no-store" in given.headers["Cache-Control"]

    file = tmp_path / "receipt.txt"
    file.write_bytes(given.content)
    verified = pledge(stack, "privacy", "receipt", "verify", str(file), "--json")
    assert verified.returncode == 0, verified.stderr
    receipt = json.loads(verified.stdout)["receipt"]
    assert (receipt["subject"], receipt["asked_by"]) == (f"tenant/{tenant}", "request")
    assert link.rpartition("/")[2] not in "".join(stack.web.lines + stack.worker.lines)


def test_an_erasure_that_is_killed_has_taken_the_keys_and_is_gone_on_with(stack, used):
    site = used(stack, "genible")
    site.lifecycle("install")
    tenant, name = site.tenant, site.seeded.url.partition("://")[2]
    age(stack)
    arguments = ["installations", "erase", str(tenant), "--now", "--yes", name]
    with psycopg.connect(stack.database.superuser) as holder:
        holder.execute("LOCK TABLE app.issues IN EXCLUSIVE MODE")
        process = subprocess.Popen([sys.executable, "-m", "app.wiring", *arguments], env=stack.env)
        stack.eventually(lambda: stack.database.rows(WAITING) != [(0,)])
        process.kill()
        process.wait(timeout=30)
    left = owned(stack, tenant)
    assert "app.tenants" in left
    assert not {"app.data_keys", "app.sealed_secrets", "registry.connect_installations"} & set(left)
    done = pledge(stack, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["receipt"]
    assert owned(stack, tenant) == {}


def test_a_reinstall_after_the_erasure_is_a_new_tenant_without_any_of_the_old_data(stack, site):
    former, name = site.tenant, site.seeded.url.partition("://")[2]
    age(stack)
    done = pledge(stack, "installations", "erase", str(former), "--now", "--yes", name)
    assert done.returncode == 0, done.stderr
    assert stack.clocks(10001).status_code == 401
    site.lifecycle("install")
    assert site.tenant != former
    assert owned(stack, former) == {}


def test_a_forge_site_that_removed_the_app_is_erased_too(stack):
    installation = stack.forge("install", "kencha")["installation_id"]
    query = "SELECT tenant_id FROM registry.forge_installations WHERE forge_installation = %s"
    [(tenant,)] = stack.database.rows(query, installation)
    stack.forge("uninstall", "kencha")
    assert stack.database.rows("SELECT count(*) FROM app.sealed_secrets WHERE tenant_id = %s", tenant) == [(0,)]
    told = json.loads(pledge(stack, "installations", "erase", str(tenant), "--dry-run", "--json").stdout)
    done = pledge(stack, "installations", "erase", str(tenant), "--now", "--yes", told["site"], "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["receipt"]
    assert owned(stack, tenant) == {}
