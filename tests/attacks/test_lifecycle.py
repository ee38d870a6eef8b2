"""The life of an installation, attacked in order: replays, rotations, removals and imports, on a stack of their own."""

import time

import pytest


@pytest.fixture(scope="module")
def ours(make_arena, canary):
    with make_arena(canary, worker=False) as made:
        yield made


@pytest.fixture
def own(ours):
    """Two sites, installed anew, that a test may rotate, remove and import."""
    for site in ("genchi", "kencha"):
        ours.stack.install(site)
    ours.settle()
    return ours


def changed(own):
    """The tables in which something changed since the last look."""
    before, own.rows = own.rows, own.digest()
    return {table for table, rows in own.rows.items() if rows != before[table]}


def test_the_install_that_was_applied_last_is_not_played_again_with_a_secret_of_the_attacker_s_choice(own):
    token = own.token("installed", iat=int(time.time()))
    assert own.send(own.call("installed", token=token, body=own.body())).status == 204
    assert "app.sealed_secrets" in changed(own)
    for stolen in ({"sharedSecret": "o" * 40}, {"sharedSecret": "o" * 40, "baseUrl": own.site("kencha").url}):
        assert own.send(own.call("installed", token=token, body=own.body(**stolen))).status < 500
        own.is_untouched()
    own.is_honest("clocks")


def test_nothing_of_the_past_is_accepted_again(own):
    old_body = own.body(sharedSecret="o" * 40)
    old_secret, first = own.secret(), int(time.time())

    # an older genuine `installed`, with a secret of the attacker's choice: acknowledged, ignored
    replay = own.call("installed", token=own.token("installed", iat=first - 300), body=old_body)
    assert own.send(replay).status == 204
    own.is_untouched()
    own.is_honest("clocks")

    # the same for `uninstalled`
    gone = own.call("uninstalled", token=own.token("uninstalled", iat=first - 300), body=own.body("uninstalled"))
    assert own.send(gone).status == 204
    own.is_untouched()
    own.is_honest("panel")

    # rotation: the old secret opens nothing from the same moment
    old = [own.call(kind) for kind in ("panel", "webhook", "enabled", "clocks", "fragment")]
    own.stack.control("/sites/genchi/rotate-secret")
    assert own.secret() != old_secret
    assert {"registry.connect_installations", "app.sealed_secrets", "app.audit_entries"} <= changed(own)
    for request in old:
        own.refuses(request, 401, "token_invalid", kind="clocks")

    # the installation before the rotation is played again
    assert own.send(replay).status == 204
    own.is_untouched()
    own.is_honest("fragment")

    # removal: the live secret opens nothing from the same moment
    live = [own.call(kind) for kind in ("panel", "webhook", "enabled", "disabled", "clocks", "fragment")]
    own.stack.control("/sites/genchi/uninstall")
    assert "registry.connect_installations" in changed(own)
    for request in live:
        reply = own.send(request)
        assert (reply.status, reply.document["code"]) == (401, "token_invalid")
        own.is_problem(reply)
        own.is_untouched()

    # and an installation of before the removal does not bring it back
    assert own.send(replay).status == 204
    own.is_untouched()
    assert own.send(own.call("clocks")).status == 401

    # the other site never noticed
    assert own.send(own.call("enabled", token=own.token("enabled", site="kencha"))).status == 204


def test_a_site_neither_removes_nor_takes_over_another(own):
    kencha = own.site("kencha")
    other = {"clientKey": kencha.client_key, "baseUrl": kencha.url}
    for kind in ("installed", "uninstalled"):
        own.refuses(own.call(kind, body=own.body(kind, **other)), 403, "not_for_this", kind="installed")
    own.refuses(
        own.call("installed", token=own.token("installed", site="kencha")), 403, "not_for_this", kind="installed"
    )
    token = own.token("clocks", site="kencha", iss=own.site().client_key)
    own.refuses(own.call("clocks", token=token), 401, "token_invalid", kind="clocks")


def test_a_site_import_ends_the_trust_of_before(own):
    before = [own.call(kind) for kind in ("panel", "clocks", "webhook")]
    own.stack.control("/sites/genchi/import")
    changed(own)
    for request in before:
        own.refuses(request, 401, "token_invalid", kind="installed")
    assert own.send(own.call("enabled")).status == 204


def test_a_hint_is_never_an_authority(own):
    """`disabled` changes a hint; access goes on, and `enabled` gives none back."""
    assert own.send(own.call("disabled")).status == 204
    assert changed(own) == {"app.installations"}
    own.is_honest("clocks")
    own.stack.control("/sites/genchi/uninstall")
    changed(own)
    reply = own.send(own.call("enabled"))
    assert reply.status == 401
    own.is_untouched()


def test_addresses_of_a_site_reach_the_policy_as_origins_only(own):
    """What is accepted as address is written back as scheme, host and port, in lower case, and nothing else."""
    url = own.site().url
    body = own.body(displayUrl=url.replace("127.0.0.1", "LOCALHOST") + "/")
    assert own.send(own.call("installed", body=body)).status == 204
    changed(own)
    policy = own.is_honest("panel").headers["content-security-policy"]
    ancestors = policy.partition("frame-ancestors ")[2].partition(";")[0]
    assert ancestors == f"{url} {url.replace('127.0.0.1', 'localhost')}"
    assert policy.count(";") == 7


HINTS = {
    "nested 60,000 deep": b"[" * 60_000,
    "invalid UTF-8": b'{"issue":"\xff"}',
    "a key twice": b'{"issue":{},"issue":{}}',
    "NaN": b'{"issue":NaN}',
    "an issue that is a list": b'{"issue":[]}',
    "a type that is a number": b'{"issue":{"fields":{"issuetype":{"name":1},"labels":[]}}}',
    "labels that are a text": b'{"issue":{"fields":{"issuetype":{"name":"Bug"},"labels":"security"}}}',
}
STORED = {"app.webhook_deliveries", "app.pending_reads", "jobs.procrastinate_jobs", "jobs.procrastinate_events"}


@pytest.mark.parametrize(("name", "body"), HINTS.items(), ids=HINTS.keys())
def test_a_genuine_webhook_with_an_odd_body_only_makes_us_read_the_issue_once(own, name, body):
    line = f"X-Atlassian-Webhook-Identifier: {name.replace(' ', '-')}"
    request = own.call("webhook", line, target="/connect/webhooks?issueId=10001", body=body)
    assert own.send(request).status == 204
    touched = changed(own)
    assert {"app.webhook_deliveries", "app.pending_reads"} <= touched <= STORED
    assert own.send(request).status == 204
    own.is_untouched()
