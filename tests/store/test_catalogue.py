"""The lint of the catalogue finds nothing in a migrated database, and in a spoilt one every table, key and policy."""

import pytest

from app.store.administration import check

TABLE = "tenant_id bigint NOT NULL, n bigint"
POLICY = "(tenant_id = (SELECT current_setting('app.tenant')::bigint))"
PROTECTED = f"""CREATE TABLE app.notes ({TABLE}); ALTER TABLE app.notes OWNER TO pledge_owner;
    ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY; ALTER TABLE app.notes FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON app.notes USING {POLICY} WITH CHECK {POLICY}"""

MISTAKES = {
    "row security disabled": (
        "ALTER TABLE app.issues DISABLE ROW LEVEL SECURITY",
        "row security is not enabled and forced: app.issues",
    ),
    "row security not forced on the owner": (
        "ALTER TABLE app.issues NO FORCE ROW LEVEL SECURITY",
        "row security is not enabled and forced: app.issues",
    ),
    "a new table without row security": (
        f"CREATE TABLE app.notes ({TABLE})",
        "row security is not enabled and forced: app.notes",
    ),
    "a protected table with an unprotected partition": (
        f"""CREATE TABLE app.notes ({TABLE}) PARTITION BY LIST (tenant_id);
        ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY; ALTER TABLE app.notes FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON app.notes USING {POLICY} WITH CHECK {POLICY};
        CREATE TABLE app.notes_1 PARTITION OF app.notes FOR VALUES IN (1)""",
        "row security is not enabled and forced: app.notes_1",
    ),
    "a partition in another schema": (
        f"""CREATE TABLE app.notes ({TABLE}) PARTITION BY LIST (tenant_id);
        CREATE TABLE public.notes_1 PARTITION OF app.notes FOR VALUES IN (1)""",
        "nobody wrote down this column: public.notes_1.tenant_id",
    ),
    "a child that inherits": (
        "CREATE TABLE registry.notes () INHERITS (app.issues)",
        "nobody wrote down this column: registry.notes.issue_key",
    ),
    "a materialized view": (
        "CREATE MATERIALIZED VIEW app.copy AS SELECT * FROM app.issues",
        "row security does not reach this kind of table: app.copy",
    ),
    "no tenant_id": (
        "CREATE TABLE app.notes (n bigint)",
        "tenant_id is missing, may be null or is no bigint: app.notes",
    ),
    "tenant_id may be null": (
        "CREATE TABLE app.notes (tenant_id bigint)",
        "tenant_id is missing, may be null or is no bigint: app.notes",
    ),
    "tenant_id of another type": (
        "CREATE TABLE app.notes (tenant_id text NOT NULL)",
        "tenant_id is missing, may be null or is no bigint: app.notes",
    ),
    "no policy": ("DROP POLICY tenant ON app.issues", "the policy is not the canonical one: app.issues"),
    "a policy that lets everything through": (
        "ALTER POLICY tenant ON app.issues USING (true)",
        "the policy is not the canonical one: app.issues",
    ),
    "a policy that lets every row be written": (
        "ALTER POLICY tenant ON app.issues WITH CHECK (true)",
        "the policy is not the canonical one: app.issues",
    ),
    "a policy without WITH CHECK": (
        f"DROP POLICY tenant ON app.issues; CREATE POLICY tenant ON app.issues USING {POLICY}",
        "the policy is not the canonical one: app.issues",
    ),
    "a policy for one command only": (
        f"DROP POLICY tenant ON app.issues; CREATE POLICY tenant ON app.issues FOR SELECT USING {POLICY}",
        "the policy is not the canonical one: app.issues",
    ),
    "a policy for one role only": (
        "ALTER POLICY tenant ON app.issues TO pledge_web",
        "the policy is not the canonical one: app.issues",
    ),
    "a policy that is silent without a tenant": (
        "ALTER POLICY tenant ON app.issues USING (tenant_id = (SELECT current_setting('app.tenant', true)::bigint))",
        "the policy is not the canonical one: app.issues",
    ),
    "a policy on another setting": (
        "ALTER POLICY tenant ON app.issues USING (tenant_id = (SELECT current_setting('app.other')::bigint))",
        "the policy is not the canonical one: app.issues",
    ),
    "a restrictive policy in its place": (
        f"""DROP POLICY tenant ON app.issues;
        CREATE POLICY tenant ON app.issues AS RESTRICTIVE USING {POLICY} WITH CHECK {POLICY}""",
        "the policy is not the canonical one: app.issues",
    ),
    "one more permissive policy": (
        "CREATE POLICY support ON app.issues FOR SELECT USING (true)",
        "more than one policy: app.issues",
    ),
    "a unique index without the tenant": (
        "CREATE UNIQUE INDEX oracle ON app.issues (issue_key)",
        "a key or unique index does not begin with tenant_id: app.oracle",
    ),
    "a unique index with the tenant in second place": (
        "CREATE UNIQUE INDEX oracle ON app.issues (issue_key, tenant_id)",
        "a key or unique index does not begin with tenant_id: app.oracle",
    ),
    "a unique index on an expression": (
        "CREATE UNIQUE INDEX oracle ON app.issues (lower(issue_key), tenant_id)",
        "a key or unique index does not begin with tenant_id: app.oracle",
    ),
    "an exclusion constraint without the tenant": (
        "ALTER TABLE app.issues ADD CONSTRAINT oracle EXCLUDE USING btree (issue_key WITH =)",
        "a key or unique index does not begin with tenant_id: app.oracle",
    ),
    "a foreign key without the tenant": (
        "ALTER TABLE app.issues ADD CONSTRAINT stray FOREIGN KEY (project_id) REFERENCES registry.tenants (tenant_id)",
        "a foreign key does not carry tenant_id first on both sides: app.issues stray",
    ),
    "a foreign key that pairs the tenant with something else": (
        """ALTER TABLE app.clock_bounds ADD CONSTRAINT stray FOREIGN KEY (issue_id, tenant_id)
        REFERENCES app.issues (tenant_id, issue_id)""",
        "a foreign key does not carry tenant_id first on both sides: app.clock_bounds stray",
    ),
    "a foreign key from outside": (
        """ALTER TABLE registry.connect_installations ADD CONSTRAINT stray
        FOREIGN KEY (installation_id) REFERENCES app.tenants (tenant_id)""",
        "a foreign key does not carry tenant_id first on both sides: registry.connect_installations stray",
    ),
    "a table outside the listed schemas": (
        "CREATE TABLE public.notes (n bigint)",
        "nobody wrote down this column: public.notes.n",
    ),
    "a table without columns": ("CREATE TABLE public.notes ()", "nobody wrote down this column: public.notes.None"),
    "another schema": ("CREATE SCHEMA reports", "nobody wrote down this schema: reports"),
    "a well-made table that nobody wrote down": (PROTECTED, "nobody wrote down this column: app.notes.n"),
    "a column for the text of an issue": (
        "ALTER TABLE app.issues ADD COLUMN summary text",
        "nobody wrote down this column: app.issues.summary",
    ),
    "a column for data in the registry": (
        "ALTER TABLE registry.tenants ADD COLUMN name text",
        "nobody wrote down this column: registry.tenants.name",
    ),
    "a column for data in the queue": (
        "ALTER TABLE jobs.procrastinate_jobs ADD COLUMN payload jsonb",
        "nobody wrote down this column: jobs.procrastinate_jobs.payload",
    ),
    "a column that is gone": (
        "ALTER TABLE app.issues DROP COLUMN cvss_vector",
        "written down but not there: app.issues.cvss_vector",
    ),
    "a job that carries data": (
        """SET search_path = jobs; INSERT INTO procrastinate_jobs (queue_name, task_name, args)
        VALUES ('default', 'read-issues', '{"tenant": 1, "summary": "Token in the log"}')""",
        "a job carries more than ids: job 1",
    ),
}


def findings(database):
    return check(database.owner)


def test_a_migrated_database_has_no_findings(database):
    assert findings(database) == ()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_deliberate_mistake_is_caught_by_the_owner_and_by_a_web_process_at_its_start(database, starting, mistake):
    statements, finding = MISTAKES[mistake]
    database.execute(statements)
    assert finding in "\n".join(findings(database))
    assert finding in "\n".join(starting(database.web)) or mistake == "a job that carries data"


def test_a_database_behind_the_code_is_said_to_be_behind_and_nothing_else(database):
    database.execute("UPDATE registry.alembic_version SET version_num = '0001'")
    [finding] = findings(database)
    assert finding.startswith("migrations: the database is at 0001")
