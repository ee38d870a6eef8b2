"""How often anybody may call, on the app as it is built: who is counted, when, what is told and what is kept."""

import re

import pytest

from app.edge import limits
from app.edge.gates import by_scheme, metrics_token, open_to_all
from app.edge.limits import CLASSES, UnknownLimit, rates
from app.edge.mounts import MOUNTS
from app.store.windows import LocalWindows
from tests.edge.conftest import ACCOUNT
from tests.every_route import FRAMED

PAGE = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=1"
CLOCKS = "/api/v1/issues/x/clocks"
HOOK = "/connect/webhooks?issueId=x"
STATIC = "/static/pledge.css"
POLICY_ITEM = r'"(?P<name>[a-z.]+)";q=(?P<quota>\d+);w=60'
LIMIT_ITEM = r'"(?P<name>[a-z.]+)";r=(?P<left>\d+);t=(?P<seconds>\d+)'


@pytest.fixture
def counted(web):
    """Nobody has called yet, in this process."""
    assert isinstance(web.counts, LocalWindows)
    web.counts.reset()
    yield web.counts
    web.counts.reset()


def limited(web):
    return web.app.extensions["pledge.limits"]


def told(answer, field, form):
    return [re.fullmatch(form, item).groupdict() for item in answer.headers[field].split(", ")]


def left(answer):
    return {item["name"]: int(item["left"]) for item in told(answer, "RateLimit", LIMIT_ITEM)}


def test_every_mount_names_a_class_of_limits():
    assert {mount.limits for mount in MOUNTS} == set(CLASSES)


def test_only_what_is_open_to_all_is_limited_by_network_and_nothing_else_is():
    for mount in MOUNTS:
        by_network, by_tenant = mount.limits.network, mount.limits.tenant
        if mount.gate is open_to_all:
            assert by_tenant is None
            assert (by_network is None) == mount.rule.endswith("z"), mount.rule
        elif mount.gate is metrics_token:
            # Without the token it costs a hash and a comparison; who has it must not be locked out by who has not.
            assert (by_network, by_tenant) == (None, None)
        else:
            assert by_network is None
            assert by_tenant is not None, mount.rule


def test_where_people_call_each_person_is_limited():
    people = FRAMED | {mount.rule for mount in MOUNTS if mount.gate.__qualname__.startswith("by_scheme")}
    # What somebody types into the search of Jira's Security tab, Jira asks us in their name.
    people |= {f"/connect/security/{each}" for each in ("workspaces", "containers", "containers/search")}
    assert by_scheme(x=open_to_all).__qualname__.startswith("by_scheme")
    assert {mount.rule for mount in MOUNTS if mount.limits.subject is not None} == people


def test_a_person_gets_less_than_the_site():
    for each in CLASSES:
        assert each.subject is None or each.subject < each.tenant


def test_limits_can_be_configured_by_name_and_by_no_other():
    assert rates([("reads.subject", 7)]) == rates(()) | {"reads.subject": 7}
    with pytest.raises(UnknownLimit, match=r"'reads\.network'.*pages\.subject"):
        rates([("reads.network", 7)])


def test_an_answer_tells_what_is_left_in_the_fields_of_the_draft(web, counted):
    answer = web.ask("GET", PAGE, kind="request")
    assert [(item["name"], int(item["quota"])) for item in told(answer, "RateLimit-Policy", POLICY_ITEM)] == [
        ("pages.subject", limits.PAGES.subject),
        ("pages.tenant", limits.PAGES.tenant),
    ]
    assert left(answer) == {"pages.subject": limits.PAGES.subject - 1, "pages.tenant": limits.PAGES.tenant - 1}
    assert all(0 < int(item["seconds"]) <= 63 for item in told(answer, "RateLimit", LIMIT_ITEM))
    assert "Retry-After" not in answer.headers
    assert left(web.ask("GET", PAGE, kind="request"))["pages.subject"] == limits.PAGES.subject - 2


def test_a_refusal_of_the_view_counts_and_one_of_the_gate_does_not(web, counted):
    assert web.ask("GET", CLOCKS, kind="context").status_code == 400
    refused = web.ask("GET", CLOCKS, kind="request")
    assert refused.status_code == 401
    assert "RateLimit" not in refused.headers
    assert left(web.ask("GET", CLOCKS, kind="context"))["reads.tenant"] == limits.READS.tenant - 2


def test_one_person_too_many_times_is_told_when_to_come_back_and_the_others_go_on(web, counted):
    web.use_up("reads.subject", web.key_of(ACCOUNT), but=1)
    assert web.ask("GET", CLOCKS, kind="context").status_code == 400
    refused = web.ask("GET", CLOCKS, kind="context")
    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert refused.get_json() | {"trace_id": ""} == {
        "type": "urn:pledge:problem:rate_limited",
        "title": "Too many requests; Retry-After says when there is room again",
        "status": 429,
        "code": "rate_limited",
        "trace_id": "",
    }
    (item,) = told(refused, "RateLimit", LIMIT_ITEM)
    assert (item["name"], item["left"]) == ("reads.subject", "0")
    assert 0 < int(refused.headers["Retry-After"]) == int(item["seconds"]) <= 63
    assert len(told(refused, "RateLimit-Policy", POLICY_ITEM)) == 2
    assert "no-store" in refused.headers["Cache-Control"]
    other = web.ask("GET", CLOCKS, token=web.token(kind="context", sub="another"))
    assert other.status_code == 400
    # What was refused to one is not taken from all.
    assert left(other)["reads.tenant"] == limits.READS.tenant - 2


def test_a_refusal_is_counted_by_the_name_of_the_limit(web, counted):
    before = limited(web).refused["reads.subject"]
    web.use_up("reads.subject", web.key_of(ACCOUNT))
    assert web.ask("GET", CLOCKS, kind="context").status_code == 429
    assert limited(web).refused["reads.subject"] == before + 1
    assert limited(web).store_failures == 0


def test_a_site_too_many_times_is_refused_whoever_asks(web, counted):
    web.use_up("reads.tenant", web.key_of())
    refused = web.ask("GET", CLOCKS, token=web.token(kind="context", sub="another"))
    assert refused.status_code == 429
    assert left(refused) == {"reads.subject": limits.READS.subject - 1, "reads.tenant": 0}
    # Each class of routes has a limit of its own.
    assert web.ask("GET", PAGE, kind="request").status_code == 200


def test_a_webhook_too_many_is_refused_with_what_jira_repeats_and_by_site_alone(web, counted):
    assert list(left(web.ask("POST", HOOK, kind="request"))) == ["events.tenant"]
    web.use_up("events.tenant", web.key_of(), but=1)
    refused = web.ask("POST", HOOK, kind="request")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_a_stranger_cannot_use_up_what_belongs_to_the_site_that_he_names(web, counted):
    for _ in range(20):
        token = web.token(kind="context", secret="not-the-secret-of-that-site-at-all")
        assert web.ask("GET", CLOCKS, token=token).status_code == 401
    assert left(web.ask("GET", CLOCKS, kind="context"))["reads.tenant"] == limits.READS.tenant - 1


def late(seconds):
    return {"environ_overrides": {limits.WAITED: seconds}}


HOOKED = "/connect/webhooks?issueId=10001"
HINT = {
    "data": '{"issue": {"fields": {"issuetype": {"name": "Bug"}, "labels": ["security"]}}}',
    "content_type": "application/json",
}


def test_a_webhook_that_has_waited_too_long_is_told_to_come_again_and_nothing_is_stored(web, counted):
    before = web.database.rows("SELECT count(*) FROM app.webhook_deliveries")
    answer = web.ask("POST", HOOKED, kind="request", **HINT, **late(limits.EVENTS.patience_seconds + 0.1))
    assert (answer.status_code, answer.get_json()["code"]) == (503, "overloaded")
    assert answer.headers["Retry-After"] == str(limits.Overloaded.retry_after_seconds)
    assert web.database.rows("SELECT count(*) FROM app.webhook_deliveries") == before
    assert web.ask("POST", HOOKED, kind="request", **HINT, **late(0.1)).status_code == 204
    assert web.database.rows("SELECT count(*) FROM app.webhook_deliveries") == [(before[0][0] + 1,)]


def test_of_what_comes_too_late_not_even_the_token_is_looked_at(web, counted):
    assert web.ask("POST", HOOKED, token="no token", **late(60.0)).status_code == 503
    assert web.ask("POST", HOOKED, token="no token").status_code == 401


def test_what_no_server_sends_again_is_served_however_long_it_has_waited(web, counted):
    assert {each.name for each in CLASSES if each.patience_seconds is not None} == {"events"}
    assert web.ask("GET", PAGE, kind="request", **late(60.0)).status_code == 200
    body = {"data": web.lifecycle_body(), "content_type": "application/json"}
    assert web.ask("POST", "/connect/installed", kind="install", **body, **late(60.0)).status_code == 204


def test_a_site_that_installs_is_counted_by_the_client_key_that_atlassian_signed(web, counted):
    body = {"data": web.lifecycle_body(), "content_type": "application/json"}
    assert left(web.ask("POST", "/connect/installed", kind="install", **body)) == {
        "lifecycle.tenant": limits.LIFECYCLE.tenant - 1
    }
    web.use_up("lifecycle.tenant", f"site:{limits._hash(web.client_key)}", but=1)
    assert web.ask("POST", "/connect/installed", kind="install", **body).status_code == 429


def test_a_network_too_many_times_is_refused_and_another_is_not(web, counted):
    def ask(address):
        return web.client.get(STATIC, environ_overrides={"REMOTE_ADDR": address})

    with ask("203.0.113.7") as answer:
        assert left(answer) == {"public.network": limits.PUBLIC.network - 1}
    with web.app.test_request_context(STATIC, environ_overrides={"REMOTE_ADDR": "203.0.113.250"}):
        web.use_up("public.network", limited(web)._network(), but=1)
    with ask("203.0.113.99") as answer:
        assert answer.status_code == 429
        assert answer.headers["Cache-Control"] == "no-store, no-cache"
    with ask("198.51.100.7") as answer:
        assert answer.status_code == 200


def test_health_is_not_limited(web, counted):
    for path in ("/healthz", "/readyz"):
        answer = web.client.get(path)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.250", True),
        ("203.0.113.7", "203.0.114.7", False),
        ("::ffff:203.0.113.7", "203.0.113.9", True),
        ("2001:db8:1:200::1", "2001:db8:1:2ff:ffff::1", True),
        ("2001:db8:1:200::1", "2001:db8:1:300::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "no address", True),
    ],
)
def test_a_network_is_a_24_or_a_56(one, other, same):
    assert (limits._network_of(one) == limits._network_of(other)) is same


def test_of_an_address_nothing_is_kept_that_could_be_read(web, counted):
    with web.client.get(STATIC, environ_overrides={"REMOTE_ADDR": "203.0.113.7"}):
        pass
    (key,) = counted._windows
    assert re.fullmatch(r"LIMITER/network:[0-9a-f]{32}/public\.network/\d+/1/minute", key)


def test_of_a_person_and_of_a_site_that_installs_a_hash_is_kept(web, counted):
    web.ask("GET", CLOCKS, kind="context")
    web.ask("POST", "/connect/installed", kind="install", data=web.lifecycle_body(), content_type="application/json")
    kept = " ".join(counted._windows)
    assert ACCOUNT not in kept
    assert web.client_key not in kept
