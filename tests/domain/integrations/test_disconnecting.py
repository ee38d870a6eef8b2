"""The end of a grant: at once here, confirmed there, and a receipt."""

from datetime import timedelta

import pytest

from app.domain.alerts.operations import Watch
from app.domain.integrations.disconnecting import NothingConnected
from app.domain.integrations.tokens import GrantUnavailable
from app.domain.privacy.receipts import read_receipt, receipt_origin


@pytest.fixture
def connected(house):
    house.connect()
    return house


def receipt(house):
    note = house.worker.integrations.status.receipt()
    return (
        None if note is None else read_receipt(note, origin=receipt_origin(house.key.name), trusted=house.key.trusted)
    )


def test_it_ends_here_at_once_and_there_when_the_provider_confirms(connected):
    connected.worker.disconnecting.disconnect(now=connected.now())
    assert connected.state == "disconnecting"
    # all that is left is what names the grant to its provider
    assert connected.sealed() == [("atlassian:refresh", 1)]
    [row] = connected.sql.rows("SELECT scopes, access_expires_at, attempt_sha256 FROM app.integrations")
    assert row == (None, None, None)
    with pytest.raises(GrantUnavailable):
        connected.worker.tokens.current()
    assert receipt(connected) is None
    connected.worker.integrations.tend(now=connected.now())
    assert (connected.state, connected.living, connected.asked("revoke")) == ("disconnected", 0, [200])
    assert connected.sealed() == []
    assert connected.sql.rows("SELECT 1 FROM app.data_keys WHERE purpose = 'oauth-token'") == []
    assert [action for action, _ in connected.entries()][-2:] == ["integration.disconnected", "integration.revoked"]


def test_the_receipt_says_what_went_and_is_signed(connected):
    connected.worker.disconnecting.disconnect(now=connected.now())
    connected.worker.integrations.tend(now=connected.now())
    found = receipt(connected)
    assert (found["subject"], found["erased"], found["revocation"]) == (
        "integration/atlassian", {"app.sealed_secrets": 2}, "ended at the provider",
    )  # fmt: skip
    ids = connected.sql.rows(
        "SELECT entry_id::text FROM app.audit_entries WHERE action IN ('integration.disconnected',"
        " 'integration.revoked') ORDER BY at"
    )
    assert found["audit"]["entries"] == [entry for (entry,) in ids]
    assert found["only_ageing_removes"]


def test_a_provider_that_is_away_is_asked_again_with_growing_pauses(connected):
    connected.control(revocations=[{"status": 503, "times": 2}, {"status": 429, "retry_after": "600"}])
    connected.worker.disconnecting.disconnect(now=connected.now())
    waits = []
    for _ in range(3):
        connected.worker.integrations.tend(now=connected.now())
        connected.worker.integrations.tend(now=connected.now())
        [(until,)] = connected.sql.rows("SELECT waits_until FROM app.integrations")
        waits.append(round((until - connected.now()).total_seconds(), -1))
        connected.moved = connected.moved + timedelta(seconds=waits[-1] + 5)
    assert waits == [30, 60, 600]
    assert connected.state == "disconnecting"
    connected.worker.integrations.tend(now=connected.now())
    assert (connected.state, connected.asked("revoke")) == ("disconnected", [503, 503, 429, 200])


def test_a_provider_that_does_not_confirm_within_a_day_is_told_of_and_the_token_goes_all_the_same(connected):
    connected.control(revocations=[{"status": 500, "times": 1000}])
    connected.worker.disconnecting.disconnect(now=connected.now())
    connected.worker.integrations.tend(now=connected.now())
    assert connected.state == "disconnecting"
    connected.moved += timedelta(days=1)
    connected.worker.integrations.tend(now=connected.now())
    assert (connected.state, connected.status["problem"]) == ("disconnected", "revocation_unconfirmed")
    assert connected.sealed() == []
    action, detail = connected.entries()[-1]
    assert (action, detail["attempts"]) == ("integration.unconfirmed", 2)
    assert "by hand" in receipt(connected)["revocation"]
    raised = Watch(connected.worker.database, tell=lambda _: None).evaluate(now=connected.now())
    assert "PRIV-03" in [alert.rule.rule_id for alert in raised]


def test_a_worker_killed_while_it_revoked_leaves_it_to_the_next(connected):
    connected.worker.disconnecting.disconnect(now=connected.now())
    connected.sql.execute("UPDATE app.integrations SET leased_until = %s", connected.now() + timedelta(seconds=60))
    connected.worker.integrations.tend(now=connected.now())
    assert connected.asked("revoke") == []
    connected.moved += timedelta(seconds=61)
    connected.worker.integrations.tend(now=connected.now())
    assert connected.state == "disconnected"


def test_disconnecting_twice_is_the_same_and_of_nothing_is_refused(connected):
    for _ in range(2):
        connected.worker.disconnecting.disconnect(now=connected.now())
    connected.worker.integrations.tend(now=connected.now())
    with pytest.raises(NothingConnected):
        connected.worker.disconnecting.disconnect(now=connected.now())
    assert [action for action, _ in connected.entries()].count("integration.disconnected") == 1


def test_an_open_attempt_goes_too(house):
    house.worker.connecting.begin(redirect_uri=None, now=house.now())
    house.worker.disconnecting.disconnect(now=house.now())
    house.worker.integrations.tend(now=house.now())
    assert (house.state, house.sealed()) == ("disconnected", [])
    found = receipt(house)
    assert (found["erased"], len(found["audit"]["entries"])) == ({"app.sealed_secrets": 1}, 1)
    assert "no grant" in found["revocation"]


def test_after_a_disconnection_one_can_connect_again_and_no_version_comes_twice(connected):
    connected.worker.disconnecting.disconnect(now=connected.now())
    connected.worker.integrations.tend(now=connected.now())
    former = receipt(connected)
    connected.connect()
    assert connected.worker.tokens.current() == 2
    assert receipt(connected) == former
    connected.worker.disconnecting.disconnect(now=connected.now())
    assert receipt(connected) is None
    connected.worker.integrations.tend(now=connected.now())
    assert receipt(connected)["left_at"] > former["left_at"]
