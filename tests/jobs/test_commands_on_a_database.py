"""The commands that look after a database, on a real one, as the real roles."""

import json
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app import wiring
from app.domain.identifiers import ClientKey
from app.domain.installations.model import ConnectInstallBody
from app.domain.secrets import Secret
from app.protocol.connect_jwt import InstallClaims
from app.store.administration import urls_of
from app.store.revision import newest_revision

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def set_up(monkeypatch, keyring_file, tmp_path):
    """Point the environment at a database of these URLs."""

    def point(*, web, worker, owner, backup=None):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PLEDGE_PROFILE", "development")
        monkeypatch.setenv("PLEDGE_KEYRING_FILE", str(keyring_file))
        monkeypatch.setenv("PLEDGE_AUDIT_SIGNING_KEY_FILE", str(keyring_file.with_name("audit-signing.key")))
        monkeypatch.setenv("PLEDGE_DATABASE_URL", web)
        monkeypatch.setenv("PLEDGE_DATABASE_WORKER_URL", worker)
        monkeypatch.setenv("PLEDGE_DATABASE_OWNER_URL", owner)
        if backup is not None:
            monkeypatch.setenv("PLEDGE_DATABASE_BACKUP_URL", backup)

    return point


@pytest.fixture
def on_database(pledge, set_up, database):
    set_up(web=database.web, worker=database.worker, owner=database.owner)
    return pledge


@pytest.fixture
def on_empty_database(pledge, set_up, cluster):
    """A database in which nothing has been done yet."""
    with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE untouched OWNER pledge_owner")
        urls = urls_of(cluster, "untouched")
        set_up(**{name.split("_")[1].replace("url", "web"): url for name, url in urls.items()})
        yield pledge
        connection.execute("DROP DATABASE untouched WITH (FORCE)")


def test_an_empty_database_is_migrated_then_every_rule_holds(on_empty_database):
    before = on_empty_database("db", "check", "--json")
    assert before.code == 1
    (finding,) = json.loads(before.out)["findings"]
    assert finding == f"migrations: the database is at None, this code needs {newest_revision()}"

    for _ in range(2):  # safe to repeat
        upgraded = on_empty_database("db", "upgrade")
        assert (upgraded.code, upgraded.out) == (0, f"at version {newest_revision()}\n")

    after = on_empty_database("db", "check", "--json")
    assert json.loads(after.out) == {"ok": True, "findings": []}
    assert after.code == 0
    assert on_empty_database("db", "check").out == "every rule holds\n"


def test_doctor_finds_nothing_where_all_is_well(on_database):
    outcome = on_database("doctor", "--json")
    found = json.loads(outcome.out)
    assert (outcome.code, found["ok"], found["findings"]) == (0, True, [])
    assert (found["jira"]["left"], found["jira"]["stopped_until"], found["jira"]["waiting"]) == (65_000, None, [])
    said = on_database("doctor").out.splitlines()
    assert said[0] == "all is well"
    assert re.fullmatch(r"Jira: 65000 of 65000 points left until \d\d:00 UTC", said[1])
    assert len(said) == 2


def test_doctor_says_who_waits_for_jira_until_when_and_why(on_database, database):
    database.execute(
        "INSERT INTO registry.jira_quota (tenant_id, background_until, refused_at, reason) VALUES"
        " (7, now() + interval '1 hour', NULL, 'jira-burst-based'), (8, NULL, now(), NULL), (9, now(), NULL, NULL)"
    )
    database.execute(
        "UPDATE registry.jira_quota SET background_until = now() + interval '9 minutes' WHERE tenant_id = 0"
    )
    _, _, stopped, *waiting = on_database("doctor").out.splitlines()
    assert re.fullmatch(r"Jira: its quota is spent, all tenants' work waits until \d\d:\d\d:\d\d UTC", stopped)
    assert re.fullmatch(r"Jira: tenant 7 waits until \d\d:\d\d:\d\d UTC \(jira-burst-based\)", waiting[0])
    assert waiting[1:] == ["Jira: tenant 8 waits for points"]


def test_doctor_and_check_see_a_table_that_lost_its_row_security(on_database, database):
    database.execute("ALTER TABLE app.issues NO FORCE ROW LEVEL SECURITY")
    for command in (["doctor"], ["db", "check"]):
        outcome = on_database(*command)
        assert outcome.code == 1
        assert "issues" in outcome.out


def test_the_printed_roles_are_sql_that_a_server_takes_twice(on_database, database):
    script = on_database("db", "roles").out
    statements = [line for line in script.splitlines() if line and not line.startswith("--")]
    assert len(statements) >= 4
    with psycopg.connect(database.superuser, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(script)
    roles = dict(database.rows("SELECT rolname, rolbypassrls FROM pg_roles WHERE rolname ~ '^pledge'"))
    assert roles["pledge_web"] is roles["pledge_worker"] is roles["pledge_owner"] is False


def install(monkeypatch):
    """A site installs, as the lifecycle route would let it."""
    body = ConnectInstallBody(
        key="io.pledge.app",
        client_key=ClientKey("client-key-1"),
        base_url="https://one.atlassian.net",
        display_url="https://one.atlassian.net",
        cloud_id=None,
        product_type="jira",
        shared_secret=Secret("a-made-up-shared-secret-of-forty-chars!!"),
    )
    claims = InstallClaims("client-key-1", None, NOW, NOW + timedelta(minutes=3), b"t" * 32)
    monkeypatch.setattr(wiring.logs, "configure", lambda _: None)
    app = wiring.web_app()
    services = app.extensions["pledge.services"]
    services.lifecycle.installed(body, claims, now=NOW)
    services.database._engines.dispose()


def test_installations_are_listed_without_their_secrets(on_database, monkeypatch):
    assert on_database("installations", "list").out == "no site has installed us yet\n"
    install(monkeypatch)
    outcome = on_database("installations", "list", "--json")
    (row,) = json.loads(outcome.out)
    assert (outcome.code, row["state"], row["site"], row["version"]) == (0, "active", "https://one.atlassian.net", 1)
    assert isinstance(row["tenant"], int)
    line = on_database("installations", "list").out
    assert "https://one.atlassian.net" in line
    assert "made-up" not in line + outcome.out


def test_a_tenant_is_given_another_policy_and_the_audit_log_says_so(on_database, database, monkeypatch):
    install(monkeypatch)
    (row,) = json.loads(on_database("installations", "list", "--json").out)
    tenant = str(row["tenant"])
    assert on_database("installations", "policy", tenant, "kencha").out == f"tenant {tenant}: kencha\n"
    assert database.rows("SELECT policy FROM app.tenants WHERE tenant_id > 0") == [("kencha",)]
    query = "SELECT actor, detail FROM app.audit_entries WHERE action = 'policy.chosen'"
    [(actor, detail)] = database.rows(query)
    assert (actor, detail["policy"]) == ("operator", "kencha")

    unknown = on_database("installations", "policy", tenant, "no-such-policy")
    assert unknown.code == 4
    assert "pledge policy list" in unknown.err
    assert on_database("installations", "policy", "999", "kencha").code == 1
    assert database.rows("SELECT policy FROM app.tenants WHERE tenant_id > 0") == [("kencha",)]


def add_job(database, status):
    query = (
        "INSERT INTO procrastinate_jobs (task_name, args, status, queue_name)"
        " VALUES ('read-issues', '{\"tenant\": 7}', %s, 'default') RETURNING id"
    )
    with psycopg.connect(database.superuser, options="-c search_path=jobs", autocommit=True) as connection:
        return connection.execute(query, [status]).fetchone()[0]


def test_a_failed_job_is_in_sight_until_it_is_given_back(on_database, database):
    none = on_database("jobs", "failed", "--json")
    assert (none.code, json.loads(none.out)) == (0, [])
    failed, waiting = add_job(database, "failed"), add_job(database, "todo")

    found = on_database("jobs", "failed", "--json")
    assert found.code == 1
    (job,) = json.loads(found.out)
    assert (job["id"], job["status"], job["task"], job["args"]) == (failed, "failed", "read-issues", {"tenant": 7})
    assert f"{failed}  failed   read-issues" in on_database("jobs", "failed").out
    assert [job["id"] for job in json.loads(on_database("jobs", "list", "--json").out)] == [waiting, failed]

    given_back = on_database("jobs", "retry", str(failed))
    assert (given_back.code, given_back.out) == (0, f"job {failed} waits again\n")
    assert database.rows("SELECT status::text FROM jobs.procrastinate_jobs WHERE id = %s", failed) == [("todo",)]
    assert on_database("jobs", "failed").code == 0


def test_a_job_that_did_not_fail_is_not_given_back(on_database, database):
    for job in (add_job(database, "todo"), 999_999):
        outcome = on_database("jobs", "retry", str(job))
        assert outcome.code == 1
        assert "pledge jobs failed" in outcome.err


def test_a_failed_job_whose_work_waits_again_already_stays_failed(on_database, database):
    failed, waiting = add_job(database, "failed"), add_job(database, "todo")
    for job in (failed, waiting):
        database.execute("UPDATE jobs.procrastinate_jobs SET queueing_lock = 'read-issues:7' WHERE id = %s", job)
    outcome = on_database("jobs", "retry", str(failed))
    assert outcome.code == 1
    assert "waiting already" in outcome.err
    assert on_database("jobs", "failed").code == 1


TAMPERING = "SELECT code, sum(count)::int FROM registry.signals WHERE code = 'audit_verify_failed' GROUP BY 1"


@pytest.fixture
def tampered(on_database, database, monkeypatch):
    """An installation whose entry somebody changed."""
    install(monkeypatch)
    database.execute("UPDATE app.audit_entries SET actor = 'nobody'")
    return on_database


def test_tampering_that_is_found_is_shown_and_counted(tampered, database):
    assert tampered("audit", "verify").code == 2
    assert database.rows(TAMPERING) == [("audit_verify_failed", 1)]


def test_tampering_that_cannot_be_counted_is_shown_all_the_same(tampered, database):
    """Who changes entries can also take away the right to count."""
    database.execute("REVOKE INSERT ON registry.signals FROM pledge_worker")
    outcome = tampered("audit", "verify")
    assert outcome.code == 2
    assert "entry altered" in outcome.out
    assert database.rows(TAMPERING) == []


TRACKED = """INSERT INTO app.issues (tenant_id, issue_id, issue_key, project_id, tracking, read_at)
    VALUES (%(tenant)s, 10001, 'SEC-1', 10000, 'tracked', %(at)s);
    INSERT INTO app.clock_events (tenant_id, issue_id, source, kind, at, data, recorded_at) VALUES
    (%(tenant)s, 10001, 'jira:created', 'reported', %(at)s, '{}', %(at)s),
    (%(tenant)s, 10001, 'jira:created', 'severity_set', %(at)s, '{"severity": "high"}', %(at)s)"""


@pytest.fixture
def decide(on_database, database, monkeypatch):
    """`pledge clocks` about an issue that was reported on NOW: `decide("record", "fixed", …)`."""
    install(monkeypatch)
    [(tenant,)] = database.rows("SELECT tenant_id FROM app.tenants WHERE tenant_id > 0")
    with psycopg.connect(database.superuser, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(TRACKED, {"tenant": tenant, "at": NOW})
    return lambda command, *arguments: on_database("clocks", command, str(tenant), *arguments)


def facts(database):
    return database.rows("SELECT kind, source, data FROM app.clock_events WHERE source <> 'jira:created' ORDER BY kind")


def test_a_decision_is_recorded_by_its_id_and_told_as_lines_or_as_json(decide, database):
    at = "2026-11-22T09:00:01Z"
    dry = decide("record", "SEC-1", "fixed", "--at", at, "--id", "f1", "--dry-run", "--json")
    assert (dry.code, json.loads(dry.out)["dry_run"], facts(database)) == (0, True, [])
    done = decide("record", "SEC-1", "fixed", "--at", at, "--id", "f1", "--json")
    told = json.loads(done.out)
    assert told["recorded"] == [{"kind": "fixed", "source": "command:f1"}]
    assert told["clocks"][0]["after"] == "met, due at 2026-12-20T09:00:00Z, that instant included"
    assert decide("record", "10001", "fixed", "--at", at, "--id", "f1").out.startswith("SEC-1: nothing new")
    assert facts(database) == [("fixed", "command:f1", {"actor": "operator"})]


def test_exit_codes_tell_what_the_policy_refuses_from_what_is_wrong(decide, database):
    refused = decide("record", "SEC-1", "paused", "--reason", "lunch")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "refused: security-bug-fix of the policy atlassian-marketplace allows no pause\n"
    malformed = decide("record", "SEC-1", "extended", "--until", "soon")
    assert malformed.code == 1
    assert "until: is not a date" in malformed.err
    assert "reason: is missing; role: is missing" in malformed.err
    assert decide("record", "SEC-1", "met").code == 4
    unknown = decide("ams", "SEC-1", "--key", "AMS-1", "--status", "Needs Coffee")
    assert unknown.code == 1
    assert "'Needs Coffee' is not a known status of AMS: Needs Patch" in unknown.err
    assert decide("ams", "SEC-1", "--status", "Patched").code == 4
    assert facts(database) == []


def test_a_ticket_that_says_the_same_again_tells_nothing_new(decide, database):
    said = (
        "SEC-1",
        "--key",
        "AMS-1",
        "--status",
        "needs patch",
        "--due",
        "2026-12-01",
        "--evidence",
        "https://example.com",
    )
    assert decide("ams", *said).out.startswith("SEC-1: recorded external_bound\n  security-bug-fix: ")
    assert decide("ams", *said).out.startswith("SEC-1: nothing new, this is known already")
    [(kind, source, data)] = facts(database)
    assert (kind, source.startswith("ams:AMS-1:"), data["until"]) == ("external_bound", True, "2026-12-01")


def test_a_file_that_cannot_be_recorded_names_its_lines_and_one_that_is_none_is_refused(decide, database, tmp_path):
    file = tmp_path / "decisions.csv"
    file.write_text("issue,kind,id\nSEC-1,fixed,f1\nSEC-2,fixed,f2\nSEC-1,met,f3\n")
    told = decide("import", str(file), "--json")
    document = json.loads(told.out)
    assert (told.code, document["lines"], document["recorded"]) == (1, 3, 0)
    assert [fault["line"] for fault in document["faults"]] == [3, 4]
    file.write_text("issue,kind\nSEC-1,fixed\n")
    refused = decide("import", str(file))
    assert (refused.code, "the header lacks id" in refused.err) == (1, True)
    assert decide("import", "no-such-file.csv").code == 4
    assert facts(database) == []
    file.write_text("issue,kind,id\nSEC-1,fixed,f1\n")
    tried = decide("import", str(file), "--dry-run")
    assert (tried.code, tried.out) == (0, "1 facts about 1 issues would be recorded; 0 lines told nothing new\n")
    assert facts(database) == []
