"""Nobody trusts our word: what happened on a site is in its log, which an operator verifies and the site takes home."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def pledge(stack, *arguments):
    command = [sys.executable, "-m", "app.wiring", "audit", *map(str, arguments)]
    return subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def anchored(stack, genchi):
    """A site whose installation is in the log, signed and anchored by the worker as it runs."""
    stack.eventually(lambda: pledge(stack, "checkpoint", genchi.tenant).returncode == 0)
    return genchi


def test_what_happens_on_a_site_is_in_its_log_within_seconds(stack, anchored):
    anchored.lifecycle("rotate-secret")

    def is_in_the_log():
        run = pledge(stack, "verify", "--json")
        document = json.loads(run.stdout)
        return document if (run.returncode, document["waiting"], document["entries"] >= 2) == (0, 0, True) else None

    document = stack.eventually(is_in_the_log)
    assert (document["findings"], document["ok"]) == ([], True)
    assert "entries of 2 tenants checked" in pledge(stack, "verify").stdout


def test_a_site_takes_its_log_home_and_checks_it_there(stack, anchored, tmp_path):
    folder = tmp_path / "export"
    run = pledge(stack, "export", anchored.tenant, folder, "--json")
    assert run.returncode == 0, run.stderr
    [key] = json.loads(run.stdout)["keys"]
    command = [sys.executable, "-I", str(folder / "check.py"), "--key", key, str(folder)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert pledge(stack, "check", folder, "--key", key).returncode == 0
    assert pledge(stack, "export", anchored.tenant, folder).returncode == 1  # never over an older one


def test_one_entry_is_proven_without_showing_the_others(stack, anchored, tmp_path):
    [(entry,)] = stack.database.rows("SELECT entry_id FROM app.audit_leaves WHERE position = 0")
    proof = tmp_path / "proof.json"
    proof.write_text(pledge(stack, "prove", anchored.tenant, entry).stdout)
    assert pledge(stack, "check", proof, "--json").returncode == 0
    assert pledge(stack, "prove", anchored.tenant, "00000000-0000-4000-8000-000000000000").returncode == 1


def test_without_a_worker_the_log_is_stale_and_an_operator_can_sign_what_waits(stack, anchored):
    stack.worker.stop()
    try:
        anchored.lifecycle("rotate-secret")
        stack.database.execute("UPDATE registry.audit_waiting SET at = at - interval '2 minutes'")
        assert pledge(stack, "verify").returncode == 3
        signed = pledge(stack, "checkpoint", anchored.tenant, "--now", "--json")
        assert signed.returncode == 0, signed.stderr
        [row] = json.loads(signed.stdout)
        assert row["checkpoint"].startswith(f"app.example.com/audit/tenant/{anchored.tenant}\n")
        assert pledge(stack, "verify").returncode == 0
    finally:
        stack.worker.start()


def test_a_tenant_that_does_not_exist_is_an_error_and_not_a_clean_log(stack, anchored):
    assert pledge(stack, "verify", "--tenant", 999_999).returncode == 1
    assert pledge(stack, "checkpoint", 999_999).returncode == 3
    run = pledge(stack, "adopt", 999_999)
    assert (run.returncode, run.stderr) == (1, "error: there is no tenant 999999\n")


@pytest.mark.parametrize("text", ["[]", '{"format": "x"}', '{"format": "pledge-audit-proof-1"}'])
def test_what_is_no_proof_is_an_error_and_not_a_proof_that_does_not_hold(stack, tmp_path, text):
    path = tmp_path / "proof.json"
    path.write_text(text)
    run = pledge(stack, "check", path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"error: {path} is not ")


def test_what_an_administrator_of_the_database_changes_is_found(stack, anchored):
    stack.database.execute("UPDATE app.audit_entries SET actor = 'operator'")
    run = pledge(stack, "verify", "--tenant", anchored.tenant)
    assert run.returncode == 2
    assert f"tenant {anchored.tenant}: entry altered: index 0" in run.stdout
    assert json.loads(pledge(stack, "verify", "--json").stdout)["ok"] is False
    assert Path(stack.env["PLEDGE_AUDIT_ANCHOR"].removeprefix("file:")).stat().st_size
