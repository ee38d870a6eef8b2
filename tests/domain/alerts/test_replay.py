"""Labelled attacks are found within a minute, and quiet days stay quiet."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts.rules import RULES

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
INSTALLED, WEBHOOK, CLOCKS = "connect_lifecycle.installed", "connect_webhooks.issue_changed", "api.issue_clocks"
EVERY_SECONDS = 15

ATTACKS = {
    "AUTH-01": [("token_signature", INSTALLED, 60), ("key_unknown", INSTALLED, 30), ("token_signature", INSTALLED, 0)],
    "AUTH-02": [("token_algorithm", INSTALLED, 0)],
    "AUTH-03": [("body_of_another", INSTALLED, seconds) for seconds in (200, 100, 0)],
    "AUTH-04": [("qsh_context_refused", WEBHOOK, seconds) for seconds in (400, 300, 200, 100, 0)],
    "AUTH-05": [("token_expired", CLOCKS, seconds) for seconds in range(50)],
    "INST-01": [("installation.identity_changed", "audit", 0)],
    "INST-03": [("installation.renewed", "audit", seconds) for seconds in (500, 400, 300, 200, 0)],
    "KEY-01": [("secret_opened", "audit", seconds) for seconds in range(0, 3000, 3)],
    "KEY-04": [("vault_unavailable", CLOCKS, seconds) for seconds in (200, 100, 0)],
    "RLS-01": [("database_refused", CLOCKS, 0)],
    "AUD-01": [("audit_verify_failed", "audit verify", 0)],
    "NOTE-01": [("notices.capped", "audit", 0)],
    "PRIV-01": [("reports.late", "audit", 0)],
    "PRIV-02": [("report.refused", "audit", 0)],
    "PRIV-03": [("integration.lost", "audit", 0)],
    "WH-01": [("token_signature", WEBHOOK, seconds) for seconds in range(0, 50, 5)],
    "CFG-01": [("unfit_to_serve", "public.ready", 0)],
}
"""Per rule what its attack leaves behind: code, route, seconds before it is complete."""


def test_every_rule_has_its_labelled_attack():
    assert list(ATTACKS) == [rule.rule_id for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule_id)
def test_the_attack_is_found_within_a_minute_and_not_before_its_threshold(scene, tenant, rule):
    *before, (code, endpoint, _) = sorted(ATTACKS[rule.rule_id], key=lambda step: -step[2])
    subject = {"tenant": tenant} if rule.by == "tenant" else {}
    for earlier, route, seconds in before:
        scene.count(earlier, NOW - timedelta(seconds=seconds), endpoint=route, **subject)
    assert rule.rule_id not in scene.raised(NOW)
    scene.count(code, NOW, endpoint=endpoint, **subject)
    looks = [scene.raised(NOW + timedelta(seconds=seconds)) for seconds in range(0, 60, EVERY_SECONDS)]
    assert [rule.rule_id in found for found in looks].count(True) == 1
    whose = tenant if rule.by == "tenant" else 0
    about = f"tenant/{tenant}" if rule.by == "tenant" else f"endpoint/{endpoint}"
    assert (about, rule.rule_id) in scene.entries(whose)
    assert (about, rule.rule_id) in [(alert.subject, alert.rule.rule_id) for alert in scene.told]


def test_a_quiet_week_makes_less_than_one_alert_a_day(scene, tenant):
    chance = random.Random(5)  # noqa: S311  the same noise in every run
    raised = []
    start = NOW - timedelta(days=7)
    per_hour = {
        ("token_expired", CLOCKS): 20,  # panels left open
        ("token_signature", WEBHOOK): 0.5,  # a webhook that crossed a rotation
        ("issuer_unknown", INSTALLED): 0.1,  # strangers who try
        ("issuer_unknown", CLOCKS): 2,
        ("qsh_context_refused", WEBHOOK): 0.05,
    }
    for slot in range(7 * 24 * 12):
        at = start + slot * timedelta(minutes=5)
        something_else = False
        for (code, endpoint), rate in per_hour.items():
            times = sum(chance.random() < rate / 12 / 4 for _ in range(4))
            if times:
                scene.count(code, at, endpoint=endpoint, times=times)
                something_else |= code != "token_expired"
        if chance.random() < 0.004:
            scene.count("installation.renewed", at, tenant=tenant)
            something_else = True
        # An alert can only be new where something new was counted; to look each time would take minutes.
        if something_else or slot % 12 == 0:
            raised += scene.raised(at)
    assert len(raised) <= 7, raised


def test_what_is_usual_at_this_hour_is_no_alert_and_five_times_as_much_is(scene):
    for days in range(1, 15):
        scene.count("token_expired", NOW - timedelta(days=days), endpoint=CLOCKS, times=12 * 60)
    scene.count("token_expired", NOW, endpoint=CLOCKS, times=250)
    assert scene.raised(NOW) == []
    scene.count("token_expired", NOW, endpoint=CLOCKS, times=51)
    assert scene.raised(NOW) == ["AUTH-05"]
