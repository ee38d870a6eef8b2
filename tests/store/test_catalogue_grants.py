"""The lint of the catalogue finds every power, grant and owner that is not written down."""

import pytest

from app.store.administration import check

MISTAKES = {
    "TRUNCATE granted": ("GRANT TRUNCATE ON app.issues TO pledge_web", "app.issues pledge_web TRUNCATE"),
    "REFERENCES granted": ("GRANT REFERENCES ON app.issues TO pledge_worker", "app.issues pledge_worker REFERENCES"),
    "TRIGGER granted": ("GRANT TRIGGER ON app.issues TO pledge_web", "app.issues pledge_web TRIGGER"),
    "MAINTAIN granted": ("GRANT MAINTAIN ON app.issues TO pledge_web", "app.issues pledge_web MAINTAIN"),
    "the web may change issues": ("GRANT UPDATE ON app.issues TO pledge_web", "app.issues pledge_web UPDATE"),
    "one column of it may be changed": (
        "GRANT UPDATE (severity_level) ON app.issues TO pledge_web",
        "app.issues.severity_level pledge_web UPDATE",
    ),
    "audit entries may be deleted": (
        "GRANT DELETE ON app.audit_entries TO pledge_worker",
        "app.audit_entries pledge_worker DELETE",
    ),
    "a grant that can be passed on": (
        "GRANT SELECT ON app.issues TO pledge_web WITH GRANT OPTION",
        "app.issues pledge_web SELECT WITH GRANT OPTION",
    ),
    "everyone may read a table": ("GRANT SELECT ON app.issues TO PUBLIC", "app.issues PUBLIC SELECT"),
    "everyone may enter a schema": ("GRANT USAGE ON SCHEMA app TO PUBLIC", "schema app PUBLIC USAGE"),
    "the backup may write": ("GRANT INSERT ON app.issues TO pledge_backup", "app.issues pledge_backup INSERT"),
    "the worker may take installation ids": (
        "GRANT USAGE ON SEQUENCE registry.installation_ids TO pledge_worker",
        "registry.installation_ids pledge_worker USAGE",
    ),
    "a grant is missing": (
        "REVOKE SELECT ON app.issues FROM pledge_web",
        "written down but not granted: app.issues pledge_web SELECT",
    ),
    "tables to come are granted": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE pledge_owner IN SCHEMA app GRANT ALL ON TABLES TO pledge_web",
        "tables to come are granted in advance: pledge_owner INSERT",
    ),
    "the web may create in a schema": (
        "GRANT CREATE ON SCHEMA app TO pledge_web",
        "an app role may create objects: pledge_web in schema app",
    ),
    "everyone may create in public": (
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "an app role may create objects: pledge_worker in schema public",
    ),
    "the web may create schemas": (
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %%I TO pledge_web', current_database()); END $$",
        "an app role may create objects: pledge_web in the database",
    ),
    "a view with its owner's rights": (
        "CREATE VIEW app.all_issues AS SELECT * FROM app.issues",
        "a view does not run with the rights of its reader: app.all_issues",
    ),
    "a view that switched its reader's rights off": (
        "CREATE VIEW app.all_issues WITH (security_invoker = off) AS SELECT * FROM app.issues",
        "a view does not run with the rights of its reader: app.all_issues",
    ),
    "a function with its owner's rights": (
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM app.issues'",
        "a function runs with the rights of its owner: app.peek",
    ),
    "such a function among the queue's own": (
        "ALTER FUNCTION jobs.procrastinate_unregister_worker_v1(bigint) SECURITY DEFINER",
        "a function runs with the rights of its owner: jobs.procrastinate_unregister_worker_v1",
    ),
    "a function that everyone may call": (
        "CREATE FUNCTION public.peek() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "nobody wrote down this function: public.peek",
    ),
    "a trigger": (
        """CREATE TRIGGER copy BEFORE UPDATE ON app.issues FOR EACH ROW
        EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
        "nobody wrote down this trigger: app.issues copy",
    ),
    "a rule that swallows audit entries": (
        "CREATE RULE swallow AS ON INSERT TO app.audit_entries DO INSTEAD NOTHING",
        "a rule rewrites queries of this table: app.audit_entries swallow",
    ),
    "a table of the web's": (
        "ALTER TABLE app.issues OWNER TO pledge_web",
        "an app role owns something: table app.issues",
    ),
    "a schema of the worker's": (
        "ALTER SCHEMA app OWNER TO pledge_worker",
        "an app role owns something: schema app",
    ),
    "a table of the superuser's": ("ALTER TABLE app.issues OWNER TO postgres", "this is not the owner's: app.issues"),
    "a tenant by default": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET app.tenant = 1', current_database()); END $$",
        "a session begins with a setting that decides about rows: - app.tenant=1",
    ),
}

ROLE_MISTAKES = {
    "the web bypasses row security": (
        "ALTER ROLE pledge_web BYPASSRLS",
        "ALTER ROLE pledge_web NOBYPASSRLS",
        "a role has a power that defeats row security: pledge_web",
    ),
    "the owner bypasses row security": (
        "ALTER ROLE pledge_owner BYPASSRLS",
        "ALTER ROLE pledge_owner NOBYPASSRLS",
        "a role has a power that defeats row security: pledge_owner",
    ),
    "the worker is a superuser": (
        "ALTER ROLE pledge_worker SUPERUSER",
        "ALTER ROLE pledge_worker NOSUPERUSER",
        "a role has a power that defeats row security: pledge_worker",
    ),
    "the worker may make roles": (
        "ALTER ROLE pledge_worker CREATEROLE",
        "ALTER ROLE pledge_worker NOCREATEROLE",
        "a role has a power that defeats row security: pledge_worker",
    ),
    "the web may replicate": (
        "ALTER ROLE pledge_web REPLICATION",
        "ALTER ROLE pledge_web NOREPLICATION",
        "a role has a power that defeats row security: pledge_web",
    ),
    "the web is a member of the owner": (
        "GRANT pledge_owner TO pledge_web",
        "REVOKE pledge_owner FROM pledge_web",
        "a role is a member of another role: pledge_web is a member of pledge_owner",
    ),
    "the worker may read all data": (
        "GRANT pg_read_all_data TO pledge_worker",
        "REVOKE pg_read_all_data FROM pledge_worker",
        "a role is a member of another role: pledge_worker is a member of pg_read_all_data",
    ),
    "the owner is a member of a superuser": (
        "GRANT postgres TO pledge_owner",
        "REVOKE postgres FROM pledge_owner",
        "a role is a member of another role: pledge_owner is a member of postgres",
    ),
    "the web begins with a tenant": (
        "ALTER ROLE pledge_web SET app.tenant = 1",
        "ALTER ROLE pledge_web RESET app.tenant",
        "a session begins with a setting that decides about rows: pledge_web app.tenant=1",
    ),
    "the web may switch triggers off": (
        "GRANT SET ON PARAMETER session_replication_role TO pledge_web",
        "REVOKE SET ON PARAMETER session_replication_role FROM pledge_web",
        "an app role may change a setting of the server: session_replication_role pledge_web",
    ),
}


@pytest.fixture(scope="module")
def spoilt(make_database):
    with make_database() as made:
        yield made


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_deliberate_mistake_is_caught_by_the_owner_and_by_a_web_process_at_its_start(database, starting, mistake):
    statements, finding = MISTAKES[mistake]
    database.execute(statements)
    assert finding in "\n".join(check(database.owner))
    assert finding in "\n".join(starting(database.web))


@pytest.mark.parametrize("mistake", ROLE_MISTAKES)
def test_a_role_with_too_much_power_is_caught(spoilt, starting, mistake):
    """Roles belong to the server, not to a database, so each mistake is undone."""
    spoil, mend, finding = ROLE_MISTAKES[mistake]
    spoilt.execute(spoil)
    try:
        assert finding in check(spoilt.owner)
        assert finding in starting(spoilt.worker)
    finally:
        spoilt.execute(mend)
    assert check(spoilt.owner) == ()
