"""Three sites, every route and every job, in any order: what one does changes only its own rows and shows only its own.

The web process is the real one, as the web role; jobs run as the worker role; hypothesis chooses what happens next.
"""

import io
import zipfile
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import requests
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app import wiring
from app.domain.ports import JiraUnavailable
from app.edge.mounts import MOUNTS
from app.jobs.schedule import SCHEDULE, TENANT_JOBS

SITES = ("genchi", "kencha", "genible")
VECTORS = {
    "genchi": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:L/I:L/A:N",
    "kencha": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:L/I:N/A:L",
    "genible": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:N/I:L/A:L",
}
"""A canary that we do store and show; each site has an issue of the same id and key with its own."""
PUBLIC = (
    "/atlassian-connect.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/.well-known/security.txt",
    "/static/pledge.css",
    "/unsubscribe/a-token",
    "/calendar/a-token.ics",
    "/receipts/a-token",
    "/oauth/callback",
)
LOOKS = (
    "/connect/issue?issueId={id}&issueKey={key}&projectId=10000",
    "/fragments/issue?issueId={id}&issueKey={key}",
    "/connect/project?projectId=10000&projectKey=SEC",
    "/connect/site",
    "/connect/admin",
    "/fragments/project?projectId=10000&projectKey=SEC",
    "/fragments/site",
    "/fragments/download?projectId=10000&format=json",
    "/fragments/admin",
    "/fragments/issue/decisions?issueId={id}&issueKey={key}",
    "/api/v1/issues/{id}/clocks",
    "/api/v1/issues/{key}/clocks",
    "/api/v1/issues/{id}/events",
    "/api/v1/clocks?project=10000",
    "/api/v1/clocks.csv?limit=100",
    "/api/v1/me?projectId=10000",
    "/api/v1/settings",
    "/api/v1/settings/following",
    "/api/v1/recipients",
    "/api/v1/exports",
    "/api/v1/privacy/requests",
)
OWNED = """SELECT table_schema, table_name FROM information_schema.columns WHERE column_name = 'tenant_id'
    AND table_schema IN ('app', 'registry')
    AND table_name !~ '^(audit_(waiting|leaves|checkpoints|anchor)|signals|jira_quota)' ORDER BY 1, 2"""
ROWS = "SELECT tenant_id, '{0} ' || t::text FROM {0} t WHERE tenant_id > 0 AND t::text !~ 'secrets.opened'"
"""But for what processes write by themselves: the tables of the log, counts, and what was opened, each minute."""
HOUSE = """INSERT INTO registry.tenants (tenant_id, created_at) OVERRIDING SYSTEM VALUE VALUES (0, now());
    INSERT INTO app.tenants (tenant_id, region, policy, current_installation, created_at)
    VALUES (0, 'global', 'atlassian-marketplace', 0, now());
    INSERT INTO registry.jira_quota (tenant_id) VALUES (0) ON CONFLICT DO NOTHING;
    INSERT INTO registry.report_cycle (cycle_id, period_seconds, failures, pass_number, pass_started_at)
    VALUES (1, 604800, 0, 1, now()) ON CONFLICT DO NOTHING"""
QUEUED = "SELECT (args ->> 'tenant')::bigint, 'job ' || t::text FROM jobs.procrastinate_jobs t WHERE args ? 'tenant'"

DRIVEN_BY = {
    "GET /atlassian-connect.json": "anybody_asks",
    "POST /connect/installed": "connect_lifecycle",
    "POST /connect/uninstalled": "connect_lifecycle",
    "POST /connect/enabled": "connect_lifecycle",
    "POST /connect/disabled": "hint",
    "POST /connect/webhooks": "issue_changes",
    "GET /connect/issue": "person_looks",
    "GET /connect/project": "person_looks",
    "GET /connect/site": "person_looks",
    "GET /connect/admin": "person_looks",
    "POST /connect/security/workspaces": "jira_asks_of_the_tab",
    "POST /connect/security/containers": "jira_asks_of_the_tab",
    "GET /connect/security/containers/search": "jira_asks_of_the_tab",
    "GET /fragments/issue": "person_looks",
    "GET /fragments/project": "person_looks",
    "GET /fragments/site": "person_looks",
    "GET /fragments/download": "person_looks",
    "POST /fragments/views": "person_keeps_a_view",
    "GET /fragments/admin": "person_looks",
    "POST /fragments/admin": "administrator_sends_a_form",
    "POST /fragments/admin/rights": "administrator_uses_a_right",
    "GET /fragments/issue/decisions": "person_looks",
    "POST /fragments/issue/decisions": "person_sends_a_form",
    "GET /api/v1/issues/<id_or_key>/clocks": "person_looks",
    "GET /api/v1/issues/<id_or_key>/events": "person_looks",
    "POST /api/v1/issues/<id_or_key>/events": "person_decides",
    "GET /api/v1/clocks": "person_looks",
    "GET /api/v1/clocks.csv": "person_looks",
    "GET /api/v1/me": "person_looks",
    "GET /api/v1/settings": "person_looks",
    "GET /api/v1/settings/following": "person_looks",
    "PUT /api/v1/settings/following": "administrator_chooses",
    "GET /api/v1/recipients": "person_looks",
    "POST /api/v1/recipients": "administrator_has_somebody_told",
    "DELETE /api/v1/recipients/<recipient>": "administrator_has_somebody_told",
    "POST /api/v1/calendar": "person_keeps_a_calendar",
    "DELETE /api/v1/calendar": "person_keeps_a_calendar",
    "GET /calendar/<token>.ics": "person_keeps_a_calendar",
    "GET /unsubscribe/<token>": "anybody_asks",
    "POST /unsubscribe/<token>": "anybody_asks",
    "GET /api/v1/exports": "person_looks",
    "POST /api/v1/exports": "administrator_asks",
    "GET /exports/<token>": "administrator_asks",
    "GET /receipts/<token>": "administrator_asks",
    "GET /api/v1/privacy/requests": "person_looks",
    "POST /api/v1/privacy/requests": "administrator_asks",
    "GET /oauth/callback": "anybody_asks",
    "POST /forge/lifecycle": "forge_lifecycle",
    "POST /forge/events": "issue_changes",
    "POST /forge/cron": "forge_lifecycle",
    "GET /healthz": "anybody_asks",
    "GET /readyz": "anybody_asks",
    "GET /metrics": "anybody_asks",
    "GET /.well-known/security.txt": "anybody_asks",
    "GET /static/<path:name>": "anybody_asks",
}


@dataclass
class ThreeTenants:
    """The running product, its three sites, and what each may do and see."""

    stack: object
    services: object
    issues: dict = field(default_factory=dict)
    tables: list = field(default_factory=list)
    seen_own: set = field(default_factory=set)

    def __post_init__(self):
        self.world = self.stack.simulator.world
        self.tables = [".".join(row) for row in self.stack.database.rows(OWNED)]
        for site in SITES:
            made = self.stack.control(f"/sites/{site}/issues", project="SEC", **self.values(site, 4.0))
            self.issues[site] = self.world.site(site).issue(made["id"])
            self.stack.control("/control", site=site, webhooks={"retry_seconds": []})

    @staticmethod
    def values(site, score):
        vulnerability = {"issuetype": "Vulnerability", "labels": ["security"]}
        return vulnerability | {"summary": f"canary-of-{site}", "cvss_vector": VECTORS[site], "cvss_score": score}

    def clear(self):
        """Nothing is installed anywhere and nothing is stored."""
        for site in SITES:
            self.world.site(site).installation = self.world.forge[site].installation = None
        every = self.stack.database.rows(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('app', 'registry', 'jobs')"
        )
        names = sorted({name for (name,) in every} - {"registry.alembic_version"})
        self.stack.database.execute(f"TRUNCATE {', '.join(names)}; {HOUSE}")

    def begin(self, site):
        """That site has the app, and its own issue has been read."""
        self.control(f"/sites/{site}/install", **{"as": "connect"})
        self.stack.clocks(self.issues[site].id, site=site)
        for job in TENANT_JOBS:
            self.work(site, job)

    def canaries(self, site):
        """What nobody but that site may be told, and no row of another tenant may hold."""
        found = self.world.site(site)
        known = {one.client_key for one in (*found.former, *filter(None, [found.installation]))}
        return {VECTORS[site], f"canary-of-{site}", f":{found.url.rpartition(':')[2]}", found.cloud_id} | known

    def rows(self):
        """Every row of every tenant, as a superuser sees it."""
        parts = [ROWS.format(table) for table in self.tables]
        found = defaultdict(set)
        for tenant, row in self.stack.database.rows(" UNION ALL ".join([*parts, QUEUED])):
            found[tenant].add(row)
        return found

    def owners(self):
        """The site of each tenant, by what the registry knows it by."""
        found = defaultdict(set)
        keys = self.stack.database.rows("SELECT tenant_id, client_key FROM registry.connect_installations")
        clouds = self.stack.database.rows("SELECT tenant_id, cloud_id FROM registry.forge_installations")
        for tenant, name in [*keys, *clouds]:
            found[tenant] |= {site for site in SITES if name in self.canaries(site)}
        assert all(len(sites) == 1 for sites in found.values()), found
        return {tenant: sites.pop() for tenant, sites in found.items()}

    def acts(self, site, deed):
        """That site does something: no row of another tenant changes; what it is told has nothing of theirs."""
        before = self.rows()
        answer = deed()
        after, owners = self.rows(), self.owners()
        changed = {tenant for tenant in before.keys() | after.keys() if before[tenant] != after[tenant]}
        assert {owners[tenant] for tenant in changed} <= {site}, (site, changed, owners)
        if isinstance(answer, requests.Response):
            self.is_told(site, f"{answer.headers} {answer.text}")
            assert answer.status_code < 500 or answer.status_code == 503
        return answer

    def is_told(self, site, text):
        self.seen_own |= {site} if site is not None and VECTORS[site] in text else set()
        for other in set(SITES) - {site}:
            assert not [canary for canary in self.canaries(other) if canary in text], (site, other)

    def keeps_apart(self):
        """No row of a tenant holds a canary of another."""
        owners = self.owners()
        for tenant, rows in self.rows().items():
            self.is_told(owners[tenant], "\n".join(rows))

    def control(self, path, **parameters):
        """The simulator is asked; it refuses what makes no sense at the moment."""
        url = self.stack.simulator.control_url + path
        requests.post(url, params={"app": self.stack.url} | parameters, json={}, timeout=60)

    def tenants(self, site):
        """Its tenants: more than one after an import of a backup."""
        return [tenant for tenant, owner in self.owners().items() if owner == site]

    def work(self, site, job):
        """A job for each tenant of that site, as a worker runs it: one that Jira refuses is asked for again."""
        for tenant in self.tenants(site):
            with suppress(JiraUnavailable):
                job.run(self.services, tenant, datetime.now(UTC))

    def arrived(self, site):
        for lane in (self.world.lanes[site], self.world.events[site]):
            assert all(one["state"] != "pending" for one in lane.ledger(wait_seconds=30))


class InAnyOrder(RuleBasedStateMachine):
    """What the three sites, strangers and time can do."""

    site, other = st.sampled_from(SITES), st.sampled_from(SITES)
    person = st.sampled_from(["developer", "admin", "outsider"])
    look = st.sampled_from(LOOKS)

    def __init__(self, three):
        super().__init__()
        self.three, self.stack = three, three.stack

    @initialize(sites=st.sets(site))
    def some_sites_have_the_app(self, sites):
        self.three.clear()
        for site in sorted(sites):
            self.three.begin(site)

    @rule(site=site, event=st.sampled_from(["install", "install", "uninstall", "rotate-secret", "rename", "import"]))
    def connect_lifecycle(self, site, event):
        self.three.acts(site, lambda: self.three.control(f"/sites/{site}/{event}", **{"as": "connect"}))

    @rule(site=site, event=st.sampled_from(["install", "install", "uninstall", "cron", "upgrade"]))
    def forge_lifecycle(self, site, event):
        self.three.acts(site, lambda: self.three.control(f"/sites/{site}/{event}", **{"as": "forge"}))

    @rule(site=site, score=st.sampled_from([3.1, 6.1, 8.1, 9.8]))
    def issue_changes(self, site, score):
        def deed():
            values, found = self.three.values(site, score), self.three.world.site(site)
            self.three.world.change(found, self.three.issues[site], values=values, author=found.people["admin"])
            self.three.arrived(site)

        self.three.acts(site, deed)

    def connect(self, site, target, *, method="GET", person="developer", kind=None, body=None, **wanted):
        """A request with a Connect token of that site; None if it never installed."""
        if self.three.world.site(site).installation is None:
            return None
        kind = kind or ("request" if target.startswith("/connect/") else "context")
        wanted |= {"kind": kind, "method": method, "path": target, "account": person}
        minted = requests.post(f"{self.stack.simulator.control_url}/sites/{site}/token", json=wanted, timeout=60)
        headers = {"Authorization": f"JWT {minted.json()['token']}"}
        return requests.request(method, self.stack.url + target, headers=headers, json=body, timeout=60)

    @rule(site=site, jql=st.sampled_from([None, "labels = security", "project = OPS"]))
    def administrator_chooses(self, site, jql):
        """What is in force is replaced, unless somebody was faster; Jira is asked about every choice."""
        target = "/api/v1/settings/following"

        def deed():
            shown = self.connect(site, target, person="admin")
            if shown is None or shown.status_code != 200:
                return shown
            body = {"version": shown.json()["version"], "configuration": {"jql": jql}}
            return self.connect(site, target, method="PUT", person="admin", body=body)

        self.three.acts(site, deed)

    @rule(site=site, person=person, step=st.sampled_from(["try", "save"]))
    def administrator_sends_a_form(self, site, person, step):
        """What stands in the place of the version that nobody has replaced yet, or is tried on an issue."""
        issue = self.three.issues[site]
        fields = {"version": "0", "vector_field": "auto", "score_field": "auto", "example": issue.key, "step": step}
        body = {name: [value] for name, value in fields.items()}
        target = "/fragments/admin?section=following"
        self.three.acts(
            site, lambda: self.connect(site, target, method="POST", person=person, kind="context", body=body)
        )

    @rule(site=site, person=person)
    def administrator_uses_a_right(self, site, person):
        """Somebody has it said that a person wants a copy."""
        body = {"step": ["request"], "kind": ["access"], "account": [f"canary-of-{site}"]}
        target = "/fragments/admin/rights?section=privacy"
        self.three.acts(
            site, lambda: self.connect(site, target, method="POST", person=person, kind="context", body=body)
        )

    @rule(site=site)
    def hint(self, site):
        self.three.acts(site, lambda: self.connect(site, "/connect/disabled", method="POST"))

    @rule(site=site, path=st.sampled_from(["workspaces", "containers", "containers/search"]))
    def jira_asks_of_the_tab(self, site, path):
        if path.endswith("search"):
            target, sent = f"/connect/security/{path}?workspaceId=pledge&searchQuery=", {"method": "GET"}
        else:
            target, sent = f"/connect/security/{path}", {"method": "POST", "body": {"ids": ["pledge", "pledge/10000"]}}
        self.three.acts(site, lambda: self.connect(site, target, **sent))

    @rule(site=site, other=other, person=person, look=look, host=st.sampled_from(["connect", "forge"]))
    def person_looks(self, site, other, person, look, host):
        """At an issue of the own site or at what exists on another one only by luck."""
        issue = self.three.issues[other]
        target = look.format(id=issue.id, key=issue.key)
        if host == "connect":
            self.three.acts(site, lambda: self.connect(site, target, person=person))
        elif self.three.world.forge[site].installation is not None and not target.startswith("/connect/"):
            headers = self.stack.fit(site, kind="ui", account=person)["headers"]
            self.three.acts(site, lambda: requests.get(self.stack.url + target, headers=headers, timeout=60))

    @rule(site=site, other=other, person=person, kind=st.sampled_from(["extension_requested", "cancelled", "reopened"]))
    def person_decides(self, site, other, person, kind):
        """About an issue of the own site, or about what exists on another one only by luck."""
        body = {"id": uuid4().hex, "kind": kind, "reason": VECTORS[site]}
        target = f"/api/v1/issues/{self.three.issues[other].id}/events"
        self.three.acts(
            site, lambda: self.connect(site, target, method="POST", person=person, kind="context", body=body)
        )

    @rule(site=site, other=other, person=person, step=st.sampled_from(["try", "record"]))
    def person_sends_a_form(self, site, other, person, step):
        """About an issue of the own site, or about what exists on another one only by luck."""
        body = {"id": [uuid4().hex], "kind": ["extension_requested"], "reason": [VECTORS[site]], "step": [step]}
        issue = self.three.issues[other]
        target = f"/fragments/issue/decisions?issueId={issue.id}&issueKey={issue.key}"
        self.three.acts(
            site, lambda: self.connect(site, target, method="POST", person=person, kind="context", body=body)
        )

    @rule(site=site, medium=st.sampled_from(["mail", "jira_comment"]))
    def administrator_has_somebody_told(self, site, medium):
        """Somebody is added, and the one who was added before goes."""
        address = {"address": f"canary-of-{site}@example.com"} if medium == "mail" else {}
        entry = {"label": "Team", "medium": medium} | address
        before = self.three.acts(site, lambda: self.connect(site, "/api/v1/recipients", person="admin"))
        self.three.acts(
            site, lambda: self.connect(site, "/api/v1/recipients", method="POST", person="admin", body=entry)
        )
        for known in before.json().get("recipients", []) if before is not None else []:
            target = f"/api/v1/recipients/{known['id']}"
            self.three.acts(site, lambda target=target: self.connect(site, target, method="DELETE", person="admin"))

    @rule(site=site, person=person, ends=st.booleans())
    def person_keeps_a_calendar(self, site, person, ends):
        """A feed shows its owner's site only, to whoever has its address."""
        made = self.three.acts(site, lambda: self.connect(site, "/api/v1/calendar", method="POST", person=person))
        if made is not None and made.status_code == 201:
            self.three.acts(site, lambda: requests.get(made.json()["url"], timeout=60))
        if ends:
            self.three.acts(site, lambda: self.connect(site, "/api/v1/calendar", method="DELETE", person=person))

    @rule(site=site, person=person)
    def person_keeps_a_view(self, site, person):
        """Under the same name on every site, with what its own site alone knows."""
        target, body = "/fragments/views?key=" + VECTORS[site], {"name": ["Mine"]}
        self.three.acts(
            site, lambda: self.connect(site, target, method="POST", person=person, kind="context", body=body)
        )

    @rule(site=site, person=person)
    def administrator_asks(self, site, person):
        """For an export, which a worker writes and a link hands over, for a person's data to be erased, and for all."""

        def ask(path, **body):
            answer = self.three.acts(site, lambda: self.connect(site, path, method="POST", person=person, body=body))
            return answer if answer is not None and answer.status_code < 300 else None

        ask("/api/v1/privacy/requests", kind="erasure", account=f"account-of-{site}")
        deletion = ask("/api/v1/privacy/requests", kind="erasure")
        if deletion is not None:
            waiting = self.three.acts(site, lambda: requests.get(deletion.json()["receipt_link"], timeout=60))
            assert waiting.status_code == 202
        asked = ask("/api/v1/exports")
        if asked is not None:
            for tenant in self.three.tenants(site):
                self.three.services.handing_over.run(tenant, now=datetime.now(UTC))
            fetched = requests.get(asked.json()["link"], timeout=60)
            assert fetched.status_code == 200
            with zipfile.ZipFile(io.BytesIO(fetched.content)) as archive:
                for name in archive.namelist():
                    self.three.is_told(site, archive.read(name).decode())

    @rule(site=site, other=other, look=look)
    def site_poses_as_another(self, site, other, look):
        """With its own secret under the other's name: nobody's rows change, nobody is told anything."""
        posing = {"overrides": {"iss": self.three.world.site(other).client_key}}
        issue = self.three.issues[other]
        target = look.format(id=issue.id, key=issue.key)
        if site != other:
            answer = self.three.acts(None, lambda: self.connect(site, target, **posing))
            assert answer is None or answer.status_code == 401

    @rule(path=st.sampled_from(PUBLIC))
    def anybody_asks(self, path):
        self.three.acts(None, lambda: requests.get(self.stack.url + path, timeout=60))

    @rule(site=site, job=st.sampled_from(TENANT_JOBS))
    def tenant_job_runs(self, site, job):
        self.three.acts(site, lambda: self.three.work(site, job))

    @rule(job=st.sampled_from(SCHEDULE))
    def periodic_job_runs(self, job):
        """For every tenant at once: what may change is said by the invariant."""
        job.run(self.three.services, datetime.now(UTC))

    @rule(site=site)
    def operator_recomputes(self, site):
        def deed():
            for tenant in self.three.tenants(site):
                self.three.services.recomputing.advance(tenant, now=datetime.now(UTC))

        self.three.acts(site, deed)

    @rule()
    def time_passes(self):
        self.stack.database.let_time_pass()

    @invariant()
    def nobody_holds_what_is_anothers(self):
        self.three.keeps_apart()


@pytest.fixture(scope="module")
def three(make_stack):
    settings = {"PLEDGE_SECURITY_CONTACT": "mailto:security@example.com", "PLEDGE_SECURITY_TAB": "on"}
    with (
        make_stack(worker=False, **settings) as stack,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name in [name for name in stack.env if name.startswith("PLEDGE_")]:
            environment.setenv(name, stack.env[name])
        with wiring.Operations().services() as services:
            yield ThreeTenants(stack, services)


def test_every_route_is_driven():
    assert DRIVEN_BY.keys() == {f"{mount.method} {mount.rule}" for mount in MOUNTS}
    assert all(hasattr(InAnyOrder, name) for name in DRIVEN_BY.values())


@pytest.fixture
def installed(three):
    """Every site has the app, and its own issue has been read."""
    three.clear()
    for site in SITES:
        three.begin(site)
    return three


def test_each_site_is_shown_its_own_issue_of_the_same_id(installed):
    installed.seen_own.clear()
    for site in SITES:
        issue = installed.issues[site].id
        assert issue == installed.issues["genchi"].id
        installed.acts(site, lambda site=site, issue=issue: installed.stack.clocks(issue, site=site))
    assert installed.seen_own == set(SITES)
    installed.keeps_apart()


def test_a_leak_would_be_noticed(installed):
    """The checks of this file, against what they are there for."""
    [ours], [theirs] = installed.tenants("genchi"), installed.tenants("kencha")
    spoil = "UPDATE app.issues SET cvss_vector = %s WHERE tenant_id = %s"
    execute = installed.stack.database.execute
    with pytest.raises(AssertionError):
        installed.acts("genchi", lambda: execute(spoil, "x", theirs))
    with pytest.raises(AssertionError):
        installed.acts(None, lambda: execute(spoil, "x", ours))
    execute(spoil, VECTORS["kencha"], ours)
    with pytest.raises(AssertionError):
        installed.keeps_apart()
    with pytest.raises(AssertionError):
        installed.acts("genchi", lambda: installed.stack.clocks(installed.issues["genchi"].id, site="genchi"))


def test_nothing_crosses_in_any_order(three):
    # Not shrunk: each try costs seconds of three sites' life, and twenty steps are read soon enough.
    phases = (Phase.generate,)
    bounds = settings(
        max_examples=15, stateful_step_count=20, phases=phases, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(lambda: InAnyOrder(three), settings=bounds)
