"""From install to import, over HTTP, with web, worker and simulator as they run."""

import requests

HEADLINE_HIGH = '>High</span><span class="dot"> · </span><span class="due due-information">due in '


def refusals(stack, site, *, previous):
    """What every Atlassian route answers to the tokens of an installation that is `previous` ones back."""
    page = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=10000"
    webhook = "/connect/webhooks?issueId=10001"
    wanted = {"previous": previous, "account": "developer"}
    signed = {
        target: {"Authorization": f"JWT {site.token(method=method, path=target, **wanted)}"}
        for method, target in (("GET", page), ("POST", webhook))
    }
    context = {"Authorization": f"JWT {site.token(kind='context', **wanted)}"}
    answers = (
        requests.get(stack.url + page, headers=signed[page], timeout=30),
        requests.post(stack.url + webhook, headers=signed[webhook], timeout=30),
        requests.get(f"{stack.url}/fragments/issue?issueId=10001&issueKey=SEC-1", headers=context, timeout=30),
        requests.get(f"{stack.url}/api/v1/issues/10001/clocks", headers=context, timeout=30),
    )
    assert all(
        "10001" not in answer.text and "CVSS" not in answer.text for answer in answers if answer.status_code > 299
    )
    return [answer.status_code for answer in answers]


def test_a_site_installs_uses_rotates_leaves_returns_and_is_imported(stack, used):
    site = used(stack, "genchi")
    issue = site.seeded.issue("SEC-1")

    site.lifecycle("install")
    site.tracked("10001")
    page = site.page("SEC-1")
    assert page.status_code == 200
    assert HEADLINE_HIGH in page.text
    assert "Why this date?" in page.text

    outsider = site.page("SEC-1", account="outsider")
    assert "You cannot see this" in outsider.text
    assert_no_fact(outsider.text)
    assert_no_fact(site.fragment("SEC-1", account="outsider").text)
    assert site.clocks("10001", account="outsider").status_code == 404

    assert site.due_at(site.clocks("10001").json()) == site.bound(issue, "high")
    site.change("SEC-1", **site.cvss["critical"])
    seen = site.eventually("10001", lambda seen: seen["severity"]["level"] == "critical")
    assert site.due_at(seen) == site.bound(issue, "critical")  # from the first start, not from the change

    site.lifecycle("rotate-secret")
    assert refusals(stack, site, previous=1) == [401, 401, 401, 401]
    assert refusals(stack, site, previous=0) == [200, 204, 200, 200]

    site.lifecycle("uninstall")
    assert refusals(stack, site, previous=0) == [401, 401, 401, 401]
    assert refusals(stack, site, previous=1) == [401, 401, 401, 401]

    tenant = site.tenant
    site.lifecycle("install")
    assert site.tenant == tenant
    back = site.clocks("10001").json()  # at once: no read was needed
    assert site.due_at(back) == site.bound(issue, "critical")
    assert refusals(stack, site, previous=1) == [401, 401, 401, 401]

    site.lifecycle("import")
    assert site.tenant != tenant
    assert refusals(stack, site, previous=1) == [401, 401, 401, 401]
    assert stack.database.rows("SELECT state FROM registry.connect_installations WHERE tenant_id = %s", tenant) == [
        ("suspended",)
    ]
    site.tracked("10001")
    assert_tenants_are_apart(stack, tenant, site.tenant)


def assert_no_fact(html):
    for fact in ("CVSS", "8.1", "due in", "High", "Policy", "Why this date", "<time", "2026-"):
        assert fact not in html


def assert_tenants_are_apart(stack, old, new):
    """Each has its own tenant row, installation, key, envelope and issue; none was moved or merged."""
    for table in ("tenants", "installations", "data_keys", "sealed_secrets"):
        counted = f"SELECT tenant_id, count(*) FROM app.{table} WHERE tenant_id > 0 GROUP BY 1 ORDER BY 1"  # noqa: S608
        rows = stack.database.rows(counted)
        assert rows == [(old, 1), (new, 1)], table
    reads = stack.database.rows("SELECT tenant_id, read_at FROM app.issues WHERE issue_id = 10001 ORDER BY 1")
    assert [tenant for tenant, _ in reads] == [old, new]
    installed = stack.database.rows("SELECT max(installed_at) FROM app.installations WHERE tenant_id = %s", new)
    assert reads[0][1] < installed[0][0] <= reads[1][1]
