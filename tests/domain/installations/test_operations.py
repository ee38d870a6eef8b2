"""The lifecycle: what is refused, what changes, and that it changes all at once or not at all."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import ClientKey
from app.domain.installations.model import Caller, CallerKind, Install, InstallationState
from app.domain.installations.operations import (
    AppOfAnother,
    BodyOfAnother,
    HostNotAllowed,
    Lifecycle,
    SecretTooShort,
    SiteTaken,
)
from app.domain.ports import DatabaseRefused
from app.domain.secrets import Secret, VaultCannotAnswer

ACTIVE, UNINSTALLED, SUSPENDED = InstallationState.ACTIVE, InstallationState.UNINSTALLED, InstallationState.SUSPENDED
HOUR = timedelta(hours=1)


@pytest.fixture
def rows(shared):
    """How many rows there are, of everything."""

    def rows():
        tables = ("registry.tenants", "registry.connect_installations", "app.tenants", "app.installations",
                  "app.data_keys", "app.sealed_secrets", "app.audit_entries")  # fmt: skip
        return [shared.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]  # noqa: S608  our own names

    return rows


@pytest.fixture
def actions(shared):
    def actions(tenant):
        query = "SELECT action, detail FROM app.audit_entries WHERE tenant_id = %s"
        return sorted((action, detail.get("secret_version")) for action, detail in shared.rows(query, tenant))

    return actions


def test_a_first_install_makes_everything_in_one_go(lifecycle, database, body, claims, name, now, rows, actions):
    before = rows()
    lifecycle.installed(body(name), claims(name), now=now)
    assert [after - was for after, was in zip(rows(), before, strict=True)] == [1] * 7
    registered = database.find_connect(ClientKey(name))
    assert (registered.state, registered.secret_version, registered.applied_at) == (ACTIVE, 1, now)
    assert actions(registered.tenant) == [("installation.added", 1)]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"client_key": ClientKey("victim")}, BodyOfAnother),
        ({"key": "io.pledge.app.staging"}, AppOfAnother),
        ({"key": ""}, AppOfAnother),
        ({"base_url": "https://evil.example.com"}, HostNotAllowed),
        ({"shared_secret": None}, SecretTooShort),
        ({"shared_secret": Secret("s" * 31)}, SecretTooShort),
        ({"shared_secret": Secret("é" * 15 + "s")}, SecretTooShort),
    ],
)
def test_a_refused_install_leaves_nothing(lifecycle, body, claims, name, now, rows, changes, refusal):
    before = rows()
    with pytest.raises(refusal):
        lifecycle.installed(body(name, **changes), claims(name), now=now)
    assert rows() == before


def test_a_genuine_token_with_the_body_of_a_victim_changes_nothing_of_the_victim(
    lifecycle, database, body, claims, name, now, admit
):
    lifecycle.installed(body(name), claims(name), now=now)
    planted = body(name, shared_secret=Secret("p" * 40))
    with pytest.raises(BodyOfAnother):
        lifecycle.installed(planted, claims("attacker", now + HOUR), now=now)
    with pytest.raises(BodyOfAnother):
        lifecycle.uninstalled(planted, claims("attacker", now + HOUR), now=now)
    assert database.find_connect(ClientKey(name)).secret_version == 1
    assert admit(name)


def test_a_failure_at_the_last_step_leaves_nothing(lifecycle, body, claims, name, now, rows, shared):
    before = rows()
    shared.execute("REVOKE INSERT ON app.audit_entries FROM pledge_web")
    try:
        with pytest.raises(DatabaseRefused):
            lifecycle.installed(body(name), claims(name), now=now)
    finally:
        shared.execute("GRANT INSERT ON app.audit_entries TO pledge_web")
    assert rows() == before


def test_a_vault_that_cannot_seal_leaves_nothing(lifecycle, body, claims, name, now, rows):
    class Closed:
        """The port of the vault, with its keys lost."""

        def new_data_key(self, tenant, purpose):
            raise VaultCannotAnswer

    before = rows()
    with pytest.raises(VaultCannotAnswer):
        replace(lifecycle, vault=Closed()).installed(body(name), claims(name), now=now)
    assert rows() == before


def test_installing_again_renews_the_secret_at_once(lifecycle, database, body, claims, name, now, actions, admit):
    lifecycle.installed(body(name), claims(name), now=now)
    lifecycle.installed(body(name, shared_secret=Secret("n" * 40)), claims(name, now + HOUR), now=now)
    registered = database.find_connect(ClientKey(name))
    assert (registered.secret_version, registered.previous_accepted_until) == (2, None)
    assert actions(registered.tenant) == [("installation.added", 1), ("installation.renewed", 2)]
    assert admit(name, "n" * 40)


def test_the_replay_of_an_older_install_is_ignored(lifecycle, database, body, claims, name, now, rows):
    lifecycle.installed(body(name), claims(name, now), now=now)
    known, before = database.find_connect(ClientKey(name)), rows()
    lifecycle.installed(body(name, shared_secret=Secret("o" * 40)), claims(name, now - HOUR), now=now + HOUR)
    lifecycle.uninstalled(body(name), claims(name, now - HOUR), now=now + HOUR)
    assert (database.find_connect(ClientKey(name)), rows()) == (known, before)


def test_the_install_that_was_applied_last_is_not_applied_again_with_another_body(
    lifecycle, database, body, claims, name, now, rows
):
    token = claims(name, now)
    lifecycle.installed(body(name), token, now=now)
    known, before = database.find_connect(ClientKey(name)), rows()
    moved = body(name, shared_secret=Secret("o" * 40), base_url="https://thief.atlassian.net")
    lifecycle.installed(moved, token, now=now)
    assert (database.find_connect(ClientKey(name)), rows()) == (known, before)
    lifecycle.installed(
        body(name, shared_secret=Secret("n" * 40)), claims(name, now), now=now
    )  # another of that second
    assert database.find_connect(ClientKey(name)).secret_version == 2


def test_uninstalling_ends_access_deletes_the_secret_and_is_done_once(
    lifecycle, database, body, claims, name, now, shared, actions
):
    lifecycle.installed(body(name), claims(name), now=now)
    for _ in range(2):
        lifecycle.uninstalled(body(name, shared_secret=None), claims(name, now + HOUR), now=now + HOUR)
    registered = database.find_connect(ClientKey(name))
    assert registered.state is UNINSTALLED
    assert shared.rows("SELECT FROM app.sealed_secrets WHERE tenant_id = %s", registered.tenant) == []
    assert actions(registered.tenant) == [("installation.added", 1), ("installation.removed", None)]


def test_uninstalling_what_was_never_installed_changes_nothing(lifecycle, body, claims, name, now, rows):
    before = rows()
    lifecycle.uninstalled(body(name), claims(name), now=now)
    assert rows() == before


def test_a_site_may_uninstall_whatever_its_host_is_called_now(lifecycle, database, body, claims, name, now):
    lifecycle.installed(body(name), claims(name), now=now)
    lifecycle.uninstalled(body(name, base_url="https://moved.example.com"), claims(name, now + HOUR), now=now)
    assert database.find_connect(ClientKey(name)).state is UNINSTALLED


def test_a_site_that_comes_back_is_the_same_tenant(lifecycle, database, body, claims, name, now, actions):
    lifecycle.installed(body(name), claims(name), now=now)
    tenant = database.find_connect(ClientKey(name)).tenant
    lifecycle.uninstalled(body(name), claims(name, now + HOUR), now=now)
    lifecycle.installed(body(name), claims(name, now + 2 * HOUR), now=now)
    registered = database.find_connect(ClientKey(name))
    assert (registered.tenant, registered.state, registered.secret_version) == (tenant, ACTIVE, 2)
    assert ("installation.returned", 2) in actions(tenant)


def test_the_replay_of_an_install_from_before_the_uninstall_brings_nothing_back(
    lifecycle, database, body, claims, name, now
):
    lifecycle.installed(body(name), claims(name), now=now)
    lifecycle.uninstalled(body(name), claims(name, now + HOUR), now=now)
    lifecycle.installed(body(name), claims(name, now), now=now + 2 * HOUR)
    assert database.find_connect(ClientKey(name)).state is UNINSTALLED


def test_a_site_import_suspends_the_old_tenant_and_merges_nothing(lifecycle, database, body, claims, name, now, shared):
    old, new = name, name + "-imported"
    url = f"https://{name}.atlassian.net"
    lifecycle.installed(body(old), claims(old), now=now)
    lifecycle.installed(body(new, base_url=url), claims(new, now + HOUR), now=now)
    before, after = database.find_connect(ClientKey(old)), database.find_connect(ClientKey(new))
    assert (before.state, after.state) == (SUSPENDED, ACTIVE)
    assert before.tenant != after.tenant
    query = "SELECT detail->>'suspended_installation' FROM app.audit_entries WHERE tenant_id = %s"
    assert shared.rows(query, after.tenant) == [(str(before.installation),)]


def test_a_site_that_trusts_its_tenant_is_not_given_away(lifecycle, sites, database, body, claims, name, now):
    old, new = name, name + "-imported"
    url = f"https://{name}.atlassian.net"
    lifecycle.installed(body(old), claims(old), now=now)
    sites.trusting.add(url)
    with pytest.raises(SiteTaken):
        lifecycle.installed(body(new, base_url=url), claims(new, now + HOUR), now=now)
    assert database.find_connect(ClientKey(old)).state is ACTIVE
    assert database.find_connect(ClientKey(new)) is None


def test_a_renamed_site_keeps_its_tenant(lifecycle, database, body, claims, name, now):
    lifecycle.installed(body(name), claims(name), now=now)
    url = f"https://{name}-new.atlassian.net"
    lifecycle.installed(body(name, base_url=url, display_url="https://jira.example.com"), claims(name), now=now)
    registered = database.find_connect(ClientKey(name))
    tenant = database.view_tenant(registered.tenant)
    assert (registered.site_url, tenant.base_url) == (url, url)
    assert tenant.frame_ancestors() == ("https://jira.example.com", url)


def test_the_same_event_many_times_at_once_makes_one_tenant(lifecycle, database, body, claims, name, now, shared):
    failures = []

    def install():
        try:
            lifecycle.installed(body(name), claims(name), now=now)
        except Exception as failure:  # noqa: BLE001  whatever it is, the test has failed
            failures.append(failure)

    threads = [threading.Thread(target=install) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert shared.rows("SELECT count(*) FROM registry.connect_installations WHERE client_key = %s", name) == [(1,)]


def test_another_policy_is_recorded_and_its_dates_are_asked_for_at_once(
    lifecycle, database, body, claims, name, now, shared, actions
):
    lifecycle.installed(body(name), claims(name), now=now)
    tenant = database.find_connect(ClientKey(name)).tenant
    lifecycle.choose_policy(tenant, "kencha")
    assert database.view_tenant(tenant).policy == "kencha"
    assert ("policy.chosen", None) in actions(tenant)
    jobs = "SELECT task_name FROM jobs.procrastinate_jobs WHERE (args->>'tenant')::bigint = %s"
    assert ("recompute-clocks",) in shared.rows(jobs, tenant)


def test_a_hint_decides_nothing(lifecycle, database, body, claims, name, now, shared, admit):
    lifecycle.installed(body(name), claims(name), now=now)
    tenant = database.find_connect(ClientKey(name)).tenant
    caller = Caller(tenant, None, CallerKind.HOST, "production", "global", None)
    lifecycle.hinted(caller, enabled=False)
    assert shared.rows("SELECT enabled_hint FROM app.installations WHERE tenant_id = %s", tenant) == [(False,)]
    assert admit(name)


def test_a_hint_is_about_the_connect_installation_also_when_the_tenant_is_reached_through_forge(
    lifecycle, database, body, claims, name, now, shared
):
    lifecycle.installed(body(name), claims(name), now=now)
    known = database.find_connect(ClientKey(name))
    with database.begin() as uow:
        _, moved_to = uow.registry.next_ids(known.tenant, now)
        uow.enter(known.tenant)
        url = known.site_url
        uow.tenants.save_install(
            Install(known.tenant, moved_to, None, url, url, "cloud", "jira"), region="global", policy="genchi", now=now
        )
        uow.commit(because=Bookkeeping.HINT_STORED)
    assert database.view_tenant(known.tenant).installation == moved_to
    lifecycle.hinted(Caller(known.tenant, None, CallerKind.HOST, "production", "global", None), enabled=False)
    query = "SELECT installation_id, enabled_hint FROM app.installations WHERE tenant_id = %s"
    assert dict(shared.rows(query, known.tenant)) == {known.installation: False, moved_to: None}


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@QUIET
@given(labels=st.lists(LABEL, max_size=3))
def test_a_host_is_allowed_at_the_boundary_of_a_label(rules, labels):
    lifecycle = Lifecycle(None, None, None, None, rules)
    for suffix in rules.allowed_hosts:
        assert lifecycle._is_allowed("https://" + ".".join([*labels, suffix]))


@QUIET
@given(
    label=LABEL,
    suffix=st.sampled_from(["atlassian.net", "jira.com"]),
    form=st.sampled_from(
        [
            "https://{label}{suffix}",
            "https://{suffix}.{label}",
            "https://{label}.{suffix}.example.com",
            "https://{label}.example.com/.{suffix}",
            "https://example.com#{label}.{suffix}",
            "https://example.com?{label}.{suffix}",
            "https://{label}.{suffix}@example.com",
            "https://somebody@{label}.{suffix}",
            "https://{label}.{suffix}:8443",
            "http://{label}.{suffix}",
            "ftp://{label}.{suffix}",
            "//{label}.{suffix}",
            "{label}.{suffix}",
            "https://{label}.{suffix}.",
            "https://{label}.{suffix}%2eexample.com",
            "https://127.0.0.1",
            "http://localhost:8080",
        ]
    ),
)
def test_a_host_that_only_looks_like_an_allowed_one_is_refused(rules, label, suffix, form):
    assert not Lifecycle(None, None, None, None, rules)._is_allowed(form.format(label=label, suffix=suffix))


@QUIET
@given(st.text(max_size=60))
def test_whatever_an_address_is_the_answer_is_yes_or_no(rules, text):
    for url in (text, "https://" + text):
        try:
            allowed = Lifecycle(None, None, None, None, rules)._is_allowed(url)
        except ValueError:
            continue
        assert not allowed or url.startswith("https://")


def test_loopback_is_allowed_in_development_only(rules):
    for url in ("http://127.0.0.1:8101", "http://localhost:8101"):
        assert not Lifecycle(None, None, None, None, rules)._is_allowed(url)
        assert Lifecycle(None, None, None, None, replace(rules, allow_http_loopback=True))._is_allowed(url)
    assert not Lifecycle(None, None, None, None, replace(rules, allow_http_loopback=True))._is_allowed(
        "http://192.0.2.1"
    )
