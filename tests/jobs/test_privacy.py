"""`pledge privacy`: the map needs nothing, the others say in their exit code how the cycle stands."""

import json

import pytest


@pytest.fixture
def on_nothing(pledge, monkeypatch, tmp_path):
    """An empty folder, and no database."""
    monkeypatch.chdir(tmp_path)
    return pledge


def test_the_map_is_printed_without_any_set_up(on_nothing):
    answer = on_nothing("privacy", "map", "--json")
    rows = {row["where"]: row for row in json.loads(answer.out)}
    assert answer.code == 0
    assert rows["app.clock_events.data.actor"]["kind"] == "account id"
    assert rows["app.clock_events.data.actor"]["stored_at"] == "recorded_at"
    assert all(row["purpose"] and row["retention"] and row["erased"] for row in rows.values())


def test_the_map_is_for_people_too(on_nothing):
    answer = on_nothing("privacy", "map")
    assert answer.code == 0
    assert "app.people.account_id\n    account id: to report each account to Atlassian" in answer.out
