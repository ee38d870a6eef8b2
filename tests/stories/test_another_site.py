"""A second site is never seen by the first: every route, with the other's ids, keys and tokens."""

import pytest
import requests

TENANT_TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'"
    " AND relname !~ '^(audit_(waiting|leaves|checkpoints|anchor)|signals|alerts|jira_quota|metrics)' ORDER BY 1"
)


@pytest.fixture(scope="module")
def two(stack, genchi):
    """Both sites have the same issue ids and keys; one issue is only kencha's."""
    kencha = type(genchi)(stack, "kencha")
    kencha.lifecycle("install")
    kencha.secret = kencha.create(**genchi.cvss["critical"])
    for site, issue in ((genchi, "10001"), (kencha, "10001"), (kencha, kencha.secret)):
        site.tracked(issue, account="developer2")
    return genchi, kencha


def test_the_same_id_is_another_issue_on_another_site(two):
    genchi, kencha = two
    for site in two:
        site.change("SEC-1", **(genchi.cvss["low"] if site is kencha else genchi.cvss["critical"]))
    critical = genchi.eventually("10001", lambda seen: seen["severity"]["level"] == "critical")
    low = kencha.eventually("10001", lambda seen: seen["severity"]["level"] == "low")
    assert genchi.due_at(critical) == genchi.bound(genchi.seeded.issue("SEC-1"), "critical")
    assert kencha.due_at(low) == kencha.bound(kencha.seeded.issue("SEC-1"), "low")


def test_an_issue_of_the_other_site_is_not_there_by_id_key_page_or_fragment(two):
    """`developer2` has one account on both sites and may see the issue on its own."""
    genchi, kencha = two
    key = kencha.seeded.issue(kencha.secret).key
    assert kencha.clocks(key, account="developer2").status_code == 200
    for wanted in (kencha.secret, key):
        answer = genchi.clocks(wanted, account="developer2")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    context = genchi.token(kind="context", account="developer2")
    target = f"issueId={kencha.secret}&issueKey={key}"
    page = f"/connect/issue?{target}&projectId=10000"
    signed = genchi.token(method="GET", path=page, account="developer2")
    for html in (genchi.get(f"/fragments/issue?{target}", context).text, genchi.get(page, signed).text):
        assert "You cannot see this" in html
        assert "CVSS" not in html


def test_a_token_of_one_site_with_the_name_of_the_other_is_refused_everywhere(two):
    genchi, kencha = two
    page = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=10000"
    webhook = "/connect/webhooks?issueId=10001"
    posing = {"overrides": {"iss": kencha.seeded.client_key}, "account": "developer2"}
    for method, target, kind in (
        ("GET", page, "request"),
        ("POST", webhook, "request"),
        ("POST", "/connect/enabled", "request"),
        ("POST", "/connect/disabled", "request"),
        ("GET", "/fragments/issue?issueId=10001&issueKey=SEC-1", "context"),
        ("GET", "/api/v1/issues/10001/clocks", "context"),
    ):
        token = genchi.token(kind=kind, method=method, path=target, **posing)
        answer = requests.request(
            method, genchi.stack.url + target, headers={"Authorization": f"JWT {token}"}, timeout=30
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid"), target


def test_a_lifecycle_event_signed_for_one_site_cannot_name_the_other(two):
    genchi, kencha = two
    state = "SELECT * FROM registry.connect_installations ORDER BY client_key"
    before = genchi.stack.database.rows(state)
    for event in ("installed", "uninstalled"):
        token = genchi.token(kind="install", method="POST", path=f"/connect/{event}")
        body = {
            "key": "io.pledge.app",
            "clientKey": kencha.seeded.client_key,
            "baseUrl": kencha.seeded.url,
            "sharedSecret": "s" * 64,
        }
        url = f"{genchi.stack.url}/connect/{event}"
        answer = requests.post(url, json=body, headers={"Authorization": f"JWT {token}"}, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_for_this")
    assert genchi.stack.database.rows(state) == before


def test_a_webhook_writes_rows_of_its_own_tenant_only(two):
    genchi, kencha = two
    database = genchi.stack.database
    tables = [name for (name,) in database.rows(TENANT_TABLES)]

    def rows_of(tenant):
        query = (
            "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM app.{} t"
            " WHERE tenant_id = %s AND t::text !~ 'secrets.opened'"
        )
        return [database.rows(query.format(table), tenant) for table in tables]

    others = rows_of(kencha.tenant)
    genchi.change("SEC-1", **genchi.cvss["high"])
    genchi.eventually("10001", lambda seen: seen["severity"]["level"] == "high")
    assert rows_of(kencha.tenant) == others
    owners = database.rows("SELECT tenant_id FROM app.tenants WHERE tenant_id > 0 ORDER BY 1")
    assert owners == sorted([(genchi.tenant,), (kencha.tenant,)])
