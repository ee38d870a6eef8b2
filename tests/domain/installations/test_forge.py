"""Forge installations on the real database and a real vault; invocations are signed here, with a key of this file."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import event

from app.domain.identifiers import ClientKey
from app.domain.installations.forge import (
    GONE_AFTER,
    ForgeAdmission,
    ForgeRules,
    ForgeUpkeep,
    ObjectMismatch,
)
from app.domain.installations.forge_tokens import InstallationUnknown, SystemTokens
from app.domain.installations.model import CallerKind, InstallationState
from app.domain.installations.site import TokenAwaited
from app.domain.ports import JiraUnavailable
from app.domain.secrets import Secret
from app.protocol import refusals
from app.vault.door import Door

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
APP = "11111111-2222-4333-8444-555555555555"
APP_ID = f"ari:cloud:ecosystem::app/{APP}"
API = "https://api.atlassian.com"
EVENTS, PAGES = frozenset({"ep-events"}), frozenset({"pledge-issue"})
ACTIVE, UNINSTALLED, SUSPENDED = InstallationState.ACTIVE, InstallationState.UNINSTALLED, InstallationState.SUSPENDED
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Keys:
    """The port of the key set, with one key."""

    def keys(self, kid):
        return {"kid": PEM}


class Sites:
    """Jira's side of the port `ForgeSites`: client keys by cloud id, or what is raised when one is asked for."""

    def __init__(self):
        self.client_keys, self.asked = {}, []

    def connect_client_key(self, api_base_url, *, app_key, authorize):
        headers = {}
        authorize(headers)
        self.asked.append((api_base_url, app_key, headers["Authorization"]))
        found = self.client_keys.get(api_base_url.rpartition("/")[2])
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def sites():
    return Sites()


@pytest.fixture
def forge_rules():
    return ForgeRules(
        app_id=APP_ID,
        environments=frozenset({"PRODUCTION"}),
        api_url=API,
        connect_app_key="io.pledge.app",
        region="global",
        policy="genchi",
        retention=timedelta(days=30),
    )


@pytest.fixture
def forge(database, keyring_file, sites, forge_rules):
    return ForgeAdmission(database, Keys(), sites, Door.from_keyring_file(Path(keyring_file)), forge_rules)


@pytest.fixture
def cloud():
    """A site of this test's own."""
    return str(uuid.uuid4())


def ari(installation):
    return f"ari:cloud:ecosystem::installation/{installation}"


def fit(cloud, installation, *, at, page=False, environment="PRODUCTION", **app):
    issued, url = int(at.timestamp()), f"{API}/ex/jira/{cloud}"
    claims = {
        "iss": "forge/invocation-token",
        "aud": APP_ID,
        "iat": issued,
        "nbf": issued,
        "exp": issued + 25,
        "jti": uuid.uuid4().hex,
        "app": {
            "id": APP_ID,
            "installationId": ari(installation),
            "apiBaseUrl": url,
            "installation": {"id": ari(installation), "contexts": [{"name": "jira", "cloudId": cloud}]},
            "environment": {"type": environment, "id": f"ari:cloud:ecosystem::environment/{APP}/{uuid.uuid4()}"},
            "module": {"type": "core:endpoint", "key": "ep-events"},
        }
        | app,
    }
    if page:
        claims["app"]["module"] = {"type": "jira:issueContext", "key": "pledge-issue"}
        claims |= {"principal": "557058:someone", "context": {"extension": {"issue": {"id": "10001", "key": "SEC-1"}}}}
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "kid"})


@pytest.fixture
def call(forge, cloud, now):
    """One system call of Forge: the caller and the invocation."""

    def call(installation, *, at=now, token="system", by=forge, on=cloud, **claims):  # noqa: S107  no password
        secret = None if token is None else Secret(token)
        signed = fit(on, installation, at=at, **claims)
        return by.admit_system(signed, module_keys=EVENTS, system_token=secret, now=at)

    return call


@pytest.fixture
def open_page(forge, cloud, now):
    def open_page(installation, *, at=now, issue=None, by=forge, **claims):
        signed = fit(cloud, installation, at=at, page=True, **claims)
        return by.admit_page(signed, module_keys=PAGES, issue=issue, person_token=None, now=at)

    return open_page


@pytest.fixture
def one():
    return uuid.uuid4()


@pytest.fixture
def another():
    return uuid.uuid4()


@pytest.fixture
def tokens(shared):
    """(version, received_at) of the tenant's system tokens, and the versions of its envelopes."""

    def tokens(tenant):
        query = "SELECT version, received_at FROM app.forge_tokens WHERE tenant_id = %s ORDER BY installation_id"
        sealed = "SELECT version FROM app.sealed_secrets WHERE tenant_id = %s AND purpose = 'forge-token' ORDER BY 1"
        return shared.rows(query, tenant), [version for (version,) in shared.rows(sealed, tenant)]

    return tokens


@pytest.fixture
def audited(shared):
    def audited(tenant):
        query = "SELECT action FROM app.audit_entries WHERE tenant_id = %s AND action LIKE 'installation%%'"
        return sorted(action for (action,) in shared.rows(query, tenant))

    return audited


@pytest.fixture
def tenants(shared):
    return lambda: shared.rows("SELECT count(*) FROM registry.tenants")[0][0]


def test_a_first_call_makes_a_tenant_and_seals_its_token(call, one, now, tokens, audited, database):
    caller, invocation = call(one)
    assert (caller.kind, caller.account, caller.environment) == (CallerKind.HOST, None, "production")
    assert invocation.installation_id == ari(one)
    assert tokens(caller.tenant) == ([(1, now)], [1])
    assert audited(caller.tenant) == ["installation.added"]
    assert database.find_forge(ari(one)).state is ACTIVE


@pytest.mark.parametrize(
    ("license", "expected"),
    [({}, None), ({"license": None}, None), ({"license": {}}, None), ({"license": {"isActive": True}}, None),
     ({"license": {"active": True}}, True), ({"license": {"active": False}}, False),
     ({"license": {"active": False, "isActive": True}}, False), ({"license": {"active": "true"}}, None)],
    ids=json.dumps,
)  # fmt: skip
def test_the_licence_is_what_the_token_says_and_absent_is_not_inactive(call, open_page, one, license, expected):
    assert call(one, **license)[0].licence_active is expected
    assert open_page(one, **license).licence_active is expected


def test_a_token_is_replaced_by_one_that_is_newer_by_half_an_hour(call, one, now, tokens):
    tenant = call(one)[0].tenant
    call(one, at=now + 30 * MINUTE - SECOND, token="later")
    assert tokens(tenant) == ([(1, now)], [1])
    call(one, at=now + 30 * MINUTE, token=None)
    assert tokens(tenant) == ([(1, now)], [1])
    call(one, at=now + 30 * MINUTE, token="later")
    assert tokens(tenant) == ([(2, now + 30 * MINUTE)], [2])


def test_a_call_is_a_sign_of_life_as_soon_as_it_might_bring_a_new_token(call, one, now, database):
    call(one)
    call(one, at=now + 29 * MINUTE, token=None)
    assert database.find_forge(ari(one)).seen_at == now
    call(one, at=now + 30 * MINUTE, token=None)
    assert database.find_forge(ari(one)).seen_at == now + 30 * MINUTE


def test_an_installation_without_its_hourly_call_for_three_days_has_vanished(call, one, now, database, tokens, audited):
    tenant, upkeep = call(one)[0].tenant, ForgeUpkeep(database)
    upkeep.mark_vanished(now=now + GONE_AFTER)
    assert database.find_forge(ari(one)).state is ACTIVE
    later = now + GONE_AFTER + SECOND
    assert upkeep.mark_vanished(now=later) >= 1
    assert upkeep.mark_vanished(now=later) == 0
    assert database.find_forge(ari(one)).state is SUSPENDED
    assert tokens(tenant) == ([], [])
    assert audited(tenant) == ["installation.added", "installation.vanished"]
    with database.begin() as uow:
        assert not uow.registry.is_active(tenant)


@pytest.mark.parametrize("how", ["cron", "page"])
def test_an_installation_that_had_vanished_is_back_with_its_next_call(
    call, open_page, one, now, database, tokens, audited, how
):
    """After days in which nobody reached us, every customer would be locked out for good otherwise."""
    tenant, later = call(one)[0].tenant, now + 4 * GONE_AFTER
    ForgeUpkeep(database).mark_vanished(now=later)
    caller = call(one, at=later)[0] if how == "cron" else open_page(one, at=later)
    assert caller.tenant == tenant
    assert database.find_forge(ari(one)).state is ACTIVE
    assert audited(tenant) == ["installation.added", "installation.returned", "installation.vanished"]
    call(one, at=later)
    assert tokens(tenant) == ([(1, later)], [1])


def test_a_vanished_installation_whose_place_was_taken_stays_out(forge, call, one, another, now, database):
    call(one)
    later = now + 2 * GONE_AFTER
    ForgeUpkeep(database).mark_vanished(now=later)
    caller, invocation = call(another, at=later)
    with pytest.raises(InstallationUnknown):
        call(one, at=later)
    forge.removed(caller, invocation, now=later)
    with pytest.raises(InstallationUnknown):
        call(one, at=later)


def test_a_removal_ends_access_once_and_for_good(forge, call, open_page, one, now, tokens, audited, database):
    caller, invocation = call(one)
    for _ in range(2):
        forge.removed(caller, invocation, now=now)
    assert tokens(caller.tenant) == ([], [])
    assert audited(caller.tenant) == ["installation.added", "installation.removed"]
    for again in (lambda: call(one, at=now + MINUTE), lambda: open_page(one, at=now + MINUTE)):
        with pytest.raises(InstallationUnknown):
            again()
    assert database.find_forge(ari(one)).state is UNINSTALLED


def test_the_first_token_wakes_the_import_that_came_before_it(call, one, now, shared):
    """A worker may be quicker than the call that made the tenant: its import then waits for its next try."""
    caller, _ = call(one)
    for table in ("app.forge_tokens", "app.sealed_secrets"):
        shared.execute(f"DELETE FROM {table} WHERE tenant_id = %s", caller.tenant)  # noqa: S608  two names of our own
    shared.execute("DELETE FROM jobs.procrastinate_jobs")
    call(one, at=now + MINUTE)
    assert shared.rows("SELECT task_name, args->>'tenant' FROM jobs.procrastinate_jobs") == [
        ("sync-issues", str(caller.tenant))
    ]


def test_a_removal_of_an_installation_that_was_never_heard_of_takes_nobodys_place(forge, call, cloud, one, now):
    """Its `installed` was lost, the app was removed and installed anew, and then the word of the removal arrives."""
    alive, _ = call(one)
    late = fit(cloud, uuid.uuid4(), at=now)
    with pytest.raises(InstallationUnknown):
        forge.admit_system(late, module_keys=EVENTS, removal=EVENTS, system_token=None, now=now)
    again, _ = call(one, at=now + MINUTE)
    assert again == alive


def test_a_call_that_was_admitted_just_before_the_removal_seals_nothing_after_it(forge, call, one, now, tokens):
    """The two calls come at once: the order of their transactions must not leave a token behind, or a live app."""
    caller, invocation = call(one)
    admitted = forge.database.find_forge(ari(one))
    forge.removed(caller, invocation, now=now)
    late = replace(invocation, issued_at=now + timedelta(hours=2))
    with pytest.raises(InstallationUnknown):
        SystemTokens(forge.database, forge.vault).keep(admitted, late, system_token=Secret("late"), now=late.issued_at)
    assert tokens(caller.tenant) == ([], [])
    assert forge.database.find_forge(ari(one)).state is UNINSTALLED


@pytest.mark.parametrize(("days", "is_same"), [(1, True), (30, True), (31, False)])
def test_a_reinstall_finds_its_data_within_the_retention(forge, call, one, another, now, audited, days, is_same):
    caller, invocation = call(one)
    forge.removed(caller, invocation, now=now)
    again = call(another, at=now + timedelta(days=days))[0]
    assert (again.tenant == caller.tenant) is is_same
    assert ("installation.returned" in audited(again.tenant)) is is_same


def test_a_reinstall_that_nobody_announced_supersedes_the_one_before(call, one, another, now, database, tokens):
    tenant = call(one)[0].tenant
    later = now + timedelta(days=400)  # alive all the while: an active installation has no retention
    assert call(another, at=later)[0].tenant == tenant
    assert database.find_forge(ari(one)).state is SUSPENDED
    assert tokens(tenant) == ([(1, later)], [1])
    with pytest.raises(InstallationUnknown):
        call(one, at=later)


def test_another_environment_of_the_same_site_is_another_tenant(forge, call, one, another, forge_rules):
    both = replace(forge, rules=replace(forge_rules, environments=frozenset({"PRODUCTION", "DEVELOPMENT"})))
    production = call(one, by=both)[0]
    development = call(another, by=both, environment="DEVELOPMENT")[0]
    assert production.tenant != development.tenant
    assert (production.environment, development.environment) == ("production", "development")
    with pytest.raises(refusals.EnvironmentRefused):
        call(another, environment="DEVELOPMENT")


@pytest.fixture
def connect(lifecycle, body, claims, name, now, database):
    """An installed Connect site."""

    def connect(**changes):
        lifecycle.installed(body(name, **changes), claims(name), now=now)
        return database.find_connect(ClientKey(name))

    return connect


def test_a_connect_tenant_is_found_by_the_key_that_jira_keeps(
    call, one, name, cloud, sites, connect, audited, database
):
    tenant = connect().tenant
    sites.client_keys[cloud] = ClientKey(name)
    assert call(one)[0].tenant == tenant
    assert sites.asked == [(f"{API}/ex/jira/{cloud}", "io.pledge.app", "Bearer system")]
    assert database.find_connect(ClientKey(name)).forge_installation == ari(one)
    assert database.view_tenant(tenant).client_key is None
    assert audited(tenant) == ["installation.added", "installation.moved"]
    call(one)
    assert len(sites.asked) == 1


def test_a_first_contact_writes_connects_row_before_the_tenants_as_an_installed_does(
    call, one, another, name, cloud, sites, connect, lifecycle, body, claims, now, database
):
    """In two orders they could wait for each other, and one of the two calls would fail."""
    rows = ("UPDATE registry.connect_installations", "app.tenants SET", "INTO app.tenants")
    written = []

    def remember(_connection, _cursor, statement, *_):
        written.extend(row for row in rows if row in statement)

    connect()
    sites.client_keys[cloud] = ClientKey(name)
    call(one)
    engine = database._engines.writing
    event.listen(engine, "before_cursor_execute", remember)
    try:
        call(another, at=now + SECOND)
        moved = written.copy()
        written.clear()
        lifecycle.installed(body(name), claims(name), now=now)
    finally:
        event.remove(engine, "before_cursor_execute", remember)
    assert len(moved) > 1
    assert {moved[0], written[0]} == {rows[0]}
    assert rows[0] not in moved[1:]


@pytest.mark.parametrize("answer", [None, ClientKey("never-installed-here")])
def test_a_site_without_a_connect_tenant_of_ours_gets_one_of_its_own(call, one, cloud, sites, connect, answer):
    tenant = connect().tenant
    sites.client_keys[cloud] = answer
    assert call(one)[0].tenant != tenant


def test_while_jira_cannot_say_whose_the_site_is_nothing_is_decided(
    call, open_page, one, cloud, sites, tenants, name, connect, database
):
    def waiting():
        with database.begin() as uow:
            return [each.waits_for for each in uow.registry.list_contacts() if each.forge_installation == ari(one)]

    connect()
    before = tenants()
    sites.client_keys[cloud] = JiraUnavailable(60)
    for _ in range(2):
        with pytest.raises(JiraUnavailable):
            call(one)
    for attempt in (lambda: call(one, token=None), lambda: open_page(one)):
        with pytest.raises(TokenAwaited):
            attempt()
    assert tenants() == before
    assert waiting() == ["jira"]  # by one row that is not written again for each call
    sites.client_keys[cloud] = ClientKey(name)
    assert call(one)[0].tenant
    assert tenants() == before
    assert waiting() == []


def test_a_flood_of_calls_that_wait_writes_nothing(open_page, one, now, shared):
    """Not even a lock of the row: nothing limits these calls yet, because nobody knows whose they are."""
    row = "SELECT ctid::text, xmin::text, xmax::text FROM registry.forge_contacts WHERE forge_installation = %s"
    seen = []
    for at in (now, now, now + 10 * MINUTE, now + 11 * MINUTE):
        with pytest.raises(TokenAwaited):
            open_page(one, at=at)
        seen.append(shared.rows(row, ari(one)))
    assert seen[0] == seen[1] == seen[2] != seen[3]


def test_who_waits_and_calls_no_more_is_forgotten(open_page, one, now, database):
    for at in (now, now + 9 * MINUTE, now + 11 * MINUTE):
        with pytest.raises(TokenAwaited):
            open_page(one, at=at)
    upkeep = ForgeUpkeep(database)

    def last_call():
        with database.begin() as uow:
            return [each.last_at for each in uow.registry.list_contacts() if each.forge_installation == ari(one)]

    assert last_call() == [now + 11 * MINUTE]
    upkeep.mark_vanished(now=now + 11 * MINUTE + GONE_AFTER)
    assert last_call() == [now + 11 * MINUTE]
    upkeep.mark_vanished(now=now + 11 * MINUTE + GONE_AFTER + SECOND)
    assert last_call() == []


def test_a_later_version_of_the_app_is_audited_once_and_an_older_call_that_comes_late_is_not(
    call, one, now, shared, database
):
    versions = ["1.0.0", "1.0.4", "1.1.0", "3.0.0", "2.5.0", "3.0.0", None, "what"]
    for version in versions:
        caller = call(one, at=now, appVersion=version)[0]
    query = "SELECT detail FROM app.audit_entries WHERE tenant_id = %s AND action = 'installation.upgraded'"
    made = {(detail["from_version"], detail["to_version"]) for (detail,) in shared.rows(query, caller.tenant)}
    assert made == {("1.0.0", "1.1.0"), ("1.1.0", "3.0.0")}
    assert len(shared.rows(query, caller.tenant)) == 2
    assert database.find_forge(ari(one)).app_version == "3.0.0"


def test_the_first_version_that_is_told_of_an_older_installation_is_no_upgrade(call, one, now, audited, database):
    tenant = call(one, appVersion=None)[0].tenant
    call(one, appVersion="4.2.0")
    assert database.find_forge(ari(one)).app_version == "4.2.0"
    assert audited(tenant) == ["installation.added"]


@pytest.mark.parametrize("minutes", [29, 31])
def test_a_call_that_is_repeated_with_another_token_seals_nothing_however_late(call, forge, one, now, tokens, minutes):
    tenant = call(one)[0].tenant
    issued = now + timedelta(minutes=minutes)
    signed = fit(forge_cloud(forge, one), one, at=issued)
    for token in ("system", "planted"):
        forge.admit_system(signed, module_keys=EVENTS, system_token=Secret(token), now=issued + 29 * SECOND)
    sealed = (1, now) if minutes < 30 else (2, issued)
    assert tokens(tenant) == ([sealed], [sealed[0]])


def test_attack_by_replay_with_a_token_of_a_first_call_that_brought_none(
    call, forge, forge_rules, one, cloud, now, tokens
):
    plain = replace(forge, rules=replace(forge_rules, connect_app_key=None))
    signed = fit(cloud, one, at=now)
    for seconds, token in enumerate((None, Secret("planted"), Secret("planted")), start=1):
        caller, _ = plain.admit_system(
            signed, module_keys=EVENTS, system_token=token, now=now + timedelta(seconds=seconds)
        )
    assert tokens(caller.tenant) == ([], [])
    later = now + 2 * SECOND
    call(one, at=later)
    assert tokens(caller.tenant) == ([(1, later)], [1])


def forge_cloud(forge, installation):
    return forge.database.find_forge(ari(installation)).cloud_id


def test_a_development_installation_is_never_linked_to_a_connect_tenant(
    forge, call, one, name, cloud, sites, connect, forge_rules
):
    tenant = connect().tenant
    sites.client_keys[cloud] = ClientKey(name)
    development = replace(forge, rules=replace(forge_rules, environments=frozenset({"DEVELOPMENT"})))
    assert call(one, by=development, environment="DEVELOPMENT")[0].tenant != tenant
    assert sites.asked == []


def test_an_app_that_never_was_a_connect_app_asks_nothing(forge, open_page, one, sites, forge_rules):
    alone = replace(forge, rules=replace(forge_rules, connect_app_key=None))
    caller = open_page(one, by=alone)
    assert (caller.account, caller.kind) == ("557058:someone", CallerKind.PERSON)
    assert sites.asked == []


def test_a_secret_that_connect_renews_does_not_take_a_moved_tenant_back(
    call, one, name, cloud, sites, connect, lifecycle, body, claims, now, database
):
    tenant = connect().tenant
    sites.client_keys[cloud] = ClientKey(name)
    call(one)
    lifecycle.installed(body(name, shared_secret=Secret("r" * 40)), claims(name, now + MINUTE), now=now + MINUTE)
    assert database.find_connect(ClientKey(name)).secret_version == 2
    assert database.view_tenant(tenant).client_key is None


def test_when_forge_was_removed_connect_takes_its_tenant_back(
    forge, call, one, name, cloud, sites, connect, lifecycle, body, claims, now, database
):
    tenant = connect().tenant
    sites.client_keys[cloud] = ClientKey(name)
    caller, invocation = call(one)
    forge.removed(caller, invocation, now=now)
    lifecycle.installed(body(name), claims(name, now + MINUTE), now=now + MINUTE)
    assert database.view_tenant(tenant).client_key == name


@pytest.mark.parametrize(("issue", "is_refused"), [(None, False), ("10001", False), ("10002", True), ("١٠٠٠١", True)])
def test_the_issue_of_a_page_is_the_issue_of_its_token(call, open_page, one, issue, is_refused):
    call(one)
    if is_refused:
        with pytest.raises(ObjectMismatch):
            open_page(one, issue=issue)
    else:
        assert open_page(one, issue=issue).account == "557058:someone"
