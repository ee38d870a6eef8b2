"""The table of what happens by itself: each row calls one operation, with the instant it is given."""

from datetime import UTC, datetime

import pytest

from app.domain.identifiers import TenantId
from app.jobs.schedule import SCHEDULE, STEADY, TENANT_JOBS

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Recorder:
    """Services that note what is asked of them."""

    def __init__(self):
        self.calls = []
        self.following = self
        self.recomputing = self
        self.audit = self
        self.sequencing = self
        self.watch = self

    def __getattr__(self, name):
        def called(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return ()

        return called


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("wake-tenants", "wake"),
        ("purge-deliveries", "purge_deliveries"),
    ],
)
def test_a_periodic_row_calls_its_operation_with_the_instant(name, operation):
    (row,) = [row for row in SCHEDULE if row.name == name]
    services = Recorder()
    row.run(services, NOW)
    assert services.calls == [(operation, (), {"now": NOW})]


def test_stale_bounds_are_looked_for_every_hour():
    (row,) = [row for row in SCHEDULE if row.name == "find-stale-clocks"]
    services = Recorder()
    row.run(services, NOW)
    assert services.calls == [("ask_where_stale", (), {})]
    assert row.cron.split()[1:] == ["*"] * 4


@pytest.mark.parametrize(("kind", "operation"), [("read-issues", "read_pending"), ("recompute-clocks", "go_on")])
def test_a_job_of_a_tenant_is_for_that_tenant(kind, operation):
    (row,) = [row for row in TENANT_JOBS if row.kind == kind]
    services = Recorder()
    row.run(services, TenantId(7), NOW)
    assert services.calls == [(operation, (TenantId(7),), {"now": NOW})]


def test_the_audit_logs_move_on_within_seconds():
    (row,) = [row for row in STEADY if row.name == "advance-audit-logs"]
    services = Recorder()
    row.run(services, NOW)
    assert services.calls == [("advance", (), {"now": NOW})]
    assert row.pause_seconds <= 1
    assert row.why


def test_alerts_are_looked_for_all_the_time_and_wait_for_no_job_slot():
    (row,) = [row for row in STEADY if row.name == "raise-alerts"]
    services = Recorder()
    assert row.run(services, NOW) == 0
    assert services.calls == [("evaluate", (), {"now": NOW})]
    assert row.pause_seconds <= 15
    assert "raise-alerts" not in {row.name for row in SCHEDULE}


def test_the_net_is_cast_more_often_than_a_person_would_notice():
    crons = {row.name: row.cron for row in SCHEDULE}
    assert crons["wake-tenants"].startswith("*/")
    assert int(crons["wake-tenants"].split()[0].removeprefix("*/")) <= 10
