"""One story for both hosts: what a site, its people and its administrators see must not depend on how Pledge came."""

from urllib.parse import urlencode

import pytest
import requests

FACTS = ("CVSS", "8.1", "9.8", "due in", "High", "Critical", "Policy", "Why this date", "<time", "2026-")


class InConnect:
    """The site as `UsedSite` uses it, and what differs between the hosts."""

    registry = "SELECT tenant_id FROM registry.connect_installations WHERE client_key = %s"

    def install(self):
        assert self.stack.install(self.name)["accepted"]

    def remove(self):
        self.lifecycle("uninstall")

    def licensed(self, state):
        self.weather(license=state)

    def html(self, issue, *, account="developer"):
        return self.fragment(issue, account=account).text

    def refusals(self):
        """The statuses of everything that the last installation could do."""
        webhook, wanted = "/connect/webhooks?issueId=10001", {"previous": 0, "account": "developer"}
        page = self.token(kind="context", **wanted)
        told = self.token(method="POST", path=webhook, **wanted)
        headers = {"Authorization": f"JWT {told}"}
        return [
            self.get("/api/v1/issues/10001/clocks", page).status_code,
            self.get("/fragments/issue?issueId=10001&issueKey=SEC-1", page).status_code,
            requests.post(self.stack.url + webhook, headers=headers, timeout=30).status_code,
        ]

    refused = (401, 401, 401)


class InForge:
    """The same through Forge."""

    registry = """
        SELECT tenant_id FROM registry.forge_installations WHERE cloud_id = %s ORDER BY seen_at DESC LIMIT 1
    """
    refused = (403, 403, 403, 403, 403)

    def install(self):
        assert self.stack.forge("install", self.name)["accepted"]

    def remove(self):
        assert self.stack.forge("uninstall", self.name)["accepted"]

    def licensed(self, state):
        url = f"{self.stack.simulator.control_url}/sites/{self.name}/forge"
        requests.patch(url, json={"license": state}, timeout=30).raise_for_status()

    def clocks(self, issue, *, account="developer"):
        return self.stack.invoke(f"/api/v1/issues/{issue}/clocks", account=account, issue=issue, site=self.name)

    def tracked(self, issue, *, account="developer"):
        return self.eventually(issue, lambda seen: seen["tracking"] == "tracked", account=account)

    def html(self, issue, *, account="developer"):
        found = self.seeded.issue(issue)
        query = urlencode({"issueId": found.id, "issueKey": found.key})
        answer = self.stack.invoke(f"/fragments/issue?{query}", account=account, issue=issue, site=self.name)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json().keys() == {"html"}
        return answer.json()["html"]

    def refusals(self):
        paths = ("/api/v1/issues/10001/clocks", "/fragments/issue?issueId=10001&issueKey=SEC-1")
        answers = [self.stack.invoke(path, site=self.name) for path in paths]
        for kind in ("events", "lifecycle", "cron"):
            headers = self.stack.fit(self.name, kind=kind)["headers"]
            body = {"eventType": "avi:jira:updated:issue", "issue": {"id": "10001"}}
            answers.append(requests.post(f"{self.stack.url}/forge/{kind}", json=body, headers=headers, timeout=30))
        assert {answer.json()["code"] for answer in answers} == {"not_for_this"}
        return [answer.status_code for answer in answers]

    @property
    def tenant(self):
        [(tenant,)] = self.stack.database.rows(self.registry, self.seeded.cloud_id)
        return tenant


def made(host, used, stack, name):
    return type("Used", (host, used), {})(stack, name)


# `kencha` takes the other reading wherever Forge's documentation has two.
@pytest.fixture(params=[(InConnect, "genchi"), (InForge, "kencha"), (InForge, "genible")], ids=["Connect", "F2", "F1"])
def site(request, used, stack):
    host, name = request.param
    return made(host, used, stack, name)


def test_a_site_installs_uses_leaves_and_comes_back(site):
    issue = site.seeded.issue("SEC-1")
    site.install()
    assert site.clocks("10001").json()["tracking"] == "unknown"  # the person who opens it has it read
    assert site.due_at(site.tracked("10001")) == site.bound(issue, "high")
    assert "High" in site.html("SEC-1")

    site.change("SEC-1", **site.cvss["critical"])
    seen = site.eventually("10001", lambda seen: seen["severity"]["level"] == "critical")
    assert site.due_at(seen) == site.bound(issue, "critical")
    before = site.html("SEC-1")
    assert all(fact in before for fact in ("Critical", "9.8", "due in", "Why this date"))

    told = site.html("SEC-1", account="outsider")
    assert "You cannot see this" in told
    assert [fact for fact in FACTS if fact in told] == []
    assert site.clocks("10001", account="outsider").status_code == 404

    tenant = site.tenant
    site.remove()
    assert tuple(site.refusals()) == site.refused
    sealed = "SELECT count(*) FROM app.sealed_secrets WHERE tenant_id = %s"
    assert site.stack.database.rows(sealed, tenant) == [(0,)]

    site.install()
    assert site.tenant == tenant
    assert site.due_at(site.clocks("10001").json()) == site.bound(issue, "critical")  # at once: no read was needed
    actions = "SELECT action FROM app.audit_entries WHERE tenant_id = %s AND action LIKE 'installation%%' ORDER BY at"
    assert [action for (action,) in site.stack.database.rows(actions, tenant)] == [
        "installation.added",
        "installation.removed",
        "installation.returned",
    ]


def test_a_lapsed_licence_leaves_everything_to_be_read_and_followed(site):
    site.install()
    issue = site.create(summary="Known before the licence lapsed", **site.cvss["high"])
    site.tracked(issue)
    site.licensed("inactive")
    assert "Licence lapsed: read only" in site.html("SEC-1")
    assert "Licence" not in site.html("SEC-1", account="outsider")
    site.change(site.seeded.issue(issue).key, **site.cvss["critical"])
    seen = site.eventually(issue, lambda seen: seen["severity"]["level"] == "critical")
    assert site.due_at(seen) == site.bound(site.seeded.issue(issue), "critical")
    new = site.create(summary="Reported after it", **site.cvss["low"])
    assert site.due_at(site.tracked(new)) == site.bound(site.seeded.issue(new), "low")
    for state in ("absent", "active"):
        site.licensed(state)
        assert "Licence" not in site.html("SEC-1")
    site.licensed("inactive")
    site.remove()  # nobody is held back from leaving
    assert tuple(site.refusals()) == site.refused


def test_both_hosts_show_the_same_bytes(used, make_stack):
    """The site has Pledge from both hosts, as during its move; whoever looks sees one and the same panel."""
    with make_stack() as stack:
        connect, forge = (made(host, used, stack, "genchi") for host in (InConnect, InForge))
        connect.install()
        connect.tracked("10001")
        forge.install()
        new = connect.create(project="OPS", issuetype="Task", labels=[])  # of a project that the outsider may see too
        panels = (("10001", "developer"), ("10001", "outsider"), ("10002", "admin"), (new, "developer"))
        for licence, issue, account in ((state, *panel) for state in ("active", "inactive") for panel in panels):
            connect.licensed(licence)
            forge.licensed(licence)
            first, other, again = (host.html(issue, account=account) for host in (connect, forge, connect))
            if first != again:  # a minute ended, or a first read was done, in between
                first, other = (host.html(issue, account=account) for host in (connect, forge))
            assert first == other
        policy = connect.page("SEC-1").headers["Content-Security-Policy"]
        assert f"frame-ancestors {connect.seeded.url};" in policy  # Forge has another address for the same site
        assert connect.clocks("10001").json().keys() == forge.clocks("10001").json().keys()
