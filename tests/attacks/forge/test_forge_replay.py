"""A genuine call of Forge that somebody saw, sent again: answered, and worth nothing."""

import pytest

SYSTEM = ("lifecycle", "cron", "events")
TOKEN = """
    SELECT tenant_id, version, received_at FROM app.forge_tokens JOIN registry.forge_installations
    USING (tenant_id, installation_id) WHERE forge_installation = %s
"""
STALE = """
    WITH seen AS (
        UPDATE registry.forge_installations SET seen_at = seen_at - interval '31 minutes' WHERE tenant_id = %s
    )
    UPDATE app.forge_tokens SET received_at = received_at - interval '31 minutes' WHERE tenant_id = %s
"""
AGED = """
    UPDATE app.forge_tokens SET received_at = to_timestamp(%s) - interval '29 minutes 59.999 seconds'
    WHERE tenant_id = %s
"""


@pytest.mark.parametrize("route", SYSTEM)
def test_attack_by_replay_of_a_system_call(forge, route):
    """The same bytes again and again: the answer is the same, and no row is written."""
    raw = forge.call(route, *forge.lines(forge.fit(route)))
    for _ in range(3):
        assert forge.arena.send(raw).status == 200
    forge.arena.is_untouched()


@pytest.mark.parametrize("route", SYSTEM)
def test_attack_by_replay_with_a_system_token_of_the_attackers_own(forge, route):
    """Nothing binds the headers to the token: whoever repeats a call could else have his token used as the app's.

    Even at the moment when a newer token would be taken: what counts is when the call was issued.
    """
    fit, database = forge.fit(route), forge.arena.database
    assert forge.arena.send(forge.call(route, *forge.lines(fit))).status == 200
    by_installation = [fit["claims"]["app"]["installationId"]]
    [(tenant, version, received_at)] = database.execute(TOKEN, by_installation).fetchall()
    # By our own clock the token that we have is half an hour old now; when the call was issued it was not.
    database.execute(AGED, [fit["claims"]["iat"], tenant])
    planted = forge.lines(fit, **{"x-forge-oauth-system": "planted.by.an.attacker"})
    assert forge.arena.send(forge.call(route, *planted)).status == 200
    assert [row[1] for row in database.execute(TOKEN, by_installation)] == [version]
    database.execute("UPDATE app.forge_tokens SET received_at = %s WHERE tenant_id = %s", [received_at, tenant])
    forge.arena.rows = forge.arena.digest()


@pytest.mark.parametrize("route", SYSTEM)
def test_attack_by_replay_with_a_system_token_of_a_call_that_first_came_without_one(forge, route):
    """While a newer token is awaited, whoever saw such a call could else bring the token that it lacked."""
    fit, database = forge.fit(route), forge.arena.database
    by_installation = [fit["claims"]["app"]["installationId"]]
    [(tenant, version, received_at)] = database.execute(TOKEN, by_installation).fetchall()
    database.execute(STALE, [tenant, tenant])
    for token in (None, "planted.by.an.attacker", "planted.by.an.attacker"):
        assert forge.arena.send(forge.call(route, *forge.lines(fit, **{"x-forge-oauth-system": token}))).status == 200
        assert [row[1] for row in database.execute(TOKEN, by_installation)] == [version]
    database.execute("UPDATE app.forge_tokens SET received_at = %s WHERE tenant_id = %s", [received_at, tenant])
    forge.arena.rows = forge.arena.digest()


@pytest.mark.parametrize("route", SYSTEM)
def test_attack_by_replay_of_a_call_for_a_version_that_is_over(forge, route):
    """An audit log that anybody can fill proves nothing: a version is later once."""
    fits = [forge.fit(route, app_version=version) for version in ("0.1.0", "1.0.0", "1.0.9")]
    for fit in fits:
        assert forge.arena.send(forge.call(route, *forge.lines(fit))).status == 200
    forge.arena.is_untouched()
