"""Genuine Forge tokens in the wrong place, and genuine calls with a body that is none.

Anybody who uses a site where the app is installed can have Forge sign a token for any path, method and body.
"""

import json

import pytest

OTHER = "00000000-0000-4000-8000-000000000000"
SYSTEM = ("events", "lifecycle", "cron")
TOKEN, ELSEWHERE = (401, "token_invalid"), (403, "not_for_this")


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


@pytest.mark.parametrize("planted", ["planted.token", "x" * 8000])
def test_attack_with_a_planted_system_token(forge, planted):
    """On a page's call it is not looked at, on a system route the call is refused before it is."""
    instead = {"x-forge-oauth-system": planted}
    assert forge.arena.send(forge.call("ui", *forge.lines(forge.fit(), **instead))).status == 200
    forge.arena.is_untouched()
    raw = forge.call("cron", *forge.lines(forge.fit(), **instead))
    forge.refuses(raw, ELSEWHERE, "fit_principal_refused")


def test_attack_with_a_page_of_an_installation_that_nobody_knows_yet(forge):
    """Whose it is has to be asked of Jira with a system token, which no page brings: nothing is decided."""
    fit = forge.fit("ui", installation_id=f"ari:cloud:ecosystem::installation/{OTHER}")
    lines = forge.lines(fit, **{"x-forge-oauth-system": "planted"})
    for _ in range(2):  # an operator is told that it waits, by one row that is not written again
        reply = forge.arena.send(forge.call("ui", *lines))
        assert (reply.status, reply.document["code"]) == (503, "jira_unavailable")
    database = forge.arena.database
    [(waits_for, first_at, last_at)] = database.execute(
        "DELETE FROM registry.forge_contacts RETURNING waits_for, first_at, last_at"
    ).fetchall()
    assert (waits_for, first_at) == ("token", last_at)
    forge.arena.is_untouched()


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
    raw = forge.arena.request("POST", "/forge/events", *lines, body=json.dumps(forge.event).encode())
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
    body = json.dumps(forge.event | {"eventType": "avi:jira:assigned:issue"}).encode()
    assert forge.arena.send(forge.call("events", *forge.lines(forge.fit("events")), body=body)).status == 200
    forge.arena.is_untouched()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_attack_with_another_method(forge, method):
    lines = forge.lines(forge.fit("cron"))
    raw = forge.arena.request(method, "/forge/cron", *lines)
    forge.refuses(raw, (405, "method_not_allowed"), "method_not_allowed")


@pytest.mark.parametrize("path", ["/forge/cron/", "/forge/../forge/cron", "/forge//cron", "/forge/uninstall", "/forge"])
def test_attack_with_another_spelling_of_a_route(forge, path):
    lines = forge.lines(forge.fit("cron"))
    forge.refuses(forge.call("cron", *lines, path=path), (404, "not_found"), "not_found")


@pytest.mark.parametrize("path", ["//forge/cron", "/forge/cron?x=1", "/forge/%63ron"])
def test_attack_with_another_spelling_of_the_same_route(forge, path):
    """It is that route, and behind the same gate."""
    forge.refuses(forge.call("cron", *forge.lines(forge.fit("events")), path=path), ELSEWHERE, "fit_wrong_module")
