"""Counting in memory: watched codes only, nothing lost while the database is away."""

import pytest

from app.domain.alerts.counting import SignalCounts
from app.domain.identifiers import TenantId
from app.domain.ports import DatabaseUnavailable

ROWS = "SELECT code, tenant_id::int, sum(count)::int FROM registry.signals GROUP BY 1, 2 ORDER BY 1, 2"


def test_counts_are_summed_and_written_once(scene, now):
    counts = SignalCounts(scene.web)
    for _ in range(3):
        counts.count("token_expired", endpoint="api.issue_clocks")
    counts.count("token_expired", endpoint="api.issue_clocks", tenant=TenantId(7))
    counts.count("not_found", endpoint="api.issue_clocks")
    counts.flush(now)
    counts.flush(now)
    assert scene.database.rows(ROWS) == [("token_expired", 0, 3), ("token_expired", 7, 1)]


def test_counts_wait_while_the_database_is_away(scene, now):
    counts = SignalCounts(scene.web)
    counts.count("token_signature", endpoint="issue.page")
    scene.database.execute(f"ALTER DATABASE {scene.database.name} CONNECTION LIMIT 0")
    scene.web._engines.dispose()
    with pytest.raises(DatabaseUnavailable):
        counts.flush(now)
    scene.database.execute(f"ALTER DATABASE {scene.database.name} CONNECTION LIMIT -1")
    counts.flush(now)
    assert scene.database.rows(ROWS) == [("token_signature", 0, 1)]
