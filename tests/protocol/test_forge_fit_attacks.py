"""Forge tokens that must not pass: each check of the example file refuses what it is for, by its own reason."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import refusals
from app.protocol.forge_fit import require_system_call, require_ui_call, unverified_fit_kid

DOCUMENT = json.loads((Path(__file__).parents[1] / "vectors" / "fit_example.json").read_text("utf-8"))
EXAMPLES = DOCUMENT["examples"]
APP_ID = DOCUMENT["constants"]["audience"]
KID = EXAMPLES["preUninstall"]["jwt_header"]["kid"]
ISSUED = EXAMPLES["preUninstall"]["claims"]["iat"]
CLOUD_ID = "7c0f5b0a-4d57-4f0e-8a41-0d6c2f9d5e01"
OTHER_ID = "00000000-4d57-4f0e-8a41-0d6c2f9d5e01"
PANEL_KEYS = frozenset({"acme-panel"})
SYSTEM_KEYS = frozenset({"ep-events", "ep-lifecycle", "ep-cron"})


REFUSED = [
    # 3, 6, 7
    ({"icLabel": "isolated-1"}, refusals.IsolatedCloudRefused),
    ({"icLabel": "x\n"}, refusals.IsolatedCloudRefused),
    ({"icLabel": ""}, refusals.IsolatedCloudRefused),
    ({"iss": "forge/context-token"}, refusals.IssuerWrong),
    ({"iss": "forge/invocation-token/"}, refusals.IssuerWrong),
    ({"iss": ["forge/invocation-token"]}, refusals.IssuerMalformed),
    ({"iss": ...}, refusals.IssuerMalformed),
    ({"aud": [APP_ID]}, refusals.AudienceWrong),
    ({"aud": APP_ID + "0"}, refusals.AudienceWrong),
    ({"aud": APP_ID.rpartition("/")[2]}, refusals.AudienceWrong),
    ({"aud": "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"}, refusals.AudienceWrong),
    ({"aud": ...}, refusals.AudienceWrong),
    ({"aud": None}, refusals.AudienceWrong),
    # 8
    ({"exp": ...}, refusals.ClaimMissing),
    ({"iat": ...}, refusals.ClaimMissing),
    ({"nbf": ...}, refusals.ClaimMissing),
    ({"jti": ...}, refusals.ClaimMissing),
    ({"nbf": None}, refusals.ClaimMalformed),
    ({"exp": "1795305625"}, refusals.ClaimMalformed),
    ({"jti": 7}, refusals.ClaimMalformed),
    ({"exp": ISSUED + 10 * 365 * 86400}, refusals.TokenLifeNotAllowed),
    ({"exp": ISSUED}, refusals.TokenLifeNotAllowed),
    ({"nbf": ISSUED + 36}, refusals.TokenNotYetValid),
    ({"iat": ISSUED + 36, "exp": ISSUED + 60}, refusals.TokenNotYetValid),
    ({"iat": ISSUED - 60, "exp": ISSUED - 25}, refusals.TokenExpired),
    # 9
    ({"app": ...}, refusals.ClaimMissing),
    ({"app": "text"}, refusals.ClaimMalformed),
    ({"app": []}, refusals.ClaimMalformed),
    ({"app__id": ...}, refusals.ClaimMissing),
    ({"app__id": "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"}, refusals.ClaimsInconsistent),
    ({"app__installationId": ...}, refusals.ClaimMissing),
    ({"app__installationId": CLOUD_ID}, refusals.ClaimMalformed),
    ({"app__installationId": f"ari:cloud:ecosystem::installation/{OTHER_ID}"}, refusals.ClaimsInconsistent),
    ({"app__installation__id": f"ari:cloud:ecosystem::installation/{OTHER_ID}"}, refusals.ClaimsInconsistent),
    ({"app__installation": "text"}, refusals.ClaimMalformed),
    ({"app__installation__contexts": {"name": "jira"}}, refusals.ClaimMalformed),
    ({"app__installation__contexts": ["jira"]}, refusals.ClaimMalformed),
    ({"app__installation__contexts": [{"name": "jira", "cloudId": 7}]}, refusals.ClaimMalformed),
    ({"app__installation__contexts": [{"name": "jira", "cloudId": OTHER_ID}]}, refusals.ClaimsInconsistent),
    ({"context__cloudId": OTHER_ID}, refusals.ClaimsInconsistent),
    ({"context": "text"}, refusals.ClaimMalformed),
    ({"app__environment": ...}, refusals.ClaimMissing),
    ({"app__environment__type": ...}, refusals.ClaimMissing),
    ({"app__environment__type": ["PRODUCTION"]}, refusals.ClaimMalformed),
    ({"app__environment__id": "c2a7b1de"}, refusals.ClaimMalformed),
    ({"app__environment__id": f"ari:cloud:ecosystem::environment/{OTHER_ID}/{OTHER_ID}"}, refusals.ClaimsInconsistent),
    ({"app__apiBaseUrl": ...}, refusals.ClaimMissing),
    ({"app__apiBaseUrl": "https://api.atlassian.com/ex/jira/"}, refusals.ClaimMalformed),
    ({"app__module": ...}, refusals.ClaimMissing),
    ({"app__module__key": ...}, refusals.ClaimMissing),
    ({"app__module__type": None}, refusals.ClaimMalformed),
    ({"principal": {"accountId": "557058:x"}}, refusals.ClaimMalformed),
    ({"principal": "a b"}, refusals.ClaimMalformed),
    ({"principal": ""}, refusals.ClaimMalformed),
    # 10, 11
    ({"app__environment__type": "DEVELOPMENT"}, refusals.EnvironmentRefused),
    ({"app__environment__type": "STAGING"}, refusals.EnvironmentRefused),
    ({"app__environment__type": "production"}, refusals.EnvironmentRefused),
    *(
        ({"app__apiBaseUrl": url + CLOUD_ID}, refusals.ApiBaseUrlRefused)
        for url in (
            "http://api.atlassian.com/ex/jira/",
            "https://api.atlassian.com.evil.example.net/ex/jira/",
            "https://api.atlassian.com@evil.example.net/ex/jira/",
            "https://evil.example.net/https://api.atlassian.com/ex/jira/",
            "https://apixatlassian.com/ex/jira/",
            "https://api.atlassian.com/ex/confluence/",
            "https://api.atlassian.com/ex/jira/../",
            "https://api.atlassian.com:8443/ex/jira/",
        )
    ),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=repr)
def test_a_token_is_refused_by_the_check_that_is_for_it(forge, changes, reason):
    with pytest.raises(reason) as refused:
        forge.verify(forge.sign(forge.claims(**changes)))
    assert type(refused.value) is reason


# The checks of the example file by number: what stands for each here, or who else makes it.
HELD = {
    1: ({}, {"segments": 2}, refusals.TokenMalformed),
    2: ({}, {"crit": ["exp"]}, refusals.HeaderNotUnderstood),
    3: ({"icLabel": "isolated-1"}, {}, refusals.IsolatedCloudRefused),
    4: ({}, {"kid": "forge/invocation-token/unknown"}, refusals.KeyUnknown),
    6: ({}, {"key": "another"}, refusals.SignatureWrong),
    7: ({"iss": "forge/context-token"}, {}, refusals.IssuerWrong),
    8: ({"aud": [APP_ID]}, {}, refusals.AudienceWrong),
    9: ({"nbf": ...}, {}, refusals.ClaimMissing),
    10: ({"app__installation__id": "another"}, {}, refusals.ClaimsInconsistent),
    11: ({"app__environment__type": "STAGING"}, {}, refusals.EnvironmentRefused),
    12: ({"app__apiBaseUrl": f"https://evil.example.net/{CLOUD_ID}"}, {}, refusals.ApiBaseUrlRefused),
    13: ({}, {}, refusals.PrincipalRefused),
}
ELSEWHERE = {5: "fetching keys", 14: "object", 15: "installation", 16: "licence", 17: "replay"}
GROUP = {401: refusals.TokenRefused, 403: refusals.NotForThis}


@pytest.mark.parametrize(
    "check",
    [check for check in DOCUMENT["verifier_checks"] if check["n"] not in ELSEWHERE],
    ids=lambda check: str(check["n"]),
)
def test_a_check_of_the_example_file_is_held_with_its_status(forge, another_key, check):
    claims, sending, reason = HELD[check["n"]]
    headers = {name: value for name, value in sending.items() if name in ("crit", "kid")}
    if "key" in sending:
        headers["key"] = another_key
    token = forge.sign(forge.claims(**claims), **headers)
    with pytest.raises(reason) as refused:
        require_system_call(
            forge.verify(".".join(token.split(".")[: sending.get("segments", 3)])), module_keys=SYSTEM_KEYS
        )
    assert isinstance(refused.value, GROUP[check["status"]])


@pytest.mark.parametrize("tail", ["/x", "?x=1", "#x", "\n", "/../x"])
def test_attack_api_base_url_with_a_tail(forge, tail):
    with pytest.raises((refusals.ClaimMalformed, refusals.ClaimsInconsistent)):
        forge.verify(forge.sign(forge.claims(app__apiBaseUrl=f"https://api.atlassian.com/ex/jira/{CLOUD_ID}{tail}")))


@pytest.mark.parametrize("kid", [None, "", 7, ["x"], "a b", "x\n", "k" * 256], ids=repr)
def test_attack_key_id_of_another_form(forge, kid):
    token = forge.sign(forge.claims(), kid=kid)
    for call in (unverified_fit_kid, forge.verify):
        with pytest.raises(refusals.KidMalformed):
            call(token)


@pytest.mark.parametrize("kid", ["forge/context-token/1", "https://evil.example.net/key", "../../etc/passwd"])
def test_attack_key_id_of_no_published_key(forge, kid):
    with pytest.raises(refusals.KeyUnknown):
        forge.verify(forge.sign(forge.claims(), kid=kid))


def test_attack_signed_by_another_key(other_side, forge, another_key):
    with pytest.raises(refusals.SignatureWrong):
        forge.verify(other_side.rs256_by_hand(forge.claims(), key=another_key, kid=KID))


def test_attack_claims_changed_after_signing(forge):
    header, _, signature = forge.sign(forge.claims()).split(".")
    payload = forge.sign(forge.claims(principal="557058:victim")).split(".")[1]
    with pytest.raises(refusals.SignatureWrong):
        forge.verify(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", "PS256", "ES256"])
def test_attack_other_algorithm(other_side, forge, algorithm):
    header = {"typ": "JWT", "alg": algorithm, "kid": KID}
    with pytest.raises(refusals.AlgorithmNotAllowed):
        forge.verify(other_side.by_hand(header, forge.claims(), key=other_side.public_pem))


def test_attack_key_offered_by_the_token(other_side, forge, another_key):
    token = other_side.rs256_by_hand(
        forge.claims(), key=another_key, kid=KID, jku="https://evil.example.net/jwks", jwk={"kty": "RSA"}
    )
    with pytest.raises(refusals.SignatureWrong):
        forge.verify(token)


def test_attack_connect_token_as_a_forge_token(other_side, forge):
    with pytest.raises(refusals.IssuerWrong):
        forge.verify(other_side.rs256(other_side.claims(), kid=KID))


def test_a_deployment_without_environments_accepts_none(forge):
    with pytest.raises(refusals.EnvironmentRefused):
        forge.verify(forge.sign(forge.claims()), environments=frozenset())


def test_an_unfit_published_key_proves_nothing(forge):
    with pytest.raises(refusals.PublicKeyUnfit):
        forge.verify(forge.sign(forge.claims()), keys={KID: b"not a key"})


@pytest.mark.parametrize("late", [54, 55])
def test_a_token_dies_thirty_seconds_after_its_end(forge, late):
    now = datetime.fromtimestamp(ISSUED, UTC) + timedelta(seconds=late)
    alive = late < 55
    with contextlib.nullcontext() if alive else pytest.raises(refusals.TokenExpired):
        forge.verify(forge.sign(forge.claims()), now=now)


def test_attack_users_token_on_a_system_route_is_told_by_its_principal_even_an_anonymous_one(forge):
    for principal in ("557058:attacker", "unidentified", None):
        proven = forge.verify(forge.sign(forge.claims("scheduledTrigger_hour", principal=principal)))
        with pytest.raises(refusals.PrincipalRefused):
            require_system_call(proven, module_keys=SYSTEM_KEYS)


@pytest.mark.parametrize("module_type", ["jira:issuePanel", "global:fullPage", "xcore:endpoint", "core"])
def test_attack_browser_module_on_a_system_route(forge, module_type):
    proven = forge.verify(forge.sign(forge.claims("scheduledTrigger_hour", app__module__type=module_type)))
    with contextlib.nullcontext() if module_type == "core" else pytest.raises(refusals.ModuleRefused):
        require_system_call(proven, module_keys=SYSTEM_KEYS)


def test_attack_module_of_another_route(forge):
    event = forge.verify(forge.sign(forge.claims("trigger_avi_jira_created_issue")))
    panel = forge.verify(forge.sign(forge.claims()))
    for keys in (frozenset(), frozenset({"ep-cron"}), frozenset({"ep-event"})):
        with pytest.raises(refusals.ModuleRefused):
            require_system_call(event, module_keys=keys)
        with pytest.raises(refusals.ModuleRefused):
            require_ui_call(panel, module_keys=keys)


def test_an_anonymous_visitor_is_no_user(forge):
    proven = forge.verify(forge.sign(forge.claims(principal="unidentified")))
    assert proven.account_id is None
    with pytest.raises(refusals.PrincipalRequired):
        require_ui_call(proven, module_keys=PANEL_KEYS)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([APP_ID, CLOUD_ID, "jira"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "cloudId", "type", "key", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = [place for changes, _ in REFUSED for place in changes if "__" in place or place in ("app", "context", "jti")]


@given(st.dictionaries(st.sampled_from(PLACES), ANYTHING, max_size=3))
def test_nothing_but_a_refusal_is_raised_for_any_signed_claims(forge, changes):
    for example in ("ui_jira_issuePanel_invokeRemote", "trigger_avi_jira_created_issue"):
        with contextlib.suppress(refusals.TokenRefused, refusals.NotForThis):
            forge.verify(forge.sign(forge.claims(example, **changes)))
