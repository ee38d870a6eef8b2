"""Counting in memory: watched codes only, nothing lost while the database is away."""

from app.domain.identifiers import TenantId
from app.store.signal_counts import SignalCounts

ROWS = "SELECT code, endpoint, tenant_id::int, sum(count)::int FROM registry.signals GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"


def test_counts_are_summed_and_written_with_the_next_flush(web, shared, now):
    counts = SignalCounts(web, clock=lambda: now)
    for _ in range(3):
        counts.count("token_expired", endpoint="api.issue_clocks")
    counts.count("token_expired", endpoint="api.issue_clocks", tenant=TenantId(7))
    counts.count("not_found", endpoint="api.issue_clocks")
    counts.flush()
    counts.flush()
    assert [(row[0], *row[2:]) for row in shared.rows(ROWS)] == [("token_expired", 0, 3), ("token_expired", 7, 1)]


def test_counts_wait_while_the_database_is_away(make_database, open_store, now):
    with make_database() as database:
        counts = SignalCounts(open_store(database.web), clock=lambda: now)
        database.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT 0")
        counts.count("token_signature", endpoint="issue.page")
        counts.flush()
        database.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT -1")
        counts.flush()
        assert database.rows(ROWS) == [("token_signature", "issue.page", 0, 1)]
