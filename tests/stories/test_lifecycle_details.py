"""What an installation goes through besides its first day: repetition, races, old events, a failure half way."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
import requests

from app.jobs.schedule import SCHEDULE

STATE = "SELECT tenant_id, state, secret_version, site_url FROM registry.connect_installations WHERE client_key = %s"
TABLES = """
    SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'
        AND relname !~ '^procrastinate_(workers|periodic|events)'
        AND relname !~ '^(audit_(waiting|leaves|checkpoints|anchor)|signals|alerts|jira_quota|metrics)'
        AND relnamespace IN ('app'::regnamespace, 'registry'::regnamespace, 'jobs'::regnamespace)
"""
"""All but what workers write by themselves: heartbeats and ticks, the tables of the log, and counts."""

ROWS = "SELECT * FROM {0} t WHERE t::text !~ %s"
BY_THEMSELVES = "|".join(["secrets.opened", *(job.name for job in SCHEDULE)])
"""What is due each minute may fall between two looks."""
AT_WORK = "SELECT 1 FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') AND args ? 'tenant'"


def everything(database):
    """Table → all its rows."""
    names = [name for (name,) in database.rows(TABLES)]
    return {name: sorted(map(repr, database.rows(ROWS.format(name), BY_THEMSELVES))) for name in names}


@pytest.fixture
def state(genchi):
    """The one registry row of the site."""

    def read():
        [row] = genchi.stack.database.rows(STATE, genchi.seeded.client_key)
        return dict(zip(("tenant", "state", "version", "url"), row, strict=True))

    return read


@pytest.fixture
def install_of(genchi):
    """`install_of(secret, iat=…)` sends an `installed` of the site's client key; the answer's status.

    Each call has a token of its own, also within one second: the token applied last has no effect a second time.
    """

    def send(secret, *, client_key=None, iat=None, event="installed"):
        overrides = {"jti": str(uuid4())} | ({} if iat is None else {"iat": iat, "exp": iat + 900})
        if client_key:
            overrides["iss"] = client_key
        token = genchi.token(kind="install", method="POST", path=f"/connect/{event}", overrides=overrides)
        site = genchi.seeded
        body = {"key": "io.pledge.app", "clientKey": client_key or site.client_key, "baseUrl": site.url}
        return requests.post(
            f"{genchi.stack.url}/connect/{event}",
            json=body | {"sharedSecret": secret, "cloudId": site.cloud_id, "productType": "jira"},
            headers={"Authorization": f"JWT {token}"},
            timeout=30,
        ).status_code

    return send


def verifies(site, secret):
    """Whether a token signed with that secret is accepted."""
    from simulator.signing import claims_for, sign  # the other side's code, so that both ends are never the same

    claims = claims_for("GET", "/", issuer=site.seeded.client_key, sub=site.seeded.people["developer"].account_id)
    token = sign(claims | {"qsh": "context-qsh"}, secret)
    return site.get("/api/v1/issues/10001/clocks", token).status_code == 200


def test_installing_again_keeps_the_tenant_and_makes_one_new_secret_version(genchi, state):
    before = state()
    genchi.lifecycle("install")
    assert state() == before | {"version": before["version"] + 1}
    database = genchi.stack.database
    sealed = database.rows("SELECT version FROM app.sealed_secrets WHERE tenant_id = %s", genchi.tenant)
    assert sealed == [(before["version"] + 1,)]


def test_the_same_secret_again_is_accepted_and_still_verifies(genchi, state, install_of):
    before = state()
    assert install_of(genchi.seeded.installation.secret) == 204
    assert state()["tenant"] == before["tenant"]
    assert verifies(genchi, genchi.seeded.installation.secret)


def test_a_renamed_site_keeps_its_tenant_and_is_framed_under_its_new_name(genchi, state):
    before = state()
    genchi.tracked("10001")
    genchi.lifecycle("rename")
    assert state()["tenant"] == before["tenant"]
    assert state()["url"] == genchi.seeded.url != before["url"]
    policy = genchi.page("SEC-1").headers["Content-Security-Policy"]
    assert f"frame-ancestors {genchi.seeded.url};" in policy
    genchi.lifecycle("rename")


def test_an_older_event_changes_nothing(genchi, state, install_of):
    """A replayed `installed` with an old secret, or a late `uninstalled`, must not undo what came after it."""
    genchi.lifecycle("install")
    before, earlier = state(), int(time.time()) - 120
    assert install_of("o" * 64, iat=earlier) == 204
    assert install_of("o" * 64, iat=earlier, event="uninstalled") == 204
    assert state() == before
    assert not verifies(genchi, "o" * 64)


def test_concurrent_installs_of_one_client_key_leave_exactly_one_secret_that_verifies(genchi, state, install_of):
    secrets = [f"{number:02}".ljust(64, "s") for number in range(80)]
    with ThreadPoolExecutor(8) as senders:
        statuses = list(senders.map(install_of, secrets))
    assert statuses == [204] * 80
    live = [secret for secret in secrets if verifies(genchi, secret)]
    assert len(live) == 1
    database = genchi.stack.database
    sealed = "SELECT version FROM app.sealed_secrets WHERE tenant_id = %s"
    assert database.rows(sealed, genchi.tenant) == [(state()["version"],)]
    assert install_of(genchi.seeded.installation.secret) == 204


def test_a_new_client_key_for_a_site_that_trusts_another_is_refused(genchi, install_of):
    """The address stands in the body, which no signature covers: without the site's own word it suspends nobody."""
    before = everything(genchi.stack.database)
    with ThreadPoolExecutor(8) as senders:
        statuses = set(senders.map(lambda n: install_of(f"{n}".ljust(64, "n"), client_key="newcomer-0001"), range(16)))
    assert statuses == {403}
    assert everything(genchi.stack.database) == before


def test_a_new_client_key_installed_by_eight_at_once_makes_one_tenant(genchi, install_of):
    newcomer = "newcomer-0001"
    site = genchi.stack.simulator.site("genchi")
    trusted, site.installation = site.installation, replace(site.installation, active=False)
    try:
        with ThreadPoolExecutor(8) as senders:
            statuses = list(senders.map(lambda n: install_of(f"{n}".ljust(64, "n"), client_key=newcomer), range(16)))
        assert set(statuses) == {204}
        database = genchi.stack.database
        assert len(database.rows(STATE, newcomer)) == 1
        assert database.rows("SELECT count(*) FROM app.installations WHERE client_key = %s", newcomer) == [(1,)]
        # The address has one active installation at a time: the first site takes it back.
        assert database.rows(STATE, genchi.seeded.client_key)[0][1] == "suspended"
        assert install_of(trusted.secret, iat=int(time.time()) + 1) == 204
        assert database.rows(STATE, genchi.seeded.client_key)[0][1] == "active"
        assert database.rows(STATE, newcomer)[0][1] == "suspended"
    finally:
        site.installation = trusted


@pytest.mark.parametrize("event", ["installed", "uninstalled"])
def test_a_failure_at_the_last_step_leaves_nothing(genchi, install_of, event):
    """The audit entry is written last; when it cannot be, nothing of the event may stay."""
    database = genchi.stack.database
    genchi.stack.eventually(lambda: not database.rows(AT_WORK))
    database.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'")
    database.execute("CREATE TRIGGER refuse BEFORE INSERT ON app.audit_entries EXECUTE FUNCTION refuse()")
    try:
        before, soon = everything(database), int(time.time()) + 5
        for client_key in (None, f"never-{event}"):
            status = install_of("f" * 64, client_key=client_key, event=event, iat=soon)
            # A stranger's `installed` is refused before anything is written, a stranger's `uninstalled` is of nobody.
            assert status >= 500 or (client_key and status == {"installed": 403, "uninstalled": 204}[event])
        assert everything(database) == before
    finally:
        database.execute("DROP TRIGGER refuse ON app.audit_entries")
        database.execute("DROP FUNCTION refuse()")
    assert install_of(genchi.seeded.installation.secret, iat=soon) == 204
