"""The move to Forge for all tenants, as the worker's role on the real database: late links, and the end of secrets."""

import uuid
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import ClientKey, CloudId, IssueId
from app.domain.installations.admission import IssuerUnknown
from app.domain.installations.forge_tokens import InstallationUnknown, SystemTokens
from app.domain.installations.model import ForgeContact, ForgeRegistered, Install, InstallationState
from app.domain.installations.moving import Moving, Outcome, Retirement
from app.domain.installations.site import site_access
from app.domain.installations.standing import Holding, Standings
from app.domain.ports import JiraUnavailable
from app.domain.secrets import Secret
from app.protocol.forge_fit import ForgeInvocation
from app.store.database import SqlDatabase, open_engines
from app.vault.door import Door

API = "https://api.atlassian.com"
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
KEPT = 30 * DAY
ADDED = AuditEvent(Action.INSTALLATION_ADDED, "atlassian", "installation/1")
ACTIVE, UNINSTALLED, SUSPENDED = InstallationState.ACTIVE, InstallationState.UNINSTALLED, InstallationState.SUSPENDED


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
def vault(keyring_file):
    return Door.from_keyring_file(Path(keyring_file))


@pytest.fixture
def worker(shared, now):
    engine = open_engines(Flask("moving"), shared.worker, connections=2)
    yield SqlDatabase(engine, clock=lambda: now)
    engine.dispose()


@pytest.fixture
def moving_at(worker, vault, sites):
    """The service as it is at an instant."""

    def moving_at(at, **changes):
        site_of = partial(site_access, worker, vault, app_key="io.pledge.app", clock=lambda: at)
        return replace(Moving(worker, sites, site_of, "io.pledge.app", Retirement(KEPT)), **changes)

    return moving_at


@pytest.fixture
def call(database, vault):
    """A system call of Forge for an installation that is known: a sign of life with a token."""

    def call(known, at, *, as_admitted=False):
        invocation = ForgeInvocation(
            installation_id=known.forge_installation, app_version="1.0.0", environment_type=known.environment,
            environment_id=None, module_type="core:endpoint", module_key="ep-cron", account_id=None,
            has_principal=False, cloud_id=known.cloud_id, site_url=None, api_base_url=f"{API}/ex/jira/{known.cloud_id}",
            license_active=None, context={}, token_id=uuid.uuid4().hex, issued_at=at, expires_at=at + 25 * SECOND,
        )  # fmt: skip
        current = known if as_admitted else database.find_forge(known.forge_installation)
        SystemTokens(database, vault).keep(current, invocation, system_token=Secret("system"), now=at)

    return call


@pytest.fixture
def install_forge(database, call, now):
    """A Forge installation with a tenant of its own, and with a system token unless it is to have none."""

    def install_forge(environment="PRODUCTION", *, at=now, token=True):
        cloud = CloudId(str(uuid.uuid4()))
        with database.begin() as uow:
            tenant, installation = uow.registry.next_ids(None, at)
            uow.enter(tenant)
            known = ForgeRegistered(f"ari:cloud:ecosystem::installation/{uuid.uuid4()}", tenant, installation, cloud,
                                    environment, ACTIVE, at)  # fmt: skip
            url = f"{API}/ex/jira/{cloud}"
            uow.registry.save_forge(known)
            uow.tenants.save_install(
                Install(tenant, installation, None, url, url, cloud, "jira"), region="global", policy="genchi", now=at
            )
            uow.commit(because=ADDED)
        if token:
            call(known, at)
        return database.find_forge(known.forge_installation)

    return install_forge


@pytest.fixture
def connect(lifecycle, body, claims, name, now, database):
    """An installed Connect site."""
    lifecycle.installed(body(name), claims(name), now=now)
    return database.find_connect(ClientKey(name))


@pytest.fixture
def linked(install_forge, moving_at, sites, connect, now, database):
    """That site, moved."""
    forge = install_forge()
    sites.client_keys[forge.cloud_id] = connect.client_key
    assert link(moving_at(now), forge, now=now).outcome is Outcome.LINKED
    return database.find_forge(forge.forge_installation)


@pytest.fixture
def audited(shared):
    def audited(tenant):
        query = """SELECT action, actor, target, detail FROM app.audit_entries
            WHERE tenant_id = %s AND action LIKE 'installation%%' ORDER BY action"""
        return shared.rows(query, tenant)

    return audited


@pytest.fixture
def secrets(shared):
    """(purpose, row) of every envelope of that tenant."""
    query = "SELECT purpose, row_id FROM app.sealed_secrets WHERE tenant_id = %s ORDER BY 1"
    return lambda tenant: shared.rows(query, tenant)


def link(moving, known, *, now):
    return moving.link(known, connect_tenants=moving.connect_tenants(), now=now)


def test_a_site_that_got_a_tenant_of_its_own_is_linked_to_the_one_that_jira_names(
    install_forge, moving_at, sites, connect, now, database, audited, secrets
):
    forge = install_forge()
    sites.client_keys[forge.cloud_id] = connect.client_key
    attempt = link(moving_at(now), forge, now=now)
    assert (attempt.outcome, attempt.tenant) == (Outcome.LINKED, connect.tenant)
    assert sites.asked == [(f"{API}/ex/jira/{forge.cloud_id}", "io.pledge.app", "Bearer system")]
    assert database.find_forge(forge.forge_installation) == replace(forge, tenant=connect.tenant)
    moved = database.find_connect(connect.client_key)
    assert moved == replace(connect, forge_installation=forge.forge_installation, linked_at=now)
    there = database.view_tenant(connect.tenant)
    assert (there.client_key, there.base_url) == (None, f"{API}/ex/jira/{forge.cloud_id}")
    assert secrets(forge.tenant) == []  # its token was sealed for the tenant that was left
    assert [row[:2] for row in audited(connect.tenant)] == [
        ("installation.added", "atlassian"),
        ("installation.moved", "operator"),
    ]
    [_, left] = audited(forge.tenant)
    assert left[0] == "installation.moved"
    assert left[3] == {"to_tenant": connect.tenant}


def test_a_second_backfill_finds_it_linked_and_asks_nobody(linked, moving_at, sites, now, audited):
    asked, entries = len(sites.asked), audited(linked.tenant)
    assert link(moving_at(now), linked, now=now).outcome is Outcome.ALREADY
    assert len(sites.asked) == asked
    assert audited(linked.tenant) == entries


def test_what_the_tenant_that_was_left_followed_is_read_for_the_other(
    install_forge, moving_at, sites, connect, now, database, shared
):
    """Each event was for one tenant only: an issue that only the other knew would have no clock any more."""
    forge = install_forge()
    sites.client_keys[forge.cloud_id] = connect.client_key
    with database.begin(forge.tenant) as uow:
        uow.issues.ask_read(IssueId(7), now=now)
        uow.commit(because=Bookkeeping.READ_ASKED)
    shared.execute(
        """INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
        VALUES (%s, 8, 'A-8', 1, 'tracked', now()), (%s, 9, 'A-9', 1, 'not_tracked', now())""",
        forge.tenant,
        forge.tenant,
    )
    link(moving_at(now), forge, now=now)
    assert shared.rows(
        "SELECT issue_id FROM app.pending_reads WHERE tenant_id = %s ORDER BY 1", connect.tenant
    ) == [(7,), (8,)]  # fmt: skip


def test_a_backfill_that_was_killed_after_the_link_is_finished_by_the_next(
    install_forge, moving_at, sites, connect, now, database, secrets, audited
):
    forge, moving = install_forge(), moving_at(now)
    moving._link(forge, connect.client_key, now=now)
    assert secrets(forge.tenant) != []
    [half] = [each for each in moving.candidates() if each.forge_installation == forge.forge_installation]
    assert half.left_tenant == forge.tenant
    for _ in range(2):
        assert link(moving, half, now=now).outcome is Outcome.ALREADY
    assert database.find_forge(forge.forge_installation).left_tenant is None
    assert secrets(forge.tenant) == []
    assert [row[0] for row in audited(forge.tenant)] == ["installation.added", "installation.moved"]


@pytest.mark.parametrize("environment", ["DEVELOPMENT", "STAGING"])
def test_a_development_or_staging_installation_is_never_linked_though_jira_names_a_tenant(
    install_forge, moving_at, sites, connect, now, database, environment
):
    """All environments share one audience: anybody may install his own on a customer's site of which he is admin."""
    forge = install_forge(environment)
    sites.client_keys[forge.cloud_id] = connect.client_key
    assert link(moving_at(now), forge, now=now).outcome is Outcome.APART
    assert sites.asked == []
    assert database.find_forge(forge.forge_installation) == forge
    assert database.find_connect(connect.client_key) == connect


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(None, Outcome.APART), (ClientKey("of-nobody"), Outcome.REFUSED), (JiraUnavailable(60), Outcome.WAITING)],
)
def test_without_a_tenant_that_jira_names_nothing_is_linked(
    install_forge, moving_at, sites, now, database, answer, outcome
):
    forge = install_forge()
    sites.client_keys[forge.cloud_id] = answer
    attempt = link(moving_at(now), forge, now=now)
    assert attempt.outcome is outcome
    assert attempt.reason
    assert attempt.is_open is (outcome is not Outcome.APART)
    assert database.find_forge(forge.forge_installation) == forge


@pytest.mark.parametrize("hours", [None, 3])
def test_without_a_good_token_it_waits_and_the_next_hourly_call_makes_it_possible(
    install_forge, moving_at, sites, connect, call, now, hours
):
    forge = install_forge(token=hours is not None)
    sites.client_keys[forge.cloud_id] = connect.client_key
    later = now + timedelta(hours=hours or 0)
    assert link(moving_at(later), forge, now=later).outcome is Outcome.WAITING
    assert sites.asked == []
    call(forge, later)
    assert link(moving_at(later), forge, now=later).outcome is Outcome.LINKED


def test_a_tenant_with_a_live_forge_installation_gets_no_second_one(linked, install_forge, moving_at, sites, now):
    other = install_forge()
    sites.client_keys[other.cloud_id] = sites.client_keys[linked.cloud_id]
    attempt = link(moving_at(now), other, now=now)
    assert attempt.outcome is Outcome.REFUSED
    assert str(linked.tenant) in attempt.reason


def test_one_that_is_removed_while_the_backfill_runs_is_not_linked(
    install_forge, moving_at, sites, connect, now, database
):
    forge = install_forge()
    sites.client_keys[forge.cloud_id] = connect.client_key
    with database.begin(forge.tenant) as uow:
        uow.registry.save_forge(replace(forge, state=UNINSTALLED))
        uow.commit(because=Bookkeeping.FORGE_SEEN)
    assert link(moving_at(now), forge, now=now).outcome is Outcome.REFUSED
    assert database.find_connect(connect.client_key) == connect


def test_without_the_key_of_the_connect_app_nobody_can_be_asked(install_forge, moving_at, now):
    attempt = link(moving_at(now, connect_app_key=None), install_forge(), now=now)
    assert attempt.outcome is Outcome.REFUSED
    assert "PLEDGE_CONNECT_APP_KEY" in attempt.reason


def test_who_called_and_could_not_be_placed_is_reported_as_waiting(database, moving_at, now):
    waiting = {}
    for what in ("token", "jira"):
        waiting[what] = ForgeContact(f"ari:{uuid.uuid4()}", CloudId(str(uuid.uuid4())), what, now, now)
        with database.begin() as uow:
            uow.registry.save_contact(waiting[what])
            uow.commit(because=Bookkeeping.CONTACT_KEPT)
    found = {each.forge_installation: each for each in moving_at(now).contacts()}
    for contact in waiting.values():
        attempt = found[contact.forge_installation]
        assert (attempt.tenant, attempt.outcome) == (None, Outcome.WAITING)
    assert len({found[each.forge_installation].reason for each in waiting.values()}) == 2


def test_the_secret_is_destroyed_when_its_time_is_over_and_its_tokens_are_refused(
    linked, connect, moving_at, call, admit, now, database, secrets, audited
):
    due = now + KEPT
    call(linked, due)
    moving_at(due - SECOND).retire(now=due - SECOND)
    assert admit(connect.client_key, at=due - SECOND).tenant == linked.tenant
    assert moving_at(due).retire(now=due) == 1
    assert moving_at(due).retire(now=due) == 0
    retired = database.find_connect(connect.client_key)
    assert (retired.state, retired.retired_at) == (UNINSTALLED, due)
    assert secrets(linked.tenant) == [("forge-token", str(linked.installation))]
    with pytest.raises(IssuerUnknown):
        admit(connect.client_key, at=due + SECOND)
    assert audited(linked.tenant)[-1] == (
        "installation.retired",
        "system",
        f"installation/{connect.installation}",
        {"moved_to_installation": linked.installation},
    )
    assert database.view_tenant(linked.tenant).client_key is None


@pytest.mark.parametrize("days", [1, 29, 30])
def test_a_lifecycle_event_of_connect_after_the_move_begins_the_time_anew(
    linked, connect, moving_at, call, lifecycle, body, claims, now, days
):
    renewed = now + days * DAY - SECOND
    lifecycle.installed(body(connect.client_key), claims(connect.client_key, renewed), now=renewed)
    call(linked, now + KEPT)
    assert moving_at(now + KEPT).retire(now=now + KEPT) == 0
    call(linked, renewed + KEPT)
    assert moving_at(renewed + KEPT).retire(now=renewed + KEPT) == 1


@pytest.mark.parametrize("what", ["silent", "without a token", "removed", "vanished"])
def test_nothing_is_retired_while_the_tenant_has_no_live_forge_installation(
    linked, connect, moving_at, call, admit, now, database, what
):
    due = now + KEPT
    call(linked, due - timedelta(hours=3))
    states = {"removed": UNINSTALLED, "vanished": SUSPENDED}
    with database.begin(linked.tenant) as uow:
        if what in states:
            current = database.find_forge(linked.forge_installation)
            uow.registry.save_forge(replace(current, state=states[what]))
            uow.tenants.mark_uninstalled(linked.installation, due)
        uow.commit(because=Bookkeeping.FORGE_SEEN)
    at = due + 4 * DAY if what == "silent" else due
    assert moving_at(at).retire(now=at) == 0
    assert admit(connect.client_key, at=at).tenant == connect.tenant


def test_a_connect_installation_that_has_not_moved_is_never_retired(connect, moving_at, admit, now):
    later = now + 1000 * DAY
    moving_at(later).retire(now=later)
    assert admit(connect.client_key, at=later).tenant == connect.tenant


def test_a_link_whose_date_was_not_kept_counts_from_the_day_it_is_noticed(
    linked, connect, moving_at, call, now, shared, database
):
    query = "UPDATE registry.connect_installations SET linked_at = NULL WHERE client_key = %s"
    shared.execute(query, connect.client_key)
    noticed = now + 100 * DAY
    call(linked, noticed)
    assert moving_at(noticed).retire(now=noticed) == 0
    assert database.find_connect(connect.client_key).linked_at == noticed
    call(linked, noticed + KEPT)
    assert moving_at(noticed).retire(now=noticed + KEPT) == 1


@pytest.fixture
def retired(linked, connect, moving_at, call, now):
    """That site after its secret was destroyed; returns when."""
    call(linked, now + KEPT)
    assert moving_at(now + KEPT).retire(now=now + KEPT) == 1
    return now + KEPT


def test_no_secret_is_taken_for_a_retired_installation_while_forge_lives(
    retired, connect, linked, lifecycle, body, claims, admit, database, secrets
):
    """The body of a signed install is covered by no signature: this door is closed once nobody needs it."""
    before = database.find_connect(connect.client_key)
    lifecycle.installed(
        body(connect.client_key, shared_secret=Secret("r" * 40)),
        claims(connect.client_key, retired + SECOND),
        now=retired + SECOND,
    )
    assert database.find_connect(connect.client_key) == before
    assert secrets(linked.tenant) == [("forge-token", str(linked.installation))]
    with pytest.raises(IssuerUnknown):
        admit(connect.client_key, "r" * 40, at=retired + 2 * SECOND)


def test_a_site_that_goes_back_to_connect_is_taken_back(
    retired, connect, linked, lifecycle, body, claims, admit, database
):
    with database.begin(linked.tenant) as uow:
        uow.registry.save_forge(replace(database.find_forge(linked.forge_installation), state=UNINSTALLED))
        uow.tenants.mark_uninstalled(linked.installation, retired)
        uow.commit(because=Bookkeeping.FORGE_SEEN)
    later = retired + DAY
    lifecycle.installed(body(connect.client_key), claims(connect.client_key, later), now=later)
    assert admit(connect.client_key, at=later).tenant == connect.tenant
    assert database.find_connect(connect.client_key).retired_at is None


@pytest.fixture
def standing(worker):
    """The row of one tenant."""
    standings = Standings(worker, Retirement(KEPT))
    return lambda tenant: next(each for each in standings.all() if each.tenant == tenant)


def test_the_status_of_a_tenant_says_what_it_holds_and_when_its_secret_retires(
    connect, install_forge, moving_at, sites, standing, call, now, database
):
    assert (standing(connect.tenant).holds, standing(connect.tenant).is_linked) == (Holding.CONNECT, False)
    forge = install_forge()
    assert standing(forge.tenant).holds is Holding.FORGE
    sites.client_keys[forge.cloud_id] = connect.client_key
    link(moving_at(now), forge, now=now)
    both = standing(connect.tenant)
    assert (both.holds, both.linked_at, both.retires_at, both.retired_at) == (Holding.BOTH, now, now + KEPT, None)
    call(forge, now + KEPT)
    moving_at(now + KEPT).retire(now=now + KEPT)
    moved = standing(connect.tenant)
    assert (moved.holds, moved.is_linked, moved.retires_at, moved.retired_at) == (Holding.FORGE, True, None, now + KEPT)
    with database.begin(connect.tenant) as uow:
        uow.registry.save_forge(replace(database.find_forge(forge.forge_installation), state=SUSPENDED))
        uow.commit(because=Bookkeeping.FORGE_SEEN)
    assert standing(connect.tenant).holds is Holding.VANISHED


def test_the_status_shows_the_removed_and_those_that_wait(connect, lifecycle, body, claims, standing, worker, now):
    later = now + DAY
    lifecycle.uninstalled(body(connect.client_key), claims(connect.client_key, later), now=later)
    assert standing(connect.tenant).holds is Holding.REMOVED
    waiting = [each for each in Standings(worker, Retirement(KEPT)).all() if each.tenant is None]
    assert {each.holds for each in waiting} <= {Holding.WAITING}


def test_a_call_that_was_admitted_just_before_the_link_seals_nothing_for_the_tenant_that_was_left(
    install_forge, moving_at, sites, connect, database, now, secrets, call
):
    forge = install_forge()
    sites.client_keys[forge.cloud_id] = connect.client_key
    admitted = database.find_forge(forge.forge_installation)
    assert link(moving_at(now), forge, now=now).outcome is Outcome.LINKED
    with pytest.raises(InstallationUnknown):
        call(admitted, now + DAY, as_admitted=True)
    assert secrets(forge.tenant) == []
    call(admitted, now + DAY)
    assert ("forge-token", str(forge.installation)) in secrets(connect.tenant)
