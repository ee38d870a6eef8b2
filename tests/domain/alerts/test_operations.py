"""An alert is raised once, whoever evaluates and whatever dies meanwhile; old counts are summed up and forgotten."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from app.domain.alerts.operations import QUIET, Watch
from app.domain.alerts.rules import RULES

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def test_the_same_alert_is_raised_once_in_half_an_hour(scene):
    scene.count("database_refused", NOW, endpoint="api.issue_clocks")
    assert scene.raised(NOW) == ["RLS-01"]
    assert scene.raised(NOW + timedelta(seconds=15)) == []
    scene.count("database_refused", NOW + QUIET, endpoint="api.issue_clocks")
    assert scene.raised(NOW + QUIET) == ["RLS-01", "AUD-02"]  # and nobody placed the first entry meanwhile


def test_alerts_about_two_routes_are_two_alerts(scene):
    for endpoint in ("api.issue_clocks", "issue.page"):
        scene.count("database_refused", NOW, endpoint=endpoint)
    assert scene.raised(NOW) == ["RLS-01", "RLS-01"]


ONCE = [rule for rule in RULES if rule.threshold == 1]


@pytest.mark.parametrize("rule", ONCE, ids=lambda rule: rule.rule_id)
@pytest.mark.parametrize("first_look_minutes", [0, 1, 29])
def test_what_happened_once_is_raised_once_however_late_somebody_looks(scene, tenant, rule, first_look_minutes):
    """The worker was busy or down, or its clock is ahead of that of the process which counted."""
    [code, *_], [endpoint, *_] = sorted(rule.codes), [*sorted(rule.endpoints), "api.issue_clocks"]
    subject = {"tenant": tenant} if rule.by == "tenant" else {}
    scene.count(code, NOW, endpoint=endpoint, **subject)
    looks = [first_look_minutes, *range(first_look_minutes + 1, first_look_minutes + 32), 45, 61]
    raised = [scene.raised(NOW + timedelta(minutes=minutes, seconds=10)) for minutes in looks]
    assert [rule.rule_id in found for found in raised] == [True] + [False] * (len(looks) - 1)


def test_a_clock_that_is_behind_misses_nothing(scene):
    """That of the worker, which sees counts from its future; and that of the process which counts."""
    scene.count("database_refused", NOW, endpoint="api.issue_clocks")
    assert scene.raised(NOW - timedelta(seconds=70)) == []
    assert scene.raised(NOW + timedelta(seconds=70)) == ["RLS-01"]


def test_unsigned_webhooks_are_found_also_by_a_look_that_comes_minutes_late(scene):
    scene.count("token_signature", NOW, endpoint="connect_webhooks.issue_changed", times=10)
    assert scene.raised(NOW + timedelta(minutes=4)) == ["WH-01"]


def test_a_count_for_a_tenant_that_does_not_exist_hides_no_alert(scene):
    """Whoever takes over a web process can store it, and would be alone with it."""
    scene.count("installation.identity_changed", NOW, tenant=999_999)
    scene.count("database_refused", NOW, endpoint="api.issue_clocks")
    assert scene.raised(NOW) == ["RLS-01"]
    assert [alert.rule.rule_id for alert in scene.told] == ["RLS-01"]


def test_a_count_for_a_tenant_that_is_only_registered_hides_no_alert(scene):
    """A web process can do that too; the log of such a tenant has nothing else, and its alert is raised there."""
    [(half,)] = scene.database.rows("INSERT INTO registry.tenants (created_at) VALUES (now()) RETURNING tenant_id")
    scene.count("installation.identity_changed", NOW, tenant=half)
    scene.count("database_refused", NOW, endpoint="api.issue_clocks")
    scene.count("audit_verify_failed", NOW, endpoint="audit verify")
    assert {"RLS-01", "AUD-01"} < set(scene.raised(NOW))
    assert {"RLS-01", "AUD-01"} < {alert.rule.rule_id for alert in scene.told}


@pytest.mark.parametrize(
    ("anchored", "minutes", "expected"), [(2, 16, []), (1, 14, []), (1, 16, ["AUD-02"]), (0, 16, ["AUD-02"])]
)
def test_checkpoints_that_wait_too_long_for_the_anchor_are_an_alert(scene, anchored, minutes, expected):
    scene.database.execute(
        "INSERT INTO registry.audit_anchor_leaves (position, tenant_id, size, leaf_hash, at)"
        " SELECT n, 0, n + 1, '', %s FROM generate_series(0, 1) n",
        NOW - timedelta(minutes=minutes),
    )
    scene.database.execute("INSERT INTO registry.audit_anchor_heads (size, frontier) VALUES (%s, '')", anchored)
    assert scene.raised(NOW) == expected
    assert [(alert.subject, alert.count) for alert in scene.told] == [("house/audit-anchor", 2 - anchored)][
        : len(expected)
    ]


class Killed(Exception):
    """The process ends here."""


class Dying:
    """A database whose user is killed right before the first commit."""

    def __init__(self, database):
        self._database = database

    @contextmanager
    def begin(self, tenant=None):
        with self._database.begin(tenant) as uow:
            yield uow if tenant is None else _NeverCommits(uow)


class _NeverCommits:
    def __init__(self, uow):
        self.signals = uow.signals

    def commit(self, *, because):
        raise Killed


def test_an_evaluator_that_is_killed_leaves_the_alert_to_the_next(scene):
    scene.count("database_refused", NOW, endpoint="api.issue_clocks")
    dying = Watch(database=Dying(scene.worker), tell=scene.told.append)
    with pytest.raises(Killed):
        dying.evaluate(now=NOW)
    assert scene.told == []
    assert scene.raised(NOW + timedelta(seconds=15)) == ["RLS-01"]


def test_old_counts_are_summed_up_by_the_hour_and_forgotten_after_a_fortnight(scene):
    fine, old, older = NOW, NOW - timedelta(days=2), NOW - timedelta(days=16)
    for at in (fine, old, old + timedelta(seconds=5), older):
        scene.count("token_expired", at, endpoint="api.issue_clocks", times=3)
    for _ in range(2):
        scene.watch.tidy(now=NOW)
        kept = scene.database.rows("SELECT at, count::int FROM registry.signals ORDER BY at")
        assert kept == [(old.replace(minute=30), 6), (fine, 3)]


def test_the_web_role_can_add_counts_and_neither_read_nor_unsay_them(scene):
    held = {
        privilege
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")
        if scene.database.rows("SELECT has_table_privilege('pledge_web', 'registry.signals', %s)", privilege)[0][0]
    }
    assert held == {"INSERT"}
    with pytest.raises(IntegrityError):
        scene.count("token_expired", NOW, times=-1)


@pytest.mark.parametrize(
    ("entries", "minutes", "expected"), [(1, 14, []), (1, 16, ["AUD-02"]), (10_000, 1, ["AUD-03"])]
)
def test_audit_entries_that_wait_too_long_or_are_too_many_are_an_alert(scene, entries, minutes, expected):
    scene.database.execute(
        "INSERT INTO registry.audit_waiting (tenant_id, at, entry_id, leaf_hash)"
        " SELECT 0, %s, gen_random_uuid(), '' FROM generate_series(1, %s)",
        NOW - timedelta(minutes=minutes),
        entries,
    )
    assert scene.raised(NOW) == expected
    assert {alert.subject for alert in scene.told} <= {"house/audit-log"}
