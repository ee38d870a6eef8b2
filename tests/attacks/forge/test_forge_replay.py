"""A genuine call of Forge that somebody saw, sent again: answered, and worth nothing."""

import time

import pytest

SYSTEM = ("lifecycle", "cron", "events")


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

    Even at the moment when a new token would be taken: what counts is when the call was issued.
    """
    fit = forge.fit(route)
    assert forge.arena.send(forge.call(route, *forge.lines(fit))).status == 200
    tenant = "(SELECT tenant_id FROM registry.forge_installations WHERE forge_installation = %s)"
    installation = fit["claims"]["app"]["installationId"]
    query = f"SELECT version, received_at FROM app.forge_tokens WHERE tenant_id = {tenant}"
    age = f"UPDATE app.forge_tokens SET received_at = to_timestamp(%s) - interval '29 minutes 59 seconds' WHERE tenant_id = {tenant}"  # noqa: E501, S608
    database = forge.arena.database
    [(version, received_at)] = database.execute(query, [installation]).fetchall()
    database.execute(age, [fit["claims"]["iat"], installation])
    time.sleep(1.1)  # by our own clock the token that we have is half an hour old now
    planted = forge.lines(fit, **{"x-forge-oauth-system": "planted.by.an.attacker"})
    assert forge.arena.send(forge.call(route, *planted)).status == 200
    [(now_version, _)] = database.execute(query, [installation]).fetchall()
    assert now_version == version
    database.execute(
        f"UPDATE app.forge_tokens SET received_at = %s WHERE tenant_id = {tenant}", [received_at, installation]
    )  # noqa: E501, S608
    forge.arena.rows = forge.arena.digest()


@pytest.mark.parametrize("route", SYSTEM)
def test_attack_by_replay_of_a_call_for_a_version_that_is_over(forge, route):
    """An audit log that anybody can fill proves nothing: a version is later once."""
    fits = [forge.fit(route, app_version=version) for version in ("0.1.0", "1.0.0", "1.0.9")]
    for fit in fits:
        assert forge.arena.send(forge.call(route, *forge.lines(fit))).status == 200
    forge.arena.is_untouched()
