"""What must not get in through Forge: each try by its outward code and, from the log, the one check that caught it.

Anybody who uses a site where the app is installed can have Forge sign a genuine token for any path, method and body of
his choice, so that most of these tokens are genuine ones in the wrong place.
"""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization

OTHER = "00000000-0000-4000-8000-000000000000"
ROUTES = {
    "ui": ("GET", "/api/v1/issues/10001/clocks"),
    "events": ("POST", "/forge/events"),
    "lifecycle": ("POST", "/forge/lifecycle"),
    "cron": ("POST", "/forge/cron"),
}
SYSTEM = ("events", "lifecycle", "cron")
TASK = {"id": "99999", "key": "SEC-999", "fields": {"issuetype": {"name": "Task"}, "labels": []}}
EVENT = {"eventType": "avi:jira:updated:issue", "issue": TASK}
TOKEN, ELSEWHERE = (401, "token_invalid"), (403, "not_for_this")


class ForgeArena:
    """The arena once its first site has moved to Forge; an honest event of an issue that matters to no promise."""

    def __init__(self, arena):
        self.arena, self.stack = arena, arena.stack

    def fit(self, route="ui", **wanted):
        own = {"account": "developer", "issue": "10001"} if route == "ui" else {}
        return self.stack.fit(kind=route, **own | wanted)

    def lines(self, fit, *, only=("authorization", "x-forge-oauth-system", "x-forge-oauth-user"), **instead):
        """The headers of an invocation as lines, some of them replaced or left out."""
        sent = {name.lower(): value for name, value in fit["headers"].items() if name.lower() in only}
        return [f"{name}: {value}" for name, value in (sent | instead).items() if value is not None]

    def call(self, route, *lines, body=None, path=None):
        method, target = ROUTES[route]
        if method == "GET":
            return self.arena.request(method, path or target, *lines)
        body = json.dumps(EVENT).encode() if body is None else body
        return self.arena.request(method, path or target, "Content-Type: application/json", *lines, body=body)

    def sign(self, claims, *, key=None, **header):
        kid, newest = self.arena.world.invocation_keys.newest()
        return self.arena.sign({"alg": "RS256", "kid": kid, "typ": "JWT"} | header, claims, key=key or newest)

    def is_honest(self):
        """Whoever is entitled is still served, and nothing of it leaves a row."""
        for route in ROUTES:
            reply = self.arena.send(self.call(route, *self.lines(self.fit(route))))
            assert reply.status == 200, (route, reply)

    def reason(self, reply):
        """The one check that refused, which only our log tells."""
        trace = reply.document["trace_id"]
        return self.stack.eventually(
            lambda: next((json.loads(line)["code"] for line in self.stack.web.lines if trace in line), None), seconds=5
        )

    def refuses(self, raw, outward, reason):
        reply = self.arena.send(raw)
        assert (reply.status, reply.document.get("code")) == outward, reply
        self.arena.is_problem(reply)
        assert self.reason(reply) == reason
        self.arena.is_untouched()
        return reply


@pytest.fixture(scope="module")
def forge(make_arena, canary):
    with make_arena(canary) as arena:
        made = ForgeArena(arena)
        for site in ("genchi", "kencha"):
            assert arena.stack.forge("install", site)["accepted"]
        made.is_honest()
        arena.settle()
        yield made
        made.is_honest()
        arena.is_untouched()


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
    for route in ROUTES:
        forge.refuses(forge.call(route, f"Authorization: Bearer {token}"), TOKEN, "token_issuer_wrong")


# A genuine token in the wrong place.
@pytest.mark.parametrize("route", SYSTEM)
def test_attack_with_a_persons_token_on_a_system_route(forge, route):
    """`invokeRemote` lets the page, and so its user, choose the path: the hole in every public sample."""
    for account in ("outsider", "admin"):
        fit = forge.fit("ui", account=account)
        forge.refuses(forge.call(route, *forge.lines(fit)), ELSEWHERE, "fit_principal_refused")


@pytest.mark.parametrize("route", SYSTEM)
def test_attack_with_an_anonymous_visitors_token_on_a_system_route(forge, route):
    fit = forge.fit("ui", overrides={"principal": "unidentified"})
    forge.refuses(forge.call(route, *forge.lines(fit)), ELSEWHERE, "fit_principal_refused")
    fit = forge.fit("ui", account=None)
    forge.refuses(forge.call(route, *forge.lines(fit)), ELSEWHERE, "fit_wrong_module")


@pytest.mark.parametrize(
    ("kind", "route"),
    [(kind, route) for kind in (*SYSTEM, "uninstall") for route in SYSTEM if (kind, route) != ("uninstall", "lifecycle")
     and kind != route],
)  # fmt: skip
def test_attack_with_a_token_of_another_system_route(forge, kind, route):
    for reading in ("endpoint", "module"):
        fit = forge.fit(kind, module_keys=reading)
        forge.refuses(forge.call(route, *forge.lines(fit)), ELSEWHERE, "fit_wrong_module")


@pytest.mark.parametrize("kind", [*SYSTEM, "uninstall"])
def test_attack_with_a_system_token_on_a_page_route(forge, kind):
    forge.refuses(forge.call("ui", *forge.lines(forge.fit(kind))), ELSEWHERE, "fit_principal_required")


@pytest.mark.parametrize("account", [None, "unidentified"])
def test_attack_with_a_visitor_who_is_not_logged_in(forge, account):
    fit = forge.fit("ui", **({"account": None} if account is None else {"overrides": {"principal": account}}))
    forge.refuses(forge.call("ui", *forge.lines(fit)), ELSEWHERE, "fit_principal_required")


def test_attack_with_a_module_that_is_not_ours(forge):
    fit = forge.fit("ui", overrides={"app.module.key": "pledge-other"})
    forge.refuses(forge.call("ui", *forge.lines(fit)), ELSEWHERE, "fit_wrong_module")
    fit = forge.fit("events", overrides={"app.module.type": "jira:issueContext"})
    forge.refuses(forge.call("events", *forge.lines(fit)), ELSEWHERE, "fit_wrong_module")


@pytest.mark.parametrize(
    "path",
    ["/api/v1/issues/10002/clocks", "/fragments/issue?issueId=10002&issueKey=SEC-2"],
)
def test_attack_with_the_page_of_one_issue_on_another(forge, path):
    lines = forge.lines(forge.fit())
    forge.refuses(forge.call("ui", *lines, path=path), ELSEWHERE, "object_mismatch")


def test_attack_with_two_issues_in_one_query(forge):
    path = "/fragments/issue?issueId=10001&issueId=10002&issueKey=SEC-1"
    forge.refuses(forge.call("ui", *forge.lines(forge.fit()), path=path), (400, "parameter_malformed"),
                  "parameter_malformed")  # fmt: skip


def test_attack_on_an_issue_of_another_tenant(forge):
    """Known there, tracked there, visible there; here it is nothing, by id and by key."""
    theirs = forge.arena.only_kencha
    fit = forge.stack.fit(kind="ui", account="developer")  # a page without an issue, so that Jira has to say
    for name in (theirs.id, theirs.key):
        raw = forge.call("ui", *forge.lines(fit), path=f"/api/v1/issues/{name}/clocks")
        reply = forge.refuses(raw, (404, "not_found"), "not_found")
        assert b"Ruby" not in reply.body


def test_attack_by_an_outsider_with_the_page_of_the_issue(forge):
    fit = forge.fit(account="outsider")
    forge.refuses(forge.call("ui", *forge.lines(fit)), (404, "not_found"), "not_found")


@pytest.mark.parametrize("victim", ["developer", "admin"])
def test_attack_with_the_access_of_somebody_else(forge, victim):
    """`requestRemote` lets the page send any header: what counts is whom the signed token names."""
    stolen = forge.fit(account=victim)["headers"]["x-forge-oauth-user"]
    lines = forge.lines(forge.fit(account="outsider"), **{"x-forge-oauth-user": stolen})
    forge.refuses(forge.call("ui", *lines), (404, "not_found"), "not_found")


@pytest.mark.parametrize("planted", ["planted.token", "x" * 8193, "a b", "\xe9"])
def test_attack_with_a_planted_system_token_on_a_genuine_call(forge, planted):
    """A person's page cannot plant one: its call is refused before any header but the token is looked at."""
    lines = forge.lines(forge.fit("ui"), **{"x-forge-oauth-system": planted})
    forge_reply = forge.arena.send(forge.call("cron", *lines))
    assert forge_reply.status in {400, 403}
    forge.arena.is_untouched()


def test_attack_with_an_installation_that_was_superseded(forge):
    """Its tokens stay signed and in time; a removed app is gone all the same."""
    fit = forge.fit("ui", installation_id=f"ari:cloud:ecosystem::installation/{OTHER}")
    lines = forge.lines(fit, **{"x-forge-oauth-system": None})
    forge.refuses(forge.call("ui", *lines), (503, "jira_unavailable"), "jira_unavailable")


# A genuine event with a body that is none.
BODIES = {
    "half an object": (b'{"eventType":', 400, "body_malformed"),
    "a list": (b"[]", 400, "body_malformed"),
    "nothing": (b"", 400, "body_malformed"),
    "a name twice": (b'{"eventType":"a","eventType":"avi:jira:updated:issue"}', 400, "body_malformed"),
    "another encoding": ('{"eventType":"é"}'.encode("utf-16"), 400, "body_malformed"),
    "a deep one": (b'{"a":' * 60 + b"1" + b"}" * 60, 400, "body_malformed"),
    "an event without an issue": (b'{"eventType":"avi:jira:updated:issue"}', 400, "body_malformed"),
    "an issue that is a text": (b'{"eventType":"avi:jira:updated:issue","issue":"1"}', 400, "body_malformed"),
    "an issue of a negative id": (b'{"eventType":"avi:jira:updated:issue","issue":{"id":"-1"}}', 400, "body_malformed"),
    "an issue of a number": (b'{"eventType":"avi:jira:updated:issue","issue":{"id":10001}}', 400, "body_malformed"),
    "an issue past every id": (
        b'{"eventType":"avi:jira:updated:issue","issue":{"id":"9999999999999999999"}}', 400, "body_malformed"),
    "an issue in other digits": (
        '{"eventType":"avi:jira:updated:issue","issue":{"id":"١"}}'.encode(), 400, "body_malformed"),
    "an issue with a nul": (b'{"eventType":"avi:jira:updated:issue","issue":{"id":"1\\u0000"}}', 400, "body_malformed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES)
def test_attack_with_a_body_that_is(forge, case):
    body, status, code = BODIES[case]
    forge.refuses(forge.call("events", *forge.lines(forge.fit("events")), body=body), (status, code), code)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""])
def test_attack_with_a_form_that_a_page_can_send_across_origins(forge, kind):
    lines = (*forge.lines(forge.fit("events")), f"Content-Type: {kind}")
    raw = forge.arena.request("POST", "/forge/events", *lines, body=json.dumps(EVENT).encode())
    forge.refuses(raw, (415, "wrong_media_type"), "wrong_media_type")


def test_attack_with_more_than_an_event_weighs(forge):
    lines = (*forge.lines(forge.fit("events")), "Content-Length: 4194305")
    forge.refuses(forge.call("events", *lines, body=b"{}"), (413, "body_too_large"), "body_too_large")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"x" * 100_000], ids=["none", "half", "list", "much"])
@pytest.mark.parametrize("route", ["lifecycle", "cron"])
def test_the_bodies_of_lifecycle_and_cron_are_never_read(forge, route, body):
    """All that these calls say stands in the token; their bodies are not documented well enough to refuse one."""
    assert forge.arena.send(forge.call(route, *forge.lines(forge.fit(route)), body=body)).status == 200
    forge.arena.is_untouched()


def test_an_event_of_a_later_manifest_is_answered_and_leaves_nothing(forge):
    body = json.dumps(EVENT | {"eventType": "avi:jira:assigned:issue"}).encode()
    assert forge.arena.send(forge.call("events", *forge.lines(forge.fit("events")), body=body)).status == 200
    forge.arena.is_untouched()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_attack_with_another_method(forge, method):
    lines = forge.lines(forge.fit("cron"))
    raw = forge.arena.request(method, "/forge/cron", *lines)
    forge.refuses(raw, (405, "method_not_allowed"), "method_not_allowed")


@pytest.mark.parametrize("path", ["/forge/cron/", "//forge/cron", "/forge/../forge/cron", "/forge/uninstall", "/forge"])
def test_attack_with_another_spelling_of_a_route(forge, path):
    lines = forge.lines(forge.fit("cron"))
    forge.refuses(forge.call("cron", *lines, path=path), (404, "not_found"), "not_found")
