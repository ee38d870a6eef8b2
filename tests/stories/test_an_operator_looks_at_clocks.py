"""An operator asks from the command line what falls due and why, and gives a tenant another policy."""

import json
import subprocess
import sys

BOUNDS = "SELECT policy, count(*) FROM app.clock_bounds WHERE tenant_id = %s GROUP BY 1"


def pledge(stack, *arguments):
    command = [sys.executable, "-m", "app.wiring", *arguments]
    return subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=60)


def test_an_operator_sees_what_falls_due_why_and_what_another_policy_changes(stack, used):
    assert json.loads(pledge(stack, "clocks", "recompute", "--json").stdout) == []
    site = used(stack, "genchi")
    for seeded in tuple(site.seeded.issues.values()):
        site.seeded.delete(seeded)  # some are breached, and all are read on installation
    site.lifecycle("install")
    tenant = str(site.tenant)
    issue = site.create(**site.cvss["high"])
    site.stack.eventually(lambda: site.clocks(issue).status_code == 200 and site.clocks(issue).json()["clocks"])
    shown = site.clocks(issue).json()
    key, [clock] = shown["issue"]["key"], shown["clocks"]

    assert json.loads(pledge(stack, "clocks", "due", "--within-days", "0", "--tenant", tenant, "--json").stdout) == []
    due = pledge(stack, "clocks", "due", "--within-days", "3650", "--json")
    assert due.returncode == 0, due.stderr
    [row] = [row for row in json.loads(due.stdout) if row["issue"] == key]
    assert (row["tenant"], row["promise"], row["state"]) == (site.tenant, clock["promise"], clock["state"])
    assert key in pledge(stack, "clocks", "due", "--within-days", "3650").stdout

    explained = json.loads(pledge(stack, "clocks", "explain", tenant, key, "--json").stdout)
    assert explained["clocks"][0]["cycles"][0]["why"][:-1] == clock["why"][:-1]  # the last step is about now
    assert clock["why"][0]["text"] in pledge(stack, "clocks", "explain", tenant, str(issue)).stdout
    assert pledge(stack, "clocks", "explain", tenant, "SEC-99999").returncode == 3

    before = stack.database.rows(BOUNDS, site.tenant)
    assert pledge(stack, "installations", "policy", tenant, "kencha").returncode == 0
    # A worker makes the stored bounds anew by itself, once and for all.
    stack.eventually(lambda: stack.database.rows(BOUNDS, site.tenant) != before)
    after = stack.database.rows(BOUNDS, site.tenant)
    assert [count for _, count in after] == [count for _, count in before]
    nothing = f"tenant {tenant}: 1 issues, 0 bounds written, 0 deleted\n"
    assert pledge(stack, "clocks", "recompute").stdout == nothing
    recomputed = pledge(stack, "clocks", "recompute", "--tenant", tenant, "--json")
    assert json.loads(recomputed.stdout) == [{"tenant": site.tenant, "issues": 1, "written": 0, "deleted": 0}]
    assert stack.database.rows(BOUNDS, site.tenant) == after
    assert site.clocks(issue).json()["policy"]["name"] == "kencha"

    assert pledge(stack, "clocks", "recompute", "--tenant", "999999").returncode == 1
