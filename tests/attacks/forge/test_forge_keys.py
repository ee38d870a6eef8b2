"""Keys of the one host used for tokens of the other: both are Atlassian's, and neither stands for the other."""

import pytest

TOKEN = (401, "token_invalid")


@pytest.mark.parametrize("route", ["ui", "events", "lifecycle", "cron"])
@pytest.mark.parametrize("kid", ["its own key id", "the key id of forge"])
def test_attack_with_a_forge_token_signed_with_the_install_key(forge, route, kid):
    install_key = forge.arena.world.install_key
    named = {"kid": install_key.kid} if kid == "its own key id" else {}
    token = forge.sign(forge.fit(route)["claims"], key=install_key.private, **named)
    reason = "key_unknown" if named else "token_signature"
    forge.refuses(forge.call(route, f"Authorization: Bearer {token}"), TOKEN, reason)


@pytest.mark.parametrize("kind", ["installed", "uninstalled"])
def test_attack_with_an_install_signed_with_the_key_of_forge(forge, kind):
    arena = forge.arena
    kid, newest = arena.world.invocation_keys.newest()
    for header, reason in (({"kid": kid}, "key_unknown"), ({}, "token_signature")):
        token = arena.token(kind, header=header, key=newest)
        forge.refuses(arena.call(kind, token=token), TOKEN, reason)


@pytest.mark.parametrize("route", ["ui", "events"])
def test_attack_with_a_token_that_names_no_app(forge, route):
    fit = forge.fit(route, remove=["app"])
    forge.refuses(forge.call(route, *forge.lines(fit)), TOKEN, "token_claim_missing")
