"""Somebody forges a lifecycle token; a minute later it stands in the log and in the audit log of the house."""

import json

import requests

ENTRY = "SELECT target, detail->>'severity' FROM app.audit_entries WHERE tenant_id = 0 AND action = 'alert.raised'"


def test_a_forged_lifecycle_token_becomes_an_alert_within_a_minute(stack):
    stack.install()
    token = stack.token(kind="install", header={"kid": "../kid"})
    answer = requests.post(
        f"{stack.url}/connect/installed", json={}, headers={"Authorization": f"JWT {token}"}, timeout=30
    )
    assert answer.status_code == 401
    assert stack.eventually(lambda: stack.database.rows(ENTRY), seconds=60) == [
        ("endpoint/connect_lifecycle.installed", "critical")
    ]
    stack.eventually(lambda: '"kind": "alert"' in stack.worker.output)
    lines = [json.loads(line) for line in stack.worker.output.splitlines() if '"kind": "alert"' in line]
    assert [(line["level"], line["rule"], line["subject"]) for line in lines] == [
        ("error", "AUTH-02", "endpoint/connect_lifecycle.installed")
    ]
