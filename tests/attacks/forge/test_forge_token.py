"""Forge tokens that must not pass: each by its outward code and, from the log, by the one check that caught it."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization

OTHER = "00000000-0000-4000-8000-000000000000"
SYSTEM = ("events", "lifecycle", "cron")
TOKEN, ELSEWHERE = (401, "token_invalid"), (403, "not_for_this")


def base_of(claims):
    return claims["app"]["apiBaseUrl"]


# A token that is refused wherever it is sent: what is changed in a genuine one, and the check that catches it.
BROKEN = {
    "another app's audience": ({"overrides": {"aud": f"ari:cloud:ecosystem::app/{OTHER}"}}, TOKEN, "token_audience"),
    "an audience of nobody": ({"remove": ["aud"]}, TOKEN, "token_audience"),
    "an issuer that is forge's function runtime": ({"overrides": {"iss": "forge/context-token"}}, TOKEN,
                                                  "token_issuer_wrong"),
    "an issuer with a slash more": ({"overrides": {"iss": "forge/invocation-token/"}}, TOKEN, "token_issuer_wrong"),
    "no issuer": ({"remove": ["iss"]}, TOKEN, "token_issuer_malformed"),
    "a token that lives a day": ({"overrides": {"exp": "day"}}, TOKEN, "token_life"),
    "a token that is over": ({"overrides": {"iat": "old", "nbf": "old", "exp": "over"}}, TOKEN, "token_expired"),
    "a token of later": ({"overrides": {"nbf": "soon", "exp": "day"}}, TOKEN, "token_life"),
    "a token that is not yet valid": ({"overrides": {"nbf": "soon"}}, TOKEN, "token_not_yet_valid"),
    "a token without an end": ({"remove": ["exp"]}, TOKEN, "token_claim_missing"),
    "a token without a beginning": ({"remove": ["nbf"]}, TOKEN, "token_claim_missing"),
    "a token without an age": ({"remove": ["iat"]}, TOKEN, "token_claim_missing"),
    "a token without an id": ({"remove": ["jti"]}, TOKEN, "token_claim_missing"),
    "an end in words": ({"overrides": {"exp": "9999999999"}}, TOKEN, "token_claim_malformed"),
    "a key that was never published": ({"key": "unknown"}, TOKEN, "key_unknown"),
    "a stranger's key under a published id": ({"key": "impostor"}, TOKEN, "token_signature"),
    "a critical header": ({"header": {"crit": ["exp"]}}, TOKEN, "token_header"),
    "another algorithm of the same key": ({"algorithm": "RS512"}, TOKEN, "token_algorithm"),
    "another padding of the same key": ({"algorithm": "PS256"}, TOKEN, "token_algorithm"),
    "an isolated cloud": ({"overrides": {"icLabel": "evil-1"}}, TOKEN, "fit_unsupported_cloud"),
    "an isolated cloud that is a path": ({"overrides": {"icLabel": "../../x"}}, TOKEN, "fit_unsupported_cloud"),
    "two apps in one token": ({"overrides": {"app.id": f"ari:cloud:ecosystem::app/{OTHER}"}}, TOKEN,
                              "fit_claims_inconsistent"),
    "two installations in one token": (
        {"overrides": {"app.installation.id": f"ari:cloud:ecosystem::installation/{OTHER}"}}, TOKEN,
        "fit_claims_inconsistent"),
    "two sites in one token": ({"overrides": {"context.cloudId": OTHER}}, TOKEN, "fit_claims_inconsistent"),
    "an installation that is no id": ({"overrides": {"app.installationId": "../1"}}, TOKEN, "token_claim_malformed"),
    "an environment of another app": (
        {"overrides": {"app.environment.id": f"ari:cloud:ecosystem::environment/{OTHER}/{OTHER}"}}, TOKEN,
        "fit_claims_inconsistent"),
    "a developer's own installation": ({"environment": "DEVELOPMENT"}, ELSEWHERE, "fit_environment_rejected"),
    "a staging installation": ({"environment": "STAGING"}, ELSEWHERE, "fit_environment_rejected"),
    "a production in small letters": ({"overrides": {"app.environment.type": "production"}}, ELSEWHERE,
                                     "fit_environment_rejected"),
}  # fmt: skip
TIMES = {"day": 86_400, "old": -120, "over": -60, "soon": 300}


def with_times(wanted):
    """The words of a case for instants, as seconds of now."""
    now = int(time.time())
    changes = {name: now + TIMES.get(value, 0) if value in TIMES else value for name, value in
               wanted.get("overrides", {}).items()}  # fmt: skip
    return wanted | {"overrides": changes}


@pytest.mark.parametrize("route", ["ui", "events"])
@pytest.mark.parametrize("case", BROKEN)
def test_attack_with(forge, case, route):
    wanted, outward, reason = BROKEN[case]
    fit = forge.fit(route, **with_times(wanted))
    forge.refuses(forge.call(route, *forge.lines(fit)), outward, reason)


@pytest.mark.parametrize("route", ["lifecycle", "cron"])
@pytest.mark.parametrize("case", ["a stranger's key under a published id", "a developer's own installation"])
def test_attack_on_the_other_system_routes_with(forge, case, route):
    test_attack_with(forge, case, route)


def test_attack_with_a_list_of_audiences(forge):
    claims = forge.fit()["claims"]
    token = forge.sign(claims | {"aud": [claims["aud"]]})
    forge.refuses(forge.call("ui", f"Authorization: Bearer {token}"), TOKEN, "token_audience")


@pytest.mark.parametrize(
    "host",
    ["{canary}", "{api}@{canary}", "{api}.example.com", "{api}/ex/confluence/..", "http://127.0.0.1:1", "file://"],
)
def test_attack_with_an_address_of_jira_elsewhere(forge, host):
    """The system token would be sent there."""
    for route in ("ui", "events"):
        claims = forge.fit(route)["claims"]
        cloud, api = base_of(claims).rpartition("/")[2], forge.stack.simulator.control_url
        url = f"{host.format(canary=forge.arena.canary.url, api=api)}/ex/jira/{cloud}"
        claims["app"] |= {"apiBaseUrl": url}
        claims["app"]["installation"]["contexts"][0]["apiBaseUrl"] = url
        claims["app"]["installationId"] = f"ari:cloud:ecosystem::installation/{OTHER}"
        claims["app"]["installation"]["id"] = claims["app"]["installationId"]
        lines = forge.lines(forge.fit(route), authorization=f"Bearer {forge.sign(claims)}")
        forge.refuses(forge.call(route, *lines), ELSEWHERE, "fit_api_base_url_rejected")


def test_attack_without_an_algorithm(forge):
    token = forge.arena.sign({"alg": "none", "kid": "x"}, forge.fit()["claims"], key=b"x")
    for signature in (token, token.rpartition(".")[0] + "."):
        reason = "token_algorithm" if signature is token else "token_malformed"
        forge.refuses(forge.call("ui", f"Authorization: Bearer {signature}"), TOKEN, reason)


def test_attack_with_the_public_key_as_a_secret(forge):
    kid, key = forge.arena.world.invocation_keys.newest()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    token = forge.arena.sign({"alg": "HS256", "kid": kid}, forge.fit()["claims"], key=pem)
    forge.refuses(forge.call("ui", f"Authorization: Bearer {token}"), TOKEN, "token_algorithm")


@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_attack_with_a_key_set_of_the_attackers_own(forge, member):
    token = forge.sign(forge.fit()["claims"], kid="mine", **{member: f"{forge.arena.canary.url}/jwks.json"})
    forge.refuses(forge.call("ui", f"Authorization: Bearer {token}"), TOKEN, "key_unknown")


def test_attack_with_claims_changed_after_signing(forge):
    fit = forge.fit()
    head, _, signature = fit["token"].split(".")
    claims = json.dumps(fit["claims"] | {"principal": forge.arena.site().person("admin").account_id}).encode()
    changed = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    lines = forge.lines(fit, authorization=f"Bearer {head}.{changed}.{signature}")
    forge.refuses(forge.call("ui", *lines), TOKEN, "token_signature")


# Not even a token of Forge.
NO_TOKEN = {
    "nothing": ([], "token_missing"),
    "an empty bearer": (["Authorization: Bearer "], "token_missing"),
    "half a token": (["Authorization: Bearer aaaa.bbbb"], "token_malformed"),
    "a heavy token": ([f"Authorization: Bearer {'a' * 8200}.b.c"], None),
    "basic credentials": (["Authorization: Basic YTpi"], "token_missing"),
    "two tokens": (["Authorization: Bearer a.b.c", "Authorization: Bearer a.b.c"], "token_malformed"),
    "only a system token": (["x-forge-oauth-system: simulated.x"], "token_missing"),
    "only the names of forge": (["x-forge-oauth-user: x", "x-b3-traceid: 1"], "token_missing"),
}


@pytest.mark.parametrize("route", SYSTEM)
@pytest.mark.parametrize("case", NO_TOKEN)
def test_attack_on_a_system_route_with(forge, case, route):
    lines, reason = NO_TOKEN[case]
    if reason is None:  # the server itself ends it
        assert forge.arena.send(forge.call(route, *lines)).status == 400
        return
    forge.refuses(forge.call(route, *lines), TOKEN, reason)


@pytest.mark.parametrize("scheme", ["JWT", "Bearer"])
def test_attack_with_a_connect_token_under_either_scheme(forge, scheme):
    token = forge.arena.token("clocks")
    for route in SYSTEM:
        reason = "token_missing" if scheme == "JWT" else "token_algorithm"
        forge.refuses(forge.call(route, f"Authorization: {scheme} {token}"), TOKEN, reason)
    if scheme == "Bearer":
        forge.refuses(forge.call("ui", f"Authorization: Bearer {token}"), TOKEN, "token_algorithm")


def test_attack_with_a_forge_token_as_a_connect_token(forge):
    token = forge.fit()["token"]
    forge.refuses(forge.call("ui", f"Authorization: JWT {token}"), TOKEN, "token_algorithm")
    forge.refuses(forge.arena.call("webhook", token=token), TOKEN, "token_algorithm")
    forge.refuses(forge.arena.call("panel", token=token), TOKEN, "token_algorithm")


def test_attack_with_forges_context_token(forge):
    """It is signed with the same key, and every scheduled call has one in its body."""
    token = forge.arena.world.forge["genchi"].context_token()
    for route in ("ui", *SYSTEM):
        forge.refuses(forge.call(route, f"Authorization: Bearer {token}"), TOKEN, "token_issuer_wrong")
